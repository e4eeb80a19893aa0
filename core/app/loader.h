/* loader.h -- A short-lived process that reads the config: what that takes of memory goes with it at once.
 *
 * Owner:      main.c waits for the first, the master has one for a reload, one at a time.
 * Ownership:  plan and image come back through unnamed files that are opened before it starts; the image's is the
 *             plan's afterwards.
 * Errors:     its mistakes are printed by the process itself; what goes wrong around it is logged.
 * Invariant:  whatever a config holds, and however long it takes, the master goes on as it was.
 */
#ifndef MG_LOADER_H
#define MG_LOADER_H
#include <sys/types.h>

#include "app/plan.h"

enum { MG_LOADER_MS = 60000 }; /* longer than that is never */

struct mg_loader {
    pid_t pid; /* 0: none */
    FILE *file;
    int image;
    uint64_t by; /* ms: when it is killed */
};

/* Runs `moongate run`'s first load to its end: as mg_plan_make(). */
int mg_loader_run(int argc, char **argv, struct mg_plan *plan);
/* Starts it; `in_child` (NULL: nothing) closes what the child must not hold.  0, or -1, which is logged. */
int mg_loader_start(struct mg_loader *l, int argc, char **argv, uint64_t now,
                    void (*in_child)(void *), void *arg);
/* It has ended with `status` (as waitpid() has it).  0: *plan is what to do.  -1: refused; *plan has the
 * sources, if it came so far. */
int mg_loader_finish(struct mg_loader *l, int status, struct mg_plan *plan);
/* Logs that it was killed, if it was: nobody else said why there is no plan. */
void mg_loader_tell(int status);
/* Ends it, where there is one. */
void mg_loader_kill(struct mg_loader *l);
#endif
