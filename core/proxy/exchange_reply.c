#include "proxy/exchange_state.h"

/* ---- the response --------------------------------------------------------------------- */

void mg_exchange_respond(struct mg_x *x, uint16_t status, mg_str body)
{
    mg_exchange_end_try(x);
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
    int rc = mg_exchange_over(x);

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
    return rc == MG_AGAIN ? mg_exchange_await(x, MG_WAIT_RESPONSE_BODY) : rc;
}

int mg_exchange_response_peek(struct mg_x *x, uint64_t enough)
{
    int rc = response_over(x);

    if (rc != MG_OK)
        return rc;
    rc = mg_relay_peek(&x->body_out, enough);
    return rc == MG_AGAIN ? mg_exchange_await(x, MG_WAIT_RESPONSE_BODY) : rc;
}

int mg_exchange_response_next(struct mg_x *x, mg_str *piece)
{
    int rc = response_over(x);

    if (rc != MG_OK)
        return rc;
    rc = mg_relay_next(&x->body_out, piece);
    return rc == MG_AGAIN ? mg_exchange_await(x, MG_WAIT_RESPONSE_BODY) : rc;
}

/* Must a client see no body, whatever there is?  (RFC 9110, 6.4.1) */
static bool is_bodiless(const struct mg_x *x)
{
    uint16_t status = x->res.status;

    return x->head || status < 200 || status == 204 || status == 304;
}

/* A length in a 304 is that of the 200 in whose place it stands, which nobody here knows (RFC 9110, 8.6). */
static bool lacks_length(const struct mg_x *x)
{
    return x->res.status == 304 && x->res.length == 0;
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
        x->res.length = mg_buf_len(&body->kept);
        x->res.framing = lacks_length(x) ? MG_BODY_NONE : MG_BODY_LENGTH;
    } else if (x->res.framing == MG_BODY_CLOSE || (stream && x->res.framing != MG_BODY_NONE)) {
        x->res.framing = MG_BODY_CHUNKED;
    }
}

static int reply_done(struct mg_x *x)
{
    mg_exchange_count_bytes(x);
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

/* Both sides speak their own protocol now (RFC 9110, 7.8): bytes pass until both have ended. */
static int start_tunnel(struct mg_x *x)
{
    struct mg_stream *down = x->down, *up = x->up.stream;

    x->tunnel = true;
    mg_timer_clear(&x->deadline);
    mg_exchange_arm_try(x, MG_TUNNEL_IDLE_MS);
    if (down->ops->flush(down) < 0)
        return reply_lost(x);
    mg_relay_free(&x->body_in);
    mg_relay_init(&x->body_in, down, NULL);
    mg_relay_init(&x->body_out, up, NULL);
    down->ops->tunnel(down);
    up->ops->tunnel(up);
    mg_relay_stream(&x->body_in, up);
    mg_relay_stream(&x->body_out, down);
    return mg_exchange_await(x, MG_WAIT_REPLY);
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
    mg_exchange_flush_later(x);
    mg_exchange_arm_try(x, MG_UPSTREAM_IDLE_MS);
    return mg_exchange_await(x, MG_WAIT_REPLY);
}

int mg_exchange_reply(struct mg_x *x, bool stream)
{
    if (x->pub.gone || x->down == NULL)
        return MG_EGONE;
    if (!x->pub.running || !x->responded || x->pub.response_started)
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
    mg_exchange_flush_later(x);
    return MG_OK;
}

int mg_exchange_reply_send(struct mg_x *x, mg_str bytes)
{
    int rc;

    if (x->down == NULL)
        return MG_EGONE;
    if (!x->pub.running)
        return MG_EPHASE;
    rc = x->down->ops->send_body(x->down, bytes);
    if (rc < 0)
        return reply_lost(x);
    return rc == MG_AGAIN ? mg_exchange_await(x, MG_WAIT_REPLY) : MG_OK;
}

int mg_exchange_reply_end(struct mg_x *x)
{
    if (x->down == NULL)
        return MG_EGONE;
    if (!x->pub.running)
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
        mg_exchange_client_gone(x);
    }
}

void mg_exchange_on_response_body(struct mg_stream *s, mg_str bytes)
{
    struct mg_x *x = s->owner;

    mg_exchange_arm_try(x, x->tunnel ? MG_TUNNEL_IDLE_MS : MG_UPSTREAM_IDLE_MS);
    after_relay(x, mg_relay_data(&x->body_out, bytes));
}

void mg_exchange_on_response_end(struct mg_stream *s)
{
    struct mg_x *x = s->owner;

    after_relay(x, mg_relay_end(&x->body_out));
}

void mg_exchange_on_up_drain(struct mg_stream *s)
{
    struct mg_x *x = s->owner;

    if (x->wait == MG_WAIT_UPSTREAM)
        mg_exchange_wake(x, MG_WAIT_UPSTREAM, MG_OK);
    else if (mg_relay_drained(&x->body_in) < 0)
        mg_exchange_fail(x, MG_ERESET);
}

void mg_exchange_on_down_drain(struct mg_stream *s)
{
    struct mg_x *x = s->owner;

    if (x->lane_body && x->pub.response_started)
        mg_exchange_wake(x, MG_WAIT_REPLY, MG_OK);
    else
        after_relay(x, mg_relay_drained(&x->body_out));
}
