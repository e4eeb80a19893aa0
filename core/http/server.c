#include <stdio.h>
#include <stdlib.h>
#include "http/date.h"
#include "http/server_state.h"

enum { FIRST_MS = 1000 }; /* for the first request of a connection, once the server drains */

/* ---- leaving ------------------------------------------------------------------------ */

static void destroy(struct mg_server *s)
{
    mg_timer_clear(&s->timer);
    mg_list_remove(&s->later.link);
    mg_buf_free(&s->held);
    s->handler->on_closed(s);
    free(s);
}

static void enter(struct mg_server *s)
{
    s->busy = true;
}

/* The end of every event of the loop; `s` may be freed. */
static void leave(struct mg_server *s)
{
    s->busy = false;
    if (s->state != SERVER_GONE || s->active != NULL)
        return;
    if (s->lingers)
        mg_buf_free(&s->held);
    else
        destroy(s);
}

/* ---- refusing ----------------------------------------------------------------------- */

void mg_server_answer(struct mg_server *s, int status, bool head_only)
{
    const char *reason = mg_status_reason(status);
    mg_str date = mg_date_now();
    char text[512];
    struct iovec iov = {text, 0};
    int n;

    n = snprintf(text, sizeof(text),
                 "HTTP/1.1 %d %s\r\nDate: %.*s\r\n%sContent-Type: text/plain\r\n"
                 "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                 status, reason, (int)date.len, date.ptr,
                 status == 405 || status == 200
                     ? "Allow: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS\r\n"
                     : "",
                 strlen(reason), head_only ? "" : reason);
    iov.iov_len = (size_t)n;
    if (mg_conn_write(s->conn, &iov, 1) < 0)
        mg_server_close_now(s);
    else
        mg_server_close(s);
}

static void refuse(struct mg_server *s, void *owner, mg_str head, const struct mg_refusal *why)
{
    mg_server_answer(s, why->status, head.len >= 5 && memcmp(head.ptr, "HEAD ", 5) == 0);
    s->handler->on_refused(s, owner, why->status, why->why);
}

/* The stream's last event. */
static void fail(struct mg_server *s, int err)
{
    const struct mg_stream_events *events = s->stream.events;

    s->stream.events = NULL;
    if (events != NULL)
        events->on_error(&s->stream, err);
}

/* Something is wrong with the body: says so if that is still possible. */
static void fail_body(struct mg_server *s, int err)
{
    int status = err == MG_ETIMEOUT ? 408 : err == MG_ELIMIT ? 413 : 400;

    if (!s->active->out.started)
        mg_server_answer(s, status, s->active->head);
    else
        mg_server_close_now(s);
    fail(s, err);
}

/* ---- receiving ---------------------------------------------------------------------- */

/* Hands the request out; the bytes of its head are in the message's arena. */
static void begin(struct mg_server *s, struct mg_message *m, void *owner, size_t head_len)
{
    struct mg_server_active *a = mg_arena_alloc(m->arena, sizeof(*a));
    uint32_t serial = ++s->requests;

    memset(a, 0, sizeof(*a));
    mg_body_init(&a->body, m, s->limits);
    a->head = m->method_id == MG_METHOD_HEAD;
    s->active = a;
    s->closing = s->paused = false;
    s->stream.events = NULL;
    s->stream.owner = owner;
    s->stream.in = m;
    s->stream.bytes_in = head_len;
    s->stream.bytes_out = 0;
    s->state = mg_body_done(&a->body) ? SERVER_WAIT : SERVER_BODY;
    if (s->state == SERVER_BODY)
        mg_server_measure(s);
    s->handler->on_request(s, &s->stream);
    if (s->state == SERVER_WAIT && s->requests == serial && s->active != NULL &&
        s->stream.events != NULL)
        s->stream.events->on_end(&s->stream);
}

/* Looks for the end of a head; returns the bytes used, 0 when there is none yet. */
static size_t take_head(struct mg_server *s, const char *bytes, size_t len)
{
    struct mg_refusal why = {503, "no room for another request"};
    void *owner = NULL;
    struct mg_message *m;
    int n;

    if (s->state == SERVER_IDLE && len > 0) {
        s->start_ns = mg_clock_ns();
        s->scan = (struct mg_scan){0};
        s->state = SERVER_HEAD;
    }
    n = len > 0 ? mg_scan_head(&s->scan, bytes, len, s->limits, true, &why) : 0;
    if (n == 0)
        return 0;
    m = n > 0 ? s->handler->on_head_bytes(s, &owner) : NULL;
    if (m == NULL ||
        mg_parse_request(m, mg_arena_copy(m->arena, bytes, (size_t)n), s->limits, &why) != 0) {
        refuse(s, owner, mg_str_of(bytes, len), &why);
        return 0;
    }
    begin(s, m, owner, (size_t)n);
    return (size_t)n;
}

/* Whether the client, though free to send, sends less than body_rate.  Once there is a response the two may
 * well be talking. */
static bool is_dripping(struct mg_server *s)
{
    const struct mg_server_active *a = s->active;
    uint64_t ms = (mg_clock_ns() - a->since_ns) / 1000000;

    if (ms < s->limits->body_timeout_ms || a->out.started)
        return false;
    if ((s->stream.bytes_in - a->since_bytes) * 1000 < ms * s->limits->body_rate)
        return true;
    mg_server_measure(s);
    return false;
}

static size_t take_body(struct mg_server *s, const char *bytes, size_t len)
{
    uint32_t serial = s->requests;
    size_t used;
    mg_str data;
    int rc;

    if (s->paused || len == 0)
        return 0;
    rc = mg_body_next(&s->active->body, bytes, len, &used, &data);
    s->stream.bytes_in += used;
    if (rc >= 0 && rc != MG_END && is_dripping(s))
        rc = MG_ETIMEOUT;
    if (rc < 0) {
        fail_body(s, rc);
        return 0;
    }
    if (rc == MG_END)
        s->state = SERVER_WAIT;
    if (data.len > 0 && s->stream.events != NULL)
        s->stream.events->on_body(&s->stream, data);
    if (rc == MG_END && s->requests == serial && s->state == SERVER_WAIT &&
        s->stream.events != NULL)
        s->stream.events->on_end(&s->stream);
    return used;
}

static size_t take_drain(struct mg_server *s, size_t len)
{
    size_t n = len < s->drain_left ? len : (size_t)s->drain_left;

    s->drain_left -= n;
    if (s->drain_left == 0)
        mg_server_idle(s);
    return n;
}

static size_t take_raw(struct mg_server *s, const char *bytes, size_t len)
{
    if (s->paused || len == 0)
        return 0;
    s->stream.bytes_in += len;
    if (s->stream.events != NULL)
        s->stream.events->on_body(&s->stream, mg_str_of(bytes, len));
    return len;
}

/* Uses some of the bytes as the state says; 0: no more can be used now. */
static size_t take(struct mg_server *s, const char *bytes, size_t len)
{
    switch (s->state) {
    case SERVER_IDLE:
    case SERVER_HEAD:
        return take_head(s, bytes, len);
    case SERVER_BODY:
        return take_body(s, bytes, len);
    case SERVER_DRAIN:
        return take_drain(s, len);
    case SERVER_TUNNEL:
        return take_raw(s, bytes, len);
    default:
        return 0;
    }
}

/* What waits for a user or for an answer has one bound; a head that is not whole has its own, the limit. */
static bool holds_enough(const struct mg_server *s)
{
    return s->state != SERVER_HEAD && mg_buf_len(&s->held) > SERVER_HELD_MAX;
}

/* Uses what it can; the rest is held. */
static void run(struct mg_server *s, const char *bytes, size_t len, bool held)
{
    size_t at = 0, n;
    bool partial = s->state == SERVER_HEAD;
    uint32_t serial = s->requests;

    while ((n = take(s, bytes + at, len - at)) > 0)
        at += n;
    if (s->state == SERVER_GONE)
        return;
    if (held)
        mg_buf_consume(&s->held, at);
    else if (at < len)
        mg_buf_append(&s->held, bytes + at, len - at);
    if ((s->state == SERVER_HEAD && (!partial || serial != s->requests)) || s->state == SERVER_BODY)
        mg_server_arm(s, mg_server_patience(s));
    if (holds_enough(s))
        mg_conn_read_stop(s->conn);
}

static void run_held(struct mg_server *s)
{
    if (mg_buf_len(&s->held) > 0)
        run(s, mg_buf_bytes(&s->held), mg_buf_len(&s->held), true);
}

static void on_read(struct mg_conn *conn, const char *bytes, size_t len)
{
    struct mg_server *s = conn->owner;

    enter(s);
    if (mg_buf_len(&s->held) > 0) {
        mg_buf_append(&s->held, bytes, len);
        run_held(s);
    } else {
        run(s, bytes, len, false);
    }
    leave(s);
}

/* What a call of the user left to do. */
static void on_later(struct mg_deferred *d)
{
    struct mg_server *s = MG_LIST_OF(d, struct mg_server, later);

    enter(s);
    if (s->state != SERVER_GONE)
        run_held(s);
    if (s->state != SERVER_GONE && !s->paused && !holds_enough(s))
        mg_conn_read_start(s->conn);
    leave(s);
}

/* ---- the connection's other events -------------------------------------------------- */

static void on_eof(struct mg_conn *conn)
{
    struct mg_server *s = conn->owner;

    enter(s);
    if (s->state == SERVER_TUNNEL) {
        if (s->stream.events != NULL)
            s->stream.events->on_end(&s->stream);
    } else {
        mg_server_close_now(s);
        fail(s, MG_EGONE);
    }
    leave(s);
}

static void on_error(struct mg_conn *conn, int err)
{
    struct mg_server *s = conn->owner;

    (void)err; /* whatever it was, there is nobody to answer any more */
    enter(s);
    mg_server_close_now(s);
    fail(s, MG_EGONE);
    leave(s);
}

static void on_drain(struct mg_conn *conn)
{
    struct mg_server *s = conn->owner;

    enter(s);
    s->writing = false;
    mg_server_arm(s, mg_server_patience(s));
    if (s->active != NULL && s->stream.events != NULL && s->stream.events->on_drain != NULL)
        s->stream.events->on_drain(&s->stream);
    leave(s);
}

/* `writing` does not tell of a short message whose end the socket was too full for. */
static bool is_sending(const struct mg_server *s)
{
    return s->writing || mg_conn_queued(s->conn) > 0;
}

/* The peer takes nothing: it is cut off only when not a byte has gone since the last look. */
static void write_timed_out(struct mg_server *s)
{
    uint32_t queued = (uint32_t)mg_conn_queued(s->conn);

    if (!s->writing || queued < s->queued) {
        s->writing = true;
        s->queued = queued;
        mg_server_arm(s, s->limits->write_timeout_ms);
        return;
    }
    mg_server_close_now(s);
    fail(s, MG_ETIMEOUT);
}

/* Does the client wait to be asked for its body (RFC 9110, 10.1.1)? */
static bool is_held_back(const struct mg_server *s)
{
    return s->stream.in->expect_continue && !s->active->continued;
}

static void on_timer(struct mg_timer *t)
{
    static const struct mg_refusal slow = {408, "head did not come in time"};
    struct mg_server *s = MG_LIST_OF(t, struct mg_server, timer);

    enter(s);
    if (s->state == SERVER_GONE)
        ;
    else if (is_sending(s))
        write_timed_out(s);
    else if (s->state == SERVER_HEAD)
        refuse(s, NULL, mg_str_of(mg_buf_bytes(&s->held), mg_buf_len(&s->held)), &slow);
    else if (s->state == SERVER_BODY && !s->paused && !is_held_back(s))
        fail_body(s, MG_ETIMEOUT);
    else if (s->state == SERVER_IDLE || s->state == SERVER_DRAIN)
        mg_server_close_now(s);
    else
        mg_server_arm(s, s->limits->idle_timeout_ms); /* others wait; look again later */
    leave(s);
}

static const struct mg_conn_events conn_events = {
    .on_read = on_read, .on_eof = on_eof, .on_drain = on_drain, .on_error = on_error};

/* ---- the server --------------------------------------------------------------------- */

int mg_server_new(struct mg_conn *conn, const struct mg_server_opts *o, struct mg_server **out)
{
    struct mg_server *s = calloc(1, sizeof(*s));

    *out = s;
    if (s == NULL) {
        mg_conn_close(conn);
        return MG_ENOMEM;
    }
    s->stream.ops = &mg_server_stream_ops;
    s->loop = conn->loop;
    s->conn = conn;
    s->limits = o->limits;
    s->handler = o->handler;
    s->owner = o->owner;
    s->later.fn = on_later;
    mg_list_init(&s->later.link);
    mg_timer_init(&s->timer, on_timer);
    mg_server_arm(s, s->limits->header_timeout_ms);
    conn->events = &conn_events;
    conn->owner = s;
    mg_conn_read_start(conn);
    return MG_OK;
}

void *mg_server_owner(const struct mg_server *s)
{
    return s->owner;
}

struct mg_conn *mg_server_conn(const struct mg_server *s)
{
    return s->conn;
}

struct mg_server *mg_server_of(const struct mg_stream *s)
{
    return of_stream(s);
}

uint64_t mg_server_start_ns(const struct mg_server *s)
{
    return s->start_ns;
}

void mg_server_drain(struct mg_server *s)
{
    s->draining = true;
    if (s->state != SERVER_IDLE)
        return;
    if (s->requests > 0)
        mg_server_close(s);
    else
        mg_server_arm(s, FIRST_MS); /* its first request is on its way, most likely */
}

/* Its timer was set when it began to wait. */
uint64_t mg_server_idle_since(const struct mg_server *s)
{
    uint32_t patience =
        s->requests == 0 ? s->limits->header_timeout_ms : s->limits->idle_timeout_ms;

    if (s->state != SERVER_IDLE || is_sending(s) || s->timer.deadline < patience)
        return UINT64_MAX;
    return s->timer.deadline - patience;
}

void mg_server_shed(struct mg_server *s)
{
    mg_server_close_now(s);
}
