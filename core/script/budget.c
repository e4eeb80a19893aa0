#include "script/budget.h"

#include <errno.h>
#include <lauxlib.h>
#include <luajit.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

enum {
    HUGE = 4 << 20,        /* bytes of a block for which huge pages are asked */
    TIDY_BYTES = 16 << 20, /* of a config, beside which a collection takes little */
    TIDY_MS = 50,          /* that is little */
    STRING_HEAD = 64       /* more than LuaJIT puts before a string and behind it */
};

volatile unsigned mg_budget_turn;

static struct {
    lua_State *L, *looker;       /* the looker runs the Lua function, on a stack of its own */
    int anchor, look;            /* in the registry */
    struct sigaction profiler;   /* LuaJIT's own handler */
    volatile unsigned last_turn; /* at the tick before */
    volatile unsigned doomed;    /* the turn that is to be ended, or 0 */
    struct mg_budget_sampler *volatile sampler;
    volatile bool say; /* where it stands */
    unsigned over;     /* the turn that has passed the bound of memory, or 0 */
    unsigned vast;     /* the one that was given too large a block, or 0 */
    bool litter;       /* there may be such blocks that nobody holds any more, */
    double tidy_at;    /* which are collected from this time on */
    unsigned relieved; /* the last one that was given time for a collection, */
    double relief_ms;  /* and the time of all those */
    timer_t timer;
    lua_Alloc alloc; /* LuaJIT's own */
    void *alloc_arg;
    bool bounded; /* what runs as a turn is no lane's: `entered` bytes were used when it began */
    size_t used, base, most; /* base: what is the config's and not the policies' */
    size_t entered;
    size_t slack; /* garbage that is no cause for a look, because the config is large */
    uint64_t given;
    bool loading;     /* `base` grows as the Lua state does */
    bool interpreted; /* who asks for memory is no compiled code */
} b;

/* ---- time ----------------------------------------------------------------------------------- */

void mg_budget_say(void)
{
    if (b.L == NULL)
        return;
    b.say = true;
    b.profiler.sa_handler(SIGPROF);
}

static double thread_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6 - b.relief_ms;
}

static int nothing(lua_State *L)
{
    (void)L;
    return 0;
}

/* LuaJIT takes the coroutine that called last for the one that runs, and compiled code that is left stores its base
 * there: after a call on the looker L has to make one. */
static void resume_calls(lua_State *L)
{
    if (lua_cpcall(L, nothing, NULL) != 0)
        lua_pop(L, 1);
}

/* Whether the coroutine L is to end: then the error is on the looker's stack. */
static bool is_over(lua_State *L)
{
    lua_State *looker = b.looker;
    bool over;

    if (!lua_checkstack(L, LUA_MINSTACK))
        return false;
    lua_settop(looker, 0);
    lua_rawgeti(looker, LUA_REGISTRYINDEX, b.look);
    lua_pushthread(L);
    lua_xmove(L, looker, 1);
    lua_pushnumber(looker, mg_budget_turn);
    lua_pushnumber(looker, thread_ms());
    over = lua_pcall(looker, 3, 1, 0) == 0 && !lua_isnil(looker, -1);
    resume_calls(L);
    return over;
}

static void say_where(lua_State *L)
{
    lua_settop(b.looker, 0);
    luaL_traceback(b.looker, L, "this worker stands still in Lua", 0);
    mg_log(MG_LOG_ERROR, "%s", lua_tostring(b.looker, -1));
}

/* LuaJIT calls this between two instructions.  An error raised here would leave its profiler stuck. */
static void on_sample(void *arg, lua_State *L, int samples, int vmstate)
{
    (void)arg;
    if (b.say)
        say_where(L);
    b.say = false;
    if (b.sampler != NULL)
        b.sampler->sample(b.sampler, L, samples, vmstate);
    if (b.over != mg_budget_turn && b.doomed != mg_budget_turn && is_over(L))
        b.doomed = mg_budget_turn;
}

/* What is not the turn's own, and what may come to that. */
static size_t turn_base(void)
{
    return b.bounded ? b.entered : b.base;
}

static size_t turn_most(void)
{
    return b.bounded ? MG_BUDGET_LOAD_BYTES : b.most;
}

/* Garbage is not what a policy keeps.  To collect it once is no time that the policy has used up. */
static bool is_out_of_memory(lua_State *L)
{
    double began = thread_ms();
    bool vast = b.vast == mg_budget_turn;

    if (b.over != mg_budget_turn)
        return false;
    b.over = b.vast = 0;
    b.litter = b.litter || vast;
    if (vast)
        return true;
    lua_gc(L, LUA_GCCOLLECT, 0);
    if (b.relieved != mg_budget_turn)
        b.relief_ms += thread_ms() - began;
    b.relieved = mg_budget_turn;
    return b.used > turn_base() + turn_most();
}

/* Of a lane the log has the stack. */
static void say_spent(lua_State *L)
{
    if (b.bounded)
        luaL_where(L, 0);
    lua_pushliteral(L, "not enough memory");
    if (b.bounded)
        lua_concat(L, 2);
}

/* A hook may raise.  It asks again: what was over may have ended meanwhile. */
static void stop(lua_State *L, lua_Debug *ar)
{
    bool spent = is_out_of_memory(L), over = b.doomed == mg_budget_turn && is_over(L);

    (void)ar;
    lua_sethook(L, NULL, 0, 0);
    b.doomed = 0;
    if (over)
        lua_xmove(b.looker, L, 1);
    else if (spent)
        say_spent(L);
    if (over || spent)
        lua_error(L);
}

/* A lane that was running at the last tick as well is one to look at.  Compiled code sees the profiler's flag alone,
 * and then goes on in the interpreter, where the hook counts. */
static void on_tick(int signal)
{
    unsigned turn = mg_budget_turn;
    bool in_lane = (turn & 1) != 0, goes_on = in_lane && turn == b.last_turn;

    if (goes_on && b.doomed == turn)
        lua_sethook(b.L, stop, LUA_MASKCOUNT, 1);
    if (goes_on || (in_lane && b.sampler != NULL))
        b.profiler.sa_handler(signal);
    if (!in_lane && b.sampler != NULL)
        b.sampler->elsewhere++;
    b.last_turn = turn;
}

/* The profiler's timer counts the time of all threads, those that do the handshakes too: ours is in its place. */
static int start_profiler(void)
{
    static const struct itimerval none;
    struct sigaction ours = {.sa_handler = on_tick, .sa_flags = SA_RESTART};

    luaJIT_profile_start(b.L, "li1000", on_sample, NULL);
    setitimer(ITIMER_PROF, &none, NULL);
    sigemptyset(&ours.sa_mask);
    return sigaction(SIGPROF, &ours, &b.profiler) == 0 ? 0 : -errno;
}

static int start_timer(void)
{
    struct itimerspec every = {{0, MG_BUDGET_TICK_MS * 1000000L},
                               {0, MG_BUDGET_TICK_MS * 1000000L}};
    struct sigevent event;

    memset(&event, 0, sizeof(event));
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGPROF;
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &b.timer) != 0)
        return -errno;
    return timer_settime(b.timer, 0, &every, NULL) == 0 ? 0 : -errno;
}

void mg_budget_sample(struct mg_budget_sampler *s)
{
    b.sampler = s;
}

/* ---- memory --------------------------------------------------------------------------------- */

/* A string or a table that is larger takes long in C, where nothing ends it: to fill it, to copy it, and for the system
 * to find pages for it. */
static size_t longest_string(size_t most)
{
    size_t part = most / MG_BUDGET_BLOCKS;

    return part > MG_BUDGET_BLOCK ? part : MG_BUDGET_BLOCK;
}

/* The lane is ended as one is that runs on: LuaJIT may crash when compiled code is refused memory
 * (github.com/LuaJIT/LuaJIT/issues/1004).  Refused is what one call of a C function asks for beyond twice a bound, and,
 * where it may be compiled code that calls, a block as large as the bound of all. */
static bool is_refused(size_t more, size_t block)
{
    size_t most = turn_most(), largest = longest_string(most) + STRING_HEAD;
    size_t free_of = turn_base() + (b.bounded ? 0 : b.slack);
    bool vast = block > largest;

    if (most == 0 || (!vast && b.used + more <= free_of + most))
        return false;
    if (block >= (b.interpreted ? 2 * largest : most) || b.used + more > free_of + 2 * most)
        return true;
    if (vast)
        b.vast = mg_budget_turn;
    if (b.over != mg_budget_turn) {
        b.over = mg_budget_turn;
        lua_sethook(b.L, stop, LUA_MASKCOUNT, 1);
        b.profiler.sa_handler(SIGPROF);
    }
    return false;
}

/* To find small pages takes longer than to fill them. */
static void ask_for_huge_pages(void *block, size_t size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = (uintptr_t)block & ~(page - 1);

    madvise((void *)first, (uintptr_t)block + size - first, MADV_HUGEPAGE);
}

/* One that takes long, since policies keep much, is not made again before ten times that. */
void mg_budget_tidy(void)
{
    double began, took;

    if (!b.litter)
        return;
    began = thread_ms();
    if (began < b.tidy_at)
        return;
    b.litter = false;
    if (b.base >= TIDY_BYTES)
        return;
    lua_gc(b.L, LUA_GCCOLLECT, 0);
    took = thread_ms() - began;
    b.tidy_at = took > TIDY_MS ? began + 10 * took : 0;
}

static void *count_memory(void *arg, void *block, size_t old, size_t size)
{
    void *p;

    (void)arg;
    if (size > old && (mg_budget_turn & 1) != 0 && is_refused(size - old, size))
        return NULL;
    p = b.alloc(b.alloc_arg, block, old, size);
    if (p != NULL && size >= HUGE && (mg_budget_turn & 1) != 0)
        ask_for_huge_pages(p, size);
    if (p != NULL || size == 0)
        b.used += size - old;
    b.given += size > old ? size - old : 0;
    if (b.loading && size > old && ((mg_budget_turn & 1) == 0 || b.bounded))
        b.base += size - old;
    return p;
}

size_t mg_budget_begin_load(void)
{
    b.loading = true;
    return mg_budget_held();
}

void mg_budget_end_load(size_t most, size_t held)
{
    b.loading = false;
    b.most = most;
    b.base = b.used - (held < b.used ? held : b.used);
    /* The collector lets garbage grow to what there is besides, and while it is at it to twice that and more. */
    b.slack = 2 * b.base > most / 2 ? 2 * b.base - most / 2 : 0;
}

size_t mg_budget_held(void)
{
    return b.used > b.base ? b.used - b.base : 0;
}

uint64_t mg_budget_given(void)
{
    return b.given;
}

/* Past 7/8 it looks how much of that is garbage; were the two bounds one, it might have to look each time. */
bool mg_budget_is_spent(void)
{
    if (b.L == NULL || b.most == 0 || mg_budget_held() < b.slack + b.most - b.most / 8)
        return false;
    lua_gc(b.L, LUA_GCCOLLECT, 0);
    return mg_budget_held() >= b.most - b.most / 4;
}

/* ---- the whole ------------------------------------------------------------------------------ */

int mg_budget_start(lua_State *L)
{
    int rc;

    b.L = L;
    b.look = luaL_ref(L, LUA_REGISTRYINDEX);
    b.looker = lua_newthread(L);
    b.anchor = luaL_ref(L, LUA_REGISTRYINDEX);
    b.used = (size_t)lua_gc(L, LUA_GCCOUNT, 0) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB, 0);
    b.base = b.used;
    b.alloc = lua_getallocf(L, &b.alloc_arg);
    lua_setallocf(L, count_memory, NULL);
    rc = start_profiler();
    return rc != 0 ? rc : start_timer();
}

void mg_budget_stop(void)
{
    if (b.L == NULL)
        return;
    timer_delete(b.timer);
    luaJIT_profile_stop(b.L);
    lua_setallocf(b.L, b.alloc, b.alloc_arg);
    luaL_unref(b.L, LUA_REGISTRYINDEX, b.anchor);
    luaL_unref(b.L, LUA_REGISTRYINDEX, b.look);
    memset(&b, 0, sizeof(b));
}

/* ---- moongate.bounds ------------------------------------------------------------------------ */

static int bounds_start(lua_State *L)
{
    lua_settop(L, 1);
    if (b.L == NULL && lua_pushthread(L) == 1) {
        lua_pop(L, 1);
        mg_budget_start(L);
    }
    return 0;
}

static int bounds_enter(lua_State *L)
{
    bool begins = b.L != NULL && (mg_budget_turn & 1) == 0;

    if (begins) {
        b.bounded = true;
        b.entered = b.used;
        mg_budget_turn++;
    }
    lua_pushboolean(L, begins);
    return 1;
}

static int bounds_leave(lua_State *L)
{
    (void)L;
    mg_budget_turn++;
    b.bounded = false;
    return 0;
}

static int call_interpreted(lua_State *L)
{
    int rc;

    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    b.interpreted = true;
    rc = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    b.interpreted = false;
    return rc == 0 ? lua_gettop(L) : lua_error(L);
}

static int bounds_interpreted(lua_State *L)
{
    lua_settop(L, 1);
    lua_pushcclosure(L, call_interpreted, 1);
    return 1;
}

static int bounds_longest(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)longest_string((size_t)luaL_checknumber(L, 1)));
    return 1;
}

int luaopen_moongate_bounds(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"start", bounds_start},     {"enter", bounds_enter},
        {"leave", bounds_leave},     {"interpreted", bounds_interpreted},
        {"longest", bounds_longest}, {NULL, NULL}};

    lua_newtable(L);
    luaL_register(L, NULL, functions);
    return 1;
}
