#include "proxy/call.h"

struct mg_call {
    struct mg_list link; /* in the exchange's calls */
    struct mg_x *x;
    struct mg_message req, res;
    struct mg_attempt up;
    struct mg_timer limit_timer;
    mg_str body;       /* of the request */
    struct mg_buf got; /* of the response */
    uint64_t limit;
    const char *reason;
    bool answered, sent, fresh;
    bool probe; /* the connection is all that is wanted; a head that nothing follows is not sent */
};

static bool may_repeat(const struct mg_call *c)
{
    uint16_t method = c->req.method_id;

    return method != MG_METHOD_POST && method != MG_METHOD_PATCH && method != MG_METHOD_OTHER;
}

static const struct mg_stream_events events;

static void done(struct mg_call *c, int rc)
{
    bool whole = rc == MG_OK && c->sent;

    mg_timer_clear(&c->limit_timer);
    mg_attempt_end(&c->up, whole);
    if (rc != MG_OK) {
        c->answered = false;
        if (c->reason == NULL)
            c->reason = mg_error_text(rc);
    }
    mg_exchange_wake(c->x, MG_WAIT_CALL, rc);
}

static void on_limit(struct mg_timer *t)
{
    done(MG_LIST_OF(t, struct mg_call, limit_timer), MG_ETIMEOUT);
}

static int send_request(struct mg_call *c)
{
    struct mg_stream *up = c->up.stream;
    int rc = c->body.len > 0 ? up->ops->send_body(up, c->body) : MG_OK;

    if (rc >= 0)
        rc = up->ops->send_end(up, NULL);
    c->sent = rc >= 0;
    return rc < 0 ? MG_ESTALE : MG_OK;
}

/* A kept-alive connection that had died is tried once more on a fresh one, for what may repeat. */
static int try_send(struct mg_call *c, struct mg_endpoint *ep, bool fresh)
{
    int rc;

    c->fresh = fresh;
    c->sent = false;
    rc = mg_attempt_start(&c->up, ep, &c->req, &c->res, fresh);
    if (rc == MG_OK)
        rc = send_request(c);
    if (rc == MG_ESTALE && !fresh && may_repeat(c)) {
        mg_attempt_end(&c->up, false);
        return try_send(c, ep, true);
    }
    return rc;
}

static void on_ready(struct mg_attempt *a)
{
    struct mg_call *c = a->owner;
    int rc = c->probe ? MG_OK : send_request(c);

    if (rc < 0 || c->probe)
        done(c, rc);
}

static void on_fail(struct mg_attempt *a, int err, const char *reason)
{
    struct mg_call *c = a->owner;

    if (reason != NULL)
        c->reason = mg_arena_copy(&c->x->arena, reason, strlen(reason)).ptr;
    done(c, err);
}

static void on_head(struct mg_stream *s)
{
    struct mg_call *c = s->owner;

    c->answered = true;
}

static void on_interim(struct mg_stream *s)
{
    (void)s;
}

static void on_body(struct mg_stream *s, mg_str bytes)
{
    struct mg_call *c = s->owner;

    if (mg_buf_len(&c->got) + bytes.len > c->limit)
        done(c, MG_ELIMIT);
    else
        mg_buf_append(&c->got, bytes.ptr, bytes.len);
}

static void on_end(struct mg_stream *s)
{
    done(s->owner, MG_OK);
}

static void on_drain(struct mg_stream *s)
{
    (void)s; /* the whole request was handed over at once */
}

static void on_error(struct mg_stream *s, int err)
{
    struct mg_call *c = s->owner;
    struct mg_endpoint *ep = c->up.ep;
    int rc = err;

    if (err == MG_ESTALE && !c->fresh && may_repeat(c)) {
        mg_attempt_end(&c->up, false);
        rc = try_send(c, ep, true);
    }
    if (rc < 0)
        done(c, rc);
}

static const struct mg_stream_events events = {
    .on_head = on_head,
    .on_interim = on_interim,
    .on_body = on_body,
    .on_end = on_end,
    .on_drain = on_drain,
    .on_error = on_error,
};

struct mg_call *mg_call_make(struct mg_x *x, mg_str method, mg_str path, mg_str authority)
{
    const char *mark = memchr(path.ptr, '?', path.len);
    mg_str query = {0};
    struct mg_call *c;

    if (mark != NULL) {
        query = mg_str_of(mark + 1, (size_t)(path.ptr + path.len - mark - 1));
        path.len = (uint32_t)(mark - path.ptr);
    }
    if (!mg_is_token(method) || mg_method_id(method) == MG_METHOD_CONNECT || !mg_is_path(path) ||
        !mg_is_query(query) || !mg_is_authority(authority))
        return NULL;
    c = mg_arena_alloc(&x->arena, sizeof(*c));
    memset(c, 0, sizeof(*c));
    c->x = x;
    mg_message_init(&c->req, &x->arena);
    c->req.minor = 1;
    c->req.keep_alive = true;
    c->req.method = mg_arena_copy(&x->arena, method.ptr, method.len);
    c->req.method_id = (uint16_t)mg_method_id(method);
    c->req.path = mg_arena_copy(&x->arena, path.ptr, path.len);
    c->req.query = mg_arena_copy(&x->arena, query.ptr, query.len);
    c->req.has_query = mark != NULL;
    c->req.authority = mg_arena_copy(&x->arena, authority.ptr, authority.len);
    mg_timer_init(&c->limit_timer, on_limit);
    mg_list_append(&x->calls, &c->link);
    return c;
}

int mg_call_add_header(struct mg_call *c, mg_str name, mg_str value)
{
    return mg_headers_add(&c->req, &c->req.headers, name, value);
}

static int start(struct mg_call *c, struct mg_endpoint *ep, mg_str body, uint32_t timeout_ms)
{
    int rc = mg_exchange_may_wait(c->x);

    if (rc == MG_OK && (c->answered || c->up.ep != NULL))
        rc = MG_EPHASE;
    c->reason = mg_error_text(rc);
    if (rc != MG_OK)
        return rc;
    c->reason = NULL;
    mg_buf_free(&c->got);
    mg_message_init(&c->res, &c->x->arena);
    c->body = mg_arena_copy(&c->x->arena, body.ptr, body.len);
    c->req.framing = body.len > 0 ? MG_BODY_LENGTH : MG_BODY_NONE;
    c->req.length = body.len;
    c->up.owner = c;
    c->up.events = &events;
    c->up.on_ready = on_ready;
    c->up.on_fail = on_fail;
    rc = c->probe ? mg_attempt_start(&c->up, ep, &c->req, &c->res, true) : try_send(c, ep, false);
    if (rc < 0) {
        mg_attempt_end(&c->up, false);
        c->reason = mg_error_text(rc);
        return rc;
    }
    mg_timer_set(c->x->proxy->loop, &c->limit_timer,
                 timeout_ms > 0 ? timeout_ms : MG_UPSTREAM_IDLE_MS);
    c->x->wait = MG_WAIT_CALL;
    return MG_AGAIN;
}

int mg_call_start(struct mg_call *c, struct mg_endpoint *ep, mg_str body, uint32_t timeout_ms,
                  uint64_t limit)
{
    c->probe = false;
    c->limit = limit;
    return start(c, ep, body, timeout_ms);
}

int mg_call_probe(struct mg_call *c, struct mg_endpoint *ep, uint32_t timeout_ms)
{
    c->probe = true;
    return start(c, ep, (mg_str){"", 0}, timeout_ms);
}

const struct mg_message *mg_call_response(const struct mg_call *c)
{
    return c->answered ? &c->res : NULL;
}

mg_str mg_call_response_body(const struct mg_call *c)
{
    return mg_buf_len(&c->got) > 0 ? mg_str_of(mg_buf_bytes(&c->got), mg_buf_len(&c->got))
                                   : (mg_str){"", 0};
}

const char *mg_call_reason(const struct mg_call *c)
{
    return c->reason;
}

void mg_call_end(struct mg_call *c)
{
    if (c->up.ep != NULL)
        c->reason = "the request that it was made for has ended";
    mg_timer_clear(&c->limit_timer);
    mg_attempt_end(&c->up, false);
    if (c->got.data != NULL)
        mg_buf_free(&c->got);
    mg_list_remove(&c->link);
}

void mg_call_cancel_all(struct mg_x *x)
{
    while (!mg_list_empty(&x->calls))
        mg_call_end(MG_LIST_OF(x->calls.next, struct mg_call, link));
}
