/* dict.h -- A dictionary shared by all workers: bytes to bytes, with expiry and atomic counters.
 *
 * Owner:      lives in the shared region; made (by name) before the workers start or by any of
 *             them later.
 * Ownership:  values are copied in and out.
 * Errors:     MG_ENOENT, MG_ELIMIT (larger than a quarter of its shard), MG_EINVAL (incr of what
 *             is no number).
 * Invariant:  full means: the entry used longest ago goes (an expired one among the last 16
 *             first).  One lock a shard, held for a few hundred nanoseconds, taken over when its
 *             holder was killed: that shard is then emptied, for it may be half written.
 */
#ifndef MG_DICT_H
#define MG_DICT_H
#include "base/shm.h"

struct mg_dict;
/* The dictionary of that name, made with about `size` bytes (at least 16 KiB) when it is new; else
 * it keeps its size.  NULL: the region is full.  It has a shard for each 256 KiB, 32 at most. */
struct mg_dict *mg_dict_open(struct mg_shm *shm, mg_str name, size_t size);
/* Copies at most `cap` bytes to `out`; *len is the value's length (a larger one: call again). */
int mg_dict_get(struct mg_dict *d, mg_str key, uint64_t now_ms, char *out, size_t cap, size_t *len);
/* ttl_ms 0: no expiry.  only_new ("add"): MG_EPHASE when the key is there. */
int mg_dict_set(struct mg_dict *d, mg_str key, mg_str value, uint64_t now_ms, uint64_t ttl_ms,
                bool only_new);
/* Sets it if what is there is `old` (a NULL span: if nothing is), else MG_EPHASE.  Atomic over all workers. */
int mg_dict_swap(struct mg_dict *d, mg_str key, mg_str old, mg_str value, uint64_t now_ms,
                 uint64_t ttl_ms);
/* MG_ENOENT when it was not there. */
int mg_dict_delete(struct mg_dict *d, mg_str key);
/* Adds `by` to the number under key (an absent one starts at `init`, with that ttl; one that is
 * there keeps its own); *out is the new value.  The number is kept as text ("5", "0.25"), which is
 * what mg_dict_get() gives.  Atomic over all workers. */
int mg_dict_incr(struct mg_dict *d, mg_str key, double by, double init, uint64_t now_ms,
                 uint64_t ttl_ms, double *out);
/* What is left to live; 0: it does not expire. */
int mg_dict_ttl(struct mg_dict *d, mg_str key, uint64_t now_ms, uint64_t *ttl_ms);
/* used: bytes; evicted: entries pushed out by new ones, not those that expired. */
void mg_dict_stats(struct mg_dict *d, uint64_t *entries, uint64_t *used, uint64_t *evicted);
#endif
