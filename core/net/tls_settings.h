/* tls_settings.h -- The protocol versions, suites, curves and signatures every context offers.
 *
 * Errors:     false when the library does not have that version, or no memory.
 * Invariant:  ECDHE with an AEAD only: no RSA key exchange, no CBC, no PSK, no renegotiation.
 */
#ifndef MG_TLS_SETTINGS_H
#define MG_TLS_SETTINGS_H
#include <stdbool.h>
#include <mbedtls/ssl.h>

/* `endpoint` is MBEDTLS_SSL_IS_SERVER or _CLIENT; `min_version` 12 or 13. */
bool mg_tls_settings_apply(mbedtls_ssl_config *conf, int endpoint, int min_version);
#endif
