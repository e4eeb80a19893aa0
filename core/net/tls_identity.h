/* tls_identity.h -- Reads names out of certificates: who a peer is, and whom a server may be.
 *
 * Ownership:  spans point into the certificate; mg_tls_identity_fill() copies.
 * Errors:     MG_EINVAL for a certificate whose names nobody should trust.
 * Invariant:  names come from subjectAltName only, never from the CN (RFC 9525, 2), and as bytes:
 *             one with a NUL, a blank or anything beyond ASCII matches nothing.
 */
#ifndef MG_TLS_IDENTITY_H
#define MG_TLS_IDENTITY_H
#include <mbedtls/x509_crt.h>
#include "net/conn.h"

/* Choices of GeneralName (RFC 5280, 4.2.1.6). */
enum { MG_TLS_SAN_DNS = 2, MG_TLS_SAN_URI = 6, MG_TLS_SAN_IP = 7 };
enum mg_tls_match { MG_TLS_MATCH_NONE, MG_TLS_MATCH_WILDCARD, MG_TLS_MATCH_EXACT };

/* The first SAN of that type; empty when there is none. */
mg_str mg_tls_identity_san(const mbedtls_x509_crt *crt, int type);
/* Whether a DNS name, an IP address or a URI ("spiffe://...") is among the SANs.  "*" stands for
 * one whole leftmost label (RFC 9525, 6.3). */
enum mg_tls_match mg_tls_identity_match(const mbedtls_x509_crt *crt, const char *name);
/* Whether a name is an IPv4 or IPv6 address (no brackets). */
bool mg_tls_identity_is_address(const char *name);

/* Fills all of `peer` that a verified certificate says.  *memory holds the texts; the caller frees
 * it after the last use of peer. */
int mg_tls_identity_fill(struct mg_peer *peer, char **memory, const mbedtls_x509_crt *crt);

/* The library's verify callback on the client's side; `conn` is the struct mg_tls_conn. */
int mg_tls_identity_check_server(void *conn, mbedtls_x509_crt *crt, int depth, uint32_t *flags);
#endif
