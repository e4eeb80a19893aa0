/* bind.h -- Sockets that listen: at an IP address and port, or at a path (Unix).
 *
 * Owner:      the master binds; workers accept on what it gives them.
 * Ownership:  the descriptor is the caller's.
 * Errors:     MG_EINVAL for what is no address, or -errno (EADDRINUSE: somebody serves there).
 * Invariant:  a path is unlinked only where a socket stands that nobody listens at.
 */
#ifndef MG_BIND_H
#define MG_BIND_H
#include <stdbool.h>

/* Whether `address` is "unix:/path"; then the sockets of all workers are one. */
bool mg_bind_is_unix(const char *address);
/* Binds and listens: "127.0.0.1:80" and "[::]:80" with SO_REUSEPORT, "unix:/path" in place of a socket
 * that a process left behind, with `mode` (0: as the umask says).  "[::]" serves IPv4 too (dual stack),
 * whatever the system's default.  Returns the descriptor. */
int mg_bind_open(const char *address, int backlog, unsigned mode);
/* Whether `address` could be bound alone: 0, or -EADDRINUSE and the like.  SO_REUSEPORT would share an
 * address with another process of the same user unnoticed. */
int mg_bind_probe(const char *address);
/* Whether `fd` listens at `address`. */
bool mg_bind_is_at(int fd, const char *address);
/* Removes the path of a Unix address; nothing for another one. */
void mg_bind_unlink(const char *address);
#endif
