/* signature.h -- Public keys given as numbers, and the signatures that they check.
 *
 * Owner:      none; the caller owns a key and frees it.
 * Errors:     a key that cannot be (off its curve, too short, too long) is NULL; a signature that does
 *             not fit, for whatever reason, is MG_EINVAL.
 * Invariant:  a key checks the family of signatures that it was made for, and no other.  Nothing in it
 *             is written after it was made but what locks itself (RSA), so several threads may check
 *             with one key; how many own it is counted on the loop alone.
 */
#ifndef MG_SIGNATURE_H
#define MG_SIGNATURE_H
#include "moongate.h"

/* RFC 7518, sections 3.3 and 3.5, ask for 2048 bits at least; more than 8192 the library does not
 * take, and an exponent of more than 64 bits would only cost time. */
enum { MG_RSA_BITS_LEAST = 2048, MG_RSA_BITS_MOST = 8192, MG_RSA_EXPONENT_MOST = 8 };

struct mg_key;

/* An RSA key of modulus and exponent, both big-endian; NULL: none that could be used. */
struct mg_key *mg_signature_rsa(mg_str modulus, mg_str exponent);
/* A point of the curve with that many bits (256, 384, 521), its coordinates in full length,
 * big-endian; NULL: no such curve, or no point of it. */
struct mg_key *mg_signature_ec(int bits, mg_str x, mg_str y);
/* One more owner of the key, in this or another thread; each frees it. */
struct mg_key *mg_signature_share(struct mg_key *key);
void mg_signature_free(struct mg_key *key);
/* Whether `signature` is that of `data`, which is hashed by `digest` (MG_SHA256, ...).  `scheme`:
 * MG_RSA_PKCS1 (RFC 8017, 8.2), MG_RSA_PSS (8.1; a salt as long as the digest, RFC 7518, 3.5), or
 * MG_ECDSA (both numbers in full length one after the other, RFC 7518, 3.4).  MG_OK or MG_EINVAL. */
int mg_signature_verify(struct mg_key *key, int scheme, int digest, mg_str data, mg_str signature);
#endif
