#include "proxy/exchange_state.h"

#include "proxy/call.h"
#include "proxy/check.h"
#include "proxy/socket.h"

/* ---- waiting: the lane stops here and is woken by what it waits for ------------------ */

void mg_exchange_wake(struct mg_x *x, enum mg_wait what, int rc)
{
    if (x->wait != what)
        return;
    x->wait = MG_WAIT_NONE;
    if (x->check != NULL)
        mg_check_forget(x);
    if (x->socket != NULL)
        mg_socket_forget(x);
    x->proxy->hooks.wake(x, rc);
}

/* Whatever it waits for will not come.  The exchange may be gone when this returns. */
void mg_exchange_wake_any(struct mg_x *x, int rc)
{
    if (x->wait != MG_WAIT_NONE)
        mg_exchange_wake(x, x->wait, rc);
}

int mg_exchange_await(struct mg_x *x, enum mg_wait what)
{
    x->wait = what;
    return MG_AGAIN;
}

/* Why a wait cannot be begun any more, or MG_OK. */
int mg_exchange_over(const struct mg_x *x)
{
    if (!x->pub.running)
        return MG_EPHASE;
    if (x->pub.gone)
        return MG_EGONE;
    return x->pub.expired ? MG_ETIMEOUT : MG_OK;
}

void mg_exchange_flush_heads(struct mg_deferred *d)
{
    struct mg_x *x = MG_LIST_OF(d, struct mg_x, flush);

    if (x->down != NULL && x->down->ops->flush(x->down) < 0)
        mg_exchange_client_gone(x); /* a failed write is told by no event */
    else if (x->up.stream != NULL)
        x->up.stream->ops->flush(x->up.stream);
}

/* A head that was queued goes out with the first bytes of its body, or at the end of this turn. */
void mg_exchange_flush_later(struct mg_x *x)
{
    mg_loop_defer(x->proxy->loop, &x->flush);
}

static void stop_call(struct mg_x *x)
{
    if (x->wait == MG_WAIT_CALL)
        mg_call_cancel_all(x);
}

/* `whole`: both messages are complete. */
void mg_exchange_stop_try(struct mg_x *x, bool whole)
{
    mg_relay_stop(&x->body_in); /* it may still come in, but has nowhere to go */
    mg_attempt_end(&x->up, whole);
}

/* Ends the try; its connection is kept if the response is whole. */
void mg_exchange_end_try(struct mg_x *x)
{
    mg_exchange_stop_try(x, x->body_out.ended && x->body_in.done && !x->tunnel);
}

/* For the log, which runs before the stream is released. */
void mg_exchange_count_bytes(struct mg_x *x)
{
    if (x->down == NULL)
        return;
    x->pub.bytes_in = x->down->bytes_in;
    x->pub.bytes_out = x->down->bytes_out;
}

/* The lane waits for the client's bytes to send them on. */
bool mg_exchange_is_pumping(const struct mg_x *x)
{
    return x->wait == MG_WAIT_REQUEST_BODY && x->lane_body;
}

/* The one way out after an error of the upstream side: ends the try, and tells the lane. */
void mg_exchange_fail(struct mg_x *x, int err)
{
    mg_exchange_count_bytes(x);
    mg_exchange_stop_try(x, false);
    mg_relay_cut(&x->body_out);
    x->broken = err; /* for a lane that waits for something else: its next op says so */
    if (x->wait != MG_WAIT_SLEEP && x->wait != MG_WAIT_CALL && x->wait != MG_WAIT_CHECK &&
        x->wait != MG_WAIT_SOCKET && (x->wait != MG_WAIT_REQUEST_BODY || mg_exchange_is_pumping(x)))
        mg_exchange_wake_any(x, err);
}

void mg_exchange_client_gone(struct mg_x *x)
{
    struct mg_stream *down = x->down;

    mg_exchange_count_bytes(x);
    x->pub.gone = true;
    x->down = NULL;
    down->ops->release(down, false);
    mg_relay_cut(&x->body_in);
    mg_exchange_stop_try(x, false);
    stop_call(x);
    mg_exchange_wake_any(x, MG_EGONE);
}

void mg_exchange_on_nap_end(struct mg_timer *t)
{
    mg_exchange_wake(MG_LIST_OF(t, struct mg_x, nap), MG_WAIT_SLEEP, MG_OK);
}

void mg_exchange_on_rouse(struct mg_deferred *d)
{
    struct mg_x *x = MG_LIST_OF(d, struct mg_x, rouse);

    mg_timer_clear(&x->nap);
    mg_exchange_wake(x, MG_WAIT_SLEEP, MG_OK);
}

void mg_exchange_rouse(struct mg_x *x)
{
    if (x->wait == MG_WAIT_SLEEP)
        mg_loop_defer(x->proxy->loop, &x->rouse);
}

void mg_exchange_arm_try(struct mg_x *x, uint32_t ms)
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

void mg_exchange_on_try_timer(struct mg_timer *t)
{
    struct mg_x *x = MG_LIST_OF(t, struct mg_x, try_timer);

    if (x->up.ep == NULL)
        return;
    if (upstream_is_due(x)) {
        x->reason = "no progress in time";
        mg_exchange_fail(x, MG_ETIMEOUT);
    } else {
        mg_exchange_arm_try(x, MG_UPSTREAM_IDLE_MS);
    }
}

void mg_exchange_on_deadline(struct mg_timer *t)
{
    struct mg_x *x = MG_LIST_OF(t, struct mg_x, deadline);

    mg_exchange_count_bytes(x);
    x->pub.expired = true;
    x->reason = "the request's time is over";
    if (x->responded && x->body_out.from != NULL)
        x->broken = MG_ETIMEOUT; /* what the upstream has said so far will not be all */
    mg_exchange_stop_try(x, false);
    mg_relay_cut(&x->body_out);
    if (x->wait == MG_WAIT_SLEEP)
        return; /* a delay is a policy's own affair: what it does next fails */
    stop_call(x);
    mg_exchange_wake_any(x, MG_ETIMEOUT);
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

void mg_exchange_release_streams(struct mg_x *x)
{
    struct mg_stream *down = x->down;

    mg_exchange_end_try(x);
    mg_attempt_give_up(&x->up);
    x->down = NULL;
    if (down != NULL)
        down->ops->release(down, x->replied && !x->tunnel);
}

void mg_exchange_settle(struct mg_x *x)
{
    x->settled = true;
    mg_timer_clear(&x->deadline);
}

int mg_exchange_may_wait(struct mg_x *x)
{
    if (!x->pub.running)
        return MG_EPHASE;
    if (!x->settled)
        return x->pub.gone ? MG_EGONE : MG_OK;
    mg_exchange_release_streams(x);
    return MG_OK;
}

int mg_exchange_sleep(struct mg_x *x, uint32_t ms)
{
    int rc = mg_exchange_may_wait(x);

    if (rc != MG_OK)
        return rc;
    mg_list_remove(&x->rouse.link); /* it was for the sleep before */
    mg_timer_set(x->proxy->loop, &x->nap, ms);
    return mg_exchange_await(x, MG_WAIT_SLEEP);
}
