/* A libFuzzer target: whatever bytes a connection begins with, a PROXY header is taken whole or refused, says the same
 * of every way to cut it, and what was taken is written and read again as the same.  Without libFuzzer
 * (-DMG_FUZZ_MAIN) a program that reads the files named. */
#include "fuzz.h"
#include "moongate.h"
#include "net/proxy_header.h"

/* Reads the first `len` bytes, in memory that ends there. */
static int read_part(const uint8_t *data, size_t len, struct mg_proxy_ends *ends, bool *known)
{
    char *part = malloc(len + 1);
    int rc;

    memcpy(part, data, len);
    rc = mg_proxy_header_read(part, len, ends, known);
    free(part);
    return rc;
}

static void check_written(const struct mg_proxy_ends *ends)
{
    struct mg_proxy_ends back;
    char out[MG_PROXY_HEADER_OUT];
    bool known;

    for (int version = 1; version <= 2; version++) {
        size_t len = mg_proxy_header_write(version, ends, out);

        FUZZ_HOLDS(len <= sizeof(out));
        FUZZ_HOLDS(mg_proxy_header_read(out, len, &back, &known) == (int)len && known);
        FUZZ_HOLDS(memcmp(ends, &back, sizeof(back)) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mg_proxy_ends ends, part;
    bool known, part_known;
    int rc = read_part(data, size, &ends, &known);

    FUZZ_HOLDS(rc == MG_EPROTO || (rc >= 0 && (size_t)rc <= size));
    FUZZ_HOLDS(rc > 0 || !known);
    /* What is whole is told at its last byte and not before; what is refused is never taken. */
    for (size_t i = 0; i < size && i < 300; i++) {
        int early = read_part(data, i, &part, &part_known);

        FUZZ_HOLDS(rc > 0 ? early == ((int)i < rc ? 0 : rc) : early == 0 || early == MG_EPROTO);
    }
    if (rc == 0)
        FUZZ_HOLDS(size < MG_PROXY_HEADER_MAX);
    if (known)
        check_written(&ends);
    return 0;
}

void fuzz_end(void)
{
}
