/* master_state.h -- What master.c (children, signals) and master_reload.c (reading the config anew) share.
 *
 * Ownership:  private to those files.
 * Invariant:  a child with a pid has an open control socket.
 */
#ifndef MG_MASTER_STATE_H
#define MG_MASTER_STATE_H
#include "app/files.h"
#include "app/loader.h"
#include "app/master.h"
#include "app/shared.h"
#include "app/sockets.h"
#include "app/stall.h"

/* A child: a worker slot, or the admin process (the last one). */
struct child {
    pid_t pid; /* 0: none */
    int control;
    bool ready;
    uint64_t started, again; /* ms; again: when to start it, 0: it runs */
    uint32_t deaths;         /* short lives in a row */
    bool retired;            /* its end is wanted: its successor starts at once */
};

struct master {
    int argc;
    char **argv;
    struct mg_plan *plan;
    struct mg_shared shared;
    struct mg_sockets sockets;
    struct child children[MG_PLAN_WORKERS + 1];
    uint32_t nworkers;
    uint64_t sent;      /* ms: when the workers were told to reload */
    uint32_t reloading; /* workers that have yet to say how a reload went */
    struct mg_loader loader;
    struct mg_stall stall;
    struct mg_files *files;
    bool wanted;                   /* a reload was asked for while another was under way */
    pid_t upgrade;                 /* the process that is to take over, or 0 */
    uint64_t upgrade_by, alive_by; /* ms: when it is killed; when the next sign of life is due */
    char *pid_file;
    bool handed_over;
    int signals;
    bool started, stopping, failed;
};

/* Milliseconds of the monotonic clock. */
uint64_t mg_master_now(void);

/* ---- master.c ---- */

/* The admin process tells that the gateway drains until the last worker has ended. */
void mg_master_stop_admin(struct master *m);

/* ---- master_reload.c ---- */

/* The config is read and checked by a process of its own; only one that stands reaches the workers. */
void mg_master_reload(struct master *m);
/* That process has ended. */
void mg_master_on_loaded(struct master *m, int status);
/* The files that `plan` wants to be read again when they change. */
void mg_master_watch_sources(struct master *m, const struct mg_plan *plan);
#endif
