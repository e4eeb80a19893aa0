/* admin.h -- The process that answers at the admin address; it serves no traffic.
 *
 * Owner:      the master forks it, and again after a reload (it shows the config).
 * Invariant:  the image that it has holds the config's keys, as a worker has them; no page shows them.
 * Ownership:  the listening socket and the image stay the master's.
 * Errors:     the exit code; the master starts another one.
 */
#ifndef MG_ADMIN_H
#define MG_ADMIN_H
#include "app/control.h"
#include "app/shared.h"

struct mg_admin_opts {
    int fd, control;
    int image; /* of the model: mg_plan */
    const struct mg_shared *shared;
};

/* Serves until the master says to drain, or is gone; returns the process's exit code. */
int mg_admin_run(const struct mg_admin_opts *o);
#endif
