/* arena.h -- Memory of one request: many small allocations, freed at once.
 *
 * Owner:      an exchange (or a call) owns one; it outlives nothing.
 * Ownership:  what mg_arena_alloc() gives is valid until mg_arena_reset() or _free().  Under ASan
 *             a use after either, or past the end of a piece, is reported.
 * Errors:     running out of memory aborts the process (as H2O does): no caller checks.
 * Invariant:  reset keeps the first block, so a pooled exchange allocates nothing in the
 *             steady state.  What is past a quarter block and does not fit gets a block of its own.
 */
#ifndef MG_ARENA_H
#define MG_ARENA_H
#include "base/str.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
enum { MG_ARENA_GAP = 16 }; /* poisoned bytes after each piece */
#else
#define ASAN_POISON_MEMORY_REGION(ptr, size) ((void)(ptr), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(ptr, size) ((void)(ptr), (void)(size))
enum { MG_ARENA_GAP = 0 };
#endif

enum { MG_ARENA_BLOCK = 4096 };

struct mg_arena_block;
struct mg_arena {
    char *next, *end;
    struct mg_arena_block *blocks; /* newest first; the last one is kept by reset */
    size_t total;                  /* bytes of all blocks, for limits and metrics */
};

void mg_arena_init(struct mg_arena *a); /* allocates nothing yet */
/* All pieces end; reset keeps a block for the next request, free keeps nothing.  Either may be
 * followed by new allocations. */
void mg_arena_reset(struct mg_arena *a);
void mg_arena_free(struct mg_arena *a);
/* A copy of the bytes; a NUL follows it that len does not count. */
mg_str mg_arena_copy(struct mg_arena *a, const char *ptr, size_t len);
mg_str mg_arena_printf(struct mg_arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- private: the slow path of mg_arena_alloc() ------------------------------------ */
void *mg_arena_grow(struct mg_arena *a, size_t size);

/* Aligned to 8, not cleared, never NULL. */
static inline void *mg_arena_alloc(struct mg_arena *a, size_t size)
{
    char *piece = a->next;

    /* next and end are multiples of 8, so what fits still fits when rounded up. */
    if (size + MG_ARENA_GAP >= (size_t)(a->end - piece))
        return mg_arena_grow(a, size);
    a->next = piece + ((size + MG_ARENA_GAP + 7) & ~(size_t)7);
    ASAN_UNPOISON_MEMORY_REGION(piece, size);
    return piece;
}
#endif
