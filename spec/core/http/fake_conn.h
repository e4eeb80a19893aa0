/* fake_conn.h -- A connection in memory: what is written is kept, what is read is given by hand. */
#ifndef MG_FAKE_CONN_H
#define MG_FAKE_CONN_H
#include <stdlib.h>
#include <string.h>
#include "net/conn.h"

struct fake {
    struct mg_conn conn; /* first */
    char out[1 << 20];
    size_t len;
    int writes;
    bool reading, shut, closed, reset;
    bool full; /* takes no more: MG_AGAIN */
    int error; /* what the next write returns */
};

static struct mg_loop loop;
static struct fake wire;

static int fake_write(struct mg_conn *c, const struct iovec *iov, int n)
{
    struct fake *f = (struct fake *)c;

    if (f->error != 0)
        return f->error;
    f->writes++;
    for (int i = 0; i < n; i++) {
        memcpy(f->out + f->len, iov[i].iov_base, iov[i].iov_len);
        f->len += iov[i].iov_len;
    }
    f->out[f->len] = '\0';
    return f->full ? MG_AGAIN : MG_OK;
}

static void fake_read_start(struct mg_conn *c)
{
    ((struct fake *)c)->reading = true;
}

static void fake_read_stop(struct mg_conn *c)
{
    ((struct fake *)c)->reading = false;
}

static void fake_shutdown(struct mg_conn *c)
{
    ((struct fake *)c)->shut = true;
}

static void fake_close(struct mg_conn *c)
{
    ((struct fake *)c)->closed = true;
}

static void fake_reset(struct mg_conn *c)
{
    ((struct fake *)c)->closed = ((struct fake *)c)->reset = true;
}

static size_t fake_queued(const struct mg_conn *c)
{
    return ((const struct fake *)c)->full ? 1 : 0;
}

static const struct mg_conn_ops fake_ops = {.write = fake_write,
                                            .read_start = fake_read_start,
                                            .read_stop = fake_read_stop,
                                            .shutdown = fake_shutdown,
                                            .close = fake_close,
                                            .reset = fake_reset,
                                            .queued = fake_queued};

static struct mg_conn *fake_open(void)
{
    static struct mg_timer awake; /* a loop with nothing open does not turn */

    if (loop.scratch == NULL) {
        mg_loop_init(&loop);
        mg_timer_init(&awake, NULL);
        mg_timer_set(&loop, &awake, 3600000);
    }
    memset(&wire, 0, sizeof(wire));
    wire.conn.ops = &fake_ops;
    wire.conn.loop = &loop;
    return &wire.conn;
}

/* A turn of the loop, in which nothing waits: what was deferred is done. */
static void fake_turn(void)
{
    mg_loop_turn(&loop, false);
}

/* The peer's bytes, in a block of their exact size; nothing when it is not read. */
static bool fake_feed(const char *bytes, size_t len)
{
    char *copy;

    if (wire.closed || !wire.reading || len == 0)
        return false;
    copy = malloc(len);
    memcpy(copy, bytes, len);
    wire.conn.events->on_read(&wire.conn, copy, len);
    free(copy);
    return true;
}

static void fake_eof(void)
{
    if (!wire.closed)
        wire.conn.events->on_eof(&wire.conn);
}

/* The peer takes what is queued. */
static void fake_drain(void)
{
    wire.full = false;
    wire.conn.events->on_drain(&wire.conn);
}
#endif
