#include "net/clients.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { FIRST_SIZE = 16 };

struct slot {
    uint64_t key;
    uint32_t count; /* 0: empty */
};

/* Open addressing; a key stands in its slot or the next ones, with no empty one between. */
struct mg_clients {
    struct mg_hash_seed seed;
    struct slot *slots;
    uint32_t size, used; /* a power of two; at most half of it */
};

struct mg_clients *mg_clients_new(void)
{
    struct mg_clients *c = calloc(1, sizeof(*c));

    if (c != NULL)
        c->seed = mg_hash_seed_new();
    return c;
}

void mg_clients_free(struct mg_clients *c)
{
    if (c == NULL)
        return;
    free(c->slots);
    free(c);
}

/* No network of IPv6 has the key of an IPv4 address: 0:ffff::/32 is nobody's. */
uint64_t mg_clients_key(bool v4, const uint8_t *address)
{
    uint64_t key = v4 ? 0xffff : 0;

    for (int i = 0; i < (v4 ? 4 : 8); i++)
        key = key << 8 | address[i];
    return key;
}

/* ::ffff:192.0.2.1 is 192.0.2.1 (RFC 4291, 2.5.5.2). */
uint64_t mg_clients_key_of(const struct sockaddr_storage *peer)
{
    struct sockaddr_in6 six;
    struct sockaddr_in four;

    if (peer->ss_family == AF_INET) {
        memcpy(&four, peer, sizeof(four));
        return mg_clients_key(true, (const uint8_t *)&four.sin_addr);
    }
    if (peer->ss_family != AF_INET6)
        return MG_CLIENTS_NOBODY;
    memcpy(&six, peer, sizeof(six));
    return IN6_IS_ADDR_V4MAPPED(&six.sin6_addr) ? mg_clients_key(true, &six.sin6_addr.s6_addr[12])
                                                : mg_clients_key(false, six.sin6_addr.s6_addr);
}

static uint32_t home_of(const struct mg_clients *c, uint64_t key)
{
    return (uint32_t)mg_hash(&c->seed, (const char *)&key, sizeof(key)) & (c->size - 1);
}

/* The key's slot, or the empty one where it would stand. */
static struct slot *find(const struct mg_clients *c, uint64_t key)
{
    uint32_t i = home_of(c, key);

    while (c->slots[i].count > 0 && c->slots[i].key != key)
        i = (i + 1) & (c->size - 1);
    return &c->slots[i];
}

static bool grow(struct mg_clients *c)
{
    struct mg_clients larger = *c;

    larger.size = c->size > 0 ? c->size * 2 : FIRST_SIZE;
    larger.slots = calloc(larger.size, sizeof(*larger.slots));
    if (larger.slots == NULL)
        return false;
    for (uint32_t i = 0; i < c->size; i++)
        if (c->slots[i].count > 0)
            *find(&larger, c->slots[i].key) = c->slots[i];
    free(c->slots);
    *c = larger;
    return true;
}

bool mg_clients_add(struct mg_clients *c, uint64_t key, uint32_t most)
{
    struct slot *s;

    if (c->used >= c->size / 2 && !grow(c))
        return false;
    s = find(c, key);
    if (s->count >= most)
        return false;
    c->used += s->count == 0;
    s->key = key;
    s->count++;
    return true;
}

/* Closes the gap: those behind it move up as far as their own slot allows. */
static void clear(struct mg_clients *c, uint32_t gap)
{
    uint32_t mask = c->size - 1;

    for (uint32_t i = (gap + 1) & mask; c->slots[i].count > 0; i = (i + 1) & mask) {
        uint32_t home = home_of(c, c->slots[i].key);

        if (((i - home) & mask) < ((i - gap) & mask))
            continue;
        c->slots[gap] = c->slots[i];
        gap = i;
    }
    c->slots[gap].count = 0;
    c->used--;
}

void mg_clients_remove(struct mg_clients *c, uint64_t key)
{
    struct slot *s = c->size > 0 ? find(c, key) : NULL;

    if (s != NULL && s->count > 0 && --s->count == 0)
        clear(c, (uint32_t)(s - c->slots));
}
