/* shared.h -- What all processes of one gateway share, made by the master before it forks.
 *
 * Owner:      the master.
 * Ownership:  lives as long as the gateway, in every process at the same address.
 * Errors:     NULL.
 */
#ifndef MG_SHARED_H
#define MG_SHARED_H
#include "app/plan.h"
#include "base/metrics.h"
#include "net/tls.h"
#include "script/profile.h"

struct mg_status {
    uint32_t ready; /* workers that accept */
    bool draining;
    uint64_t beats[MG_PLAN_WORKERS]; /* go on while each worker's loop turns */
};

struct mg_shared {
    uint32_t workers;
    struct mg_shm *shm;
    struct mg_metrics *metrics;
    struct mg_tls_ticket_keys *ticket_keys;
    struct mg_status *status; /* written by the master; the beats by the workers */
    struct mg_profile_board *profile;
};

/* Columns for what workers count are two more than there are workers: one may be leaving (master_retire.c), one wait to
 * take another's place (master_spare.c). */
int mg_shared_make(struct mg_shared *s, uint32_t workers);
/* The worker that counted in `column` has ended: it has nothing in use and says nothing of itself. */
void mg_shared_forget(const struct mg_shared *s, uint32_t column);
#endif
