#include "base/zip.h"
#include "test.h"
#include <stdlib.h>

static char big[1 << 20];

/* Feeds `n` bytes in pieces of `step`; what comes out goes to `out`.  The last outcome. */
static int pump(struct mg_gzip *z, const char *in, size_t n, size_t step, char *out, size_t *len)
{
    int rc = MG_END;
    mg_str piece;

    *len = 0;
    for (size_t at = 0; rc == MG_END; at += step) {
        bool last = n - at <= step;

        mg_zip_feed(z, mg_str_of(in + at, last ? n - at : step), last);
        while ((rc = mg_zip_next(z, &piece)) == MG_OK) {
            memcpy(out + *len, piece.ptr, piece.len);
            *len += piece.len;
        }
        if (last)
            break;
    }
    return rc;
}

static size_t encoded(const char *in, size_t n, size_t step, char *out)
{
    struct mg_gzip *z = mg_zip_encoder(6);
    size_t len;

    CHECK(pump(z, in, n, step, out, &len) == MG_END);
    mg_zip_free(z);
    return len;
}

static int decoded(const char *in, size_t n, size_t step, uint64_t limit, uint32_t ratio,
                   size_t *len)
{
    struct mg_gzip *z = mg_zip_decoder(limit, ratio);
    static char out[sizeof(big) * 4];
    int rc = pump(z, in, n, step, out, len);

    mg_zip_free(z);
    if (rc == MG_END)
        CHECK(*len % sizeof(big) == 0 || memcmp(out, big, *len) == 0);
    return rc;
}

static void fill(unsigned kinds)
{
    srand(7);
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(rand() % (int)kinds);
}

static void what_went_in_comes_out_in_pieces_of_any_size(void)
{
    static char out[sizeof(big) * 2];
    size_t steps[] = {1, 7, 1000, 65536, sizeof(big)}, len;

    fill(256);
    for (size_t i = 0; i < 5; i++) {
        size_t n = steps[i] < 100 ? 3000 : sizeof(big) - 1, size = encoded(big, n, steps[i], out);

        for (size_t j = 0; j < 5; j++)
            CHECK(decoded(out, size, steps[j], 0, 0, &len) == MG_END && len == n);
    }
    CHECK(decoded(out, encoded(big, 0, 1, out), 1, 0, 0, &len) == MG_END && len == 0);
}

static void members_after_one_another_are_one(void)
{
    static char out[10000];
    size_t len, size = encoded(big, 1000, 1000, out);

    size += encoded(big + 1000, 500, 500, out + size);
    CHECK(decoded(out, size, 1, 0, 0, &len) == MG_END && len == 1500);
    CHECK(decoded(out, size, size, 0, 0, &len) == MG_END && len == 1500);
}

static void what_is_no_gzip_or_cut_off_is_an_error(void)
{
    static char out[10000];
    size_t len, size = encoded(big, 1000, 1000, out);

    CHECK(decoded("", 0, 1, 0, 0, &len) == MG_END);
    CHECK(decoded("plain text", 10, 3, 0, 0, &len) == MG_EPROTO);
    for (size_t cut = 1; cut < size; cut += 13)
        CHECK(decoded(out, cut, 7, 0, 0, &len) == MG_EPROTO);
    memcpy(out + size, "rubbish", 7);
    CHECK(decoded(out, size + 7, 5000, 0, 0, &len) == MG_EPROTO);
    out[size - 8] ^= 1; /* its checksum */
    CHECK(decoded(out, size, 5000, 0, 0, &len) == MG_EPROTO);
}

static void a_bomb_is_stopped(void)
{
    static char out[sizeof(big)];
    size_t len, size;

    memset(big, 0, sizeof(big));
    size = encoded(big, sizeof(big), 65536, out);
    size += encoded(big, sizeof(big), 65536, out + size);
    CHECK(size < 10000);
    CHECK(decoded(out, size, 100, 0, 0, &len) == MG_END && len == 2 * sizeof(big));
    CHECK(decoded(out, size, 100, 0, 100, &len) == MG_ELIMIT);
    CHECK(len <= MG_ZIP_FREE + MG_ZIP_PIECE + 100 * size);
    CHECK(decoded(out, size, 100, 50000, 0, &len) == MG_ELIMIT && len <= 50000);
}

static void as_many_as_may_be_open_are(void)
{
    static struct mg_gzip *open[MG_ZIP_MOST];

    for (size_t i = 0; i < MG_ZIP_MOST; i++)
        CHECK((open[i] = mg_zip_decoder(0, 0)) != NULL);
    CHECK(mg_zip_decoder(0, 0) == NULL && mg_zip_encoder(6) == NULL);
    for (size_t i = 0; i < MG_ZIP_MOST; i++)
        mg_zip_free(open[i]);
}

TEST_MAIN(TEST(what_went_in_comes_out_in_pieces_of_any_size),
          TEST(members_after_one_another_are_one), TEST(what_is_no_gzip_or_cut_off_is_an_error),
          TEST(a_bomb_is_stopped), TEST(as_many_as_may_be_open_are))
