/* listener.h -- Accepts connections on one socket, up to a bound.
 *
 * Owner:      a worker has one a listener of the model; the socket was opened by the master.
 * Ownership:  on_accept gets the connection (TLS handshake done, if any) and owns it: it sets
 *             events and owner, starts reading, and calls mg_listener_release() once at the end.
 *             A TLS context is counted (mg_tls_ref).
 * Errors:     0 or a negative code; on_refused tells of connections that were closed before they were handed over.
 * Invariant:  at its bound, or at that of all listeners together, it stops accepting (the kernel queues) and
 *             goes on when one is released; connections in their handshake count.  Without
 *             descriptors it waits 100 ms, too.
 */
#ifndef MG_LISTENER_H
#define MG_LISTENER_H
#include "net/clients.h"
#include "net/tls.h"

struct mg_listener;

/* What several listeners may have open together; outlives them all. */
struct mg_listener_budget {
    uint32_t used, max;
    struct mg_list listeners;
};
void mg_listener_budget_init(struct mg_listener_budget *b, uint32_t max);

/* Why a connection was closed that was accepted, and never handed over. */
enum mg_listener_refusal {
    MG_REFUSED_CLIENT, /* max_per_client */
    MG_REFUSED_HEADER, /* no valid PROXY header, or not in time */
    MG_REFUSED_TLS     /* the handshake failed */
};

struct mg_listener_opts {
    int fd;             /* bound and listening; stays the caller's */
    struct mg_tls *tls; /* NULL: clear text; replaced by mg_listener_set_tls() on reload */
    bool permissive;    /* clear text is accepted beside TLS (told by the first byte) */
    bool proxied;       /* each connection begins with a PROXY header, which names its ends */
    uint32_t max_conns;
    struct mg_listener_budget *budget; /* NULL: no bound but its own */
    uint32_t
        max_per_client; /* of one address, from accept on (or its PROXY header); 0: any number */
    /* `client` is for mg_listener_release(). */
    void (*on_accept)(struct mg_listener *, struct mg_conn *conn, uint64_t client);
    void (*on_refused)(struct mg_listener *, enum mg_listener_refusal why);
    void *owner;
};

/* Accepts on o->fd, which stays the caller's and open until mg_listener_close().  On failure *out is
 * NULL. */
int mg_listener_open(struct mg_loop *loop, const struct mg_listener_opts *o,
                     struct mg_listener **out);
void *mg_listener_owner(const struct mg_listener *l);
/* For connections accepted from now on; NULL: clear text.  `permissive`: clear text beside TLS. */
void mg_listener_set_tls(struct mg_listener *l, struct mg_tls *tls, bool permissive);
void mg_listener_set_proxied(struct mg_listener *l, bool proxied); /* the same */
/* Connections at once, and of one client; those above it live on. */
void mg_listener_set_max(struct mg_listener *l, uint32_t max_conns, uint32_t max_per_client);
uint32_t mg_listener_conns(const struct mg_listener *l); /* open now */
/* Whether a client waits in the kernel's queue because of its bound; with `all`: of that of all together. */
bool mg_listener_is_full(const struct mg_listener *l, bool all);
/* The owner of an accepted connection tells when it has ended, with what on_accept gave for its client. */
void mg_listener_release(struct mg_listener *l, uint64_t client);
/* Stops accepting and drops handshakes; connections that stand live on.  Freed when the last one is
 * released; on_accept does not come any more. */
void mg_listener_close(struct mg_listener *l);
#endif
