/* A libFuzzer target: a chunked body says the same whole and in pieces, and what is made of it for the other side is
 * read as the same body again.  The first byte chooses the limits. */
#include "fuzz.h"

#include "http/body.h"
#include "http/outgoing.h"

static struct mg_arena arena;

enum end { OPEN, ENDED, REFUSED };

/* What is made of one body: its content, its trailers, and how it came to its end. */
struct reading {
    struct mg_message message;
    struct mg_body body;
    struct mg_buf content;
    enum end end;
};

static void start(struct reading *r, const struct mg_limits *limits)
{
    memset(r, 0, sizeof(*r));
    mg_message_init(&r->message, &arena);
    r->message.framing = MG_BODY_CHUNKED;
    mg_body_init(&r->body, &r->message, limits);
}

/* Takes all of one piece, and nothing behind the body's end. */
static void feed(struct reading *r, const char *bytes, size_t len)
{
    size_t at = 0, used;
    mg_str data;

    while (r->end == OPEN && at < len) {
        int rc = mg_body_next(&r->body, bytes + at, len - at, &used, &data);

        FUZZ_HOLDS(used <= len - at && (rc != MG_OK || used > 0));
        FUZZ_HOLDS(rc >= 0 || rc == MG_EPROTO || rc == MG_ELIMIT);
        at += used;
        if (rc >= 0 && data.len > 0) /* of an empty span nobody may read */
            mg_buf_append(&r->content, data.ptr, data.len);
        r->end = rc < 0 ? REFUSED : rc == MG_END ? ENDED : OPEN;
    }
    FUZZ_HOLDS(r->end == REFUSED || (r->end == ENDED) == mg_body_done(&r->body));
}

static void put(struct mg_buf *wire, const struct iovec *iov, int n)
{
    for (int i = 0; i < n; i++)
        mg_buf_append(wire, iov[i].iov_base, iov[i].iov_len);
}

/* As a relay would: each piece a chunk, then the trailers. */
static void forward(const struct reading *r, struct mg_buf *wire)
{
    struct mg_outgoing out = {.framing = MG_BODY_CHUNKED, .started = true};
    struct iovec iov[MG_OUTGOING_SPANS];
    size_t len = mg_buf_len(&r->content), half = len / 2;
    const char *bytes = len > 0 ? mg_buf_bytes(&r->content) : "";

    put(wire, iov, mg_outgoing_body(&out, mg_str_of(bytes, half), iov));
    put(wire, iov, mg_outgoing_body(&out, mg_str_of(bytes + half, len - half), iov));
    put(wire, iov, mg_outgoing_end(&out, &r->message.trailers, &arena, iov));
    FUZZ_HOLDS(out.ended);
}

static void same(const struct reading *a, const struct reading *b)
{
    const struct mg_headers *s = &a->message.trailers, *t = &b->message.trailers;

    FUZZ_HOLDS(a->end == b->end);
    fuzz_same(&a->content, &b->content);
    FUZZ_HOLDS(a->end != ENDED || s->n == t->n);
    for (uint32_t i = 0; a->end == ENDED && i < s->n; i++)
        FUZZ_HOLDS(fuzz_equal(s->v[i].name, t->v[i].name) &&
                   fuzz_equal(s->v[i].value, t->v[i].value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mg_limits limits;
    struct reading whole, pieces, again;
    struct mg_buf wire = {0};

    if (size == 0)
        return 0;
    mg_limits_default(&limits);
    limits.body_bytes = data[0] % 4 == 0 ? 64 : 0;
    limits.trailer_bytes = data[0] % 4 == 1 ? 64 : 8192;
    data++, size--;
    start(&whole, &limits);
    feed(&whole, (const char *)data, size);
    start(&pieces, &limits);
    for (size_t at = 0, n; at < size; at += n) {
        n = fuzz_piece(data + at, size - at);
        feed(&pieces, (const char *)data + at, n);
    }
    same(&whole, &pieces);
    if (whole.end == ENDED) {
        limits.trailer_bytes += 8192; /* a colon without a blank gets one */
        start(&again, &limits);
        forward(&whole, &wire);
        feed(&again, mg_buf_bytes(&wire), mg_buf_len(&wire));
        same(&whole, &again);
        mg_buf_free(&again.content);
    }
    mg_buf_free(&wire);
    mg_buf_free(&whole.content);
    mg_buf_free(&pieces.content);
    mg_arena_reset(&arena);
    return 0;
}

void fuzz_end(void)
{
    mg_arena_free(&arena);
}
