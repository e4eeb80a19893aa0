#include "http/client_state.h"
#include <stdlib.h>

enum { INTERIMS = 8, HELD_MAX = 65536 };

static const struct mg_limits response_limits = {
    .request_line_bytes = 65536, .header_bytes = 65536, .header_count = 200, .trailer_bytes = 8192};

/* ---- leaving ------------------------------------------------------------------------ */

/* The end of every event of the loop; `c` may be freed. */
static void leave(struct mg_client *c)
{
    c->busy = false;
    if (c->state == CLIENT_GONE && c->released)
        mg_client_destroy(c);
}

static void fail(struct mg_client *c, int err)
{
    const struct mg_stream_events *events = c->stream.events;

    mg_client_close_now(c);
    c->stream.events = NULL;
    if (events != NULL)
        events->on_error(&c->stream, err);
}

/* The connection ended with `err` in the middle of an exchange. */
static void lost(struct mg_client *c, int err)
{
    bool silent = c->state == CLIENT_HEAD && c->stream.bytes_in == 0 && mg_buf_len(&c->held) == 0;

    fail(c, silent && c->requests > 1 ? MG_ESTALE : err);
}

static void forget(struct mg_client *c)
{
    mg_client_close_now(c);
    c->events->on_closed(c, c->owner);
}

/* ---- receiving ---------------------------------------------------------------------- */

/* May a 101 be believed?  Only the protocol that was asked for (RFC 9110, 15.2.2). */
static bool switches(const struct mg_client *c, const struct mg_message *m)
{
    mg_str asked = c->request->upgrade, one;

    while (m->upgrade.len > 0 && mg_list_next(&asked, &one))
        if (mg_str_ieq(one, m->upgrade))
            return true;
    return false;
}

static void on_interim(struct mg_client *c)
{
    struct mg_message *m = c->stream.in;

    if (++c->interims > INTERIMS) {
        fail(c, MG_ELIMIT);
        return;
    }
    if (c->stream.events->on_interim != NULL)
        c->stream.events->on_interim(&c->stream);
    if (c->stream.in == m)
        mg_message_init(m, m->arena);
}

/* Offers the body with the head when it is whole already: then both can be answered in one go. */
static bool offer_body(struct mg_client *c, mg_str rest)
{
    const struct mg_message *m = c->stream.in;

    if (c->state != CLIENT_BODY || m->framing != MG_BODY_LENGTH || rest.len < m->length)
        return false;
    c->stream.at_once = mg_str_of(rest.ptr, m->length);
    c->state = CLIENT_WHOLE;
    return true;
}

/* `rest` is what follows the head; returns how much of it was used. */
static size_t on_head(struct mg_client *c, mg_str rest)
{
    const struct mg_stream_events *events = c->stream.events;
    struct mg_message *m = c->stream.in;
    uint64_t length = m->length;
    bool offered;

    mg_body_init(&c->body, m, &response_limits);
    c->state = m->status == 101         ? CLIENT_SWITCH
               : mg_body_done(&c->body) ? CLIENT_WHOLE
                                        : CLIENT_BODY;
    offered = offer_body(c, rest);
    /* Known before anybody can release it. */
    c->surplus = c->state == CLIENT_WHOLE && rest.len > (offered ? length : 0);
    events->on_head(&c->stream);
    if (c->stream.in != m || c->stream.events == NULL)
        return offered ? length : 0; /* released: the body was not wanted, or used */
    if (offered && c->stream.at_once.len == 0) {
        c->stream.bytes_in += length;
        return length;
    }
    c->stream.at_once = (mg_str){0};
    if (offered) {
        c->state = CLIENT_BODY;
        c->surplus = false;
    } else if (c->state == CLIENT_WHOLE) {
        c->stream.events->on_end(&c->stream);
    }
    return 0;
}

static size_t take_head(struct mg_client *c, const char *bytes, size_t len)
{
    struct mg_message *m = c->stream.in;
    struct mg_refusal why;
    int n = len > 0 ? mg_scan_head(&c->scan, bytes, len, &response_limits, false, &why) : 0;

    if (n == 0)
        return 0;
    if (n < 0 ||
        mg_parse_response(m, mg_arena_copy(m->arena, bytes, (size_t)n), c->request->method_id,
                          &why) != 0 ||
        (m->status == 101 && !switches(c, m))) {
        fail(c, MG_EPROTO);
        return 0;
    }
    c->scan = (struct mg_scan){0};
    c->stream.bytes_in += (size_t)n;
    if (m->status >= 200 || m->status == 101)
        return (size_t)n + on_head(c, mg_str_of(bytes + n, len - (size_t)n));
    on_interim(c);
    return (size_t)n;
}

static size_t take_body(struct mg_client *c, const char *bytes, size_t len)
{
    struct mg_message *m = c->stream.in;
    size_t used;
    mg_str data;
    int rc;

    if (c->paused || len == 0)
        return 0;
    rc = mg_body_next(&c->body, bytes, len, &used, &data);
    c->stream.bytes_in += used;
    if (rc < 0) {
        fail(c, MG_EPROTO);
        return 0;
    }
    if (rc == MG_END) {
        c->state = CLIENT_WHOLE;
        c->surplus = used < len; /* known before anybody can release it */
    }
    if (data.len > 0)
        c->stream.events->on_body(&c->stream, data);
    if (rc == MG_END && c->stream.in == m && c->stream.events != NULL)
        c->stream.events->on_end(&c->stream);
    return used;
}

static size_t take_raw(struct mg_client *c, const char *bytes, size_t len)
{
    if (c->paused || len == 0)
        return 0;
    c->stream.bytes_in += len;
    c->stream.events->on_body(&c->stream, mg_str_of(bytes, len));
    return len;
}

/* Uses some of the bytes as the state says; 0: no more can be used now. */
static size_t take(struct mg_client *c, const char *bytes, size_t len)
{
    if (c->stream.events == NULL)
        return 0;
    switch (c->state) {
    case CLIENT_HEAD:
        return take_head(c, bytes, len);
    case CLIENT_BODY:
        return take_body(c, bytes, len);
    case CLIENT_TUNNEL:
        return take_raw(c, bytes, len);
    default:
        return 0;
    }
}

/* Uses what it can; the rest is held, or is too much. */
static void run(struct mg_client *c, const char *bytes, size_t len, bool held)
{
    size_t at = 0, n;

    while ((n = take(c, bytes + at, len - at)) > 0)
        at += n;
    if (c->state == CLIENT_GONE)
        return;
    if (held)
        mg_buf_consume(&c->held, at);
    else if (at < len && c->state != CLIENT_WHOLE && c->state != CLIENT_IDLE)
        mg_buf_append(&c->held, bytes + at, len - at);
    if (at < len && c->state == CLIENT_WHOLE)
        c->surplus = true;
    else if (at < len && c->state == CLIENT_IDLE)
        forget(c);
    else if (mg_buf_len(&c->held) > HELD_MAX)
        mg_conn_read_stop(c->conn);
}

static void run_held(struct mg_client *c)
{
    if (mg_buf_len(&c->held) > 0)
        run(c, mg_buf_bytes(&c->held), mg_buf_len(&c->held), true);
}

static void on_read(struct mg_conn *conn, const char *bytes, size_t len)
{
    struct mg_client *c = conn->owner;

    c->busy = true;
    if (mg_buf_len(&c->held) > 0) {
        mg_buf_append(&c->held, bytes, len);
        run_held(c);
    } else {
        run(c, bytes, len, false);
    }
    leave(c);
}

static void on_later(struct mg_deferred *d)
{
    struct mg_client *c = MG_LIST_OF(d, struct mg_client, later);

    c->busy = true;
    if (c->state != CLIENT_GONE)
        run_held(c);
    if (c->state != CLIENT_GONE && !c->paused && mg_buf_len(&c->held) <= HELD_MAX)
        mg_conn_read_start(c->conn);
    leave(c);
}

/* ---- the connection's other events -------------------------------------------------- */

static void ended(struct mg_client *c)
{
    if (c->state == CLIENT_IDLE)
        forget(c);
    else if (c->state == CLIENT_WHOLE)
        c->surplus = true;
    else if (c->state == CLIENT_TUNNEL)
        c->stream.events->on_end(&c->stream);
    else if (c->state != CLIENT_BODY || mg_body_eof(&c->body) != MG_END)
        lost(c, MG_ECLOSED);
    else {
        c->state = CLIENT_WHOLE;
        c->surplus = true;
        c->stream.events->on_end(&c->stream);
    }
}

static void on_eof(struct mg_conn *conn)
{
    struct mg_client *c = conn->owner;

    c->busy = true;
    ended(c);
    leave(c);
}

static void on_error(struct mg_conn *conn, int err)
{
    struct mg_client *c = conn->owner;

    c->busy = true;
    if (c->state == CLIENT_IDLE)
        forget(c);
    else if (c->state == CLIENT_WHOLE)
        c->surplus = true;
    else if (err == UV_EPIPE && c->state == CLIENT_HEAD && c->write_error == 0)
        mg_client_stop_sending(c, err);
    else
        lost(c, MG_ERESET);
    leave(c);
}

/* The answer did not come in the time that a failed write left for it. */
static void on_timer(struct mg_timer *t)
{
    struct mg_client *c = MG_LIST_OF(t, struct mg_client, timer);

    c->busy = true;
    if (c->state == CLIENT_HEAD && c->stream.in != NULL)
        lost(c, MG_ERESET);
    leave(c);
}

static void on_drain(struct mg_conn *conn)
{
    struct mg_client *c = conn->owner;

    c->busy = true;
    if (c->stream.events != NULL && c->stream.events->on_drain != NULL)
        c->stream.events->on_drain(&c->stream);
    leave(c);
}

static const struct mg_conn_events conn_events = {
    .on_read = on_read, .on_eof = on_eof, .on_drain = on_drain, .on_error = on_error};

/* ---- the client --------------------------------------------------------------------- */

struct mg_client *mg_client_new(struct mg_conn *conn, const struct mg_client_events *ev,
                                void *owner)
{
    struct mg_client *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        mg_conn_close(conn);
        return NULL;
    }
    c->stream.ops = &mg_client_stream_ops;
    c->loop = conn->loop;
    c->conn = conn;
    c->events = ev;
    c->owner = owner;
    c->released = true;
    c->later.fn = on_later;
    mg_list_init(&c->later.link);
    mg_timer_init(&c->timer, on_timer);
    conn->events = &conn_events;
    conn->owner = c;
    mg_conn_read_start(conn);
    return c;
}

struct mg_stream *mg_client_start(struct mg_client *c, const struct mg_message *request,
                                  struct mg_message *response)
{
    char *text = mg_arena_alloc(request->arena, mg_write_request_size(request));

    c->requests++;
    c->interims = 0;
    c->request = request;
    c->scan = (struct mg_scan){0};
    c->state = CLIENT_HEAD;
    c->paused = c->surplus = c->released = false;
    c->out = (struct mg_outgoing){
        .head = mg_str_of(text, mg_write_request(request, 0, text)),
        .left = request->length,
        .framing = request->framing,
        .started = true,
    };
    c->stream.events = NULL;
    c->stream.owner = NULL;
    c->stream.in = response;
    c->stream.bytes_in = c->stream.bytes_out = 0;
    return &c->stream;
}

uint32_t mg_client_requests(const struct mg_client *c)
{
    return c->requests;
}

void mg_client_close(struct mg_client *c)
{
    mg_client_close_now(c);
    if (!c->busy)
        mg_client_destroy(c);
}
