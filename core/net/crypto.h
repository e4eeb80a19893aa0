/* crypto.h -- Digests, MACs and random bytes, by the TLS library.
 *
 * Owner:      none.
 * Errors:     MG_EINVAL for an unknown algorithm; random bytes cannot fail after mg_tls_init().
 */
#ifndef MG_CRYPTO_H
#define MG_CRYPTO_H
#include "moongate.h"

enum { MG_DIGEST_MAX = 64 };

/* `algorithm` is MG_SHA1, ...; *outlen gets the digest's length. */
int mg_crypto_digest(int algorithm, const void *data, size_t len, uint8_t out[64],
                     uint32_t *outlen);
/* HMAC (RFC 2104) by the same algorithms. */
int mg_crypto_hmac(int algorithm, const void *key, size_t keylen, const void *data, size_t len,
                   uint8_t out[64], uint32_t *outlen);
/* From a generator that the system seeded; aborts rather than give bytes that can be guessed. */
void mg_crypto_random(void *out, size_t len);
#endif
