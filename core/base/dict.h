/* dict.h -- A dictionary shared by all workers: bytes to bytes, with expiry and atomic counters.
 *
 * Owner:      lives in the shared region; made (by name) before the workers start or by any of
 *             them later.
 * Ownership:  values are copied in and out.
 * Errors:     MG_ENOENT, MG_ELIMIT (larger than a quarter of the dictionary), MG_EINVAL (incr of
 *             what is no number).
 * Invariant:  full means: the entry used longest ago goes (an expired one first).  One lock a
 *             shard, held for a few hundred nanoseconds, taken over when its holder was killed.
 */
#ifndef MG_DICT_H
#define MG_DICT_H
#include "base/shm.h"

struct mg_dict;
/* The dictionary of that name, made with `size` bytes when it is new. */
struct mg_dict *mg_dict_open(struct mg_shm *shm, mg_str name, size_t size);
/* Copies at most `cap` bytes to `out`; *len is the value's length (a larger one: call again). */
int mg_dict_get(struct mg_dict *d, mg_str key, uint64_t now_ms, char *out, size_t cap, size_t *len);
/* ttl_ms 0: no expiry.  only_new: MG_EFULL-free "add": MG_EPHASE when the key is there. */
int mg_dict_set(struct mg_dict *d, mg_str key, mg_str value, uint64_t now_ms, uint64_t ttl_ms,
                bool only_new);
int mg_dict_delete(struct mg_dict *d, mg_str key);
/* Adds `by` to the number under key (an absent one starts at `init`, with that ttl); *out is the
 * new value.  Atomic over all workers. */
int mg_dict_incr(struct mg_dict *d, mg_str key, double by, double init, uint64_t now_ms,
                 uint64_t ttl_ms, double *out);
int mg_dict_ttl(struct mg_dict *d, mg_str key, uint64_t now_ms, uint64_t *ttl_ms);
void mg_dict_stats(struct mg_dict *d, uint64_t *entries, uint64_t *used, uint64_t *evicted);
#endif
