/* process.h -- What the processes are to the system: how many files, which user, how they are found.
 *
 * Owner:      the master; workers confine themselves.
 * Ownership:  nothing is kept.
 * Errors:     -1, which has been said.
 * Invariant:  who has become another user does not come back: real, effective and saved ids change.
 */
#ifndef MG_PROCESS_H
#define MG_PROCESS_H
#include <stdbool.h>
#include <sys/types.h>

/* As many sockets as the system lets us have: the usual limit of 1,024 is for those who use select(). */
void mg_process_raise_files(void);
/* Becomes `user` (and its groups) with `group` as the first one; NULL: stays.  Whoever is that user already
 * stays, too. */
int mg_process_become(const char *user, const char *group);
/* Nothing that this process starts gets more rights than it has. */
void mg_process_no_new_privileges(void);
/* For ever: the system refuses (EPERM) what no worker does, such as starting programs, mounting and tracing.
 * Does nothing where the system, or the build, has no filters. */
void mg_process_confine(void);
/* Whether a text that others wrote (NULL: none) begins with this process id. */
bool mg_process_is_id(const char *text, pid_t id);
/* Writes a file with this process's id, in place of one that is there; NULL: none is wanted. */
int mg_process_write_id(const char *path);
/* Removes it, where it is still ours. */
void mg_process_remove_id(const char *path);
#endif
