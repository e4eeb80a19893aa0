/* profile.h -- Samples what a worker's thread does.
 *
 * Owner:      the board lives in shared memory, made by the master; the admin process writes what is wanted there, each
 *             worker looks every now and then and writes what it saw to its own share.
 * Ownership:  while a profile runs its stacks are the worker's own memory; the share is written at its end.
 * Errors:     none: a worker without memory has no samples.
 * Invariant:  a share is whole when `done` is the id of the profile.  Samples are of the thread's CPU time: who waits has
 *             none.  They come from budget.h, which tells what ran in a lane from what did not.
 */
#ifndef MG_PROFILE_H
#define MG_PROFILE_H
#include <stddef.h>
#include <stdint.h>

enum { MG_PROFILE_TEXT = 262144 };

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
struct mg_profile *mg_profile_new(struct mg_profile_board *board, uint32_t worker);
/* Begins and ends what the board says; called from the loop, outside of Lua. */
void mg_profile_look(struct mg_profile *p);
/* Before the Lua state is closed. */
void mg_profile_free(struct mg_profile *p);
#endif
