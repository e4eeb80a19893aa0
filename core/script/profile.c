#include "script/profile.h"

#include <luajit.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/str.h"
#include "net/loop.h"
#include "script/budget.h"

enum { DEPTH = 64, STACKS = 2048, STACK_TEXT = 4096 };

struct stack {
    uint32_t at, len, count;
};

struct mg_profile {
    struct mg_profile_board *board;
    struct mg_profile_share *share;
    uint64_t id; /* of the last profile that it took part in */
    bool running;
    struct mg_budget_sampler sampler;
    uint32_t lost; /* samples for which there was no room */
    uint32_t nstacks, used;
    struct stack *stacks;
    char *text;
};

/* ---- stacks ----------------------------------------------------------------------------- */

static bool begins(mg_str s, const char *with)
{
    return s.len >= strlen(with) && memcmp(s.ptr, with, strlen(with)) == 0;
}

/* Where a policy or a part of moongate stands in its own tree, else a file and its folder. */
static mg_str short_name(mg_str frame)
{
    uint32_t from = 0, slash = 0;

    for (uint32_t i = 0; i < frame.len; i++) {
        mg_str rest = mg_str_of(frame.ptr + i, frame.len - i);

        if (i > 0 && frame.ptr[i - 1] != '/')
            continue;
        if (begins(rest, "policies/") || begins(rest, "moongate/"))
            return rest;
        from = slash;
        slash = i;
    }
    return mg_str_of(frame.ptr + from, frame.len - from);
}

static size_t shorten(char *to, size_t size, const char *dump, size_t len)
{
    size_t used = 0, at = 0;

    while (at < len) {
        const char *end = memchr(dump + at, ';', len - at);
        size_t n = end == NULL ? len - at : (size_t)(end - dump) - at;
        mg_str name = short_name(mg_str_of(dump + at, n));

        if (used + name.len + 1 > size)
            break;
        for (uint32_t i = 0; i < name.len; i++)
            to[used++] = (char)((unsigned char)name.ptr[i] < ' ' ? '_' : name.ptr[i]);
        to[used++] = ';';
        at += n + 1;
    }
    return used;
}

static void add(struct mg_profile *p, const char *text, size_t len, uint32_t count)
{
    struct stack *s = p->stacks;

    for (uint32_t i = 0; i < p->nstacks; i++, s++) {
        if (s->len == len && memcmp(p->text + s->at, text, len) == 0) {
            s->count += count;
            return;
        }
    }
    if (p->nstacks == STACKS || p->used + len > MG_PROFILE_TEXT) {
        p->lost += count;
        return;
    }
    *s = (struct stack){p->used, (uint32_t)len, count};
    memcpy(p->text + p->used, text, len);
    p->used += (uint32_t)len;
    p->nstacks++;
}

static const char *state_name(int state)
{
    switch (state) {
    case 'N':
        return "[compiled]";
    case 'I':
        return "[interpreted]";
    case 'C':
        return "[C]";
    case 'G':
        return "[collector]";
    default:
        return "[compiler]";
    }
}

static void on_sample(struct mg_budget_sampler *s, lua_State *L, int samples, int state)
{
    struct mg_profile *p = MG_LIST_OF(s, struct mg_profile, sampler);
    char text[STACK_TEXT];
    size_t len;
    const char *dump = luaJIT_profile_dumpstack(L, "pFZ;", -DEPTH, &len);

    len = shorten(text, sizeof(text) - 32, dump, len);
    len += (size_t)snprintf(text + len, 32, "%s", state_name(state));
    add(p, text, len, (uint32_t)samples);
}

/* ---- one profile ------------------------------------------------------------------------ */

static void start(struct mg_profile *p)
{
    p->stacks = calloc(STACKS, sizeof(*p->stacks));
    p->text = malloc(MG_PROFILE_TEXT);
    if (p->stacks == NULL || p->text == NULL) {
        free(p->stacks);
        free(p->text);
        return;
    }
    p->nstacks = p->used = p->lost = 0;
    p->sampler = (struct mg_budget_sampler){.sample = on_sample};
    mg_budget_sample(&p->sampler);
    p->running = true;
}

static uint32_t put(struct mg_profile_share *to, uint32_t at, mg_str stack, uint32_t count)
{
    size_t room = MG_PROFILE_TEXT - at;
    int n;

    if (count == 0)
        return at;
    n = snprintf(to->text + at, room, "%.*s %u\n", (int)stack.len, stack.ptr, count);
    return n > 0 && (size_t)n < room ? at + (uint32_t)n : at;
}

static void stop(struct mg_profile *p)
{
    struct mg_profile_share *to = p->share;
    uint32_t len = 0;

    mg_budget_sample(NULL);
    len = put(to, len, MG_STR("core"), (uint32_t)p->sampler.elsewhere);
    len = put(to, len, MG_STR("[no room]"), p->lost);
    for (uint32_t i = 0; i < p->nstacks; i++)
        len = put(to, len, mg_str_of(p->text + p->stacks[i].at, p->stacks[i].len),
                  p->stacks[i].count);
    to->len = len;
    __atomic_store_n(&to->done, p->id, __ATOMIC_RELEASE);
    free(p->stacks);
    free(p->text);
    p->running = false;
}

void mg_profile_look(struct mg_profile *p)
{
    uint64_t id = __atomic_load_n(&p->board->id, __ATOMIC_ACQUIRE);
    bool due;

    if (!p->running && id == p->id)
        return;
    due = mg_clock_ns() / 1000000 < __atomic_load_n(&p->board->until, __ATOMIC_RELAXED);
    if (p->running && (id != p->id || !due))
        stop(p);
    if (id != p->id) {
        p->id = id;
        if (due)
            start(p);
    }
}

size_t mg_profile_board_size(uint32_t workers)
{
    return sizeof(struct mg_profile_board) + workers * sizeof(struct mg_profile_share);
}

struct mg_profile *mg_profile_new(struct mg_profile_board *board, uint32_t worker)
{
    struct mg_profile *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->board = board;
    p->share = &board->shares[worker];
    return p;
}

void mg_profile_free(struct mg_profile *p)
{
    if (p->running)
        stop(p);
    free(p);
}
