/* hash.h -- A keyed hash of bytes, for tables whose keys a client may choose.
 *
 * Ownership: reads only.
 * Errors:    none of these can fail.
 * Invariant: with a secret seed nobody outside can choose keys that meet in one bucket: it is
 *            SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF").
 */
#ifndef MG_HASH_H
#define MG_HASH_H
#include "base/str.h"

struct mg_hash_seed {
    uint64_t k0, k1;
};

struct mg_hash_seed mg_hash_seed_new(void); /* from the kernel's random source */
uint64_t mg_hash(const struct mg_hash_seed *seed, const char *ptr, size_t len);
#endif
