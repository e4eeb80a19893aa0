/* sockets.h -- The listening sockets of all worker slots, kept across reloads and workers' deaths.
 *
 * Owner:      the master.
 * Ownership:  descriptors stay open until a reload no longer names their address, or the master stops.
 * Errors:     -1, said in the log with the listener's name.
 * Invariant:  one SO_REUSEPORT socket an address and slot (of a Unix socket one that all share); an
 *             address that another process already serves is refused, though SO_REUSEPORT alone would
 *             share it.
 */
#ifndef MG_SOCKETS_H
#define MG_SOCKETS_H
#include "app/control.h"

struct mg_sockets {
    uint32_t slots, n;
    struct mg_socket_set {
        char *name, *address;
        int fds[MG_PLAN_WORKERS];
    } sets[MG_PLAN_LISTENERS];
    int admin; /* -1: none */
    char *admin_address;
    int *given; /* while they are opened: sockets that this process was started with, or -1 */
    uint32_t ngiven;
};

/* Opens those of all slots, and the admin's; 0 or -1, when all that cannot be opened has been said.  What
 * this process was started with (`given`) is taken in place of a new one, or closed. */
int mg_sockets_open(struct mg_sockets *s, const struct mg_plan *plan, uint32_t slots, int *given,
                    uint32_t ngiven);
/* All that are open, in one array that the caller frees; NULL: out of memory. */
int *mg_sockets_list(const struct mg_sockets *s, uint32_t *n);
/* Opens what is new and closes what the plan no longer has; on failure nothing has changed. */
int mg_sockets_change(struct mg_sockets *s, const struct mg_plan *plan);
/* Once: closes the sockets but those of `slot` (in its child; if there is none such, all), or but the admin's (-1). */
void mg_sockets_keep(struct mg_sockets *s, int slot);
/* The gateway has ended: removes the paths of Unix sockets. */
void mg_sockets_end(const struct mg_sockets *s);
/* The reload message for one slot, so far without an image. */
void mg_sockets_message(const struct mg_sockets *s, uint32_t slot, struct mg_control *message);
#endif
