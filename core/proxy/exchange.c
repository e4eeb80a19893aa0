#include "proxy/exchange_state.h"

#include <stdlib.h>

#include "http/date.h"
#include "proxy/call.h"
#include "proxy/downstream.h"

/* So much of a body is kept for the case that a kept connection turns out to be closed. */
enum { RESEND_BYTES = 65536 };

/* ---- the request's body -------------------------------------------------------------- */

/* Whoever wants the body tells the client to send it (RFC 9110, 10.1.1). */
static void ask_for_body(struct mg_x *x)
{
    struct mg_message interim;

    if (!x->req.expect_continue || x->continued || x->down == NULL)
        return;
    x->continued = true;
    mg_message_init(&interim, &x->arena);
    interim.status = 100;
    if (x->down->ops->send_interim(x->down, &interim) < 0)
        mg_exchange_flush_later(x); /* which finds the client gone */
}

int mg_exchange_body_gather(struct mg_x *x, uint64_t limit)
{
    int rc = mg_exchange_over(x);

    if (rc != MG_OK)
        return rc;
    if (x->req.framing == MG_BODY_LENGTH && x->req.length > limit)
        return MG_ELIMIT;
    ask_for_body(x);
    mg_relay_keep(&x->body_in, limit);
    rc = mg_relay_gather(&x->body_in, limit);
    return rc == MG_AGAIN ? mg_exchange_await(x, MG_WAIT_REQUEST_BODY) : rc;
}

int mg_exchange_body_peek(struct mg_x *x, uint64_t enough)
{
    int rc = mg_exchange_over(x);

    if (rc != MG_OK)
        return rc;
    ask_for_body(x);
    rc = mg_relay_peek(&x->body_in, enough);
    return rc == MG_AGAIN ? mg_exchange_await(x, MG_WAIT_REQUEST_BODY) : rc;
}

int mg_exchange_body_next(struct mg_x *x, mg_str *piece)
{
    int rc = mg_exchange_over(x);

    if (rc != MG_OK)
        return rc;
    ask_for_body(x);
    rc = mg_relay_next(&x->body_in, piece);
    return rc == MG_AGAIN ? mg_exchange_await(x, MG_WAIT_REQUEST_BODY) : rc;
}

static void on_request_body(struct mg_stream *s, mg_str bytes)
{
    struct mg_x *x = s->owner;
    bool streaming = x->body_in.mode == MG_RELAY_STREAM;
    int rc = mg_relay_data(&x->body_in, bytes);

    if (x->tunnel)
        mg_exchange_arm_try(x, MG_TUNNEL_IDLE_MS);
    if (rc == MG_AGAIN)
        return;
    if (rc < 0 && streaming)
        mg_exchange_fail(x, MG_ERESET); /* the upstream takes no more */
    else
        mg_exchange_wake(x, MG_WAIT_REQUEST_BODY, rc);
}

static void on_request_end(struct mg_stream *s)
{
    struct mg_x *x = s->owner;
    bool streaming = x->body_in.mode == MG_RELAY_STREAM;
    int rc = mg_relay_end(&x->body_in);

    if (rc < 0 && streaming) {
        mg_exchange_fail(x, MG_ERESET);
    } else if (x->tunnel) {
        if (rc == MG_END && x->body_out.done)
            mg_exchange_wake(x, MG_WAIT_REPLY, MG_OK);
    } else if (!streaming && rc != MG_AGAIN) {
        mg_exchange_wake(x, MG_WAIT_REQUEST_BODY, rc);
    }
}

/* ---- forward: one try ----------------------------------------------------------------- */

static int start_try(struct mg_x *x, struct mg_endpoint *ep, bool fresh);

/* A connection that was kept alive may have been closed while the request was on its way; then,
 * and only for what may be repeated, it is sent again on a fresh one (RFC 9112, 9.3.1). */
static bool is_repeatable(const struct mg_x *x)
{
    switch (x->pub.method_id) {
    case MG_METHOD_GET:
    case MG_METHOD_HEAD:
    case MG_METHOD_PUT:
    case MG_METHOD_DELETE:
    case MG_METHOD_OPTIONS:
    case MG_METHOD_TRACE:
        return true;
    default:
        return false;
    }
}

static bool may_resend(const struct mg_x *x)
{
    return is_repeatable(x) && !x->counted && !x->lane_body && mg_relay_replayable(&x->body_in);
}

/* After `err` on a reused connection: MG_AGAIN when the request is on its way again. */
static int resend(struct mg_x *x, int err)
{
    struct mg_endpoint *ep = x->up.ep;
    bool again = err == MG_ESTALE && may_resend(x) && !x->pub.gone && !x->pub.expired;

    if (again)
        mg_attempt_go_on(&x->up);
    mg_exchange_stop_try(x, false);
    if (!again)
        return err;
    mg_relay_rewind(&x->body_in);
    return start_try(x, ep, true);
}

/* The framing of what goes upstream: as it came, or that of the body in memory. */
static void frame_request(struct mg_x *x)
{
    const struct mg_relay *body = &x->body_in;

    if (x->lane_body) {
        x->req.framing = x->pub.has_body ? MG_BODY_CHUNKED : MG_BODY_NONE;
    } else if (body->ended && body->trailers == NULL) {
        bool empty = mg_buf_len(&body->kept) == 0;

        x->req.length = mg_buf_len(&body->kept);
        x->req.framing = empty && !x->pub.has_body ? MG_BODY_NONE : MG_BODY_LENGTH;
    }
}

static int send_request_body(struct mg_x *x)
{
    struct mg_stream *up = x->up.stream;
    int rc;

    if (x->lane_body)
        return MG_OK;
    if (x->req.framing == MG_BODY_NONE) {
        x->body_in.done = true;
        rc = up->ops->send_end(up, NULL);
    } else {
        ask_for_body(x);
        rc = mg_relay_stream(&x->body_in, up);
        mg_exchange_flush_later(x);
    }
    return rc < 0 ? rc : MG_OK;
}

/* The head and what there is of the body, on a connection that stands. */
static int send_request(struct mg_x *x)
{
    int rc = send_request_body(x);

    if (rc < 0)
        return resend(x, x->up.reused ? MG_ESTALE : MG_ERESET);
    if (x->lane_body)
        return MG_OK;
    return MG_AGAIN;
}

/* The client and the address that it reached, in the arena; NULL: not known, or a Unix socket's. */
static const struct mg_proxy_ends *ends_of(struct mg_x *x)
{
    const struct mg_conn *conn = x->down == NULL ? NULL : mg_server_conn(x->server);
    struct mg_proxy_ends *ends = mg_arena_alloc(&x->arena, sizeof(*ends));

    if (conn == NULL || mg_conn_peer_address(conn, &ends->peer) != 0 ||
        mg_conn_local_address(conn, &ends->local) != 0 || ends->peer.ss_family == AF_UNIX)
        return NULL;
    return ends;
}

static int start_try(struct mg_x *x, struct mg_endpoint *ep, bool fresh)
{
    int rc;

    mg_attempt_set_ends(&x->up, ep->conf.proxy_protocol > 0 ? ends_of(x) : NULL);
    x->responded = false;
    mg_message_init(&x->res, &x->arena);
    x->upstream_address = ep->conf.address;
    rc = mg_attempt_start(&x->up, ep, &x->req, &x->res, fresh);
    if (rc == MG_OK)
        return send_request(x);
    if (rc < 0)
        x->reason = mg_error_text(rc);
    return rc;
}

static void on_ready(struct mg_attempt *a)
{
    struct mg_x *x = a->owner;
    int rc = send_request(x);

    if (rc < 0)
        mg_exchange_fail(x, rc);
    else if (rc == MG_OK)
        mg_exchange_wake(x, MG_WAIT_FORWARD, MG_OK); /* the lane sends the body */
}

static void on_no_connection(struct mg_attempt *a, int err, const char *reason)
{
    struct mg_x *x = a->owner;

    x->reason =
        reason == NULL ? mg_error_text(err) : mg_arena_copy(&x->arena, reason, strlen(reason)).ptr;
    mg_exchange_fail(x, err);
}

int mg_exchange_forward(struct mg_x *x, struct mg_endpoint *ep, uint32_t timeout_ms, bool stream)
{
    int rc = mg_exchange_over(x);

    if (rc != MG_OK)
        return rc;
    mg_exchange_end_try(x);
    if (x->pub.response_started || (x->pub.attempts > 0 && !mg_relay_replayable(&x->body_in)))
        return MG_EPHASE;
    mg_relay_rewind(&x->body_in);
    mg_relay_free(&x->body_out);
    mg_relay_init(&x->body_out, NULL, NULL);
    x->broken = 0;
    x->lane_body = stream;
    if (x->pub.has_body && !x->body_in.keep && is_repeatable(x))
        mg_relay_keep(&x->body_in, RESEND_BYTES);
    x->pub.attempts++;
    frame_request(x);
    rc = start_try(x, ep, false);
    if (rc < 0)
        return rc;
    mg_exchange_arm_try(x, timeout_ms > 0 ? timeout_ms : MG_UPSTREAM_IDLE_MS);
    return rc == MG_AGAIN ? mg_exchange_await(x, MG_WAIT_FORWARD) : rc;
}

/* Whether the upstream has decided without the rest of the request.  A server that begins a 2xx
 * early usually reads on. */
static bool is_answered(const struct mg_x *x)
{
    return x->responded && (x->res.status < 200 || x->res.status >= 300);
}

/* While the response has to wait for the request's end (the lane can do one of both), an upstream
 * that takes no more before its response is read would wait for ever: then sending stops. */
int mg_exchange_send(struct mg_x *x, mg_str bytes)
{
    struct mg_stream *up = x->up.stream;
    int rc;

    if (!x->pub.running || is_answered(x))
        return MG_EPHASE;
    if (x->broken != 0 || up == NULL)
        return x->broken != 0 ? x->broken : MG_EPHASE;
    rc = up->ops->send_body(up, bytes);
    if (rc == MG_AGAIN && x->body_out.paused)
        return MG_EPHASE;
    return rc == MG_AGAIN ? mg_exchange_await(x, MG_WAIT_UPSTREAM) : rc;
}

int mg_exchange_send_end(struct mg_x *x)
{
    struct mg_stream *up = x->up.stream;

    if (!x->pub.running || is_answered(x) || up == NULL)
        return MG_EPHASE;
    x->body_in.done = true;
    return up->ops->send_end(up, NULL);
}

int mg_exchange_wait(struct mg_x *x)
{
    int rc = mg_exchange_over(x);

    if (rc != MG_OK || x->responded)
        return rc;
    if (x->up.stream == NULL)
        return x->broken != 0 ? x->broken : MG_EPHASE;
    return mg_exchange_await(x, MG_WAIT_FORWARD);
}

static void on_up_error(struct mg_stream *s, int err)
{
    struct mg_x *x = s->owner;
    int rc = err;

    if (x->wait == MG_WAIT_FORWARD && !x->responded)
        rc = resend(x, err);
    if (rc < 0) {
        x->reason = mg_error_text(rc);
        mg_exchange_fail(x, rc);
    }
}

static void on_interim(struct mg_stream *s)
{
    struct mg_x *x = s->owner;
    bool again = s->in->status == 100 && (x->continued || !x->req.expect_continue);

    if (x->down != NULL && !again && x->pub.minor == 1 &&
        x->down->ops->send_interim(x->down, s->in) < 0)
        mg_exchange_flush_later(x); /* which finds the client gone */
}

/* A response without a date gets that of its arrival (RFC 9110, 6.6.1). */
static void date_response(struct mg_x *x)
{
    mg_str now;

    if (x->res.dated || x->res.status < 200)
        return;
    now = mg_date_now();
    mg_headers_push(&x->res, &x->res.headers, MG_STR("date"),
                    mg_arena_copy(&x->arena, now.ptr, now.len));
}

static void on_response(struct mg_stream *s)
{
    struct mg_x *x = s->owner;

    date_response(x);
    x->responded = true;
    x->pub.status = x->res.status;
    x->pub.upstream_ns = mg_clock_ns() - x->up.sent_ns;
    mg_relay_init(&x->body_out, s, &x->res.trailers);
    x->body_out.ended = (x->res.framing == MG_BODY_NONE || x->res.bodiless) && x->res.status != 101;
    mg_exchange_arm_try(x, MG_UPSTREAM_IDLE_MS);
    if (x->wait == MG_WAIT_FORWARD)
        mg_exchange_wake(x, MG_WAIT_FORWARD, MG_OK);
    else if (is_answered(x) && (x->wait == MG_WAIT_UPSTREAM || mg_exchange_is_pumping(x)))
        mg_exchange_wake_any(x, MG_EPHASE);
}
/* ---- begin and finish ------------------------------------------------------------------ */

static void on_down_error(struct mg_stream *s, int err)
{
    (void)err;
    mg_exchange_client_gone(s->owner);
}

static const struct mg_stream_events up_events = {
    .on_head = on_response,
    .on_interim = on_interim,
    .on_body = mg_exchange_on_response_body,
    .on_end = mg_exchange_on_response_end,
    .on_drain = mg_exchange_on_up_drain,
    .on_error = on_up_error,
};

static const struct mg_stream_events down_events = {
    .on_body = on_request_body,
    .on_end = on_request_end,
    .on_drain = mg_exchange_on_down_drain,
    .on_error = on_down_error,
};
void mg_exchange_begin(struct mg_x *x, struct mg_stream *down)
{
    bool body = x->req.framing != MG_BODY_NONE;

    x->down = down;
    down->events = &down_events;
    down->owner = x;
    mg_relay_init(&x->body_in, body ? down : NULL, body ? &x->req.trailers : NULL);
    x->body_in.ended = !body;
    x->pub.has_body = body;
    x->head = x->pub.method_id == MG_METHOD_HEAD;
    mg_relay_init(&x->body_out, NULL, NULL);
    x->proxy->hooks.serve(x);
}

void mg_exchange_finish(struct mg_x *x)
{
    mg_timer_clear(&x->nap);
    mg_timer_clear(&x->try_timer);
    mg_timer_clear(&x->deadline);
    mg_list_remove(&x->flush.link);
    mg_list_remove(&x->rouse.link);
    mg_call_cancel_all(x);
    mg_exchange_release_streams(x);
    mg_relay_free(&x->body_in);
    mg_relay_free(&x->body_out);
    mg_downstream_give_back(x);
}

void mg_exchange_setup(struct mg_x *x, struct mg_proxy *proxy)
{
    x->proxy = proxy;
    x->up.owner = x;
    x->up.events = &up_events;
    x->up.on_ready = on_ready;
    x->up.on_fail = on_no_connection;
    x->flush.fn = mg_exchange_flush_heads;
    mg_list_init(&x->flush.link);
    x->rouse.fn = mg_exchange_on_rouse;
    mg_list_init(&x->rouse.link);
    mg_list_init(&x->calls);
    mg_timer_init(&x->nap, mg_exchange_on_nap_end);
    mg_timer_init(&x->try_timer, mg_exchange_on_try_timer);
    mg_timer_init(&x->deadline, mg_exchange_on_deadline);
}
