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

/* NULL: out of memory.  The hooks are copied. */
struct mg_proxy *mg_proxy_new(struct mg_loop *loop, const struct mg_exchange_hooks *hooks);
/* Only when no exchange is in progress and no connection is open. */
void mg_proxy_free(struct mg_proxy *p);
/* A listener with how its requests are treated.  A reload changes the settings in place; the
 * connections that it accepted keep it alive after mg_front_close(). */
struct mg_front {
    struct mg_proxy *proxy;
    struct mg_list link; /* in the proxy's, while it accepts */
    struct mg_listener
        *listener; /* NULL: none accepts, mg_front_serve() is what brings connections */
    struct mg_listener_conf conf;
    struct mg_limits limits;
    char *name;
    int fd;
    uint32_t index; /* in the model that new requests begin with */
    uint32_t conns;
    bool closed;
    bool dropped; /* the model has it no more: a request that begins is refused */
};
/* Without a listener, by proxy->listeners[index]; NULL: out of memory. */
struct mg_front *mg_front_new(struct mg_proxy *p, const char *name, uint32_t index);
/* Takes over a connection that stands, and serves it; MG_ENOMEM: it has been closed. */
int mg_front_serve(struct mg_front *f, struct mg_conn *conn);
/* Serves `fd` (bound and listening; the front's own from now on) by proxy->listeners[index]. */
int mg_front_open(struct mg_proxy *p, const char *name, uint32_t index, int fd,
                  struct mg_front **out);
/* Takes the settings of proxy->listeners[index]. */
void mg_front_configure(struct mg_front *f, uint32_t index);
/* Accepts no more; freed when its last connection has ended. */
void mg_front_close(struct mg_front *f);
/* The model has this listener no more: closes it, and its connections after what is in progress. */
void mg_front_drop(struct mg_front *f);

/* No more keep-alive: idle connections close now, busy ones after their answer. */
void mg_proxy_drain(struct mg_proxy *p);
/* Closes up to `most` connections that wait for a request, of one listener or (NULL) of any, those first that
 * wait longest; how many. */
uint32_t mg_proxy_shed(struct mg_proxy *p, const struct mg_front *only, uint32_t most);
/* Frees what exchanges that are not in use keep for the next request. */
void mg_proxy_relieve(struct mg_proxy *p);
/* An exchange without a request, for timers. NULL: out of memory. */
struct mg_x *mg_proxy_background(struct mg_proxy *p);
/* The exchange is through; called by mg_exchange_finish(). */
void mg_downstream_give_back(struct mg_x *x);
#endif
