/* master_state.h -- What master.c (ends, messages, signals), master_spawn.c (beginnings), master_reload.c (reading the
 * config anew), master_retire.c and master_spare.c share.
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

enum { MG_MASTER_BACK_OFF_MS = 5000 }; /* the most that a child is waited with */

/* A child: a worker slot, behind these the admin process, and the spare worker as the last. */
struct child {
    pid_t pid; /* 0: none */
    int control;
    uint32_t column; /* where a worker counts */
    bool ready;
    uint64_t started, again; /* ms; again: when to start it, or to kill one that retires */
    uint32_t deaths;         /* short lives in a row */
    bool retired;            /* its end is wanted: it is no fault */
};

/* A worker whose slot another one has taken, or is about to. */
struct retiring {
    pid_t pid; /* 0: there is none */
    int control;
    uint32_t slot, column; /* the column is free when there is none */
    uint64_t by;           /* ms: when it is killed; 0: it serves on until its successor does */
};

struct master {
    int argc;
    char **argv;
    struct mg_plan *plan;
    struct mg_shared shared;
    struct mg_sockets sockets;
    struct child children[MG_PLAN_WORKERS + 2];
    uint32_t nworkers;
    uint64_t sent;      /* ms: when the workers were told to reload */
    uint32_t reloading; /* workers that have yet to say how a reload went */
    uint32_t refused;   /* those that said that their old config serves on */
    struct mg_loader loader;
    struct mg_stall stall;
    struct retiring retiring;
    struct mg_files *files;
    bool
        wanted; /* a reload was asked for before there was a start, or while another was under way */
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

/* The admin process is to end; it does so within 5 s, and is killed when it stands still. */
void mg_master_retire_admin(struct master *m);
/* A child's end as waitpid() has it, as text: good until the next call. */
const char *mg_master_describe_end(int status);

/* ---- master_spawn.c ---- */

static inline bool mg_master_is_admin(const struct master *m, uint32_t i)
{
    return i == m->nworkers;
}

/* Nobody counts where another does. */
void mg_master_spawn_setup(struct master *m);
/* Starts child `i`; where that fails it is tried again later. */
void mg_master_spawn(struct master *m, uint32_t i);

/* ---- master_spare.c ---- */

/* Every now and then: starts it, where one is of use and nothing else goes on. */
void mg_master_look_at_spare(struct master *m);
/* Makes it worker `i`, which has ended.  False: there is none. */
bool mg_master_take_spare(struct master *m, uint32_t i);
/* What it has taken is not what is to be served. */
void mg_master_end_spare(struct master *m);
/* Its log files have been renamed. */
void mg_master_reopen_spare(const struct master *m);
/* Whether `pid`, which has ended, was the one. */
bool mg_master_on_spare_end(struct master *m, pid_t pid, int status);

/* ---- master_retire.c ---- */

/* Worker `slot` asks for a successor; one at a time gets it, and not while a reload is under way: it will ask again. */
void mg_master_on_spent(struct master *m, uint32_t slot);
/* The one that retires ends, as all workers do or because its successor is ready. */
void mg_master_retire(struct master *m);
/* Its log files have been renamed. */
void mg_master_reopen_retiring(const struct master *m);
/* Whether `pid`, which has ended, was the one. */
bool mg_master_on_retired(struct master *m, pid_t pid);
/* Every now and then: it has had its time. */
void mg_master_look_at_retiring(struct master *m);

/* ---- master_reload.c ---- */

/* The config is read and checked by a process of its own; only one that stands reaches the workers. */
void mg_master_reload(struct master *m);
/* That process has ended. */
void mg_master_on_loaded(struct master *m, int status);
/* Worker `i` has taken what it was told to load, or has refused it; a reload ends with the last answer. */
void mg_master_on_reload_answer(struct master *m, uint32_t i, bool taken);
/* The files that `plan` wants to be read again when they change. */
void mg_master_watch_sources(struct master *m, const struct mg_plan *plan);
#endif
