/* call.h -- An HTTP request of a policy, on the pools that the exchanges use.
 *
 * Owner:      the exchange whose lane made it; freed by mg_call_free() or when that one ends.
 * Ownership:  everything but the response's body lives in the exchange's arena.
 * Errors:     outcomes as mg_forward() in moongate.h; MG_ELIMIT: the body is too long.
 * Invariant:  a lane waits for one call at a time.
 */
#ifndef MG_CALL_H
#define MG_CALL_H
#include "proxy/exchange.h"

struct mg_call;

/* NULL: the method, path (with query) or authority cannot stand in a request. */
struct mg_call *mg_call_make(struct mg_x *x, mg_str method, mg_str path, mg_str authority);
/* MG_EINVAL as mg_headers_add(). */
int mg_call_add_header(struct mg_call *c, mg_str name, mg_str value);
/* Sends it with `body` (copied); MG_AGAIN, and the exchange is woken with the outcome, after `timeout_ms`
 * (0: a pause of the upstream as long as MG_UPSTREAM_IDLE_MS) at the latest.  The response's body has at
 * most `limit` bytes. */
int mg_call_start(struct mg_call *c, struct mg_endpoint *ep, mg_str body, uint32_t timeout_ms,
                  uint64_t limit);
/* The same without a request: a connection is made and closed. */
int mg_call_probe(struct mg_call *c, struct mg_endpoint *ep, uint32_t timeout_ms);
const struct mg_message *mg_call_response(const struct mg_call *c); /* NULL: there is none */
/* Valid until mg_call_end(). */
mg_str mg_call_response_body(const struct mg_call *c);
/* Why it failed, static or in the arena. */
const char *mg_call_reason(const struct mg_call *c);
/* Gives the connection back or closes it, and forgets the call. */
void mg_call_end(struct mg_call *c);
/* Ends all calls of the exchange, without waking it. */
void mg_call_cancel_all(struct mg_x *x);
#endif
