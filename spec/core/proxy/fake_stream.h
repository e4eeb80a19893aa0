/* fake_stream.h -- A stream in memory: what is sent is kept, what is received is told by hand. */
#ifndef MG_FAKE_STREAM_H
#define MG_FAKE_STREAM_H
#include <string.h>
#include "http/stream.h"

struct fake_stream {
    struct mg_stream s; /* first */
    char out[4096];
    size_t len;
    int heads, interims, ends, releases;
    bool paused, tunnel, whole; /* whole: as released */
    int rc;                     /* what sending returns */
    struct mg_message head;     /* the last one sent */
};

static int fake_send_head(struct mg_stream *s, const struct mg_message *m)
{
    struct fake_stream *f = (struct fake_stream *)s;

    f->heads++;
    f->head = *m;
    return MG_OK; /* it is queued only */
}

static int fake_send_body(struct mg_stream *s, mg_str bytes)
{
    struct fake_stream *f = (struct fake_stream *)s;

    if (f->rc < 0)
        return f->rc;
    memcpy(f->out + f->len, bytes.ptr, bytes.len);
    f->len += bytes.len;
    f->out[f->len] = '\0';
    return f->rc;
}

static int fake_send_end(struct mg_stream *s, const struct mg_headers *trailers)
{
    struct fake_stream *f = (struct fake_stream *)s;

    (void)trailers;
    f->ends++;
    return f->rc;
}

static int fake_flush(struct mg_stream *s)
{
    return ((struct fake_stream *)s)->rc;
}

static int fake_send_interim(struct mg_stream *s, const struct mg_message *m)
{
    (void)m;
    ((struct fake_stream *)s)->interims++;
    return ((struct fake_stream *)s)->rc;
}

static void fake_pause(struct mg_stream *s)
{
    ((struct fake_stream *)s)->paused = true;
}

static void fake_resume(struct mg_stream *s)
{
    ((struct fake_stream *)s)->paused = false;
}

static void fake_tunnel(struct mg_stream *s)
{
    ((struct fake_stream *)s)->tunnel = true;
}

static void fake_release(struct mg_stream *s, bool whole)
{
    ((struct fake_stream *)s)->releases++;
    ((struct fake_stream *)s)->whole = whole;
}

static const struct mg_stream_ops fake_stream_ops = {.send_head = fake_send_head,
                                                     .send_body = fake_send_body,
                                                     .send_end = fake_send_end,
                                                     .flush = fake_flush,
                                                     .send_interim = fake_send_interim,
                                                     .pause = fake_pause,
                                                     .resume = fake_resume,
                                                     .tunnel = fake_tunnel,
                                                     .release = fake_release};

static void fake_stream_init(struct fake_stream *f)
{
    memset(f, 0, sizeof(*f));
    f->s.ops = &fake_stream_ops;
}
#endif
