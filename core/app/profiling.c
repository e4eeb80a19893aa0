#include "app/profiling.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/flame.h"
#include "net/loop.h"
#include "script/budget.h"

/* How often it looks, and how long it waits for a worker that does not come to say what it saw. */
enum { LOOK_MS = 50, PATIENCE_MS = 2000 };

static bool is_done(const struct mg_profile_board *b)
{
    for (uint32_t i = 0; i < b->nshares; i++)
        if (__atomic_load_n(&b->shares[i].done, __ATOMIC_ACQUIRE) != b->id)
            return false;
    return true;
}

static void answer(struct mg_profiling *p)
{
    struct mg_profile_board *b = p->board;
    struct mg_flame flame = {0};
    struct mg_buf body = {0};
    uint32_t workers = 0;
    char title[128];
    void *owner = p->owner;

    for (uint32_t i = 0; i < b->nshares; i++) {
        if (__atomic_load_n(&b->shares[i].done, __ATOMIC_ACQUIRE) != b->id)
            continue;
        workers++;
        mg_flame_add(&flame, mg_str_of(b->shares[i].text, b->shares[i].len));
    }
    mg_flame_merge(&flame);
    snprintf(title, sizeof(title), "%u s, %u workers: %llu samples, one for %d ms of CPU time",
             p->seconds, workers, (unsigned long long)flame.total, MG_BUDGET_TICK_MS);
    if (p->folded)
        mg_flame_folded(&flame, &body);
    else
        mg_flame_svg(&flame, title, &body);
    mg_flame_free(&flame);
    p->owner = NULL;
    p->done(owner, p->folded ? "text/plain; charset=utf-8" : "image/svg+xml", &body);
}

static void on_look(struct mg_timer *t)
{
    struct mg_profiling *p = MG_LIST_OF(t, struct mg_profiling, timer);
    uint64_t now = mg_clock_ns() / 1000000;

    if (now >= p->board->until && (is_done(p->board) || now >= p->board->until + PATIENCE_MS))
        answer(p);
    else
        mg_timer_set(p->loop, t, LOOK_MS);
}

/* ---- the query -------------------------------------------------------------------------- */

static bool read_seconds(mg_str value, uint32_t *out)
{
    uint32_t n = 0;

    if (value.len == 0 || value.len > 2)
        return false;
    for (uint32_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return false;
        n = n * 10 + (uint32_t)(value.ptr[i] - '0');
    }
    *out = n;
    return n >= 1 && n <= MG_PROFILING_MOST;
}

static bool read_pair(struct mg_profiling *p, mg_str pair)
{
    const char *sign = memchr(pair.ptr, '=', pair.len);
    mg_str name, value;

    if (sign == NULL)
        return false;
    name = mg_str_of(pair.ptr, (size_t)(sign - pair.ptr));
    value = mg_str_of(sign + 1, pair.len - name.len - 1);
    if (mg_str_eq(name, MG_STR("seconds")))
        return read_seconds(value, &p->seconds);
    p->folded = mg_str_eq(value, MG_STR("folded"));
    return mg_str_eq(name, MG_STR("format")) && (p->folded || mg_str_eq(value, MG_STR("svg")));
}

static bool read_query(struct mg_profiling *p, mg_str query)
{
    uint32_t at = 0;

    p->seconds = MG_PROFILING_SECONDS;
    p->folded = false;
    while (at < query.len) {
        const char *end = memchr(query.ptr + at, '&', query.len - at);
        uint32_t len = end == NULL ? query.len - at : (uint32_t)(end - query.ptr) - at;

        if (!read_pair(p, mg_str_of(query.ptr + at, len)))
            return false;
        at += len + 1;
    }
    return true;
}

/* ---- one profile ------------------------------------------------------------------------ */

void mg_profiling_init(struct mg_profiling *p)
{
    mg_timer_init(&p->timer, on_look);
}

static void want(struct mg_profile_board *b, uint64_t until)
{
    __atomic_store_n(&b->until, until, __ATOMIC_RELAXED);
    __atomic_store_n(&b->id, b->id + 1, __ATOMIC_RELEASE);
}

int mg_profiling_begin(struct mg_profiling *p, mg_str query, void *owner)
{
    if (p->owner != NULL)
        return MG_EFULL;
    if (!read_query(p, query))
        return MG_EINVAL;
    p->owner = owner;
    want(p->board, mg_clock_ns() / 1000000 + (uint64_t)p->seconds * 1000);
    mg_timer_set(p->loop, &p->timer, LOOK_MS);
    return MG_OK;
}

void mg_profiling_cancel(struct mg_profiling *p, const void *owner)
{
    if (p->owner == NULL || p->owner != owner)
        return;
    p->owner = NULL;
    mg_timer_clear(&p->timer);
    want(p->board, 0);
}
