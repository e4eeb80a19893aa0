/* exchange_state.h -- What exchange.c (request and tries), exchange_reply.c (the response) and
 * exchange_wait.c (waits, limits, the ways out) share of one exchange.
 *
 * Ownership:  private to those files.
 * Invariant:  what ends a wait (fail, client_gone, wake_any) is called from the loop only, and last:
 *             the lane may have finished the exchange when it returns.
 */
#ifndef MG_EXCHANGE_STATE_H
#define MG_EXCHANGE_STATE_H
#include "proxy/exchange.h"

/* ---- exchange_wait.c ---- */

int mg_exchange_await(struct mg_x *x, enum mg_wait what);
/* Why a wait cannot be begun any more, or MG_OK. */
int mg_exchange_over(const struct mg_x *x);
/* Whatever it waits for will not come. */
void mg_exchange_wake_any(struct mg_x *x, int rc);
/* A head that was queued goes out with the first bytes of its body, or at the end of this turn. */
void mg_exchange_flush_later(struct mg_x *x);
void mg_exchange_flush_heads(struct mg_deferred *d);
/* Ends the try; `whole`: both messages are complete.  end_try() finds that out itself. */
void mg_exchange_stop_try(struct mg_x *x, bool whole);
void mg_exchange_end_try(struct mg_x *x);
void mg_exchange_release_streams(struct mg_x *x);
void mg_exchange_count_bytes(struct mg_x *x);
/* The lane waits for the client's bytes to send them on. */
bool mg_exchange_is_pumping(const struct mg_x *x);
void mg_exchange_arm_try(struct mg_x *x, uint32_t ms);
/* The ways out: the upstream's side failed; the client has left. */
void mg_exchange_fail(struct mg_x *x, int err);
void mg_exchange_client_gone(struct mg_x *x);
void mg_exchange_on_nap_end(struct mg_timer *t);
void mg_exchange_on_rouse(struct mg_deferred *d);
void mg_exchange_on_try_timer(struct mg_timer *t);
void mg_exchange_on_deadline(struct mg_timer *t);

/* ---- exchange_reply.c: events of the streams ---- */

void mg_exchange_on_response_body(struct mg_stream *s, mg_str bytes);
void mg_exchange_on_response_end(struct mg_stream *s);
void mg_exchange_on_up_drain(struct mg_stream *s);
void mg_exchange_on_down_drain(struct mg_stream *s);
#endif
