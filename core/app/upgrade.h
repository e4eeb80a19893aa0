/* upgrade.h -- Another binary takes over: it is started beside this one, on the same sockets.
 *
 * Owner:      the master, one at a time.
 * Ownership:  the new process gets copies of the sockets; ours stay ours.
 * Errors:     -1, which has been logged; a new process that ends, or is not ready in time, changes nothing.
 * Invariant:  the old gateway goes on until the new one says, by SIGTERM, that it serves.
 */
#ifndef MG_UPGRADE_H
#define MG_UPGRADE_H
#include <stdint.h>
#include <sys/types.h>

enum { MG_UPGRADE_MS = 60000 }; /* longer than that is never */

/* Notes where this binary stands, before another one takes its place there. */
void mg_upgrade_setup(void);
/* Starts what stands there now, with `fds`; its pid, or -1. */
pid_t mg_upgrade_start(char **argv, const int *fds, uint32_t nfds);
/* In the new process: the sockets that it was given, by an old gateway or by systemd's socket activation
 * (LISTEN_FDS); at most `most`.  To be asked once. */
uint32_t mg_upgrade_inherit(int *fds, uint32_t most);
/* In the new process, when it serves: the old one may go.  Nothing, where there is none. */
void mg_upgrade_done(void);
#endif
