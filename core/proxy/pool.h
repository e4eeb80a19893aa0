/* pool.h -- Idle upstream connections of an endpoint, and new ones when there is none.
 *
 * Owner:      a connection is in use by one stream or idle here, never both.
 * Ownership:  get lends a client; its stream's release brings it back or ends it.
 * Errors:     MG_EFULL (max_connections, the breaker's max_pending), MG_EDNS, MG_ECONNECT, MG_ECONNTIMEOUT, MG_ETLS; `reason`
 *             then says more ("Connection refused").
 * Invariant:  nidle <= conf.max_idle: a full pool closes its oldest connection.  An idle connection
 *             reads on, so a close by the peer is noticed at once.
 */
#ifndef MG_POOL_H
#define MG_POOL_H
#include "net/proxy_header.h"
#include "proxy/endpoint.h"

/* A wait for a connection; lives inside its waiter. */
struct mg_pool_wait {
    struct mg_connect *connect; /* in progress, or NULL */
    struct mg_endpoint *ep;     /* with `connect`: to where */
    struct mg_endpoint *queue;  /* whose free connection it waits for, or NULL */
    struct mg_list link;        /* there */
    /* With a PROXY header: who it is for; NULL: nobody.  Such a connection serves nobody else. */
    const struct mg_proxy_ends *ends;
    void (*fn)(struct mg_pool_wait *, struct mg_client *c, int err, const char *reason);
};

/* MG_OK: *out is a connection that stands (a reused one).  MG_AGAIN: w->fn will tell, never from
 * inside this call.  Else the error.  `fresh`: reuse none. */
int mg_pool_get(struct mg_endpoint *ep, bool fresh, struct mg_pool_wait *w, struct mg_client **out);
/* The waiter gives up; fn will not be called. */
void mg_pool_cancel(struct mg_pool_wait *w);
/* Makes the part of a new endpoint that this file keeps. */
void mg_pool_init(struct mg_endpoint *ep);
/* Closes at most so many idle connections of all endpoints, those first that are idle longest. */
void mg_pool_shed(struct mg_pool_budget *b, uint32_t most);
/* Closes all idle connections. */
void mg_pool_clear(struct mg_endpoint *ep);
#endif
