#include "base/arena.h"
#include "base/err.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct mg_arena_block {
    struct mg_arena_block *older;
    size_t size; /* of data */
    char data[];
};

enum { FIRST_DATA = MG_ARENA_BLOCK - sizeof(struct mg_arena_block) };

static struct mg_arena_block *add_block(struct mg_arena *a, size_t size)
{
    struct mg_arena_block *b = NULL;

    if (size <= SIZE_MAX - sizeof(*b))
        b = malloc(sizeof(*b) + size);
    if (b == NULL)
        mg_err_no_memory();
    b->older = a->blocks;
    b->size = size;
    a->blocks = b;
    a->total += sizeof(*b) + size;
    return b;
}

static void use_block(struct mg_arena *a, struct mg_arena_block *b)
{
    a->next = b->data;
    a->end = b->data + b->size;
    ASAN_POISON_MEMORY_REGION(b->data, b->size);
}

/* What is too big for a shared block is put in front of the list and leaves next and end alone;
 * the list's last block is always a shared one, for reset to keep. */
void *mg_arena_grow(struct mg_arena *a, size_t size)
{
    if (a->blocks == NULL)
        use_block(a, add_block(a, FIRST_DATA));
    if (size > MG_ARENA_BLOCK / 4)
        return add_block(a, size)->data;
    if (size + MG_ARENA_GAP >= (size_t)(a->end - a->next))
        use_block(a, add_block(a, FIRST_DATA));
    return mg_arena_alloc(a, size);
}

void mg_arena_init(struct mg_arena *a)
{
    *a = (struct mg_arena){0};
}

static struct mg_arena_block *drop_block(struct mg_arena_block *b)
{
    struct mg_arena_block *older = b->older;

    ASAN_UNPOISON_MEMORY_REGION(b->data, b->size);
    free(b);
    return older;
}

void mg_arena_reset(struct mg_arena *a)
{
    struct mg_arena_block *b = a->blocks;

    if (b == NULL)
        return;
    while (b->older != NULL)
        b = drop_block(b);
    a->blocks = b;
    a->total = MG_ARENA_BLOCK;
    use_block(a, b);
}

void mg_arena_free(struct mg_arena *a)
{
    struct mg_arena_block *b = a->blocks;

    while (b != NULL)
        b = drop_block(b);
    mg_arena_init(a);
}

mg_str mg_arena_copy(struct mg_arena *a, const char *ptr, size_t len)
{
    char *piece = mg_arena_alloc(a, len + 1);

    if (len > 0)
        memcpy(piece, ptr, len);
    piece[len] = '\0';
    return mg_str_of(piece, len);
}

mg_str mg_arena_printf(struct mg_arena *a, const char *format, ...)
{
    va_list args;
    char *piece;
    int len;

    va_start(args, format);
    len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0)
        return mg_arena_copy(a, "", 0);
    piece = mg_arena_alloc(a, (size_t)len + 1);
    va_start(args, format);
    vsnprintf(piece, (size_t)len + 1, format, args);
    va_end(args);
    return mg_str_of(piece, (size_t)len);
}
