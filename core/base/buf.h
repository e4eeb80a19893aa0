/* buf.h -- A queue of bytes: append at the end, consume at the front.
 *
 * Owner:      whoever embeds it; mg_buf_free() gives the memory back and leaves it empty.
 * Ownership:  mg_buf_bytes() points inside and goes bad at the next append or consume.
 * Errors:     running out of memory aborts the process.  Bounds are the caller's: it stops
 *             reading when mg_buf_len() passes its mark.
 * Invariant:  an empty buf holds no memory after mg_buf_consume() emptied it.
 */
#ifndef MG_BUF_H
#define MG_BUF_H
#include "base/str.h"

struct mg_buf {
    char *data;
    size_t start, end, cap; /* bytes are data[start, end) */
};

static inline size_t mg_buf_len(const struct mg_buf *b)
{
    return b->end - b->start;
}
static inline const char *mg_buf_bytes(const struct mg_buf *b)
{
    return b->data + b->start;
}
/* Copies `len` bytes to the end. */
void mg_buf_append(struct mg_buf *b, const char *ptr, size_t len);
/* Makes room for `len` more and returns where to write them; mg_buf_commit() adds them. */
char *mg_buf_reserve(struct mg_buf *b, size_t len);
void mg_buf_commit(struct mg_buf *b, size_t len);
/* Takes the first `len` bytes (at most mg_buf_len()) away. */
void mg_buf_consume(struct mg_buf *b, size_t len);
/* Takes away what stands behind the first `len` bytes (at most mg_buf_len()). */
static inline void mg_buf_truncate(struct mg_buf *b, size_t len)
{
    b->end = b->start + len;
}
/* Empty again, and without memory. */
void mg_buf_free(struct mg_buf *b);
#endif
