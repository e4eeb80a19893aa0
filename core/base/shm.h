/* shm.h -- One region of memory shared by the master, the workers and the admin process.
 *
 * Owner:      the master makes it before the first fork; it lives as long as the gateway.
 * Ownership:  mg_shm_alloc() hands out zeroed pieces, never taken back.
 * Errors:     NULL or a negative code.
 * Invariant:  every process maps it at the same address, so pointers into it may be shared.  A lock
 *             whose holder was killed is taken over by the next (robust mutexes).
 */
#ifndef MG_SHM_H
#define MG_SHM_H
#include <pthread.h>
#include "base/str.h"

struct mg_shm;
struct mg_shm *mg_shm_new(size_t size); /* reserved; pages cost memory only when touched */
void mg_shm_free(struct mg_shm *s);
void *mg_shm_alloc(struct mg_shm *s, size_t size); /* aligned to 64; NULL: full */
/* The piece of that kind (a literal) and name; when it is new, `size` zeroed bytes that init() (under the region's lock)
 * made ready: no process sees it earlier.  NULL: full, or init() did not return 0. */
void *mg_shm_named(struct mg_shm *s, const char *kind, mg_str name, size_t size,
                   int (*init)(struct mg_shm *s, void *piece, size_t size));
/* Calls fn() with each piece of that kind; takes no lock. */
void mg_shm_each(const struct mg_shm *s, const char *kind, void (*fn)(void *piece, void *arg),
                 void *arg);

/* Makes a robust mutex for several processes, in shared memory; 0 or -errno. */
int mg_shm_lock_init(pthread_mutex_t *m);
/* True: the holder was killed, so what the lock guards may be half written; the lock is held. */
bool mg_shm_lock(pthread_mutex_t *m);
void mg_shm_unlock(pthread_mutex_t *m);
#endif
