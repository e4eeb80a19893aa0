#include "http/client_state.h"
#include <stdlib.h>

enum { LAST_WORDS_MS = 100 };

static struct mg_client *of_stream(const struct mg_stream *st)
{
    return (struct mg_client *)st; /* the first member */
}

void mg_client_destroy(struct mg_client *c)
{
    mg_timer_clear(&c->timer);
    mg_list_remove(&c->later.link);
    mg_buf_free(&c->held);
    free(c);
}

void mg_client_close_now(struct mg_client *c)
{
    struct mg_conn *conn = c->conn;

    c->state = CLIENT_GONE;
    c->conn = NULL;
    mg_conn_close(conn);
}

void mg_client_stop_sending(struct mg_client *c, int err)
{
    c->write_error = err;
    mg_timer_set(c->loop, &c->timer, LAST_WORDS_MS);
}

static int put(struct mg_client *c, const struct iovec *iov, int n)
{
    int rc;

    if (n == 0 || c->write_error != 0 || c->state == CLIENT_GONE)
        return MG_OK;
    for (int i = 0; i < n; i++)
        c->stream.bytes_out += iov[i].iov_len;
    rc = mg_conn_write(c->conn, iov, n);
    if (rc >= 0)
        return rc;
    mg_client_stop_sending(c, rc);
    return MG_OK;
}

static int send_head(struct mg_stream *st, const struct mg_message *m)
{
    (void)st, (void)m;
    return MG_EPHASE; /* mg_client_start() has sent it */
}

static int send_body(struct mg_stream *st, mg_str bytes)
{
    struct mg_client *c = of_stream(st);
    struct iovec iov[MG_OUTGOING_SPANS] = {{(char *)bytes.ptr, bytes.len}};

    if (c->state == CLIENT_TUNNEL)
        return put(c, iov, bytes.len > 0);
    return put(c, iov, mg_outgoing_body(&c->out, bytes, iov));
}

static int send_end(struct mg_stream *st, const struct mg_headers *trailers)
{
    struct mg_client *c = of_stream(st);
    struct iovec iov[MG_OUTGOING_SPANS];
    int n, rc;

    if (c->state == CLIENT_TUNNEL) {
        mg_conn_shutdown(c->conn);
        return MG_OK;
    }
    n = mg_outgoing_end(&c->out, trailers, c->request->arena, iov);
    rc = put(c, iov, n);
    return c->out.ended ? rc : MG_EINVAL;
}

static int flush(struct mg_stream *st)
{
    struct mg_client *c = of_stream(st);
    struct iovec iov[MG_OUTGOING_SPANS];

    return put(c, iov, mg_outgoing_flush(&c->out, iov));
}

static int send_interim(struct mg_stream *st, const struct mg_message *m)
{
    (void)st, (void)m;
    return MG_EPHASE; /* responses only */
}

/* ---- the stream's other calls ------------------------------------------------------- */

static void stop_body(struct mg_stream *st)
{
    struct mg_client *c = of_stream(st);

    if (c->paused || c->state == CLIENT_GONE)
        return;
    c->paused = true;
    mg_conn_read_stop(c->conn);
}

static void resume_body(struct mg_stream *st)
{
    struct mg_client *c = of_stream(st);

    if (!c->paused || c->state == CLIENT_GONE)
        return;
    c->paused = false;
    if (mg_buf_len(&c->held) > 0)
        mg_loop_defer(c->loop, &c->later);
    else
        mg_conn_read_start(c->conn);
}

static void tunnel(struct mg_stream *st)
{
    struct mg_client *c = of_stream(st);

    if (c->state != CLIENT_SWITCH)
        return;
    c->state = CLIENT_TUNNEL;
    if (mg_buf_len(&c->held) > 0)
        mg_loop_defer(c->loop, &c->later);
}

static bool is_reusable(const struct mg_client *c, bool whole)
{
    return whole && c->state == CLIENT_WHOLE && c->stream.in->keep_alive && !c->surplus &&
           c->out.ended && c->write_error == 0;
}

static void release(struct mg_stream *st, bool whole)
{
    struct mg_client *c = of_stream(st);
    bool reusable = is_reusable(c, whole);

    st->events = NULL;
    st->in = NULL;
    st->at_once = (mg_str){0};
    c->released = true;
    mg_timer_clear(&c->timer);
    if (reusable) {
        c->state = CLIENT_IDLE;
        if (c->paused)
            mg_conn_read_start(c->conn);
    } else if (c->state != CLIENT_GONE) {
        mg_client_close_now(c);
    }
    c->events->on_free(c, c->owner, reusable);
    if (!reusable && !c->busy)
        mg_client_destroy(c);
}

const struct mg_stream_ops mg_client_stream_ops = {.send_head = send_head,
                                                   .send_body = send_body,
                                                   .send_end = send_end,
                                                   .flush = flush,
                                                   .send_interim = send_interim,
                                                   .pause = stop_body,
                                                   .resume = resume_body,
                                                   .tunnel = tunnel,
                                                   .release = release};
