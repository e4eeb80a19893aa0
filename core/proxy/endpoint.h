/* endpoint.h -- Where requests can go: an address, how to connect to it, and its idle connections.
 *
 * Owner:      a worker has one registry; the model counts references by get() and put(), so an
 *             endpoint that a reload keeps also keeps its connections.
 * Ownership:  the conf's spans are copied.  An endpoint nobody refers to lives on until its last
 *             connection has ended.
 * Errors:     NULL and a text that says why the address cannot stand.
 * Invariant:  conns counts every connection that stands or is being made; active those that carry
 *             a request.  The budget's `used` is the sum of all conns.
 */
#ifndef MG_ENDPOINT_H
#define MG_ENDPOINT_H
#include "http/client.h"
#include "net/resolver.h"
#include "net/tls.h"
#include "proxy/breaker.h"

struct mg_endpoints;

/* Connections of all endpoints together, so that idle ones leave descriptors for others. */
struct mg_pool_budget {
    struct mg_list idle; /* struct mg_pooled, those idle longest first */
    uint32_t used, max;  /* past it one of them is closed for each that is made */
    uint64_t closed;     /* so many were */
};

struct mg_endpoint {
    struct mg_list link; /* in the registry */
    struct mg_endpoints *registry;
    struct mg_endpoint_conf conf; /* its spans point into `texts` */
    char *texts;
    struct mg_name *name;
    struct mg_list idle;    /* struct mg_pooled, newest last */
    struct mg_list waiting; /* struct mg_pool_wait: who may not make a connection, oldest first */
    struct mg_deferred serving; /* gives them what has become free, at the end of the turn */
    uint32_t refs, active, conns, nidle;
};

/* For `max` connections at once, as far as idle ones go.  NULL: out of memory. */
struct mg_endpoints *mg_endpoints_new(struct mg_loop *loop, uint32_t max);
/* From now on connections come from `dial` in place of sockets, and names are not looked up: a
 * rehearsal.  Each is to call on_connect from the loop; NULL: out of memory. */
typedef struct mg_conn *mg_dial(void *arg, const struct mg_endpoint *ep);
void mg_endpoints_dial(struct mg_endpoints *r, mg_dial *dial, void *arg);
/* Whether there is a dial(): then *out is its connection, for `owner`. */
bool mg_endpoint_dial(const struct mg_endpoint *ep, const struct mg_conn_events *events,
                      void *owner, struct mg_conn **out);
/* Probes on a new TCP connection, as the conf says. */
void mg_endpoint_keepalive(const struct mg_endpoint *ep, struct mg_conn *conn);
/* Closes idle connections; the loop must run on until the rest have ended. */
void mg_endpoints_free(struct mg_endpoints *r);
struct mg_loop *mg_endpoints_loop(const struct mg_endpoints *r);
struct mg_pool_budget *mg_endpoints_budget(struct mg_endpoints *r);

/* The endpoint of that conf, counted: the same conf gives the same one.  NULL: *why is static. */
struct mg_endpoint *mg_endpoints_get(struct mg_endpoints *r, const struct mg_endpoint_conf *conf,
                                     const char **why);
/* Gives one reference back. */
void mg_endpoints_put(struct mg_endpoint *ep);
/* Called wherever refs or conns went down: frees an endpoint that nothing needs. */
void mg_endpoint_settle(struct mg_endpoint *ep);
#endif
