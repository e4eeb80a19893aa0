/* breaker.h -- How much of a service may be in use at once: its circuit breaker.
 *
 * Owner:      a worker has one of a name and limits, shared by the service's endpoints, which count
 *             references.
 * Ownership:  the counts lie in the region that all workers share; each writes its own and adds up
 *             all.
 * Errors:     NULL: out of memory.  A region that is full: the limits count a worker alone.
 * Invariant:  what was added is taken away by the same worker, or when it has ended.
 *
 * As with Envoy's, two that look at the same time may both pass: a limit can be passed by as many as
 * there are workers.
 */
#ifndef MG_BREAKER_H
#define MG_BREAKER_H
#include "base/list.h"
#include "base/shm.h"
#include "moongate.h"

/* The order is that of the limits in struct mg_breaker. */
enum mg_breaker_kind {
    MG_BREAKER_CONNECTIONS, /* that stand or are being made */
    MG_BREAKER_PENDING,     /* requests that wait for a connection */
    MG_BREAKER_REQUESTS,    /* in progress */
    MG_BREAKER_RETRIES,     /* of the requests: those that are not the first try */
    MG_BREAKER_KINDS
};
/* Those beyond count alone. */
enum { MG_BREAKER_WORKERS = 66 }; /* columns of 64 workers: app/shared.h */

struct mg_breaker_slot;
struct mg_breaker {
    struct mg_list link;
    char *name;
    uint32_t limits[MG_BREAKER_KINDS]; /* 0: none */
    uint32_t retry_percent, min_retries;
    struct mg_breaker_slot *slots; /* of all workers */
    uint32_t nslots, own, refs;
    bool shared;
};

/* The breaker of that name and limits, counted; `worker` is the index of this one. */
struct mg_breaker *mg_breaker_open(const struct mg_breaker_conf *conf, struct mg_shm *shm,
                                   uint32_t worker);
/* Worker `worker` has ended, and has nothing in use any more. */
void mg_breaker_forget(const struct mg_shm *shm, uint32_t worker);
void mg_breaker_ref(struct mg_breaker *b);
void mg_breaker_unref(struct mg_breaker *b);
/* Whether one more may be added.  `b` may be NULL in these three: there is no limit. */
bool mg_breaker_may(const struct mg_breaker *b, enum mg_breaker_kind kind);
void mg_breaker_add(struct mg_breaker *b, enum mg_breaker_kind kind);
void mg_breaker_sub(struct mg_breaker *b, enum mg_breaker_kind kind);
#endif
