#include "base/hash.h"
#include "test.h"

static uint64_t unseeded(const char *text)
{
    const struct mg_hash_seed seed = {0, 0};

    return mg_hash(&seed, text, strlen(text));
}

/* CPython's hash() of the same bytes with PYTHONHASHSEED=0, which is SipHash-1-3 too. */
static void agrees_with_another_implementation(void)
{
    CHECK(unseeded("a") == 0x407448d2b89b1813u);
    CHECK(unseeded("moongate") == 0xf43e1c756660862au);
    CHECK(unseeded("0123456789abcdef!") == 0x9463628f6c8882cau);
}

static void seeds_differ_and_matter(void)
{
    struct mg_hash_seed a = mg_hash_seed_new(), b = mg_hash_seed_new();

    CHECK(a.k0 != b.k0 && a.k1 != b.k1);
    CHECK(mg_hash(&a, "key", 3) != mg_hash(&b, "key", 3));
    CHECK(mg_hash(&a, "key", 3) == mg_hash(&a, "key", 3));
}

/* Keys that count up must spread: no bucket of 1024 holds far more than its share of 64. */
static void similar_keys_spread(void)
{
    struct mg_hash_seed seed = mg_hash_seed_new();
    uint32_t buckets[1024] = {0}, most = 0;

    for (int i = 0; i < 65536; i++) {
        char key[16];
        int n = snprintf(key, sizeof(key), "ip:%d", i);
        uint32_t *b = &buckets[mg_hash(&seed, key, (size_t)n) & 1023];

        if (++*b > most)
            most = *b;
    }
    CHECK(most < 128);
}

TEST_MAIN(TEST(agrees_with_another_implementation), TEST(seeds_differ_and_matter),
          TEST(similar_keys_spread))
