#include "proxy/exchange.h"

#include <stdlib.h>

#include "proxy/call.h"
#include "proxy/downstream.h"

/* So much of a body is kept for the case that a kept connection turns out to be closed. */
enum { RESEND_BYTES = 65536 };

static const struct mg_stream_events up_events, down_events;
static void release_streams(struct mg_x *x);
static void on_client_gone(struct mg_x *x);

/* ---- waiting: the lane stops here and is woken by what it waits for ------------------ */

void mg_exchange_wake(struct mg_x *x, enum mg_wait what, int rc)
{
    if (x->wait != what)
        return;
    x->wait = MG_WAIT_NONE;
    x->proxy->hooks.wake(x, rc);
}

/* Whatever it waits for will not come.  The exchange may be gone when this returns. */
static void wake_any(struct mg_x *x, int rc)
{
    if (x->wait != MG_WAIT_NONE)
        mg_exchange_wake(x, x->wait, rc);
}

static int await(struct mg_x *x, enum mg_wait what)
{
    x->wait = what;
    return MG_AGAIN;
}

/* Why a wait cannot be begun any more, or MG_OK. */
static int over(const struct mg_x *x)
{
    if (x->proxy->running != x)
        return MG_EPHASE;
    if (x->pub.gone)
        return MG_EGONE;
    return x->pub.expired ? MG_ETIMEOUT : MG_OK;
}

static void flush_heads(struct mg_deferred *d)
{
    struct mg_x *x = MG_LIST_OF(d, struct mg_x, flush);

    if (x->down != NULL && x->down->ops->flush(x->down) < 0)
        on_client_gone(x); /* a failed write is told by no event */
    else if (x->up.stream != NULL)
        x->up.stream->ops->flush(x->up.stream);
}

/* A head that was queued goes out with the first bytes of its body, or at the end of this turn. */
static void flush_later(struct mg_x *x)
{
    mg_loop_defer(x->proxy->loop, &x->flush);
}

static void stop_call(struct mg_x *x)
{
    if (x->wait == MG_WAIT_CALL)
        mg_call_cancel_all(x);
}

/* `whole`: both messages are complete. */
static void stop_try(struct mg_x *x, bool whole)
{
    mg_relay_stop(&x->body_in); /* it may still come in, but has nowhere to go */
    mg_attempt_end(&x->up, whole);
}

/* For the log, which runs before the stream is released. */
static void count_bytes(struct mg_x *x)
{
    if (x->down == NULL)
        return;
    x->pub.bytes_in = x->down->bytes_in;
    x->pub.bytes_out = x->down->bytes_out;
}

/* The lane waits for the client's bytes to send them on. */
static bool is_pumping(const struct mg_x *x)
{
    return x->wait == MG_WAIT_REQUEST_BODY && x->lane_body;
}

/* The one way out after an error of the upstream side: ends the try, and tells the lane. */
static void fail(struct mg_x *x, int err)
{
    count_bytes(x);
    stop_try(x, false);
    mg_relay_cut(&x->body_out);
    x->broken = err; /* for a lane that waits for something else: its next op says so */
    if (x->wait != MG_WAIT_SLEEP && x->wait != MG_WAIT_CALL &&
        (x->wait != MG_WAIT_REQUEST_BODY || is_pumping(x)))
        wake_any(x, err);
}

static void on_client_gone(struct mg_x *x)
{
    struct mg_stream *down = x->down;

    count_bytes(x);
    x->pub.gone = true;
    x->down = NULL;
    down->ops->release(down, false);
    mg_relay_cut(&x->body_in);
    stop_try(x, false);
    stop_call(x);
    wake_any(x, MG_EGONE);
}

static void on_nap_end(struct mg_timer *t)
{
    mg_exchange_wake(MG_LIST_OF(t, struct mg_x, nap), MG_WAIT_SLEEP, MG_OK);
}

static void arm_try(struct mg_x *x, uint32_t ms)
{
    mg_timer_set(x->proxy->loop, &x->try_timer, ms);
}

/* Whether it is the upstream that the response waits for, not a policy or a slow client. */
static bool upstream_is_due(const struct mg_x *x)
{
    if (!x->responded)
        return true;
    return x->wait == MG_WAIT_RESPONSE_BODY ||
           (x->wait == MG_WAIT_REPLY && !x->body_out.blocked && !x->lane_body);
}

static void on_try_timer(struct mg_timer *t)
{
    struct mg_x *x = MG_LIST_OF(t, struct mg_x, try_timer);

    if (x->up.ep == NULL)
        return;
    if (upstream_is_due(x)) {
        x->reason = "no progress in time";
        fail(x, MG_ETIMEOUT);
    } else {
        arm_try(x, MG_UPSTREAM_IDLE_MS);
    }
}

static void on_deadline(struct mg_timer *t)
{
    struct mg_x *x = MG_LIST_OF(t, struct mg_x, deadline);

    count_bytes(x);
    x->pub.expired = true;
    x->reason = "the request's time is over";
    if (x->responded && x->body_out.from != NULL)
        x->broken = MG_ETIMEOUT; /* what the upstream has said so far will not be all */
    stop_try(x, false);
    mg_relay_cut(&x->body_out);
    if (x->wait == MG_WAIT_SLEEP)
        return; /* a delay is a policy's own affair: what it does next fails */
    stop_call(x);
    wake_any(x, MG_ETIMEOUT);
}

int mg_exchange_deadline(struct mg_x *x, uint32_t ms)
{
    x->pub.expired = false;
    if (ms == 0)
        mg_timer_clear(&x->deadline);
    else
        mg_timer_set(x->proxy->loop, &x->deadline, ms);
    return MG_OK;
}

void mg_exchange_settle(struct mg_x *x)
{
    x->settled = true;
    mg_timer_clear(&x->deadline);
}

int mg_exchange_may_wait(struct mg_x *x)
{
    if (x->proxy->running != x)
        return MG_EPHASE;
    if (!x->settled)
        return x->pub.gone ? MG_EGONE : MG_OK;
    release_streams(x);
    return MG_OK;
}

int mg_exchange_sleep(struct mg_x *x, uint32_t ms)
{
    int rc = mg_exchange_may_wait(x);

    if (rc != MG_OK)
        return rc;
    mg_timer_set(x->proxy->loop, &x->nap, ms);
    return await(x, MG_WAIT_SLEEP);
}

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
        flush_later(x); /* which finds the client gone */
}

int mg_exchange_body_gather(struct mg_x *x, uint64_t limit)
{
    int rc = over(x);

    if (rc != MG_OK)
        return rc;
    if (x->req.framing == MG_BODY_LENGTH && x->req.length > limit)
        return MG_ELIMIT;
    ask_for_body(x);
    mg_relay_keep(&x->body_in, limit);
    rc = mg_relay_gather(&x->body_in, limit);
    return rc == MG_AGAIN ? await(x, MG_WAIT_REQUEST_BODY) : rc;
}

int mg_exchange_body_next(struct mg_x *x, mg_str *piece)
{
    int rc = over(x);

    if (rc != MG_OK)
        return rc;
    ask_for_body(x);
    rc = mg_relay_next(&x->body_in, piece);
    return rc == MG_AGAIN ? await(x, MG_WAIT_REQUEST_BODY) : rc;
}

static void on_request_body(struct mg_stream *s, mg_str bytes)
{
    struct mg_x *x = s->owner;
    bool streaming = x->body_in.mode == MG_RELAY_STREAM;
    int rc = mg_relay_data(&x->body_in, bytes);

    if (x->tunnel)
        arm_try(x, MG_TUNNEL_IDLE_MS);
    if (rc == MG_AGAIN)
        return;
    if (rc < 0 && streaming)
        fail(x, MG_ERESET); /* the upstream takes no more */
    else
        mg_exchange_wake(x, MG_WAIT_REQUEST_BODY, rc);
}

static void on_request_end(struct mg_stream *s)
{
    struct mg_x *x = s->owner;
    bool streaming = x->body_in.mode == MG_RELAY_STREAM;
    int rc = mg_relay_end(&x->body_in);

    if (rc < 0 && streaming) {
        fail(x, MG_ERESET);
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
    return is_repeatable(x) && !x->lane_body && mg_relay_replayable(&x->body_in);
}

/* After `err` on a reused connection: MG_AGAIN when the request is on its way again. */
static int resend(struct mg_x *x, int err)
{
    struct mg_endpoint *ep = x->up.ep;
    bool again = err == MG_ESTALE && may_resend(x) && !x->pub.gone && !x->pub.expired;

    stop_try(x, false);
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
        flush_later(x);
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

static int start_try(struct mg_x *x, struct mg_endpoint *ep, bool fresh)
{
    int rc;

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
        fail(x, rc);
    else if (rc == MG_OK)
        mg_exchange_wake(x, MG_WAIT_FORWARD, MG_OK); /* the lane sends the body */
}

static void on_no_connection(struct mg_attempt *a, int err, const char *reason)
{
    struct mg_x *x = a->owner;

    x->reason =
        reason == NULL ? mg_error_text(err) : mg_arena_copy(&x->arena, reason, strlen(reason)).ptr;
    fail(x, err);
}

/* Ends the try; its connection is kept if the response is whole. */
static void end_try(struct mg_x *x)
{
    stop_try(x, x->body_out.ended && x->body_in.done && !x->tunnel);
}

int mg_exchange_forward(struct mg_x *x, struct mg_endpoint *ep, uint32_t timeout_ms, bool stream)
{
    int rc = over(x);

    if (rc != MG_OK)
        return rc;
    end_try(x);
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
    arm_try(x, timeout_ms > 0 ? timeout_ms : MG_UPSTREAM_IDLE_MS);
    return rc == MG_AGAIN ? await(x, MG_WAIT_FORWARD) : rc;
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

    if (x->proxy->running != x || is_answered(x))
        return MG_EPHASE;
    if (x->broken != 0 || up == NULL)
        return x->broken != 0 ? x->broken : MG_EPHASE;
    rc = up->ops->send_body(up, bytes);
    if (rc == MG_AGAIN && x->body_out.paused)
        return MG_EPHASE;
    return rc == MG_AGAIN ? await(x, MG_WAIT_UPSTREAM) : rc;
}

int mg_exchange_send_end(struct mg_x *x)
{
    struct mg_stream *up = x->up.stream;

    if (x->proxy->running != x || is_answered(x) || up == NULL)
        return MG_EPHASE;
    x->body_in.done = true;
    return up->ops->send_end(up, NULL);
}

int mg_exchange_wait(struct mg_x *x)
{
    int rc = over(x);

    if (rc != MG_OK || x->responded)
        return rc;
    if (x->up.stream == NULL)
        return x->broken != 0 ? x->broken : MG_EPHASE;
    return await(x, MG_WAIT_FORWARD);
}

static void on_up_error(struct mg_stream *s, int err)
{
    struct mg_x *x = s->owner;
    int rc = err;

    if (x->wait == MG_WAIT_FORWARD && !x->responded)
        rc = resend(x, err);
    if (rc < 0) {
        x->reason = mg_error_text(rc);
        fail(x, rc);
    }
}

static void on_interim(struct mg_stream *s)
{
    struct mg_x *x = s->owner;
    bool again = s->in->status == 100 && (x->continued || !x->req.expect_continue);

    if (x->down != NULL && !again && x->pub.minor == 1 &&
        x->down->ops->send_interim(x->down, s->in) < 0)
        flush_later(x); /* which finds the client gone */
}

static void on_response(struct mg_stream *s)
{
    struct mg_x *x = s->owner;

    x->responded = true;
    x->pub.status = x->res.status;
    x->pub.upstream_ns = mg_clock_ns() - x->up.sent_ns;
    mg_relay_init(&x->body_out, s, &x->res.trailers);
    x->body_out.ended = (x->res.framing == MG_BODY_NONE || x->res.bodiless) && x->res.status != 101;
    arm_try(x, MG_UPSTREAM_IDLE_MS);
    if (x->wait == MG_WAIT_FORWARD)
        mg_exchange_wake(x, MG_WAIT_FORWARD, MG_OK);
    else if (is_answered(x) && (x->wait == MG_WAIT_UPSTREAM || is_pumping(x)))
        wake_any(x, MG_EPHASE);
}

/* ---- the response --------------------------------------------------------------------- */

void mg_exchange_respond(struct mg_x *x, uint16_t status, mg_str body)
{
    end_try(x);
    mg_relay_free(&x->body_out);
    mg_relay_init(&x->body_out, NULL, NULL);
    mg_relay_replace(&x->body_out, body);
    mg_message_init(&x->res, &x->arena);
    x->res.status = x->pub.status = status;
    x->responded = true;
    x->broken = 0;
}

/* Why the response's body cannot be had, or MG_OK.  One that is in memory outlives the deadline: it
 * is what says that the time is over. */
static int response_over(const struct mg_x *x)
{
    int rc = over(x);

    if (x->broken != 0 && (rc == MG_OK || rc == MG_ETIMEOUT))
        return x->broken;
    return rc == MG_ETIMEOUT && x->body_out.ended ? MG_OK : rc;
}

int mg_exchange_response_gather(struct mg_x *x, uint64_t limit)
{
    int rc = response_over(x);

    if (rc != MG_OK)
        return rc;
    mg_relay_keep(&x->body_out, limit);
    rc = mg_relay_gather(&x->body_out, limit);
    return rc == MG_AGAIN ? await(x, MG_WAIT_RESPONSE_BODY) : rc;
}

int mg_exchange_response_next(struct mg_x *x, mg_str *piece)
{
    int rc = response_over(x);

    if (rc != MG_OK)
        return rc;
    rc = mg_relay_next(&x->body_out, piece);
    return rc == MG_AGAIN ? await(x, MG_WAIT_RESPONSE_BODY) : rc;
}

/* Must a client see no body, whatever there is?  (RFC 9110, 6.4.1) */
static bool is_bodiless(const struct mg_x *x)
{
    uint16_t status = x->res.status;

    return x->head || status < 200 || status == 204 || status == 304;
}

/* The framing of what goes downstream. */
static void frame_response(struct mg_x *x, bool stream)
{
    const struct mg_relay *body = &x->body_out;

    if (x->res.bodiless && !is_bodiless(x)) { /* a policy changed the method or the status */
        x->res.bodiless = false;
        x->res.framing = MG_BODY_NONE;
    }
    if (x->res.status == 101 || (x->res.bodiless && body->from != NULL))
        return;
    if (body->from == NULL && body->ended && body->trailers == NULL) {
        x->res.framing = MG_BODY_LENGTH;
        x->res.length = mg_buf_len(&body->kept);
    } else if (x->res.framing == MG_BODY_CLOSE || (stream && x->res.framing != MG_BODY_NONE)) {
        x->res.framing = MG_BODY_CHUNKED;
    }
}

/* Both sides speak their own protocol now (RFC 9110, 7.8): bytes pass until both have ended. */
static int start_tunnel(struct mg_x *x)
{
    struct mg_stream *down = x->down, *up = x->up.stream;

    x->tunnel = true;
    mg_timer_clear(&x->deadline);
    arm_try(x, MG_TUNNEL_IDLE_MS);
    down->ops->flush(down);
    mg_relay_free(&x->body_in);
    mg_relay_init(&x->body_in, down, NULL);
    mg_relay_init(&x->body_out, up, NULL);
    down->ops->tunnel(down);
    up->ops->tunnel(up);
    mg_relay_stream(&x->body_in, up);
    mg_relay_stream(&x->body_out, down);
    return await(x, MG_WAIT_REPLY);
}

static int reply_done(struct mg_x *x)
{
    count_bytes(x);
    mg_exchange_settle(x);
    x->replied = true;
    x->pub.end_ns = mg_clock_ns();
    return MG_OK;
}

/* The client takes no more: its event will not come, so the op says it. */
static int reply_lost(struct mg_x *x)
{
    x->pub.gone = true;
    return MG_EGONE;
}

/* A short body that came with its head goes out with it: no relay, no further wait. */
static int reply_at_once(struct mg_x *x, mg_str body)
{
    int rc = x->down->ops->send_body(x->down, body);

    x->up.stream->at_once = (mg_str){0};
    x->body_out.ended = x->body_out.done = true;
    if (rc >= 0)
        rc = x->down->ops->send_end(x->down, NULL);
    return rc < 0 ? reply_lost(x) : reply_done(x);
}

static int reply_body(struct mg_x *x)
{
    const struct mg_stream *up = x->up.stream;
    int rc;

    if (up != NULL && up->at_once.len > 0 && x->body_out.from == up)
        return reply_at_once(x, up->at_once);
    if (x->body_out.ended && mg_buf_len(&x->body_out.kept) == 0) {
        x->body_out.done = true;
        rc = x->down->ops->send_end(x->down, x->body_out.trailers);
        return rc < 0 ? reply_lost(x) : reply_done(x);
    }
    rc = mg_relay_stream(&x->body_out, x->down);
    if (rc == MG_END)
        return reply_done(x);
    if (rc < 0)
        return reply_lost(x);
    flush_later(x);
    arm_try(x, MG_UPSTREAM_IDLE_MS);
    return await(x, MG_WAIT_REPLY);
}

int mg_exchange_reply(struct mg_x *x, bool stream)
{
    if (x->pub.gone || x->down == NULL)
        return MG_EGONE;
    if (x->proxy->running != x || !x->responded || x->pub.response_started)
        return MG_EPHASE;
    if (x->broken != 0)
        return x->broken;
    x->pub.response_started = true;
    frame_response(x, stream);
    x->lane_body = stream;
    if (x->down->ops->send_head(x->down, &x->res) < 0)
        return reply_lost(x);
    if (x->res.status == 101)
        return start_tunnel(x);
    if (!stream)
        return reply_body(x);
    flush_later(x);
    return MG_OK;
}

int mg_exchange_reply_send(struct mg_x *x, mg_str bytes)
{
    int rc;

    if (x->down == NULL)
        return MG_EGONE;
    if (x->proxy->running != x)
        return MG_EPHASE;
    rc = x->down->ops->send_body(x->down, bytes);
    if (rc < 0)
        return reply_lost(x);
    return rc == MG_AGAIN ? await(x, MG_WAIT_REPLY) : MG_OK;
}

int mg_exchange_reply_end(struct mg_x *x)
{
    if (x->down == NULL)
        return MG_EGONE;
    if (x->proxy->running != x)
        return MG_EPHASE;
    if (x->down->ops->send_end(x->down, x->body_out.trailers) < 0)
        return reply_lost(x);
    return reply_done(x);
}

/* What the relay of the response says after an event. */
static void after_relay(struct mg_x *x, int rc)
{
    if (rc == MG_AGAIN && x->wait == MG_WAIT_UPSTREAM && x->body_out.paused) {
        mg_exchange_wake(x, MG_WAIT_UPSTREAM, MG_EPHASE); /* see mg_exchange_send() */
    } else if (rc == MG_END) {
        if (!x->tunnel || x->body_in.done)
            mg_exchange_wake(x, MG_WAIT_REPLY, reply_done(x));
    } else if (rc == MG_OK || rc == MG_ELIMIT) {
        mg_exchange_wake(x, MG_WAIT_RESPONSE_BODY, rc);
    } else if (rc < 0) {
        on_client_gone(x);
    }
}

static void on_response_body(struct mg_stream *s, mg_str bytes)
{
    struct mg_x *x = s->owner;

    arm_try(x, x->tunnel ? MG_TUNNEL_IDLE_MS : MG_UPSTREAM_IDLE_MS);
    after_relay(x, mg_relay_data(&x->body_out, bytes));
}

static void on_response_end(struct mg_stream *s)
{
    struct mg_x *x = s->owner;

    after_relay(x, mg_relay_end(&x->body_out));
}

static void on_up_drain(struct mg_stream *s)
{
    struct mg_x *x = s->owner;

    if (x->wait == MG_WAIT_UPSTREAM)
        mg_exchange_wake(x, MG_WAIT_UPSTREAM, MG_OK);
    else if (mg_relay_drained(&x->body_in) < 0)
        fail(x, MG_ERESET);
}

static void on_down_drain(struct mg_stream *s)
{
    struct mg_x *x = s->owner;

    if (x->lane_body && x->pub.response_started)
        mg_exchange_wake(x, MG_WAIT_REPLY, MG_OK);
    else
        after_relay(x, mg_relay_drained(&x->body_out));
}

static void on_down_error(struct mg_stream *s, int err)
{
    (void)err;
    on_client_gone(s->owner);
}

static const struct mg_stream_events up_events = {
    .on_head = on_response,
    .on_interim = on_interim,
    .on_body = on_response_body,
    .on_end = on_response_end,
    .on_drain = on_up_drain,
    .on_error = on_up_error,
};

static const struct mg_stream_events down_events = {
    .on_body = on_request_body,
    .on_end = on_request_end,
    .on_drain = on_down_drain,
    .on_error = on_down_error,
};

/* ---- begin and finish ------------------------------------------------------------------ */

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

static void release_streams(struct mg_x *x)
{
    struct mg_stream *down = x->down;

    end_try(x);
    x->down = NULL;
    if (down != NULL)
        down->ops->release(down, x->replied && !x->tunnel);
}

void mg_exchange_finish(struct mg_x *x)
{
    mg_timer_clear(&x->nap);
    mg_timer_clear(&x->try_timer);
    mg_timer_clear(&x->deadline);
    mg_list_remove(&x->flush.link);
    mg_call_cancel_all(x);
    release_streams(x);
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
    x->flush.fn = flush_heads;
    mg_list_init(&x->flush.link);
    mg_list_init(&x->calls);
    mg_timer_init(&x->nap, on_nap_end);
    mg_timer_init(&x->try_timer, on_try_timer);
    mg_timer_init(&x->deadline, on_deadline);
}
