/* test_crypto.c -- Digests and MACs against published vectors; random bytes that differ. */
#include <sys/wait.h>
#include <unistd.h>
#include "net/crypto.h"
#include "net/tls.h"
#include "test.h"

static bool is_hex(const uint8_t *bytes, uint32_t len, const char *hex)
{
    char text[2 * MG_DIGEST_MAX + 1] = "";

    for (uint32_t i = 0; i < len; i++)
        snprintf(text + (size_t)2 * i, 3, "%02x", bytes[i]);
    return strcmp(text, hex) == 0;
}

static void test_digests(void)
{
    static const struct {
        int algorithm;
        const char *hex;
    } abc[] = {
        {MG_MD5, "900150983cd24fb0d6963f7d28e17f72"},
        {MG_SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {MG_SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {MG_SHA384, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                    "8086072ba1e7cc2358baeca134c825a7"},
        {MG_SHA512, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
    };
    uint8_t out[MG_DIGEST_MAX];
    uint32_t len;

    for (size_t i = 0; i < sizeof(abc) / sizeof(abc[0]); i++) {
        CHECK(mg_crypto_digest(abc[i].algorithm, "abc", 3, out, &len) == MG_OK);
        CHECK(is_hex(out, len, abc[i].hex));
    }
}

/* RFC 4231, test case 2. */
static void test_hmac(void)
{
    static const char data[] = "what do ya want for nothing?";
    uint8_t out[MG_DIGEST_MAX];
    uint32_t len;

    CHECK(mg_crypto_hmac(MG_SHA256, "Jefe", 4, data, sizeof(data) - 1, out, &len) == MG_OK);
    CHECK(is_hex(out, len, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
}

static void test_unknown_algorithms(void)
{
    uint8_t out[MG_DIGEST_MAX];
    uint32_t len;

    CHECK(mg_crypto_digest(0, "abc", 3, out, &len) == MG_EINVAL);
    CHECK(mg_crypto_hmac(99, "k", 1, "abc", 3, out, &len) == MG_EINVAL);
}

static void test_random_bytes_differ(void)
{
    uint8_t a[32], b[32], many[4096] = {0};

    mg_crypto_random(a, sizeof(a));
    mg_crypto_random(b, sizeof(b));
    CHECK(memcmp(a, b, sizeof(a)) != 0);
    mg_crypto_random(many, sizeof(many)); /* more than the generator gives at once */
    CHECK(memcmp(many + 4064, (uint8_t[32]){0}, 32) != 0);
}

/* A forked child that calls mg_tls_init() draws other bytes than its parent (CVE-2026-25835). */
static void test_a_child_seeds_anew(void)
{
    uint8_t ours[32], theirs[32] = {0};
    int fds[2], status;
    pid_t child;

    CHECK(pipe(fds) == 0);
    child = fork();
    if (child == 0) {
        CHECK(mg_tls_init() == 0);
        mg_crypto_random(ours, sizeof(ours));
        _exit(write(fds[1], ours, sizeof(ours)) != sizeof(ours));
    }
    mg_crypto_random(ours, sizeof(ours));
    CHECK(read(fds[0], theirs, sizeof(theirs)) == sizeof(theirs));
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(memcmp(ours, theirs, sizeof(ours)) != 0);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    static const struct test_case cases[] = {
        TEST(test_digests), TEST(test_hmac), TEST(test_unknown_algorithms),
        TEST(test_random_bytes_differ), TEST(test_a_child_seeds_anew)};

    CHECK(mg_tls_init() == 0);
    return test_run(cases, sizeof(cases) / sizeof(cases[0]));
}
