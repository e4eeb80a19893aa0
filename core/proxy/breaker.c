#include "proxy/breaker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Written by one worker, read by all.  Not each on a cache line of its own: whoever writes has just
 * read them all, and thousands of services may have a breaker. */
struct mg_breaker_slot {
    uint32_t counts[MG_BREAKER_KINDS];
};

/* Of their pieces in shared memory. */
static const char KIND[] = "breaker";

/* All of this worker. */
static struct mg_list all = {&all, &all};

static void take_limits(const struct mg_breaker_conf *conf, uint32_t limits[MG_BREAKER_KINDS])
{
    limits[MG_BREAKER_CONNECTIONS] = conf->max_connections;
    limits[MG_BREAKER_PENDING] = conf->max_pending;
    limits[MG_BREAKER_REQUESTS] = conf->max_requests;
    limits[MG_BREAKER_RETRIES] = conf->max_retries;
}

static bool is_same(const struct mg_breaker *b, const struct mg_breaker_conf *conf)
{
    uint32_t limits[MG_BREAKER_KINDS];

    take_limits(conf, limits);
    return strlen(b->name) == conf->name.len &&
           memcmp(b->name, conf->name.ptr, conf->name.len) == 0 &&
           memcmp(b->limits, limits, sizeof(limits)) == 0 &&
           b->retry_percent == conf->retry_percent && b->min_retries == conf->min_retries;
}

static int no_init(struct mg_shm *shm, void *piece, size_t size)
{
    (void)shm;
    (void)piece;
    (void)size;
    return 0;
}

/* Breakers of one name with other limits (of the config before) count in the same slots. */
static bool share_slots(struct mg_breaker *b, struct mg_shm *shm, uint32_t worker)
{
    if (shm == NULL || worker >= MG_BREAKER_WORKERS)
        return false;
    b->slots = mg_shm_named(shm, KIND, mg_str_of(b->name, strlen(b->name)),
                            sizeof(*b->slots) * MG_BREAKER_WORKERS, no_init);
    if (b->slots == NULL)
        return false;
    b->shared = true;
    b->nslots = MG_BREAKER_WORKERS;
    b->own = worker;
    return true;
}

static bool own_slot(struct mg_breaker *b)
{
    b->slots = calloc(1, sizeof(*b->slots));
    b->nslots = 1;
    return b->slots != NULL;
}

struct mg_breaker *mg_breaker_open(const struct mg_breaker_conf *conf, struct mg_shm *shm,
                                   uint32_t worker)
{
    struct mg_breaker *b;

    for (struct mg_list *n = all.next; n != &all; n = n->next) {
        b = MG_LIST_OF(n, struct mg_breaker, link);
        if (is_same(b, conf)) {
            b->refs++;
            return b;
        }
    }
    b = calloc(1, sizeof(*b));
    if (b == NULL)
        return NULL;
    b->name = strndup(conf->name.ptr, conf->name.len);
    if (b->name == NULL || (!share_slots(b, shm, worker) && !own_slot(b))) {
        free(b->name);
        free(b);
        return NULL;
    }
    take_limits(conf, b->limits);
    b->retry_percent = conf->retry_percent;
    b->min_retries = conf->min_retries;
    b->refs = 1;
    mg_list_append(&all, &b->link);
    return b;
}

static void forget(void *piece, void *worker)
{
    struct mg_breaker_slot *slots = piece;

    memset(&slots[*(uint32_t *)worker], 0, sizeof(*slots));
}

void mg_breaker_forget(const struct mg_shm *shm, uint32_t worker)
{
    if (worker < MG_BREAKER_WORKERS)
        mg_shm_each(shm, KIND, forget, &worker);
}

void mg_breaker_ref(struct mg_breaker *b)
{
    b->refs++;
}

void mg_breaker_unref(struct mg_breaker *b)
{
    if (--b->refs > 0)
        return;
    mg_list_remove(&b->link);
    if (!b->shared)
        free(b->slots);
    free(b->name);
    free(b);
}

static uint64_t sum(const struct mg_breaker *b, enum mg_breaker_kind kind)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < b->nslots; i++)
        n += __atomic_load_n(&b->slots[i].counts[kind], __ATOMIC_RELAXED);
    return n;
}

/* Envoy's retry budget: a share of the requests in progress, but never less than a few. */
static uint64_t retry_limit(const struct mg_breaker *b)
{
    uint64_t share;

    if (b->retry_percent == 0)
        return b->limits[MG_BREAKER_RETRIES];
    share = sum(b, MG_BREAKER_REQUESTS) * b->retry_percent / 100;
    return share > b->min_retries ? share : b->min_retries;
}

bool mg_breaker_may(const struct mg_breaker *b, enum mg_breaker_kind kind)
{
    bool budget;

    if (b == NULL)
        return true;
    budget = kind == MG_BREAKER_RETRIES && b->retry_percent > 0;
    if (b->limits[kind] == 0 && !budget)
        return true;
    return sum(b, kind) < (budget ? retry_limit(b) : b->limits[kind]);
}

void mg_breaker_add(struct mg_breaker *b, enum mg_breaker_kind kind)
{
    if (b != NULL)
        __atomic_fetch_add(&b->slots[b->own].counts[kind], 1, __ATOMIC_RELAXED);
}

void mg_breaker_sub(struct mg_breaker *b, enum mg_breaker_kind kind)
{
    if (b != NULL)
        __atomic_fetch_sub(&b->slots[b->own].counts[kind], 1, __ATOMIC_RELAXED);
}
