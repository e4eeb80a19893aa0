#include "base/buf.h"
#include "base/err.h"
#include <assert.h>
#include <stdlib.h>

enum { SMALLEST = 256 };

/* Where bytes were consumed they are left behind; else realloc() may do without copying the rest. */
static void grow(struct mg_buf *b, size_t need)
{
    size_t len = mg_buf_len(b);
    size_t cap = b->cap < SMALLEST ? SMALLEST : b->cap;
    char *data;

    while (cap < need) {
        if (cap > SIZE_MAX / 2)
            mg_err_no_memory();
        cap *= 2;
    }
    data = b->start == 0 ? realloc(b->data, cap) : malloc(cap);
    if (data == NULL)
        mg_err_no_memory();
    if (b->start > 0 && b->data != NULL) {
        memcpy(data, b->data + b->start, len);
        free(b->data);
    }
    *b = (struct mg_buf){.data = data, .start = 0, .end = len, .cap = cap};
}

char *mg_buf_reserve(struct mg_buf *b, size_t len)
{
    size_t held = mg_buf_len(b);

    if (len <= b->cap - b->end && b->data != NULL)
        return b->data + b->end;
    if (len > SIZE_MAX - held)
        mg_err_no_memory();
    /* Moving pays only when at least half was consumed: so each byte moves once on average. */
    if (held + len <= b->cap && b->start >= held && b->data != NULL) {
        memmove(b->data, b->data + b->start, held);
        b->start = 0;
        b->end = held;
    } else {
        grow(b, held + len);
    }
    return b->data + b->end;
}

void mg_buf_commit(struct mg_buf *b, size_t len)
{
    assert(len <= b->cap - b->end);
    b->end += len;
}

void mg_buf_append(struct mg_buf *b, const char *ptr, size_t len)
{
    if (len == 0)
        return;
    memcpy(mg_buf_reserve(b, len), ptr, len);
    b->end += len;
}

void mg_buf_consume(struct mg_buf *b, size_t len)
{
    assert(len <= mg_buf_len(b));
    b->start += len;
    if (b->start == b->end)
        mg_buf_free(b);
}

void mg_buf_free(struct mg_buf *b)
{
    free(b->data);
    *b = (struct mg_buf){0};
}
