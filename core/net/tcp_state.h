/* tcp_state.h -- What tcp.c (reading, connecting, closing) and tcp_send.c (writing) share: one connection.
 *
 * Ownership:  private to those files.
 * Invariant:  `out` is empty unless the socket was too full for it or the connection does not stand yet;
 *             while TCP_CORKED is set neither is so.
 */
#ifndef MG_TCP_STATE_H
#define MG_TCP_STATE_H
#include "base/buf.h"
#include "net/tcp.h"

enum mg_tcp_flags {
    TCP_CLOSED = 1,
    TCP_CONNECTING = 2,
    TCP_SHUT = 4,      /* the owner sends no more; FIN goes out when the queue is empty */
    TCP_WANTED = 8,    /* the owner wants to read */
    TCP_ENDED = 16,    /* the peer's FIN, or an error, was told */
    TCP_READABLE = 32, /* the socket may have bytes, or its end, for us */
    TCP_HUNG_UP = 64,  /* ... its end, or an error: epoll will not say so again */
    TCP_CORKED = 128,  /* bytes in the loop's stage are to be sent at the end of the turn */
    TCP_UNTOLD = 256   /* `err` is not known to the owner yet */
};

/* Not uv_tcp_t: its read(2) and write(2) go through the file layer, which costs a tenth of a small
 * request; recv(2) and send(2) do not.  The socket is watched edge-triggered from its first moment to
 * its last, so epoll is told of no change.  Kept small: ten thousand of these wait for a client that
 * says nothing. */
struct mg_tcp {
    struct mg_conn conn; /* first: the face everyone else sees */
    struct mg_watch watch;
    struct mg_deferred later;   /* reads on, tells an error, or frees */
    struct mg_deferred sending; /* uncorks */
    struct mg_buf out;          /* what the socket did not take */
    struct dial *dial;          /* NULL: connected */
    struct mg_proxy_ends *ends; /* NULL: those of the socket */
    int fd;
    int err; /* 0, or why nothing can be sent any more */
    uint32_t flags;
    uint16_t corked_at, corked; /* where in the stage; bytes */
};
_Static_assert(sizeof(struct mg_tcp) <= 160, "an idle connection is this large");

static inline struct mg_tcp *of_conn(const struct mg_conn *c)
{
    return (struct mg_tcp *)c;
}

/* The last event: the peer's end (0), or an error.  Nothing may touch `t` after an event but its flags:
 * the owner may have closed it, and it is freed at the end of the turn. */
void mg_tcp_end(struct mg_tcp *t, int err);

int mg_tcp_write(struct mg_conn *c, const struct iovec *iov, int n);
size_t mg_tcp_queued(const struct mg_conn *c);
void mg_tcp_shutdown(struct mg_conn *c);
/* Sends what waits for the end of the turn.  It calls no event, as the owner may be writing: what fails
 * is told in the next turn. */
void mg_tcp_uncork(struct mg_tcp *t);
/* For the deferred `sending`. */
void mg_tcp_on_sending(struct mg_deferred *d);
/* The socket takes bytes again. */
void mg_tcp_send_queued(struct mg_tcp *t);
/* Sends the FIN that waited for the connection. */
void mg_tcp_send_fin(struct mg_tcp *t);
#endif
