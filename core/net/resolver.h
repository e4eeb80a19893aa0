/* resolver.h -- Names to addresses, asked in the background and kept fresh.
 *
 * Owner:      a worker has one; names are shared by the endpoints that use them.
 * Ownership:  mg_resolver_get() counts a reference, _put() gives it back.
 * Errors:     a failed look-up keeps the last good answer and is tried again sooner.
 * Invariant:  no request waits for a look-up but the first ones of a new name.
 *
 * It asks by getaddrinfo(), on the pool's threads, so /etc/hosts and the system's settings count;
 * that tells no TTL, so every name in use is asked again each MG_RESOLVER_PERIOD_MS.
 */
#ifndef MG_RESOLVER_H
#define MG_RESOLVER_H
#include "net/loop.h"
#include <netinet/in.h>

enum {
    MG_RESOLVER_ADDRESSES = 16,
    MG_RESOLVER_PERIOD_MS = 30000,
    MG_RESOLVER_RETRY_MS = 1000, /* after a failure */
    MG_RESOLVER_LIMIT_MS = 5000  /* who waits is told MG_EDNS then; the answer still counts */
};

struct mg_resolver;
struct mg_name {
    const char *host;
    uint16_t port;
    uint32_t count;   /* of addresses; 0 until the first answer */
    uint32_t version; /* another one when the addresses have become others, in whatever order */
    uint32_t turn; /* next address to use, round robin (modulo count: an answer may be shorter) */
    int err;       /* of the last look-up: 0 or MG_EDNS; look at it when count is 0 */
    struct sockaddr_storage addresses[MG_RESOLVER_ADDRESSES]; /* with the port, as ordered */
};

/* Told once, from the loop, when a name without addresses gets its first answer (0) or has none
 * (MG_EDNS).  To give up: mg_list_remove(&w->link). */
struct mg_name_wait {
    struct mg_list link;
    void (*fn)(struct mg_name_wait *, int err);
};

struct mg_resolver *mg_resolver_new(struct mg_loop *loop); /* NULL: out of memory */
/* Frees the names too, given back or not; who waits is not told. */
void mg_resolver_free(struct mg_resolver *r);
/* A literal address ("::1" without brackets, "/path" of a Unix socket) answers at once.  NULL: the host is longer than 253
 * bytes (RFC 1035, 2.3.4) or has a byte no host name has (letters, digits, '-', '_', '.'). */
struct mg_name *mg_resolver_get(struct mg_resolver *r, const char *host, uint16_t port);
/* Gives it back; a name that nobody uses is asked no more. */
void mg_resolver_put(struct mg_resolver *r, struct mg_name *name);
/* Whether an address (with the port) is one of the last answer's. */
bool mg_resolver_has(const struct mg_name *name, const struct sockaddr_storage *address);
/* The same, looked at only when the answer has changed since *version, which is brought up to date. */
static inline bool mg_resolver_means(const struct mg_name *name,
                                     const struct sockaddr_storage *address, uint32_t *version)
{
    if (*version == name->version)
        return true;
    if (!mg_resolver_has(name, address))
        return false;
    *version = name->version;
    return true;
}
/* For a name with count 0 only. */
void mg_resolver_wait(struct mg_name *name, struct mg_name_wait *w);
#endif
