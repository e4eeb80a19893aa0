/* tcp.h -- Connections over TCP: accepted or made, written at once or, what is short, once a turn.
 *
 * Owner:      see conn.h; the accepted socket belongs to the mg_conn from the start.
 * Errors:     0 or a negative code; on failure nothing is left open and *out is NULL.
 * Invariant:  bytes leave in the order written: what the socket does not take is queued, and all
 *             that follows behind it.  An idle connection holds no buffer (one struct only).
 */
#ifndef MG_TCP_H
#define MG_TCP_H
#include "net/conn.h"
#include "net/proxy_header.h"

/* Takes over an accepted socket (closed on failure).  Sets TCP_NODELAY.  The caller sets events and
 * owner, then starts reading. */
int mg_tcp_adopt(struct mg_loop *loop, int fd, struct mg_conn **out);
/* What the addresses of an accepted connection are from now on (allocated by malloc() and taken over;
 * NULL: those of the socket). */
void mg_tcp_set_ends(struct mg_conn *c, struct mg_proxy_ends *ends);
/* Starts a connect; on_connect tells (UV_ETIMEDOUT when `timeout_ms` have passed; 0: the system's
 * limit).  What is written before is sent when the connection stands. */
int mg_tcp_connect(struct mg_loop *loop, const struct sockaddr *to, uint32_t timeout_ms,
                   const struct mg_conn_events *events, void *owner, struct mg_conn **out);
/* Turns on keep-alive probes of such a connection: after `idle_s` seconds of silence, then every
 * `interval_s`, until `probes` went unanswered; 0: the system's. */
void mg_tcp_keepalive(struct mg_conn *c, uint32_t idle_s, uint32_t interval_s, uint32_t probes);
#endif
