/* overload.h -- The overload manager: what a worker gives up when memory or connections run out, and says so.
 *
 * Four times a second it looks at the worker's memory and its bounds of connections:
 * - memory at 15/16 of its ceiling: idle connections are closed, of clients and upstream, those first
 *   that are idle longest;
 * - memory at its ceiling: new requests get 503 besides, until it is below 15/16 again;
 * - clients wait because a listener, or all together, have no connection left: idle ones make room.
 * It counts the idle connections upstream that are closed for new ones (pool.c), too.
 *
 * Owner:      a worker's mg_proxy has one in it.
 * Errors:     none: what cannot be measured bounds nothing.
 * Invariant:  a request that has begun is never given up for another.
 */
#ifndef MG_OVERLOAD_H
#define MG_OVERLOAD_H
#include "base/metrics.h"
#include "net/loop.h"

struct mg_proxy;

enum mg_overload_resource { MG_OVERLOAD_MEMORY, MG_OVERLOAD_CONNECTIONS, MG_OVERLOAD_DESCRIPTORS };
enum { MG_OVERLOAD_RESOURCES = 3 };

struct mg_overload {
    struct mg_proxy *proxy;
    struct mg_timer timer;
    int statm;        /* /proc/self/statm */
    uint64_t ceiling; /* bytes of memory; 0: none */
    uint64_t relieved_ms;
    uint64_t counted_upstream; /* of those closed upstream */
    bool active[MG_OVERLOAD_RESOURCES];
    bool refusing;                                   /* new requests get 503 */
    uint64_t *memory, *state[MG_OVERLOAD_RESOURCES]; /* gauges */
    uint64_t *closed_idle, *closed_upstream, *refused_request, *refused_client; /* counters */
};

/* Begins to look; with metrics NULL nothing is counted. */
void mg_overload_start(struct mg_overload *o, struct mg_proxy *proxy, struct mg_metrics *metrics,
                       uint32_t worker);
/* Looks no more. */
void mg_overload_stop(struct mg_overload *o);
/* The worker's ceiling; 0: none. */
void mg_overload_limit(struct mg_overload *o, uint64_t bytes);
/* Is a request that begins now refused?  Counts it. */
bool mg_overload_refuses(struct mg_overload *o);
/* A client has as many connections as it may: counts the one that was closed for it. */
void mg_overload_refused_client(struct mg_overload *o);
/* Connections that a worker may take, and those it may have upstream before idle ones give way, so
 * that some descriptors remain for files. */
uint32_t mg_overload_clients(void);
uint32_t mg_overload_upstreams(void);
#endif
