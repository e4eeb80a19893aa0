/* sock.h -- Loopback sockets, non-blocking, as the bench programs need them.
 *
 * Ownership:  whoever opens a descriptor closes it.
 * Errors:     -1 with errno set, as the system calls do.
 */
#ifndef BENCH_SOCK_H
#define BENCH_SOCK_H

#include <stdint.h>

/* Reads a port from the command line; exits with 2 when it is none. */
uint16_t sock_port(const char *text);
/* A socket that listens on 127.0.0.1:port. */
int sock_listen(uint16_t port);
/* The next waiting client, or -1 (EAGAIN: none). */
int sock_accept(int listener);
/* Starts to connect to 127.0.0.1:port; writable once that is done. */
int sock_connect(uint16_t port);
/* Lets this process hold as many descriptors as the hard limit grants. */
void sock_raise_limit(void);

#endif
