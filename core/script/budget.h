/* budget.h -- What policies may use up of a worker: time of the CPU, and memory.
 *
 * Owner:      a worker starts it when its config is loaded and stops it before its Lua state closes.  One a process:
 *             LuaJIT's profiler is, and whoever else wants its samples gets them from here.
 * Ownership:  nothing is given away.
 * Errors:     a policy that uses up its budget is ended by an error in its Lua (moongate.budget says which).  Memory is
 *             refused to lanes alone: what the worker does of its own accord must not fail for what policies keep.
 * Invariant:  a lane that has run for less than MG_BUDGET_TICK_MS pays two additions.  One that runs on is looked at every
 *             tick of the thread's time, in compiled loops too: LuaJIT's profiler in line mode makes each line look
 *             at a flag, which a timer on the thread's own CPU clock sets.  What runs in C is not looked at.
 */
#ifndef MG_BUDGET_H
#define MG_BUDGET_H
#include <lua.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MG_BUDGET_TICK_MS = 5 }; /* of the thread's CPU time */
enum {
    MG_BUDGET_LOAD_BYTES = 256 << 20, /* what one call while a config is loaded may add */
    MG_BUDGET_BLOCKS = 16,    /* one string or table may be such a part of what all may keep, */
    MG_BUDGET_BLOCK = 4 << 20 /* or so large, if that is more */
};

/* The function that looks at the lane that runs is on the stack's top, and taken: it gets the coroutine, the
 * number of its turn and the thread's CPU time in ms, and returns the error that is to end it, or nothing.  0, or -errno. */
int mg_budget_start(lua_State *L);
void mg_budget_stop(void);
/* moongate.bounds: start(look) as mg_budget_start(), where nothing is started yet and it is the main thread that calls;
 * enter() makes what follows as one turn of a lane, but with a bound of memory of its own (false: it is one, or nothing
 * is started), until leave(); interpreted(f) is f for calls that compiled code leaves to the interpreter; longest(bytes) is how long one string may be
 * where all may keep so many. */
int luaopen_moongate_bounds(lua_State *L);
/* From a signal handler: the Lua that runs, if any does, is to log where it is. */
void mg_budget_say(void);
/* A config is about to be loaded: what is allocated outside of lanes from now on is not the policies'.  What they hold. */
size_t mg_budget_begin_load(void);
/* It was: of the bytes that the Lua state has now, `held` are the policies', who may hold `most` (0: no bound).  A lane
 * that passes that, garbage not counted, or asks for too large a block, is ended by "not enough memory". */
void mg_budget_end_load(size_t most, size_t held);
/* After each turn of a lane: a large string that one was ended for is found again by the next that makes the same one, which
 * then made one twice as large, and so on.  Such garbage is collected, unless the config is so large that it would take long. */
void mg_budget_tidy(void);
size_t mg_budget_held(void);    /* bytes now, less those of the config */
uint64_t mg_budget_given(void); /* bytes asked for since the start, whatever became of them */
bool mg_budget_is_spent(
    void); /* policies hold so much that they will soon be refused more; may collect garbage */

/* Who wants to know where the time goes: each tick in a lane is told by `sample` (as LuaJIT's profiler does, from the lane,
 * a little later), each one elsewhere is counted. */
struct mg_budget_sampler {
    void (*sample)(struct mg_budget_sampler *s, lua_State *L, int samples, int vmstate);
    volatile sig_atomic_t elsewhere;
};
/* `s` is borrowed until the next call; NULL: nobody. */
void mg_budget_sample(struct mg_budget_sampler *s);

/* A number of its own for each time that a lane is let run; odd while one runs. */
extern volatile unsigned mg_budget_turn;
#endif
