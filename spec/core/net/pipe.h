/* pipe.h -- Two connections joined in memory, for tests: bytes arrive in parts of any size.
 *
 * Ownership: as any mg_conn; what has left one end still arrives after that end was closed.
 */
#ifndef MG_PIPE_H
#define MG_PIPE_H
#include <stdlib.h>
#include "base/buf.h"
#include "net/conn.h"

struct pipe_end {
    struct mg_conn conn; /* first */
    struct pipe_end *peer;
    struct mg_buf inbox;
    struct mg_deferred turn;
    size_t part, limit; /* bytes a read hands out; bytes queued before write says MG_AGAIN */
    bool reading, closed, fin, told_eof, reset, owes_drain, busy;
};

static void pipe_free_if_done(struct pipe_end *e)
{
    if (!e->closed || e->busy)
        return;
    mg_list_remove(&e->turn.link);
    if (e->peer != NULL)
        e->peer->peer = NULL;
    mg_buf_free(&e->inbox);
    free(e);
}

static void pipe_hand_out(struct pipe_end *e)
{
    size_t n = mg_buf_len(&e->inbox);
    char *bytes;

    if (n > e->part)
        n = e->part;
    bytes = malloc(n); /* of its own, so that a sanitizer sees a late or a far read */
    memcpy(bytes, mg_buf_bytes(&e->inbox), n);
    mg_buf_consume(&e->inbox, n);
    e->conn.events->on_read(&e->conn, bytes, n);
    free(bytes);
}

static void pipe_turn(struct mg_deferred *d)
{
    struct pipe_end *e = MG_LIST_OF(d, struct pipe_end, turn);
    bool has_bytes;

    e->busy = true;
    if (e->reset && !e->told_eof) {
        e->told_eof = true;
        e->conn.events->on_error(&e->conn, UV_ECONNRESET);
    } else if (e->owes_drain && (e->peer == NULL || mg_buf_len(&e->peer->inbox) == 0)) {
        e->owes_drain = false;
        e->conn.events->on_drain(&e->conn);
    } else if (e->reading && mg_buf_len(&e->inbox) > 0) {
        pipe_hand_out(e);
    } else if (e->reading && e->fin && !e->told_eof) {
        e->told_eof = true;
        e->conn.events->on_eof(&e->conn);
    }
    e->busy = false;
    if (e->peer != NULL && e->peer->owes_drain && mg_buf_len(&e->inbox) == 0)
        mg_loop_defer(e->conn.loop, &e->peer->turn);
    has_bytes = e->reading && mg_buf_len(&e->inbox) > 0;
    if (!e->closed &&
        (has_bytes || (e->owes_drain ? e->peer == NULL : e->reading && e->fin && !e->told_eof)))
        mg_loop_defer(e->conn.loop, &e->turn);
    pipe_free_if_done(e);
}

static int pipe_write(struct mg_conn *c, const struct iovec *iov, int n)
{
    struct pipe_end *e = (struct pipe_end *)c, *to = e->peer;

    if (to == NULL)
        return UV_EPIPE;
    for (int i = 0; i < n; i++)
        mg_buf_append(&to->inbox, iov[i].iov_base, iov[i].iov_len);
    mg_loop_defer(c->loop, &to->turn);
    if (mg_buf_len(&to->inbox) <= e->limit)
        return MG_OK;
    e->owes_drain = true;
    return MG_AGAIN;
}

static void pipe_read_start(struct mg_conn *c)
{
    struct pipe_end *e = (struct pipe_end *)c;

    e->reading = true;
    mg_loop_defer(c->loop, &e->turn);
}

static void pipe_read_stop(struct mg_conn *c)
{
    ((struct pipe_end *)c)->reading = false;
}

static void pipe_shutdown(struct mg_conn *c)
{
    struct pipe_end *to = ((struct pipe_end *)c)->peer;

    if (to == NULL)
        return;
    to->fin = true;
    mg_loop_defer(c->loop, &to->turn);
}

static void pipe_close(struct mg_conn *c)
{
    struct pipe_end *e = (struct pipe_end *)c;

    pipe_shutdown(c);
    e->closed = true;
    pipe_free_if_done(e);
}

static void pipe_reset(struct mg_conn *c)
{
    struct pipe_end *to = ((struct pipe_end *)c)->peer;

    if (to != NULL)
        to->reset = true;
    pipe_close(c);
}

static size_t pipe_queued(const struct mg_conn *c)
{
    const struct pipe_end *e = (const struct pipe_end *)c;

    return e->peer != NULL ? mg_buf_len(&e->peer->inbox) : 0;
}

static const struct mg_peer *pipe_peer(const struct mg_conn *c)
{
    (void)c;
    return NULL;
}

static int pipe_address(const struct mg_conn *c, bool local, struct sockaddr_storage *out)
{
    (void)c, (void)local, (void)out;
    return UV_ENOTCONN;
}

static const struct mg_conn_ops pipe_ops = {.write = pipe_write,
                                            .read_start = pipe_read_start,
                                            .read_stop = pipe_read_stop,
                                            .shutdown = pipe_shutdown,
                                            .close = pipe_close,
                                            .reset = pipe_reset,
                                            .queued = pipe_queued,
                                            .peer = pipe_peer,
                                            .address = pipe_address};

static struct pipe_end *pipe_new_end(struct mg_loop *loop, size_t part)
{
    struct pipe_end *e = calloc(1, sizeof(*e));

    e->conn.ops = &pipe_ops;
    e->conn.loop = loop;
    e->part = part;
    e->limit = SIZE_MAX;
    mg_list_init(&e->turn.link);
    e->turn.fn = pipe_turn;
    return e;
}

/* `part`: bytes of one on_read at most. */
static void pipe_new(struct mg_loop *loop, size_t part, struct pipe_end *ends[2])
{
    ends[0] = pipe_new_end(loop, part);
    ends[1] = pipe_new_end(loop, part);
    ends[0]->peer = ends[1];
    ends[1]->peer = ends[0];
}
#endif
