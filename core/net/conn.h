/* conn.h -- A connection is a table of calls; TCP and TLS fill the same table.
 *
 * Owner:      one owner at a time (a server, a client, the pool); it sets events and owner.
 * Ownership:  bytes given to on_read are valid during the call only.  mg_conn_write() copies
 *             what the socket does not take at once.  After mg_conn_close() the pointer is dead
 *             for the owner and no event follows; net/ frees it in the next turn.
 * Errors:     write returns MG_OK (all handed to the socket, or, when it is short, to be so at the end of
 *             this turn of the loop: on_error tells if that fails), MG_AGAIN (the rest is queued: send
 *             no more before on_drain) or a negative code (on_error will not follow: close it).
 * Invariant:  no event is called from inside a call of the owner, only from the loop.
 */
#ifndef MG_CONN_H
#define MG_CONN_H
#include <sys/uio.h>
#include <netinet/in.h>
#include "net/loop.h"

enum { MG_LINGER_BYTES = 1048576 };

struct mg_conn;

/* A connection reads only after mg_conn_read_start(); on_eof comes once.  on_connect may be NULL on
 * the server's side, the others never.  Closing is allowed in every event. */
struct mg_conn_events {
    /* Client side only, once: the connection (and its TLS) stands, or `err` says why not; after
     * an error the owner still has to close it. */
    void (*on_connect)(struct mg_conn *, int err);
    void (*on_read)(struct mg_conn *, const char *bytes, size_t len);
    void (*on_eof)(struct mg_conn *);   /* the peer will send no more (FIN or close_notify) */
    void (*on_drain)(struct mg_conn *); /* a queue that the socket was too full for is empty */
    void (*on_error)(struct mg_conn *, int err); /* reset, truncated TLS, ...; close it */
};

struct mg_conn_ops {
    int (*write)(struct mg_conn *, const struct iovec *iov, int n);
    void (*read_start)(struct mg_conn *);
    void (*read_stop)(struct mg_conn *);
    void (*shutdown)(struct mg_conn *); /* FIN (and close_notify) after what is queued */
    void (*close)(struct mg_conn *);
    void (*reset)(struct mg_conn *);          /* close so that the peer sees a failure (RST) */
    size_t (*queued)(const struct mg_conn *); /* bytes that the socket was too full for */
    const struct mg_peer *(*peer)(const struct mg_conn *); /* NULL on a clear connection */
    int (*address)(const struct mg_conn *, bool local, struct sockaddr_storage *out);
};

/* Who the peer is.  Of a TLS connection all but the addresses is filled after the handshake. */
struct mg_peer {
    mg_str principal;       /* first URI SAN, verified chain only; empty when none */
    mg_str sni, alpn;       /* empty when none */
    mg_str subject, serial; /* of the client's certificate */
    mg_str dns;             /* its first DNS SAN */
    char fingerprint[65];   /* SHA-256 of its DER, lower-case hex; "" when none */
    bool certified;         /* a client certificate was given and verified */
};

struct mg_conn {
    const struct mg_conn_ops *ops;
    const struct mg_conn_events *events;
    void *owner;
    struct mg_loop *loop;
};

static inline int mg_conn_write(struct mg_conn *c, const struct iovec *iov, int n)
{
    return c->ops->write(c, iov, n);
}
static inline void mg_conn_read_start(struct mg_conn *c)
{
    c->ops->read_start(c);
}
static inline void mg_conn_read_stop(struct mg_conn *c)
{
    c->ops->read_stop(c);
}
static inline void mg_conn_shutdown(struct mg_conn *c)
{
    c->ops->shutdown(c);
}
static inline void mg_conn_close(struct mg_conn *c)
{
    c->ops->close(c);
}
static inline void mg_conn_reset(struct mg_conn *c)
{
    c->ops->reset(c);
}
static inline size_t mg_conn_queued(const struct mg_conn *c)
{
    return c->ops->queued(c);
}

/* The owner is done but the peer may still be sending (RFC 9112, 9.6): sends what is queued, then
 * FIN, discards what arrives for at most `ms` (and MG_LINGER_BYTES), then closes.  The pointer is
 * dead for the owner, who is told of the end by `ended`, from the loop: until then the connection costs
 * what any other does.  False: no memory, and it is closed already. */
bool mg_conn_close_lingering(struct mg_conn *c, uint32_t ms, void (*ended)(void *owner));

/* The peer's TLS identity, NULL on a clear connection; valid while the connection is. */
const struct mg_peer *mg_conn_peer(const struct mg_conn *c);
/* Addresses of the TCP connection, an IPv4-mapped one as IPv4 (so that rules written for IPv4 see
 * it on a dual-stack socket); a negative code when it is already gone. */
int mg_conn_peer_address(const struct mg_conn *c, struct sockaddr_storage *out);
int mg_conn_local_address(const struct mg_conn *c, struct sockaddr_storage *out);
#endif
