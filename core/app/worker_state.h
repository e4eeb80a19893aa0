/* worker_state.h -- What the parts of a worker share: worker.c runs it, worker_load.c takes its configs.
 *
 * Owner:      mg_worker_run().
 * Ownership:  the message of a load that goes on is the worker's, descriptors and all, until that is over.
 */
#ifndef MG_WORKER_STATE_H
#define MG_WORKER_STATE_H
#include <lua.h>

#include "app/worker.h"
#include "script/abi.h"
#include "script/profile.h"

struct mg_worker {
    const struct mg_worker_opts *opts;
    uint32_t slot; /* MG_WORKER_SPARE: none as yet */
    struct mg_loop loop;
    struct mg_proxy *proxy;
    struct mg_env env;
    lua_State *L;
    struct mg_profile *profile;
    struct mg_watch control, signals;
    int signal_fd;
    struct mg_timer flush, drain;
    struct mg_deferred load;    /* while a config is being taken */
    struct mg_watch rest;       /* a timer, between two pieces of that */
    struct mg_control *loading; /* its message, or NULL */
    uint64_t drain_until;
    int refused_family, turned_away_family, dropped_family;
    uint64_t refused_since_ms; /* since when it has said and not said so many */
    uint32_t refused_said, refused_unsaid;
    uint64_t dropped; /* log lines, as far as they have been counted */
    struct mg_front *fronts[MG_PLAN_LISTENERS];
    uint32_t nfronts;
    bool master_gone, spent, retiring;
};

/* It serves in `slot` from now on, or waits for one. */
void mg_worker_set_slot(struct mg_worker *w, uint32_t slot);
void mg_worker_tell(struct mg_worker *w, enum mg_control_type type);

/* ---- worker_load.c ---- */

int mg_worker_load_setup(struct mg_worker *w);
/* At once: there is nobody yet who could wait.  What is left to collect of a large config follows beside requests.
 * A spare one waits for its slot before it opens anything. */
bool mg_worker_load(struct mg_worker *w);
/* Beside the requests, in pieces with rests between; takes over the message's descriptors. */
void mg_worker_reload(struct mg_worker *w, struct mg_control *message);
/* A load that goes on is given up. */
void mg_worker_stop_load(struct mg_worker *w);
void mg_worker_load_cleanup(struct mg_worker *w);
#endif
