/* clients.h -- How many connections each client has: an IPv4 address, or the /64 network of an IPv6 one.
 *
 * Owner:      a listener that bounds them has one (greeting.c).
 * Errors:     out of memory counts as a client that has too many.
 * Invariant:  a client without connections takes no memory.
 */
#ifndef MG_CLIENTS_H
#define MG_CLIENTS_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* The key of whoever is not counted; no unicast address has it. */
#define MG_CLIENTS_NOBODY UINT64_MAX

struct mg_clients;

struct mg_clients *mg_clients_new(void); /* NULL: out of memory */
void mg_clients_free(struct mg_clients *c);
/* Whose connection it is: of 4 bytes of an address, or of 16. */
uint64_t mg_clients_key(bool v4, const uint8_t *address);
/* The same of an address; MG_CLIENTS_NOBODY: it is no IP address. */
uint64_t mg_clients_key_of(const struct sockaddr_storage *peer);
/* One connection more; false: the client has `most` already. */
bool mg_clients_add(struct mg_clients *c, uint64_t key, uint32_t most);
/* One less. */
void mg_clients_remove(struct mg_clients *c, uint64_t key);
#endif
