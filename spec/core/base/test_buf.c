#include "base/buf.h"
#include "test.h"
#include <stdlib.h>

static void bytes_come_out_as_they_went_in(void)
{
    struct mg_buf b = {0};
    unsigned char in = 0, out = 0;
    size_t bad = 0;

    srand(7);
    for (int round = 0; round < 5000; round++) {
        size_t n = (size_t)rand() % 300;
        char *room = mg_buf_reserve(&b, n);

        for (size_t i = 0; i < n; i++)
            room[i] = (char)in++;
        mg_buf_commit(&b, n);
        n = (size_t)rand() % 310;
        if (n > mg_buf_len(&b))
            n = mg_buf_len(&b);
        for (size_t i = 0; i < n; i++)
            bad += (unsigned char)mg_buf_bytes(&b)[i] != out++;
        mg_buf_consume(&b, n);
    }
    CHECK(bad == 0);
    CHECK(b.cap <= 1 << 16);
    mg_buf_free(&b);
}

static void an_empty_one_holds_no_memory(void)
{
    struct mg_buf b = {0};

    mg_buf_append(&b, "", 0);
    CHECK(b.data == NULL);
    mg_buf_append(&b, "hello", 5);
    CHECK_STR(mg_str_of(mg_buf_bytes(&b), mg_buf_len(&b)), "hello");
    mg_buf_consume(&b, 2);
    CHECK_STR(mg_str_of(mg_buf_bytes(&b), mg_buf_len(&b)), "llo");
    mg_buf_consume(&b, 3);
    CHECK(b.data == NULL && b.cap == 0 && mg_buf_len(&b) == 0);
    mg_buf_free(&b);
}

static void a_steady_queue_does_not_grow(void)
{
    struct mg_buf b = {0};
    char block[1000] = {0};

    mg_buf_append(&b, block, sizeof(block));
    for (int i = 0; i < 1000; i++) {
        mg_buf_append(&b, block, sizeof(block));
        mg_buf_consume(&b, sizeof(block));
    }
    CHECK(b.cap <= 4096);
    CHECK(mg_buf_len(&b) == sizeof(block));
    mg_buf_free(&b);
}

static void a_reserve_that_is_not_committed_adds_nothing(void)
{
    struct mg_buf b = {0};

    memset(mg_buf_reserve(&b, 5000), 'x', 5000);
    CHECK(mg_buf_len(&b) == 0);
    mg_buf_commit(&b, 3);
    CHECK_STR(mg_str_of(mg_buf_bytes(&b), mg_buf_len(&b)), "xxx");
    mg_buf_free(&b);
}

static void what_stands_behind_is_taken_away(void)
{
    struct mg_buf b = {0};

    mg_buf_append(&b, "hello", 5);
    mg_buf_consume(&b, 1);
    mg_buf_truncate(&b, 2);
    mg_buf_append(&b, "m", 1);
    CHECK_STR(mg_str_of(mg_buf_bytes(&b), mg_buf_len(&b)), "elm");
    mg_buf_free(&b);
}

TEST_MAIN(TEST(bytes_come_out_as_they_went_in), TEST(an_empty_one_holds_no_memory),
          TEST(a_steady_queue_does_not_grow), TEST(a_reserve_that_is_not_committed_adds_nothing),
          TEST(what_stands_behind_is_taken_away))
