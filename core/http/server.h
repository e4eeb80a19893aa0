/* server.h -- A downstream HTTP/1 connection: its requests, one after the other.
 *
 * Owner:      worker.c (by listener.h) hands each accepted connection to mg_server_new().
 * Ownership:  the server owns the connection and frees itself when it ends.  For each request it
 *             asks the handler for an arena-backed message (on_request's owner is the exchange).
 * Errors:     what is wrong on the wire is answered here (400, 408, 413, 414, 417, 431, 501, 505)
 *             with the connection closed, and told to the handler by on_refused (for logs and
 *             metrics).  When it shows only in the body (MG_EPROTO, MG_ELIMIT, MG_ETIMEOUT by
 *             on_error), it is answered here too if no head has been sent yet.
 * Invariant:  one request at a time is given out; pipelined bytes wait (at most 64 KiB and one read,
 *             then reading stops).  Between two requests the server holds no buffer and no message.
 *             A client that closes its side while it waits for an answer has left (MG_EGONE), as
 *             for other proxies.  The rest of a body that nobody read is drained when it is short
 *             (64 KiB), else the connection closes: it never becomes the next request.
 */
#ifndef MG_SERVER_H
#define MG_SERVER_H
#include "http/limits.h"
#include "http/stream.h"
#include "net/conn.h"

struct mg_server;

struct mg_server_handler {
    /* A head is complete and about to be parsed: gives the message (init'ed, with its arena) to
     * parse it into; NULL refuses with 503. */
    struct mg_message *(*on_head_bytes)(struct mg_server *, void **owner);
    /* The request's head is valid.  The handler sets s->events and s->owner; body events follow
     * after this returns.  May answer at once. */
    void (*on_request)(struct mg_server *, struct mg_stream *s);
    /* The head given to on_head_bytes was refused with `status` (already answered); `owner` is free
     * again.  owner is NULL when nothing had been asked for. */
    void (*on_refused)(struct mg_server *, void *owner, int status, const char *why);
    /* The connection ended: it is closed, and lingers no longer; called once, last. */
    void (*on_closed)(struct mg_server *);
};

struct mg_server_opts {
    const struct mg_limits
        *limits; /* lives as long as any connection; a reload changes it in place */
    const struct mg_server_handler *handler;
    void *owner;
};

/* Takes over `conn` and begins to read; MG_ENOMEM: it has been closed.  The server frees itself
 * after on_closed. */
int mg_server_new(struct mg_conn *conn, const struct mg_server_opts *o, struct mg_server **out);
/* The opts' owner; the connection (NULL once it is closed); the server of a downstream stream. */
void *mg_server_owner(const struct mg_server *s);
struct mg_conn *mg_server_conn(const struct mg_server *s);
struct mg_server *mg_server_of(const struct mg_stream *s);
/* First byte of the current request (mg_clock_ns). */
uint64_t mg_server_start_ns(const struct mg_server *s);
/* Finishes the request in progress, then closes (Connection: close); an idle one closes at once. */
void mg_server_drain(struct mg_server *s);
/* Since when (ms of mg_loop_now()) it waits for a request; UINT64_MAX: it does not. */
uint64_t mg_server_idle_since(const struct mg_server *s);
/* Closes one that waits for a request, at once. */
void mg_server_shed(struct mg_server *s);
#endif
