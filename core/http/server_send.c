#include "http/server_state.h"

enum { DRAIN_MAX = 65536 };

static int put(struct mg_server *s, const struct iovec *iov, int n)
{
    int rc;

    if (n == 0)
        return s->writing ? MG_AGAIN : MG_OK;
    for (int i = 0; i < n; i++)
        s->stream.bytes_out += iov[i].iov_len;
    rc = mg_conn_write(s->conn, iov, n);
    if (rc < 0) {
        s->stream.events = NULL;
        mg_server_close_now(s);
        return MG_EGONE;
    }
    if (rc == MG_AGAIN && !s->writing) {
        s->writing = true;
        s->queued = (uint32_t)mg_conn_queued(s->conn);
        mg_server_arm(s, s->limits->write_timeout_ms);
    }
    return rc;
}

/* Must the connection close after this response?  (RFC 9112, 9.3 and 9.6) */
static bool must_close(const struct mg_server *s)
{
    const struct mg_message *in = s->stream.in;
    uint32_t most = s->limits->requests_per_connection;
    uint64_t left = mg_body_left(&s->active->body);

    if (!in->keep_alive || s->draining || (most != 0 && s->requests >= most))
        return true;
    return left > DRAIN_MAX || (left > 0 && in->expect_continue && !s->active->continued);
}

/* Chunks need HTTP/1.1; there they also serve where the length is not known. */
static enum mg_framing framing_for(const struct mg_message *m, uint8_t minor)
{
    if (m->framing != MG_BODY_CHUNKED && m->framing != MG_BODY_CLOSE)
        return m->framing;
    return minor > 0 ? MG_BODY_CHUNKED : MG_BODY_CLOSE;
}

static int send_head(struct mg_stream *st, const struct mg_message *m)
{
    struct mg_server *s = of_stream(st);
    struct mg_outgoing *out = &s->active->out;
    const struct mg_message *in = st->in;
    unsigned flags = 0;
    char *text;

    if (s->state == SERVER_GONE)
        return MG_EGONE;
    if (out->started)
        return MG_EPHASE;
    out->started = true;
    out->framing = framing_for(m, in->minor);
    out->left = m->length;
    out->bodiless =
        m->bodiless || m->status < 200 || m->status == 204 || m->status == 304 || s->active->head;
    s->closing = must_close(s) || (out->framing == MG_BODY_CLOSE && !out->bodiless);
    if (m->status != 101)
        flags = s->closing ? MG_WRITE_CLOSE : in->minor == 0 ? MG_WRITE_KEEP_ALIVE : 0;
    text = mg_arena_alloc(in->arena, mg_write_response_size(m));
    out->head = mg_str_of(text, mg_write_response(m, out->framing, flags, text));
    return MG_OK;
}

static int send_body(struct mg_stream *st, mg_str bytes)
{
    struct mg_server *s = of_stream(st);
    struct iovec iov[MG_OUTGOING_SPANS] = {{(char *)bytes.ptr, bytes.len}};

    if (s->state == SERVER_GONE)
        return MG_EGONE;
    if (s->state == SERVER_TUNNEL)
        return put(s, iov, bytes.len > 0);
    return put(s, iov, mg_outgoing_body(&s->active->out, bytes, iov));
}

static int send_end(struct mg_stream *st, const struct mg_headers *trailers)
{
    struct mg_server *s = of_stream(st);
    struct iovec iov[MG_OUTGOING_SPANS];
    struct mg_outgoing *out = &s->active->out;
    int n, rc;

    if (s->state == SERVER_GONE)
        return MG_EGONE;
    if (s->state == SERVER_TUNNEL) {
        mg_conn_shutdown(s->conn);
        return MG_OK;
    }
    n = mg_outgoing_end(out, st->in->accepts_trailers ? trailers : NULL, st->in->arena, iov);
    rc = put(s, iov, n);
    return rc >= 0 && !out->ended ? MG_EINVAL : rc;
}

static int flush(struct mg_stream *st)
{
    struct mg_server *s = of_stream(st);
    struct iovec iov[MG_OUTGOING_SPANS];

    if (s->state == SERVER_GONE)
        return MG_EGONE;
    return put(s, iov, mg_outgoing_flush(&s->active->out, iov));
}

static int send_interim(struct mg_stream *st, const struct mg_message *m)
{
    struct mg_server *s = of_stream(st);
    struct iovec iov;

    if (s->state == SERVER_GONE)
        return MG_EGONE;
    if (s->active->out.started)
        return MG_EPHASE;
    if (m->status == 100) {
        s->active->continued = true;
        mg_server_measure(s);
        if (s->state == SERVER_BODY && !s->paused)
            mg_server_arm(s, s->limits->body_timeout_ms);
    }
    if (st->in->minor == 0)
        return MG_OK;
    iov.iov_base = mg_arena_alloc(st->in->arena, mg_write_response_size(m));
    iov.iov_len = mg_write_response(m, MG_BODY_NONE, 0, iov.iov_base);
    return put(s, &iov, 1);
}

/* ---- the stream's other calls ------------------------------------------------------- */

static void stop_body(struct mg_stream *st)
{
    struct mg_server *s = of_stream(st);

    if (s->paused || s->state == SERVER_GONE)
        return;
    s->paused = true;
    mg_conn_read_stop(s->conn);
}

static void resume_body(struct mg_stream *st)
{
    struct mg_server *s = of_stream(st);

    if (!s->paused || s->state == SERVER_GONE)
        return;
    s->paused = false;
    if (s->state == SERVER_BODY) {
        mg_server_measure(s);
        if (!s->writing)
            mg_server_arm(s, s->limits->body_timeout_ms);
    }
    if (mg_buf_len(&s->held) > 0)
        mg_loop_defer(s->loop, &s->later);
    else
        mg_conn_read_start(s->conn);
}

static void tunnel(struct mg_stream *st)
{
    struct mg_server *s = of_stream(st);

    if (s->state == SERVER_GONE)
        return;
    flush(st);
    if (s->state == SERVER_GONE)
        return;
    s->state = SERVER_TUNNEL;
    if (mg_buf_len(&s->held) > 0)
        mg_loop_defer(s->loop, &s->later);
}

/* The response is not whole: says so while nothing of it has gone, else shows it to the peer by the framing, or by a
 * reset. */
static void cut(struct mg_server *s, const struct mg_server_active *a)
{
    if (a->out.started && a->out.head.len > 0)
        mg_server_answer(s, 502, a->head);
    else if (!a->out.started || a->out.framing != MG_BODY_CLOSE)
        mg_server_close(s);
    else
        mg_server_reset(s);
}

static void release(struct mg_stream *st, bool whole)
{
    struct mg_server *s = of_stream(st);
    struct mg_server_active *a = s->active;
    bool paused = s->paused, received = s->state == SERVER_WAIT;

    s->active = NULL;
    st->events = NULL;
    st->in = NULL;
    s->paused = false;
    if (s->state == SERVER_GONE) {
        if (!s->busy)
            mg_loop_defer(s->loop, &s->later);
        return;
    }
    if (s->state != SERVER_TUNNEL && !a->out.ended) {
        cut(s, a);
    } else if (s->state == SERVER_TUNNEL || s->closing || (received && !whole)) {
        mg_server_close(s);
    } else if (received) {
        mg_server_idle(s);
    } else {
        s->drain_left = mg_body_left(&a->body);
        s->state = SERVER_DRAIN;
        mg_server_arm(s, s->limits->body_timeout_ms);
    }
    if (s->state != SERVER_GONE && (paused || mg_buf_len(&s->held) > 0))
        mg_loop_defer(s->loop, &s->later);
}

const struct mg_stream_ops mg_server_stream_ops = {.send_head = send_head,
                                                   .send_body = send_body,
                                                   .send_end = send_end,
                                                   .flush = flush,
                                                   .send_interim = send_interim,
                                                   .pause = stop_body,
                                                   .resume = resume_body,
                                                   .tunnel = tunnel,
                                                   .release = release};
