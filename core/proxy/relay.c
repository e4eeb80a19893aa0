#include "proxy/relay.h"

void mg_relay_init(struct mg_relay *r, struct mg_stream *from, struct mg_headers *trailers)
{
    memset(r, 0, sizeof(*r));
    r->from = from;
    r->trailers = trailers;
}

void mg_relay_free(struct mg_relay *r)
{
    if (r->kept.data != NULL)
        mg_buf_free(&r->kept);
}

static void pause(struct mg_relay *r)
{
    if (!r->paused && !r->ended && r->from != NULL) {
        r->paused = true;
        r->from->ops->pause(r->from);
    }
}

static void resume(struct mg_relay *r)
{
    if (r->paused && r->from != NULL) {
        r->paused = false;
        r->from->ops->resume(r->from);
    }
}

/* The end will not come: nobody may wait for it. */
static bool is_lost(const struct mg_relay *r)
{
    return r->from == NULL && !r->ended;
}

static mg_str unsent(const struct mg_relay *r)
{
    return mg_str_of(mg_buf_bytes(&r->kept) + r->sent, mg_buf_len(&r->kept) - r->sent);
}

/* Bytes that `to` has had leave memory, unless they may be needed again. */
static void took(struct mg_relay *r, size_t len)
{
    if (r->keep) {
        r->sent += len;
        return;
    }
    r->lost = r->lost || len > 0;
    mg_buf_consume(&r->kept, len);
}

static int finish(struct mg_relay *r)
{
    int rc;

    if (!r->ended || r->done)
        return r->done ? MG_END : MG_AGAIN;
    r->done = true;
    rc = r->to->ops->send_end(r->to, r->trailers);
    return rc < 0 ? rc : MG_END;
}

/* Sends what is kept and not sent yet. */
static int push(struct mg_relay *r)
{
    mg_str bytes = unsent(r);
    int rc = MG_OK;

    if (bytes.len > 0) {
        rc = r->to->ops->send_body(r->to, bytes);
        if (rc < 0)
            return rc;
        took(r, bytes.len);
    }
    r->blocked = rc == MG_AGAIN;
    if (r->blocked) {
        pause(r);
        return r->ended ? finish(r) : MG_AGAIN;
    }
    resume(r);
    return finish(r);
}

/* The usual way of a streamed body: straight on, no copy. */
static int pass(struct mg_relay *r, mg_str bytes)
{
    int rc;

    if (r->keep && mg_buf_len(&r->kept) + bytes.len <= r->limit) {
        mg_buf_append(&r->kept, bytes.ptr, bytes.len);
        r->sent += bytes.len;
    } else {
        r->lost = true;
        if (r->keep) {
            r->keep = false;
            r->sent = 0;
            mg_buf_free(&r->kept);
        }
    }
    rc = r->to->ops->send_body(r->to, bytes);
    if (rc == MG_AGAIN) {
        r->blocked = true;
        pause(r);
    }
    return rc < 0 ? rc : MG_AGAIN;
}

int mg_relay_data(struct mg_relay *r, mg_str bytes)
{
    if (r->from == NULL || r->mode == MG_RELAY_DISCARD)
        return MG_AGAIN;
    if (r->mode == MG_RELAY_STREAM && mg_buf_len(&r->kept) == r->sent)
        return pass(r, bytes);
    if (r->mode == MG_RELAY_GATHER && mg_buf_len(&r->kept) + bytes.len > r->limit)
        return MG_ELIMIT;
    mg_buf_append(&r->kept, bytes.ptr, bytes.len);
    if (r->mode == MG_RELAY_GATHER)
        return MG_AGAIN;
    if (r->mode == MG_RELAY_PEEK && mg_buf_len(&r->kept) < r->limit)
        return MG_AGAIN;
    pause(r);
    if (r->mode == MG_RELAY_PEEK) {
        r->mode = MG_RELAY_HOLD;
        return MG_OK;
    }
    return r->mode == MG_RELAY_PULL ? MG_OK : MG_AGAIN;
}

int mg_relay_end(struct mg_relay *r)
{
    if (r->from == NULL)
        return MG_AGAIN;
    r->ended = true;
    switch (r->mode) {
    case MG_RELAY_STREAM:
        return mg_buf_len(&r->kept) == r->sent ? finish(r) : MG_AGAIN;
    case MG_RELAY_GATHER:
    case MG_RELAY_PEEK:
    case MG_RELAY_PULL:
        return MG_OK;
    default:
        return MG_AGAIN;
    }
}

int mg_relay_drained(struct mg_relay *r)
{
    if (r->mode != MG_RELAY_STREAM || !r->blocked)
        return MG_AGAIN;
    return push(r);
}

int mg_relay_stream(struct mg_relay *r, struct mg_stream *to)
{
    r->mode = MG_RELAY_STREAM;
    r->to = to;
    r->blocked = false;
    return is_lost(r) ? MG_ECLOSED : push(r);
}

int mg_relay_gather(struct mg_relay *r, uint64_t limit)
{
    if (mg_buf_len(&r->kept) > limit)
        return MG_ELIMIT;
    if (r->ended)
        return MG_OK;
    if (is_lost(r))
        return MG_ECLOSED;
    r->mode = MG_RELAY_GATHER;
    r->limit = limit;
    resume(r);
    return MG_AGAIN;
}

int mg_relay_peek(struct mg_relay *r, uint64_t enough)
{
    if (r->ended || mg_buf_len(&r->kept) >= enough)
        return MG_OK;
    if (is_lost(r))
        return MG_ECLOSED;
    r->mode = MG_RELAY_PEEK;
    r->limit = enough;
    resume(r);
    return MG_AGAIN;
}

int mg_relay_next(struct mg_relay *r, mg_str *piece)
{
    mg_buf_consume(&r->kept, r->sent); /* the piece given last time */
    r->lost = true;
    r->sent = 0;
    r->mode = MG_RELAY_PULL;
    if (mg_buf_len(&r->kept) > 0) {
        *piece = unsent(r);
        r->sent = piece->len;
        return MG_OK;
    }
    if (r->ended)
        return MG_END;
    if (is_lost(r))
        return MG_ECLOSED;
    resume(r);
    return MG_AGAIN;
}

void mg_relay_replace(struct mg_relay *r, mg_str body)
{
    struct mg_buf fresh = {0};

    mg_buf_append(&fresh, body.ptr, body.len);
    mg_relay_free(r);
    r->kept = fresh;
    r->sent = 0;
    r->keep = true;
    r->lost = false;
    r->ended = true;
    r->trailers = NULL;
    if (r->from != NULL)
        resume(r);
    r->from = NULL;
}

void mg_relay_keep(struct mg_relay *r, uint64_t limit)
{
    if (r->lost)
        return;
    r->keep = true;
    r->limit = limit > mg_buf_len(&r->kept) ? limit : mg_buf_len(&r->kept);
}

bool mg_relay_replayable(const struct mg_relay *r)
{
    return !r->lost;
}

void mg_relay_stop(struct mg_relay *r)
{
    r->to = NULL;
    if (r->mode == MG_RELAY_STREAM) {
        r->mode = MG_RELAY_HOLD;
        r->blocked = false;
    }
}

void mg_relay_rewind(struct mg_relay *r)
{
    mg_relay_stop(r);
    r->sent = 0;
    r->done = false;
}

void mg_relay_cut(struct mg_relay *r)
{
    r->from = NULL;
    r->paused = false;
}
