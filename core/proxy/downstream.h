/* downstream.h -- Connections of clients, and the exchanges their requests run in.
 *
 * Owner:      a worker has one mg_proxy; it keeps the exchanges that are not in use.
 * Ownership:  an accepted connection belongs to its http server, which ends it.
 * Errors:     out of memory refuses the connection or (503) the request.
 * Invariant:  exchanges are never freed before the proxy: a lane stays bound to its exchange.
 */
#ifndef MG_DOWNSTREAM_H
#define MG_DOWNSTREAM_H
#include "proxy/exchange.h"

struct mg_proxy *mg_proxy_new(struct mg_loop *loop, const struct mg_exchange_hooks *hooks);
/* Only when no exchange is in progress and no connection is open. */
void mg_proxy_free(struct mg_proxy *p);
/* Takes an accepted connection of listener `index`. */
void mg_proxy_accept(struct mg_proxy *p, struct mg_listener *l, uint32_t index,
                     struct mg_conn *conn);
/* No more keep-alive: idle connections close now, busy ones after their answer. */
void mg_proxy_drain(struct mg_proxy *p);
/* An exchange without a request, for timers. NULL: out of memory. */
struct mg_x *mg_proxy_background(struct mg_proxy *p);
/* The exchange is through; called by mg_exchange_finish(). */
void mg_downstream_give_back(struct mg_x *x);
#endif
