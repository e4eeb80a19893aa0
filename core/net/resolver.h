/* resolver.h -- Names to addresses, asked in the background and kept fresh.
 *
 * Owner:      a worker has one; names are shared by the endpoints that use them.
 * Ownership:  mg_resolver_get() counts a reference, _put() gives it back.
 * Errors:     a failed look-up keeps the last good answer and is tried again sooner.
 * Invariant:  no request waits for a look-up but the first ones of a new name.
 */
#ifndef MG_RESOLVER_H
#define MG_RESOLVER_H
#include "net/loop.h"
#include <netinet/in.h>

enum { MG_RESOLVER_ADDRESSES = 16, MG_RESOLVER_PERIOD_MS = 30000, MG_RESOLVER_RETRY_MS = 1000 };

struct mg_resolver;
struct mg_name {
    const char *host;
    uint16_t port;
    uint32_t count; /* of addresses; 0 until the first answer */
    uint32_t turn;  /* next address to use, round robin */
    int err;        /* why there is none yet: 0 while asked */
    struct sockaddr_storage addresses[MG_RESOLVER_ADDRESSES];
};

/* Told once, when a name without addresses gets its first answer (or fails). */
struct mg_name_wait {
    struct mg_list link;
    void (*fn)(struct mg_name_wait *, int err);
};

struct mg_resolver *mg_resolver_new(struct mg_loop *loop);
void mg_resolver_free(struct mg_resolver *r);
/* A literal address answers at once.  NULL: the host is longer than 253 bytes or not a name. */
struct mg_name *mg_resolver_get(struct mg_resolver *r, const char *host, uint16_t port);
void mg_resolver_put(struct mg_resolver *r, struct mg_name *name);
void mg_resolver_wait(struct mg_name *name, struct mg_name_wait *w);
#endif
