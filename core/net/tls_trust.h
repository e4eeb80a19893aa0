/* tls_trust.h -- Reads PEM bundles; the system's roots are read once for all contexts.
 *
 * Owner:      the process has one chain of system roots, counted.
 * Ownership:  a chain from mg_tls_trust_system() is good until mg_tls_trust_release().
 * Errors:     the library's codes; NULL.
 * Invariant:  a chain is never written after it was read: threads walk it.
 */
#ifndef MG_TLS_TRUST_H
#define MG_TLS_TRUST_H
#include <mbedtls/x509_crt.h>
#include "base/str.h"

#define MG_TLS_TRUST_FILE "/etc/ssl/certs/ca-certificates.crt"

/* Whether the PEM text contains `text` ("-----BEGIN CERTIFICATE-----"). */
bool mg_tls_trust_has(mg_str pem, const char *text);
/* 0, the number of certificates that could not be read, or a negative code: none could. */
int mg_tls_trust_parse(mbedtls_x509_crt *chain, mg_str pem);
/* The roots of MG_TLS_TRUST_FILE, read by the first call and counted; NULL: none could be read. */
mbedtls_x509_crt *mg_tls_trust_system(void);
void mg_tls_trust_release(void);
#endif
