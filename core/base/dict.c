#include "base/dict.h"
#include "base/hash.h"
#include "base/num.h"
#include <math.h>
#include <stdlib.h>

/* An entry is a chain of cells of one size, so any free cells will do: memory cannot fragment, and
 * pushing out the oldest entries always makes room. */
enum {
    CELL = 64,
    MAX_SHARDS = 32,
    SHARD_SIZE = 256 * 1024,
    SMALLEST = 16 * 1024,
    LOOK_BACK = 16 /* entries at the old end that are looked at for an expired one */
};

/* The first cell of an entry, then the rest of its bytes in `cell`s; indexes, 0 is none. */
struct entry {
    uint32_t next; /* cell */
    uint32_t chained;
    uint32_t newer, older;
    uint64_t hash;
    uint64_t expires; /* ms; 0: never */
    uint32_t klen, vlen;
    char bytes[CELL - 40]; /* key, then value */
};

struct cell {
    uint32_t next;
    char bytes[CELL - 4];
};

_Static_assert(sizeof(struct entry) == CELL && sizeof(struct cell) == CELL, "cells of one size");

struct shard {
    pthread_mutex_t lock;
    uint32_t free;           /* chain of cells given back */
    uint32_t fresh;          /* cells [fresh, ncells) were never used, so cost no memory yet */
    uint32_t newest, oldest; /* ends of the order of use */
    uint64_t entries, cells_used, evicted;
    uint32_t *buckets;
    struct cell *cells;
} __attribute__((aligned(64)));

struct mg_dict {
    struct mg_hash_seed seed;
    uint32_t nshards, nbuckets, ncells; /* of each shard; buckets: a power of two */
    struct shard shards[MAX_SHARDS];
};

/* ---- making one ----------------------------------------------------------------------- */

static void empty_shard(const struct mg_dict *d, struct shard *s)
{
    memset(s->buckets, 0, d->nbuckets * sizeof(*s->buckets));
    s->free = s->newest = s->oldest = 0;
    s->fresh = 1; /* cell 0 is "none" */
    s->entries = s->cells_used = 0;
}

/* Cuts the rest of the piece into shards: cells, and a bucket for each two to four of them. */
static int init_dict(struct mg_shm *shm, void *piece, size_t size)
{
    struct mg_dict *d = piece;
    char *at = (char *)(d + 1);
    size_t share;

    (void)shm;
    size -= sizeof(*d);
    d->seed = mg_hash_seed_new();
    d->nshards = size < (size_t)2 * SHARD_SIZE ? 1 : (uint32_t)(size / SHARD_SIZE);
    if (size / SHARD_SIZE > MAX_SHARDS)
        d->nshards = MAX_SHARDS;
    share = size / d->nshards / CELL;
    if (share > INT32_MAX)
        share = INT32_MAX;
    d->nbuckets = 16;
    while (d->nbuckets < share / 4)
        d->nbuckets *= 2;
    d->ncells = (uint32_t)(share - d->nbuckets * sizeof(uint32_t) / CELL);
    for (uint32_t i = 0; i < d->nshards; i++, at += share * CELL) {
        d->shards[i].cells = (struct cell *)at;
        d->shards[i].buckets = (uint32_t *)(at + (size_t)d->ncells * CELL);
        if (mg_shm_lock_init(&d->shards[i].lock) != 0)
            return MG_ENOMEM;
        d->shards[i].fresh = 1; /* the rest is zero already and stays untouched */
    }
    return 0;
}

struct mg_dict *mg_dict_open(struct mg_shm *shm, mg_str name, size_t size)
{
    if (size < SMALLEST)
        size = SMALLEST;
    if (size > SIZE_MAX / 2)
        return NULL;
    return mg_shm_named(shm, "dict", name, sizeof(struct mg_dict) + size, init_dict);
}

/* ---- cells ---------------------------------------------------------------------------- */

/* A place in an entry's bytes. */
struct cursor {
    struct shard *s;
    char *at;
    size_t left; /* in this cell */
    uint32_t next;
};

static struct entry *entry_at(const struct shard *s, uint32_t i)
{
    return (struct entry *)&s->cells[i];
}

static struct cursor cursor_at(struct shard *s, uint32_t i)
{
    struct entry *e = entry_at(s, i);

    return (struct cursor){.s = s, .at = e->bytes, .left = sizeof(e->bytes), .next = e->next};
}

/* Passes over up to `len` bytes that lie together; *n is how many. */
static char *pass(struct cursor *c, size_t len, size_t *n)
{
    char *at;

    if (c->left == 0) {
        struct cell *cell = &c->s->cells[c->next];

        c->at = cell->bytes;
        c->left = sizeof(cell->bytes);
        c->next = cell->next;
    }
    at = c->at;
    *n = len < c->left ? len : c->left;
    c->at += *n;
    c->left -= *n;
    return at;
}

static void skip(struct cursor *c, size_t len)
{
    for (size_t n; len > 0; len -= n)
        pass(c, len, &n);
}

static void put(struct cursor *c, mg_str from)
{
    for (size_t done = 0, n; done < from.len; done += n) {
        char *at = pass(c, from.len - done, &n);

        memcpy(at, from.ptr + done, n);
    }
}

static void take(struct cursor *c, char *to, size_t len)
{
    for (size_t done = 0, n; done < len; done += n) {
        const char *at = pass(c, len - done, &n);

        memcpy(to + done, at, n);
    }
}

static bool matches(struct cursor c, mg_str key)
{
    for (size_t done = 0, n; done < key.len; done += n) {
        const char *at = pass(&c, key.len - done, &n);

        if (memcmp(at, key.ptr + done, n) != 0)
            return false;
    }
    return true;
}

static uint32_t cells_for(size_t bytes)
{
    size_t first = sizeof(((struct entry *)0)->bytes), rest = sizeof(((struct cell *)0)->bytes);

    return bytes <= first ? 1 : (uint32_t)(1 + (bytes - first + rest - 1) / rest);
}

static uint32_t take_cell(struct shard *s)
{
    uint32_t i = s->free;

    if (i != 0)
        s->free = s->cells[i].next;
    else
        i = s->fresh++;
    s->cells_used++;
    return i;
}

static void free_cells(struct shard *s, uint32_t i)
{
    while (i != 0) {
        uint32_t next = s->cells[i].next;

        s->cells[i].next = s->free;
        s->free = i;
        s->cells_used--;
        i = next;
    }
}

/* ---- order of use ---------------------------------------------------------------------- */

static void link_newest(struct shard *s, uint32_t i)
{
    struct entry *e = entry_at(s, i);

    e->newer = 0;
    e->older = s->newest;
    if (s->newest != 0)
        entry_at(s, s->newest)->newer = i;
    else
        s->oldest = i;
    s->newest = i;
}

static void unlink_use(struct shard *s, uint32_t i)
{
    const struct entry *e = entry_at(s, i);

    if (e->newer != 0)
        entry_at(s, e->newer)->older = e->older;
    else
        s->newest = e->older;
    if (e->older != 0)
        entry_at(s, e->older)->newer = e->newer;
    else
        s->oldest = e->newer;
}

static void drop(const struct mg_dict *d, struct shard *s, uint32_t i)
{
    const struct entry *e = entry_at(s, i);
    uint32_t *at = &s->buckets[e->hash & (d->nbuckets - 1)];

    while (*at != i)
        at = &entry_at(s, *at)->chained;
    *at = e->chained;
    unlink_use(s, i);
    free_cells(s, i);
    s->entries--;
}

static bool is_expired(const struct entry *e, uint64_t now_ms)
{
    return e->expires != 0 && e->expires <= now_ms;
}

/* There is an entry whenever this is asked for: what is stored fits into a quarter of the shard. */
static void evict(const struct mg_dict *d, struct shard *s, uint64_t now_ms)
{
    uint32_t i = s->oldest;

    for (int n = 0; i != 0 && n < LOOK_BACK; n++, i = entry_at(s, i)->newer) {
        if (is_expired(entry_at(s, i), now_ms)) {
            drop(d, s, i);
            return;
        }
    }
    drop(d, s, s->oldest);
    s->evicted++;
}

/* ---- entries --------------------------------------------------------------------------- */

/* The shard of `hash`, locked. */
static struct shard *lock(struct mg_dict *d, uint64_t hash)
{
    struct shard *s = &d->shards[(hash >> 32) % d->nshards];

    if (mg_shm_lock(&s->lock))
        empty_shard(d, s);
    return s;
}

/* The entry under key, now the newest; 0: there is none, or it has just expired. */
static uint32_t find(const struct mg_dict *d, struct shard *s, uint64_t hash, mg_str key,
                     uint64_t now_ms)
{
    uint32_t i = s->buckets[hash & (d->nbuckets - 1)];

    for (; i != 0; i = entry_at(s, i)->chained) {
        const struct entry *e = entry_at(s, i);

        if (e->hash == hash && e->klen == key.len && matches(cursor_at(s, i), key))
            break;
    }
    if (i == 0)
        return 0;
    if (is_expired(entry_at(s, i), now_ms)) {
        drop(d, s, i);
        return 0;
    }
    if (s->newest != i) {
        unlink_use(s, i);
        link_newest(s, i);
    }
    return i;
}

static void add(const struct mg_dict *d, struct shard *s, uint64_t hash, mg_str key, mg_str value,
                uint64_t now_ms, uint64_t expires)
{
    uint32_t need = cells_for((size_t)key.len + value.len), first, last;
    uint32_t *bucket = &s->buckets[hash & (d->nbuckets - 1)];
    struct cursor c;

    while (d->ncells - 1 - s->cells_used < need)
        evict(d, s, now_ms);
    first = last = take_cell(s);
    for (uint32_t n = 1; n < need; n++)
        last = s->cells[last].next = take_cell(s);
    s->cells[last].next = 0;
    *entry_at(s, first) = (struct entry){.next = s->cells[first].next,
                                         .chained = *bucket,
                                         .hash = hash,
                                         .expires = expires,
                                         .klen = key.len,
                                         .vlen = value.len};
    c = cursor_at(s, first);
    put(&c, key);
    put(&c, value);
    *bucket = first;
    link_newest(s, first);
    s->entries++;
}

/* Puts value under key, whose entry is i (0: none yet). */
static void store(const struct mg_dict *d, struct shard *s, uint32_t i, uint64_t hash, mg_str key,
                  mg_str value, uint64_t now_ms, uint64_t expires)
{
    struct entry *e = entry_at(s, i);
    size_t size = (size_t)key.len + value.len;
    struct cursor c;

    if (i == 0 || cells_for(size) != cells_for((size_t)key.len + e->vlen)) {
        if (i != 0)
            drop(d, s, i);
        add(d, s, hash, key, value, now_ms, expires);
        return;
    }
    e->vlen = value.len;
    e->expires = expires;
    c = cursor_at(s, i);
    skip(&c, key.len);
    put(&c, value);
}

static uint64_t expiry(uint64_t now_ms, uint64_t ttl_ms)
{
    if (ttl_ms == 0)
        return 0;
    return ttl_ms < UINT64_MAX - now_ms ? now_ms + ttl_ms : UINT64_MAX;
}

static bool fits(const struct mg_dict *d, size_t bytes)
{
    return cells_for(bytes) <= d->ncells / 4;
}

/* ---- the calls ------------------------------------------------------------------------- */

int mg_dict_get(struct mg_dict *d, mg_str key, uint64_t now_ms, char *out, size_t cap, size_t *len)
{
    uint64_t hash = mg_hash(&d->seed, key.ptr, key.len);
    struct shard *s = lock(d, hash);
    uint32_t i = find(d, s, hash, key, now_ms);

    if (i != 0) {
        struct cursor c = cursor_at(s, i);

        *len = entry_at(s, i)->vlen;
        skip(&c, key.len);
        take(&c, out, *len < cap ? *len : cap);
    }
    mg_shm_unlock(&s->lock);
    return i != 0 ? MG_OK : MG_ENOENT;
}

int mg_dict_set(struct mg_dict *d, mg_str key, mg_str value, uint64_t now_ms, uint64_t ttl_ms,
                bool only_new)
{
    uint64_t hash = mg_hash(&d->seed, key.ptr, key.len);
    struct shard *s;
    uint32_t i;

    if (!fits(d, (size_t)key.len + value.len))
        return MG_ELIMIT;
    s = lock(d, hash);
    i = find(d, s, hash, key, now_ms);
    if (i == 0 || !only_new)
        store(d, s, i, hash, key, value, now_ms, expiry(now_ms, ttl_ms));
    mg_shm_unlock(&s->lock);
    return i != 0 && only_new ? MG_EPHASE : MG_OK;
}

static bool holds(struct shard *s, uint32_t i, mg_str value)
{
    const struct entry *e = entry_at(s, i);
    struct cursor c = cursor_at(s, i);

    if (value.ptr == NULL || e->vlen != value.len)
        return false;
    skip(&c, e->klen);
    return matches(c, value);
}

int mg_dict_swap(struct mg_dict *d, mg_str key, mg_str old, mg_str value, uint64_t now_ms,
                 uint64_t ttl_ms)
{
    uint64_t hash = mg_hash(&d->seed, key.ptr, key.len);
    struct shard *s;
    uint32_t i;
    bool same;

    if (!fits(d, (size_t)key.len + value.len))
        return MG_ELIMIT;
    s = lock(d, hash);
    i = find(d, s, hash, key, now_ms);
    same = i == 0 ? old.ptr == NULL : holds(s, i, old);
    if (same)
        store(d, s, i, hash, key, value, now_ms, expiry(now_ms, ttl_ms));
    mg_shm_unlock(&s->lock);
    return same ? MG_OK : MG_EPHASE;
}

int mg_dict_delete(struct mg_dict *d, mg_str key)
{
    uint64_t hash = mg_hash(&d->seed, key.ptr, key.len);
    struct shard *s = lock(d, hash);
    uint32_t i = find(d, s, hash, key, 0);

    if (i != 0)
        drop(d, s, i);
    mg_shm_unlock(&s->lock);
    return i != 0 ? MG_OK : MG_ENOENT;
}

static bool read_number(struct shard *s, uint32_t i, double *value)
{
    const struct entry *e = entry_at(s, i);
    struct cursor c = cursor_at(s, i);
    char text[64], *end;

    if (e->vlen == 0 || e->vlen >= sizeof(text))
        return false;
    skip(&c, e->klen);
    take(&c, text, e->vlen);
    text[e->vlen] = '\0';
    *value = strtod(text, &end);
    return end == text + e->vlen;
}

int mg_dict_incr(struct mg_dict *d, mg_str key, double by, double init, uint64_t now_ms,
                 uint64_t ttl_ms, double *out)
{
    uint64_t hash = mg_hash(&d->seed, key.ptr, key.len), expires = expiry(now_ms, ttl_ms);
    double value = init;
    int rc = MG_EINVAL;
    struct shard *s;
    uint32_t i;

    if (!fits(d, (size_t)key.len + MG_NUM_TEXT))
        return MG_ELIMIT;
    s = lock(d, hash);
    i = find(d, s, hash, key, now_ms);
    if (i != 0)
        expires = entry_at(s, i)->expires;
    if ((i == 0 || read_number(s, i, &value)) && isfinite(value + by)) {
        char text[MG_NUM_TEXT];

        *out = value + by;
        store(d, s, i, hash, key, mg_str_of(text, mg_num_double(text, *out)), now_ms, expires);
        rc = MG_OK;
    }
    mg_shm_unlock(&s->lock);
    return rc;
}

int mg_dict_ttl(struct mg_dict *d, mg_str key, uint64_t now_ms, uint64_t *ttl_ms)
{
    uint64_t hash = mg_hash(&d->seed, key.ptr, key.len);
    struct shard *s = lock(d, hash);
    uint32_t i = find(d, s, hash, key, now_ms);

    if (i != 0)
        *ttl_ms = entry_at(s, i)->expires == 0 ? 0 : entry_at(s, i)->expires - now_ms;
    mg_shm_unlock(&s->lock);
    return i != 0 ? MG_OK : MG_ENOENT;
}

void mg_dict_stats(struct mg_dict *d, uint64_t *entries, uint64_t *used, uint64_t *evicted)
{
    *entries = *used = *evicted = 0;
    for (uint64_t i = 0; i < d->nshards; i++) {
        struct shard *s = lock(d, i << 32);

        *entries += s->entries;
        *used += s->cells_used * CELL;
        *evicted += s->evicted;
        mg_shm_unlock(&s->lock);
    }
}
