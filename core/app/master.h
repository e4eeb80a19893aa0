/* master.h -- Opens the sockets, starts the processes, and keeps them running.
 *
 * Owner:      main.c, once.
 * Ownership:  listening sockets, one a listener and worker slot, are the master's: a worker that dies
 *             leaves its queue of connections to its successor.
 * Errors:     the exit code: 0 after SIGTERM or SIGINT, 1 when it could not start.
 * Invariant:  the master parses nothing that came from the network and runs no request.
 */
#ifndef MG_MASTER_H
#define MG_MASTER_H
#include "app/plan.h"

/* Runs the whole gateway by *plan (each reload reads argc and argv again); returns the exit code.  In
 * a child it never returns. */
int mg_master_run(int argc, char **argv, struct mg_plan *plan);
#endif
