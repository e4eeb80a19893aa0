/* summary.h -- The page /config: the model that runs, as JSON, made from its image when somebody first asks.
 *
 * Owner:      the admin process, one for all its clients.
 * Ownership:  the image stays the caller's; the text is kept until the process ends.
 * Errors:     logged; the text is empty then, and the next who asks has it tried again.  Out of memory in Lua ends the
 *             process, and the master starts another one.
 * Invariant:  a pool's thread makes it, in a Lua state of its own: the other pages do not wait.
 */
#ifndef MG_SUMMARY_H
#define MG_SUMMARY_H
#include "base/buf.h"
#include "net/loop.h"

struct mg_summary {
    struct mg_loop *loop;
    int image;
    void (*done)(struct mg_summary *); /* on the loop */
    struct mg_buf text;                /* the thread's own until done() */
    struct mg_job job;
    bool ok; /* the thread's own, too */
    bool made, busy;
};

/* done() follows; while it is being made, and when it is made, nothing happens. */
void mg_summary_make(struct mg_summary *s);
#endif
