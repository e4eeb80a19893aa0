#include "base/hash.h"
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

struct sip {
    uint64_t a, b, c, d;
};

struct mg_hash_seed mg_hash_seed_new(void)
{
    struct mg_hash_seed seed;
    struct timespec now;

    if (getrandom(&seed, sizeof(seed), 0) == (ssize_t)sizeof(seed))
        return seed;
    clock_gettime(CLOCK_REALTIME, &now); /* an old kernel: still another one each start */
    seed.k0 = (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15u ^ (uint64_t)now.tv_sec;
    seed.k1 = (uint64_t)getpid() * 0xc2b2ae3d27d4eb4fu ^ (uint64_t)(uintptr_t)&now;
    return seed;
}

static inline uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static inline void sip_round(struct sip *s)
{
    s->a += s->b;
    s->c += s->d;
    s->b = rotate(s->b, 13) ^ s->a;
    s->d = rotate(s->d, 16) ^ s->c;
    s->a = rotate(s->a, 32);
    s->c += s->b;
    s->a += s->d;
    s->b = rotate(s->b, 17) ^ s->c;
    s->d = rotate(s->d, 21) ^ s->a;
    s->c = rotate(s->c, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->d ^= word;
    sip_round(s);
    s->a ^= word;
}

uint64_t mg_hash(const struct mg_hash_seed *seed, const char *ptr, size_t len)
{
    struct sip s = {seed->k0 ^ 0x736f6d6570736575u, seed->k1 ^ 0x646f72616e646f6du,
                    seed->k0 ^ 0x6c7967656e657261u, seed->k1 ^ 0x7465646279746573u};
    const char *end = ptr + (len & ~(size_t)7);
    uint64_t word;

    for (; ptr != end; ptr += 8) {
        memcpy(&word, ptr, 8);
        sip_word(&s, word);
    }
    word = (uint64_t)len << 56;
    for (size_t i = 0; i < (len & 7); i++)
        word |= (uint64_t)(unsigned char)end[i] << (8 * i);
    sip_word(&s, word);
    s.c ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}
