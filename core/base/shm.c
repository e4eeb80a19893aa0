#include "base/shm.h"
#include <assert.h>
#include <errno.h>
#include <sys/mman.h>

enum { ALIGN = 64 }; /* a cache line */

struct named {
    struct named *next;
    void *piece;
    const char *kind;
    uint32_t len;
    char name[];
};

/* Stands at the start of the region it describes. */
struct mg_shm {
    size_t size;
    size_t used; /* atomic */
    pthread_mutex_t lock;
    struct named *named;
};

static size_t round_up(size_t size)
{
    return (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

struct mg_shm *mg_shm_new(size_t size)
{
    size_t head = round_up(sizeof(struct mg_shm));
    struct mg_shm *s;

    if (size > SIZE_MAX / 2 - head)
        return NULL;
    size = round_up(size) + head;
    s = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (s == MAP_FAILED)
        return NULL;
    s->size = size;
    s->used = head;
    if (mg_shm_lock_init(&s->lock) != 0) {
        mg_shm_free(s);
        return NULL;
    }
    return s;
}

void mg_shm_free(struct mg_shm *s)
{
    munmap(s, s->size);
}

void *mg_shm_alloc(struct mg_shm *s, size_t size)
{
    size_t used = __atomic_load_n(&s->used, __ATOMIC_RELAXED);

    do {
        if (size > s->size - used)
            return NULL;
    } while (!__atomic_compare_exchange_n(&s->used, &used, used + round_up(size), true,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return (char *)s + used;
}

static bool is_of(const struct named *n, const char *kind)
{
    return strcmp(n->kind, kind) == 0;
}

static void *find_named(struct mg_shm *s, const char *kind, mg_str name)
{
    for (struct named *n = s->named; n != NULL; n = n->next)
        if (is_of(n, kind) && mg_str_eq(mg_str_of(n->name, n->len), name))
            return n->piece;
    return NULL;
}

static void *make_named(struct mg_shm *s, const char *kind, mg_str name, size_t size,
                        int (*init)(struct mg_shm *s, void *piece, size_t size))
{
    struct named *n = mg_shm_alloc(s, sizeof(*n) + name.len);
    void *piece = n != NULL ? mg_shm_alloc(s, size) : NULL;

    if (piece == NULL || init(s, piece, size) != 0)
        return NULL;
    memcpy(n->name, name.ptr, name.len);
    n->kind = kind;
    n->len = name.len;
    n->piece = piece;
    n->next = s->named;
    /* The one store that counts: killed before it, only the memory is lost. */
    __atomic_store_n(&s->named, n, __ATOMIC_RELEASE);
    return piece;
}

void *mg_shm_named(struct mg_shm *s, const char *kind, mg_str name, size_t size,
                   int (*init)(struct mg_shm *s, void *piece, size_t size))
{
    void *piece;

    mg_shm_lock(&s->lock);
    piece = find_named(s, kind, name);
    if (piece == NULL)
        piece = make_named(s, kind, name, size, init);
    mg_shm_unlock(&s->lock);
    return piece;
}

void mg_shm_each(const struct mg_shm *s, const char *kind, void (*fn)(void *piece, void *arg),
                 void *arg)
{
    for (struct named *n = __atomic_load_n(&s->named, __ATOMIC_ACQUIRE); n != NULL; n = n->next)
        if (is_of(n, kind))
            fn(n->piece, arg);
}

int mg_shm_lock_init(pthread_mutex_t *m)
{
    pthread_mutexattr_t attr;
    int rc = pthread_mutexattr_init(&attr);

    if (rc != 0)
        return -rc;
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    rc = pthread_mutex_init(m, &attr);
    pthread_mutexattr_destroy(&attr);
    return -rc;
}

bool mg_shm_lock(pthread_mutex_t *m)
{
    int rc = pthread_mutex_lock(m);

    if (rc == EOWNERDEAD)
        pthread_mutex_consistent(m);
    /* Going on without the lock would corrupt what all processes share. */
    assert(rc == 0 || rc == EOWNERDEAD);
    return rc == EOWNERDEAD;
}

void mg_shm_unlock(pthread_mutex_t *m)
{
    pthread_mutex_unlock(m);
}
