#include "script/profile.h"

#include <luajit.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/loop.h"

/* "l": traces look for a sample at every line, else loops that are compiled would be seen as what follows them. */
#define MODE "li5"

enum { DEPTH = 64, STACKS = 2048, STACK_TEXT = 4096 };

struct stack {
    uint32_t at, len, count;
};

struct mg_profile {
    struct mg_profile_board *board;
    struct mg_profile_share *share;
    lua_State *L;
    const struct mg_proxy *proxy;
    uint64_t id; /* of the last profile that it took part in */
    bool running;
    struct sigaction theirs;
    uint32_t lost; /* samples for which there was no room */
    uint32_t nstacks, used;
    struct stack *stacks;
    char *text;
};

/* ---- the signal ------------------------------------------------------------------------- */

static struct mg_profile *sampled;
static pthread_t loop_thread;
static volatile sig_atomic_t core_ticks, thread_ticks;

static void on_tick(int signal)
{
    if (!pthread_equal(pthread_self(), loop_thread))
        thread_ticks++;
    else if (*(struct mg_x *const volatile *)&sampled->proxy->running == NULL)
        core_ticks++;
    else
        sampled->theirs.sa_handler(signal);
}

/* LuaJIT has set its own handler, and takes away whatever stands there when it stops. */
static void take_signal(struct mg_profile *p)
{
    struct sigaction ours = {.sa_handler = on_tick, .sa_flags = SA_RESTART};

    sampled = p;
    loop_thread = pthread_self();
    core_ticks = thread_ticks = 0;
    sigemptyset(&ours.sa_mask);
    sigaction(SIGPROF, NULL, &p->theirs);
    sigaction(SIGPROF, &ours, NULL);
}

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
            to[used++] = (unsigned char)name.ptr[i] < ' ' ? '_' : name.ptr[i];
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

static void on_sample(void *data, lua_State *L, int samples, int state)
{
    char text[STACK_TEXT];
    size_t len;
    const char *dump = luaJIT_profile_dumpstack(L, "pFZ;", -DEPTH, &len);

    len = shorten(text, sizeof(text) - 32, dump, len);
    len += (size_t)snprintf(text + len, 32, "%s", state_name(state));
    add(data, text, len, (uint32_t)samples);
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
    luaJIT_profile_start(p->L, MODE, on_sample, p);
    take_signal(p);
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

    luaJIT_profile_stop(p->L);
    len = put(to, len, MG_STR("core"), (uint32_t)core_ticks);
    len = put(to, len, MG_STR("threads"), (uint32_t)thread_ticks);
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

struct mg_profile *mg_profile_new(struct mg_profile_board *board, uint32_t worker, lua_State *L,
                                  const struct mg_proxy *proxy)
{
    struct mg_profile *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->board = board;
    p->share = &board->shares[worker];
    p->L = L;
    p->proxy = proxy;
    return p;
}

void mg_profile_free(struct mg_profile *p)
{
    if (p->running)
        stop(p);
    free(p);
}
