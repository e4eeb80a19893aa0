/* tls_ticket.h -- Session tickets that every worker can read: written, sealed, opened, rotated.
 *
 * Owner:      the keys lie in memory shared by all workers (tls.h); the context points there.
 * Ownership:  a ticket is the client's; nothing of it is kept.
 * Errors:     a ticket that does not open means a full handshake, never an error.
 * Invariant:  a ticket opens only in a context with the same id (same certificates, client CA and
 *             client_auth), within MG_TLS_TICKET_S of its full handshake.
 */
#ifndef MG_TLS_TICKET_H
#define MG_TLS_TICKET_H
#include "net/tls_mbedtls.h"

/* Keys live twice as long as a ticket: one period sealing, one opening only. */
enum { MG_TLS_TICKET_S = 3600 };

/* The library's callbacks; `context` is the struct mg_tls. */
int mg_tls_ticket_write(void *context, const mbedtls_ssl_session *session, unsigned char *start,
                        const unsigned char *end, size_t *len, uint32_t *lifetime);
int mg_tls_ticket_parse(void *context, mbedtls_ssl_session *session, unsigned char *ticket,
                        size_t len);
#endif
