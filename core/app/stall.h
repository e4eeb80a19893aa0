/* stall.h -- Notices a worker whose loop stands still, asks it where it is, and ends it.
 *
 * Owner:      the master; the worker beats.
 * Ownership:  the beats are in shared memory and live as long as the gateway.
 * Errors:     none: a worker that is gone is the master's own business.
 * Invariant:  a worker that beats at least every MG_STALL_MS is left alone; what ends one that does not is SIGKILL, a
 *             second after SIGUSR2, to which it logs where it stands in Lua.  Time in which the master itself stood still
 *             does not count: the machine may have.
 */
#ifndef MG_STALL_H
#define MG_STALL_H
#include <sys/types.h>
#include "app/plan.h"
#include "app/shared.h"

enum { MG_STALL_MS = 10000, MG_STALL_LOOK_MS = 1000 };

struct mg_stall {
    struct mg_stall_worker {
        uint64_t beat;   /* the last one seen */
        uint64_t looked; /* ms: when */
        uint64_t still;  /* ms without a beat since */
        uint64_t asked;  /* how many those were when it was asked where it is, or 0 */
    } workers[MG_PLAN_WORKERS];
};

/* Worker `slot` has begun to serve, or beats. */
void mg_stall_beat(struct mg_status *status, uint32_t slot);
/* A process is about to take the slot. */
void mg_stall_reset(struct mg_stall *s, struct mg_status *status, uint32_t slot);
/* Every MG_STALL_LOOK_MS at least, for a worker that serves. */
void mg_stall_look(struct mg_stall *s, const struct mg_status *status, uint32_t slot, pid_t pid,
                   uint64_t now_ms);
/* In a worker: SIGUSR2 is answered from now on. */
void mg_stall_answer(void);
#endif
