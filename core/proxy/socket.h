/* socket.h -- A connection on which policies speak what they like.
 *
 * Owner:      Lua's moongate.socket, which closes it; no exchange does.
 * Ownership:  what has arrived is kept here until it is taken.  It counts a reference to its endpoint.
 * Errors:     outcomes of waits: those of mg_connect_start(), MG_ETIMEOUT, MG_ECLOSED, MG_ERESET, MG_EGONE;
 *             MG_EPHASE: not connected, or somebody waits already.
 * Invariant:  at most one lane waits to read, and one to write or to connect.  x->socket is the one that x
 *             waits for, or NULL.  Nothing is read past MG_SOCKET_BYTES that nobody takes.
 */
#ifndef MG_SOCKET_H
#define MG_SOCKET_H
#include "proxy/exchange.h"

enum { MG_SOCKETS_MOST = 256, MG_SOCKET_BYTES = 65536 };

struct mg_socket;

/* NULL: this worker has MG_SOCKETS_MOST already. */
struct mg_socket *mg_socket_make(struct mg_proxy *proxy, struct mg_endpoint *ep);
/* Who waits is woken with MG_ECLOSED. */
void mg_socket_end(struct mg_socket *s);
int mg_socket_start(struct mg_socket *s, struct mg_x *x);
/* MG_OK: all taken, and with `timeout_ms` 0 perhaps still to be sent.  MG_EFULL: what was written before is
 * not sent yet, and nothing of this was taken. */
int mg_socket_send(struct mg_socket *s, struct mg_x *x, mg_str bytes, uint32_t timeout_ms);
/* Until `least` bytes are there (MG_ELIMIT: more than it would keep). */
int mg_socket_await(struct mg_socket *s, struct mg_x *x, uint32_t least, uint32_t timeout_ms);
/* Valid until the next wait. */
mg_str mg_socket_arrived(const struct mg_socket *s);
void mg_socket_taken(struct mg_socket *s, uint32_t len);
/* Why it ended, or could not be connected. */
const char *mg_socket_reason(const struct mg_socket *s);
/* Its lane waits no more. */
void mg_socket_forget(struct mg_x *x);
#endif
