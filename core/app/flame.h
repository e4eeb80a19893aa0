/* flame.h -- Folded stacks as text and as a flame graph.
 *
 * Owner:      the admin process, while it answers.
 * Ownership:  the spans of stacks point into the text that was added, which must outlive them.
 * Errors:     MG_ELIMIT: more stacks than MG_FLAME_STACKS; the rest is left out.
 * Invariant:  none.
 */
#ifndef MG_FLAME_H
#define MG_FLAME_H
#include "base/buf.h"

enum { MG_FLAME_STACKS = 65536 };

struct mg_flame {
    struct mg_flame_stack {
        mg_str frames; /* "outermost;...;innermost" */
        uint64_t count;
    } * stacks;
    uint32_t nstacks;
    uint64_t total;
};

/* Adds lines of "frames COUNT". */
int mg_flame_add(struct mg_flame *f, mg_str text);
/* Equal stacks become one, sorted. */
void mg_flame_merge(struct mg_flame *f);
void mg_flame_folded(const struct mg_flame *f, struct mg_buf *out);
/* `title` stands above the graph. */
void mg_flame_svg(const struct mg_flame *f, const char *title, struct mg_buf *out);
void mg_flame_free(struct mg_flame *f);
#endif
