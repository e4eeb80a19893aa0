/* profiling.h -- The page /debug/profile: has the workers sampled for some seconds, and puts together what they saw.
 *
 * Owner:      the admin process, one for all its clients.
 * Ownership:  `body` is the callback's to free.
 * Errors:     MG_EINVAL for a query that it does not know, MG_EFULL while another profile runs.
 * Invariant:  one profile at a time; it ends in done() or by cancel().
 */
#ifndef MG_PROFILING_H
#define MG_PROFILING_H
#include "base/buf.h"
#include "net/loop.h"
#include "script/profile.h"

enum { MG_PROFILING_SECONDS = 5, MG_PROFILING_MOST = 60 };

struct mg_profiling {
    struct mg_loop *loop;
    struct mg_profile_board *board;
    void (*done)(void *owner, const char *type, struct mg_buf *body);
    void *owner; /* NULL: none runs */
    struct mg_timer timer;
    uint32_t seconds;
    bool folded;
};

void mg_profiling_init(struct mg_profiling *p);
/* `query`: seconds=1 to 60 (default 5), format=svg or folded. */
int mg_profiling_begin(struct mg_profiling *p, mg_str query, void *owner);
/* The owner has left: done() is not called. */
void mg_profiling_cancel(struct mg_profiling *p, const void *owner);
#endif
