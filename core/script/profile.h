/* profile.h -- Samples what a worker does, by LuaJIT's profiler; the only user of it in the process.
 *
 * Owner:      the board lives in shared memory, made by the master; the admin process writes what is wanted there, each
 *             worker looks every now and then and writes what it saw to its own share.
 * Ownership:  while a profile runs its stacks are the worker's own memory; the share is written at its end.
 * Errors:     none: a worker without memory has no samples.
 * Invariant:  a share is whole when `done` is the id of the profile.  Samples are of CPU time: who waits has none.
 *             What ran outside of Lua is told from what ran in it by the signal's handler, since LuaJIT would blame
 *             the Lua that runs next.
 */
#ifndef MG_PROFILE_H
#define MG_PROFILE_H
#include <lua.h>
#include "proxy/exchange.h"

enum { MG_PROFILE_MS = 5, MG_PROFILE_TEXT = 262144 };

struct mg_profile_share {
    uint64_t done; /* whose text this is */
    uint32_t len;
    char text[MG_PROFILE_TEXT]; /* "frame;frame;... COUNT\n", the outermost frame first */
};

struct mg_profile_board {
    uint64_t id;    /* of the profile that is wanted, or was; written after `until` */
    uint64_t until; /* ms of mg_clock_ns() */
    uint32_t nshares;
    struct mg_profile_share shares[];
};

size_t mg_profile_board_size(uint32_t workers);

struct mg_profile;
/* NULL: out of memory. */
struct mg_profile *mg_profile_new(struct mg_profile_board *board, uint32_t worker, lua_State *L,
                                  const struct mg_proxy *proxy);
/* Begins and ends what the board says; called from the loop, outside of Lua. */
void mg_profile_look(struct mg_profile *p);
/* Before the Lua state is closed. */
void mg_profile_free(struct mg_profile *p);
#endif
