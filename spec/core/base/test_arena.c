#include "base/arena.h"
#include "test.h"
#include <stdint.h>
#include <stdlib.h>

static void pieces_are_aligned_and_apart(void)
{
    struct mg_arena a;
    unsigned char *pieces[600];

    mg_arena_init(&a);
    for (size_t i = 0; i < 600; i++) {
        pieces[i] = mg_arena_alloc(&a, i % 60);
        CHECK(pieces[i] != NULL && (uintptr_t)pieces[i] % 8 == 0);
        memset(pieces[i], (int)(i & 255), i % 60);
    }
    for (size_t i = 0; i < 600; i++)
        for (size_t j = 0; j < i % 60; j++)
            CHECK(pieces[i][j] == (i & 255));
    mg_arena_free(&a);
    CHECK(a.total == 0);
}

static void reset_keeps_one_block_and_gives_it_again(void)
{
    struct mg_arena a;
    void *first;

    mg_arena_init(&a);
    mg_arena_reset(&a);
    CHECK(a.total == 0);
    first = mg_arena_alloc(&a, 10);
    CHECK(a.total == MG_ARENA_BLOCK);
    for (int i = 0; i < 100; i++)
        mg_arena_alloc(&a, 1000);
    CHECK(a.total > 100000);
    mg_arena_reset(&a);
    CHECK(a.total == MG_ARENA_BLOCK);
    CHECK(mg_arena_alloc(&a, 10) == first);
    CHECK(a.total == MG_ARENA_BLOCK);
    mg_arena_free(&a);
}

static void a_large_piece_does_not_waste_the_shared_block(void)
{
    struct mg_arena a;
    char *large, *before, *after;

    mg_arena_init(&a);
    large = mg_arena_alloc(&a, 1 << 20); /* the first of all: must not be what reset keeps */
    memset(large, 1, 1 << 20);
    before = mg_arena_alloc(&a, 8);
    memset(mg_arena_alloc(&a, 100000), 2, 100000);
    after = mg_arena_alloc(&a, 8);
    CHECK(after > before && after - before < 64);
    mg_arena_reset(&a);
    CHECK(a.total == MG_ARENA_BLOCK);
    mg_arena_free(&a);
}

static void copies_and_prints_end_with_nul(void)
{
    struct mg_arena a;
    char long_text[3000];
    mg_str s;

    mg_arena_init(&a);
    s = mg_arena_copy(&a, "ab\0c", 4);
    CHECK(s.len == 4 && memcmp(s.ptr, "ab\0c\0", 5) == 0);
    s = mg_arena_copy(&a, NULL, 0);
    CHECK(s.len == 0 && s.ptr[0] == '\0');
    s = mg_arena_printf(&a, "%s-%d", "x", 42);
    CHECK_STR(s, "x-42");
    CHECK(s.ptr[4] == '\0');
    memset(long_text, 'y', sizeof(long_text));
    long_text[sizeof(long_text) - 1] = '\0';
    s = mg_arena_printf(&a, "%s", long_text);
    CHECK_STR(s, long_text);
    mg_arena_free(&a);
}

#ifdef __SANITIZE_ADDRESS__
static void what_is_not_handed_out_is_poisoned(void)
{
    struct mg_arena a;
    char *piece;

    mg_arena_init(&a);
    piece = mg_arena_alloc(&a, 13);
    CHECK(!__asan_address_is_poisoned(piece + 12));
    CHECK(__asan_address_is_poisoned(piece + 13));
    mg_arena_reset(&a);
    CHECK(__asan_address_is_poisoned(piece));
    mg_arena_free(&a);
}
#else
static void what_is_not_handed_out_is_poisoned(void)
{
    puts("(only with MOONGATE_SANITIZE)");
}
#endif

TEST_MAIN(TEST(pieces_are_aligned_and_apart), TEST(reset_keeps_one_block_and_gives_it_again),
          TEST(a_large_piece_does_not_waste_the_shared_block), TEST(copies_and_prints_end_with_nul),
          TEST(what_is_not_handed_out_is_poisoned))
