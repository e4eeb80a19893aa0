#include "net/tcp.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"

enum {
    CLOSED = 1,
    CONNECTING = 2,
    SHUT = 4,     /* the owner sends no more; FIN goes out when the queue is empty */
    WANTED = 8,   /* the owner wants to read */
    READING = 16, /* libuv reads; longer than WANTED, see tcp_read_stop() */
    ENDED = 32    /* the peer's FIN was told */
};

/* What the socket did not take.  Lives from the first such byte until all are gone. */
struct out {
    uv_write_t req;
    struct mg_buf flying; /* libuv writes it and holds pointers into it */
    struct mg_buf waiting;
};

/* Lives until libuv lets go of the connect. */
struct dial {
    uv_connect_t req;
    struct mg_timer timer;
    struct mg_tcp *tcp;
};

/* Kept small: ten thousand of these wait for a client that says nothing. */
struct mg_tcp {
    struct mg_conn conn; /* first: the face everyone else sees */
    uv_tcp_t uv;
    struct out *out;   /* NULL: nothing queued */
    struct dial *dial; /* NULL: connected */
    uint32_t flags;
};
_Static_assert(sizeof(struct mg_tcp) <= 320, "an idle connection is this large");

static struct mg_tcp *of_conn(const struct mg_conn *c)
{
    return (struct mg_tcp *)c;
}

static struct mg_tcp *of_handle(const void *handle)
{
    return MG_LIST_OF(handle, struct mg_tcp, uv);
}

static uv_stream_t *stream_of(struct mg_tcp *t)
{
    return (uv_stream_t *)&t->uv;
}

/* ---- reading ------------------------------------------------------------------------ */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct mg_tcp *t = of_handle(handle);

    (void)suggested;
    if (t->flags & WANTED)
        *buf = uv_buf_init(t->conn.loop->scratch, MG_SCRATCH);
    else
        *buf = uv_buf_init(NULL, 0); /* libuv then says UV_ENOBUFS and reads nothing */
}

/* Ends reading with the truth: libuv says UV_EOF for any hang-up that arrives together with the last
 * bytes, a reset as well, and a body that ends with the connection would seem whole. */
static void on_end(struct mg_tcp *t, int err)
{
    int pending = 0, fd;
    socklen_t len = sizeof(pending);

    t->flags = (t->flags & ~(uint32_t)READING) | ENDED;
    if (err == UV_EOF && uv_fileno((uv_handle_t *)&t->uv, &fd) == 0 &&
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &len) == 0 && pending != 0)
        err = -pending;
    if (err == UV_EOF)
        t->conn.events->on_eof(&t->conn);
    else
        t->conn.events->on_error(&t->conn, err);
}

/* Nothing may touch `t` after an event: the owner may have closed it. */
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct mg_tcp *t = of_handle(stream);

    if (n > 0) {
        t->conn.events->on_read(&t->conn, buf->base, (size_t)n);
    } else if (n == UV_ENOBUFS && !(t->flags & WANTED)) {
        t->flags &= ~(uint32_t)READING;
        uv_read_stop(stream);
    } else if (n == UV_EOF && !(t->flags & WANTED)) {
        t->flags &= ~(uint32_t)READING; /* after a hang-up, unasked: found again when wanted */
    } else if (n < 0) {
        on_end(t, (int)n);
    }
}

static void tcp_read_start(struct mg_conn *c)
{
    struct mg_tcp *t = of_conn(c);

    t->flags |= WANTED;
    if (t->flags & (CONNECTING | READING | ENDED))
        return;
    if (uv_read_start(stream_of(t), on_alloc, on_read) == 0)
        t->flags |= READING;
}

/* Only notes the wish: most stops are followed by a start before more bytes come, and then epoll
 * need not be told of either.  on_alloc() stops in earnest when bytes come first. */
static void tcp_read_stop(struct mg_conn *c)
{
    of_conn(c)->flags &= ~(uint32_t)WANTED;
}

/* ---- writing ------------------------------------------------------------------------ */

/* Copies what follows the first `skip` bytes of the spans. */
static void append_rest(struct mg_buf *buf, const struct iovec *iov, int n, size_t skip)
{
    for (int i = 0; i < n; i++) {
        size_t len = iov[i].iov_len;

        if (skip < len)
            mg_buf_append(buf, (const char *)iov[i].iov_base + skip, len - skip);
        skip -= skip < len ? skip : len;
    }
}

static void send_fin(struct mg_tcp *t)
{
    int fd;

    /* Not uv_shutdown(): it costs a request and a turn of the loop, and our queue is empty. */
    if (uv_fileno((uv_handle_t *)&t->uv, &fd) == 0)
        shutdown(fd, SHUT_WR); /* fails on a reset socket, which the reading side tells */
}

static void on_written(uv_write_t *req, int status);

/* Gives libuv the bytes that wait; none may be flying. */
static int flush(struct mg_tcp *t)
{
    struct out *out = t->out;
    uv_buf_t buf;

    out->flying = out->waiting;
    memset(&out->waiting, 0, sizeof(out->waiting));
    buf.base = (char *)mg_buf_bytes(&out->flying);
    buf.len = mg_buf_len(&out->flying);
    return uv_write(&out->req, stream_of(t), &buf, 1, on_written);
}

static void free_out(struct mg_tcp *t)
{
    if (t->out == NULL)
        return;
    mg_buf_free(&t->out->flying);
    mg_buf_free(&t->out->waiting);
    free(t->out);
    t->out = NULL;
}

static void on_written(uv_write_t *req, int status)
{
    struct mg_tcp *t = of_handle(req->handle);

    if (t->flags & CLOSED)
        return; /* on_closed() follows and frees */
    mg_buf_free(&t->out->flying);
    if (status == 0 && mg_buf_len(&t->out->waiting) > 0) {
        status = flush(t);
        if (status == 0)
            return;
    }
    if (status != 0) {
        t->conn.events->on_error(&t->conn, status);
        return;
    }
    free_out(t);
    if (t->flags & SHUT)
        send_fin(t);
    t->conn.events->on_drain(&t->conn);
}

/* Copies what the socket did not take: behind what is queued already, if anything is. */
static int queue(struct mg_tcp *t, const struct iovec *iov, int n, size_t taken)
{
    bool first = t->out == NULL;
    int rc;

    if (first && (t->out = calloc(1, sizeof(*t->out))) == NULL)
        return UV_ENOMEM;
    append_rest(&t->out->waiting, iov, n, taken);
    if (!first || (t->flags & CONNECTING))
        return MG_AGAIN;
    rc = flush(t);
    return rc != 0 ? rc : MG_AGAIN;
}

static int tcp_write(struct mg_conn *c, const struct iovec *iov, int n)
{
    struct mg_tcp *t = of_conn(c);
    size_t total = 0;
    int taken;

    if (t->flags & SHUT)
        return UV_EPIPE;
    if (t->out != NULL || (t->flags & CONNECTING))
        return queue(t, iov, n, 0);
    /* libuv's uv_buf_t is an iovec on Unix (it says so, and casts too). */
    taken = uv_try_write(stream_of(t), (const uv_buf_t *)iov, (unsigned)n);
    if (taken < 0 && taken != UV_EAGAIN)
        return taken;
    for (int i = 0; i < n; i++)
        total += iov[i].iov_len;
    if (taken == UV_EAGAIN)
        taken = 0;
    return (size_t)taken == total ? MG_OK : queue(t, iov, n, (size_t)taken);
}

static size_t tcp_queued(const struct mg_conn *c)
{
    const struct mg_tcp *t = of_conn(c);

    if (t->out == NULL)
        return 0;
    return uv_stream_get_write_queue_size((const uv_stream_t *)&t->uv) +
           mg_buf_len(&t->out->waiting);
}

static void tcp_shutdown(struct mg_conn *c)
{
    struct mg_tcp *t = of_conn(c);

    if (t->flags & SHUT)
        return;
    t->flags |= SHUT;
    if (t->out == NULL && !(t->flags & CONNECTING))
        send_fin(t);
}

/* ---- closing ------------------------------------------------------------------------ */

static void on_closed(uv_handle_t *handle)
{
    struct mg_tcp *t = of_handle(handle);

    free_out(t);
    free(t);
}

static void prepare_close(struct mg_tcp *t)
{
    assert(!(t->flags & CLOSED));
    t->flags |= CLOSED;
    if (t->dial != NULL)
        mg_timer_clear(&t->dial->timer);
}

static void tcp_close(struct mg_conn *c)
{
    struct mg_tcp *t = of_conn(c);

    prepare_close(t);
    uv_close((uv_handle_t *)&t->uv, on_closed);
}

static void tcp_reset(struct mg_conn *c)
{
    struct mg_tcp *t = of_conn(c);

    prepare_close(t);
    if (uv_tcp_close_reset(&t->uv, on_closed) != 0)
        uv_close((uv_handle_t *)&t->uv, on_closed);
}

/* ---- the table ---------------------------------------------------------------------- */

static const struct mg_peer *tcp_peer(const struct mg_conn *c)
{
    (void)c;
    return NULL;
}

static int tcp_address(const struct mg_conn *c, bool local, struct sockaddr_storage *out)
{
    const struct mg_tcp *t = of_conn(c);
    int len = sizeof(*out);

    memset(out, 0, sizeof(*out));
    return (local ? uv_tcp_getsockname : uv_tcp_getpeername)(&t->uv, (struct sockaddr *)out, &len);
}

static const struct mg_conn_ops tcp_ops = {.write = tcp_write,
                                           .read_start = tcp_read_start,
                                           .read_stop = tcp_read_stop,
                                           .shutdown = tcp_shutdown,
                                           .close = tcp_close,
                                           .reset = tcp_reset,
                                           .queued = tcp_queued,
                                           .peer = tcp_peer,
                                           .address = tcp_address};

static struct mg_tcp *new_tcp(struct mg_loop *loop)
{
    struct mg_tcp *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    t->conn.ops = &tcp_ops;
    t->conn.loop = loop;
    uv_tcp_init(&loop->uv, &t->uv); /* cannot fail without a family */
    uv_tcp_nodelay(&t->uv, 1);      /* only notes it: there is no socket yet */
    return t;
}

int mg_tcp_adopt(struct mg_loop *loop, int fd, struct mg_conn **out)
{
    struct mg_tcp *t = new_tcp(loop);
    int rc = UV_ENOMEM;

    *out = NULL;
    if (t == NULL)
        goto fail;
    rc = uv_tcp_open(&t->uv, fd);
    if (rc != 0)
        goto fail_open;
    *out = &t->conn;
    return 0;
fail_open:
    tcp_close(&t->conn); /* does not own the socket yet */
fail:
    close(fd);
    return rc;
}

/* ---- connecting --------------------------------------------------------------------- */

/* Tells once; what comes later (after a timeout) finds the owner closing. */
static void tell(struct mg_tcp *t, int err)
{
    t->flags &= ~(uint32_t)CONNECTING;
    if (err == 0 && t->out != NULL)
        err = flush(t);
    else if (err == 0 && (t->flags & SHUT))
        send_fin(t);
    if (err == 0 && (t->flags & WANTED))
        tcp_read_start(&t->conn);
    t->conn.events->on_connect(&t->conn, err);
}

static void on_connected(uv_connect_t *req, int status)
{
    struct dial *dial = MG_LIST_OF(req, struct dial, req);
    struct mg_tcp *t = dial->tcp;

    mg_timer_clear(&dial->timer);
    free(dial);
    t->dial = NULL;
    if ((t->flags & CONNECTING) && !(t->flags & CLOSED))
        tell(t, status);
}

static void on_connect_timer(struct mg_timer *timer)
{
    struct dial *dial = MG_LIST_OF(timer, struct dial, timer);

    tell(dial->tcp, UV_ETIMEDOUT);
}

static int start_dial(struct mg_tcp *t, const struct sockaddr *to, uint32_t timeout_ms)
{
    struct dial *dial = calloc(1, sizeof(*dial));
    int rc;

    if (dial == NULL)
        return UV_ENOMEM;
    dial->tcp = t;
    mg_timer_init(&dial->timer, on_connect_timer);
    rc = uv_tcp_connect(&dial->req, &t->uv, to, on_connected);
    if (rc != 0) {
        free(dial);
        return rc;
    }
    t->dial = dial;
    t->flags |= CONNECTING;
    if (timeout_ms != 0)
        mg_timer_set(t->conn.loop, &dial->timer, timeout_ms);
    return 0;
}

int mg_tcp_connect(struct mg_loop *loop, const struct sockaddr *to, uint32_t timeout_ms,
                   const struct mg_conn_events *events, void *owner, struct mg_conn **out)
{
    struct mg_tcp *t = new_tcp(loop);
    int rc;

    *out = NULL;
    if (t == NULL)
        return UV_ENOMEM;
    t->conn.events = events;
    t->conn.owner = owner;
    rc = start_dial(t, to, timeout_ms);
    if (rc != 0) {
        tcp_close(&t->conn);
        return rc;
    }
    *out = &t->conn;
    return 0;
}
