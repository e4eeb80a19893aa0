/* fuzz.h -- What the fuzz targets share: a program without libFuzzer, a log to compare, a broken promise.
 *
 * A target defines LLVMFuzzerTestOneInput() and fuzz_end(), which frees what it kept.  With -DMG_FUZZ_MAIN this
 * header makes of it a program that reads the files named once, and finds what leaks.
 */
#ifndef MG_FUZZ_H
#define MG_FUZZ_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void fuzz_end(void);

/* What must hold for any input: else the fuzzer keeps the input. */
#define FUZZ_HOLDS(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Of spans that may be none at all. */
static inline bool fuzz_equal(mg_str a, mg_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Two ways of giving the same bytes must have come to the same. */
static inline void fuzz_same(const struct mg_buf *a, const struct mg_buf *b)
{
    size_t len = mg_buf_len(a);

    if (len == mg_buf_len(b) && (len == 0 || memcmp(mg_buf_bytes(a), mg_buf_bytes(b), len) == 0))
        return;
    fprintf(stderr, "whole:\n%.*s\nin pieces:\n%.*s\n", (int)len, len > 0 ? mg_buf_bytes(a) : "",
            (int)mg_buf_len(b), mg_buf_len(b) > 0 ? mg_buf_bytes(b) : "");
    abort();
}

static inline void fuzz_log(struct mg_buf *log, const char *text, mg_str bytes)
{
    mg_buf_append(log, text, strlen(text));
    if (bytes.len > 0)
        mg_buf_append(log, bytes.ptr, bytes.len);
}

/* Length of the next piece of an input that is given in pieces: 1, or up to 16 as the bytes fall. */
static inline size_t fuzz_piece(const uint8_t *data, size_t left)
{
    size_t n = data[0] % 3 == 0 ? 1 + data[0] % 16 : 1;

    return n < left ? n : left;
}

#ifdef MG_FUZZ_MAIN
int main(int argc, char **argv)
{
    static uint8_t bytes[1 << 20];

    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");

        if (file == NULL)
            return 1;
        LLVMFuzzerTestOneInput(bytes, fread(bytes, 1, sizeof(bytes), file));
        fclose(file);
    }
    fuzz_end();
    printf("%d passed, 0 failed\n", argc - 1);
    return 0;
}
#endif
#endif
