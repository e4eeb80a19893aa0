/* worker.h -- One process that serves: a loop, a Lua state, the listeners of its slot.
 *
 * Owner:      the master forks it; it ends when the master says so, or is gone.
 * Ownership:  the control socket is its own.
 * Errors:     the exit code: 0 after a drain, 1 when the config could not be loaded at the start.
 */
#ifndef MG_WORKER_H
#define MG_WORKER_H
#include "app/control.h"
#include "app/shared.h"

struct mg_worker_opts {
    uint32_t slot; /* whose sockets it has; MG_WORKER_SPARE: it waits for those of one that dies */
    uint32_t column; /* where it counts */
    int control;
    bool again; /* others have served this config: it is good, whatever its log files */
    const struct mg_shared *shared;
    struct mg_control *load; /* what to serve: as a reload's message */
};

enum { MG_DRAIN_MS = 30000 }; /* in-flight requests get this long */
enum { MG_WORKER_SPARE = MG_PLAN_WORKERS };

/* Serves until it has drained; returns the process's exit code. */
int mg_worker_run(const struct mg_worker_opts *o);
#endif
