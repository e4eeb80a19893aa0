/* arena.h -- Memory of one request: many small allocations, freed at once.
 *
 * Owner:      an exchange (or a call) owns one; it outlives nothing.
 * Ownership:  what mg_arena_alloc() gives is valid until mg_arena_reset() or _free().
 * Errors:     running out of memory aborts the process (as H2O does): no caller checks.
 * Invariant:  reset keeps the first block, so a pooled exchange allocates nothing in the
 *             steady state.  Allocations past a quarter block get a block of their own.
 */
#ifndef MG_ARENA_H
#define MG_ARENA_H
#include "base/str.h"

enum { MG_ARENA_BLOCK = 4096 };

struct mg_arena_block;
struct mg_arena {
    char *next, *end;
    struct mg_arena_block *blocks; /* newest first; the last one is kept by reset */
    size_t total;                  /* bytes of all blocks, for limits and metrics */
};

void mg_arena_init(struct mg_arena *a); /* allocates nothing yet */
void mg_arena_reset(struct mg_arena *a);
void mg_arena_free(struct mg_arena *a);
void *mg_arena_alloc(struct mg_arena *a, size_t size); /* aligned to 8, not cleared */
/* A copy of the bytes; a NUL follows it that len does not count. */
mg_str mg_arena_copy(struct mg_arena *a, const char *ptr, size_t len);
mg_str mg_arena_printf(struct mg_arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
#endif
