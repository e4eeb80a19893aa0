#include "net/tcp.h"
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/buf.h"

enum {
    CLOSED = 1,
    CONNECTING = 2,
    SHUT = 4,      /* the owner sends no more; FIN goes out when the queue is empty */
    WANTED = 8,    /* the owner wants to read */
    ENDED = 16,    /* the peer's FIN, or an error, was told */
    READABLE = 32, /* the socket may have bytes, or its end, for us */
    HUNG_UP = 64   /* ... its end, or an error: epoll will not say so again */
};

enum { READS_A_TURN = 4, SMALL = 2048 };

/* Lives until the connect is told. */
struct dial {
    struct mg_timer timer;
    struct mg_tcp *tcp;
    int err; /* what the timer tells */
};

/* Not uv_tcp_t: its read(2) and write(2) go through the file layer, which costs a tenth of a small
 * request; recv(2) and send(2) do not.  The socket is watched edge-triggered from its first moment to
 * its last, so epoll is told of no change.  Kept small: ten thousand of these wait for a client that
 * says nothing. */
struct mg_tcp {
    struct mg_conn conn; /* first: the face everyone else sees */
    struct mg_watch watch;
    struct mg_deferred later;   /* reads on, or frees */
    struct mg_buf out;          /* what the socket did not take */
    struct dial *dial;          /* NULL: connected */
    struct mg_proxy_ends *ends; /* NULL: those of the socket */
    int fd;
    uint32_t flags;
};
_Static_assert(sizeof(struct mg_tcp) <= 160, "an idle connection is this large");

static struct mg_tcp *of_conn(const struct mg_conn *c)
{
    return (struct mg_tcp *)c;
}

/* ---- reading ------------------------------------------------------------------------ */

/* Nothing may touch `t` after an event but its flags: the owner may have closed it, and it is freed
 * at the end of the turn. */
static void end(struct mg_tcp *t, int err)
{
    t->flags |= ENDED;
    if (err == 0)
        t->conn.events->on_eof(&t->conn);
    else
        t->conn.events->on_error(&t->conn, err);
}

static bool may_read(const struct mg_tcp *t)
{
    const uint32_t mask = WANTED | READABLE | CONNECTING | CLOSED | ENDED;

    return (t->flags & mask) == (WANTED | READABLE);
}

/* A short read has emptied the socket, unless its end is behind the bytes. */
static void read_some(struct mg_tcp *t)
{
    for (int i = 0; i < READS_A_TURN && may_read(t); i++) {
        ssize_t n = recv(t->fd, t->conn.loop->scratch, MG_SCRATCH, MSG_DONTWAIT);

        if (n < 0 ? errno != EINTR : n < MG_SCRATCH && !(t->flags & HUNG_UP))
            t->flags &= ~(uint32_t)READABLE;
        if (n > 0)
            t->conn.events->on_read(&t->conn, t->conn.loop->scratch, (size_t)n);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            end(t, n == 0 ? 0 : -errno);
    }
    if (may_read(t))
        mg_loop_defer_to_next(t->conn.loop, &t->later);
}

static void on_later(struct mg_deferred *d)
{
    read_some(MG_LIST_OF(d, struct mg_tcp, later));
}

/* What came while nobody wanted it is read from the loop. */
static void tcp_read_start(struct mg_conn *c)
{
    struct mg_tcp *t = of_conn(c);

    t->flags |= WANTED;
    if (may_read(t))
        mg_loop_defer_to_next(c->loop, &t->later);
}

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
    shutdown(t->fd, SHUT_WR); /* fails on a reset socket, which the reading side tells */
}

/* Bytes that the socket took (0: it is full), or a negative code. */
static ssize_t send_message(struct mg_tcp *t, const struct msghdr *msg)
{
    ssize_t n;

    do
        n = sendmsg(t->fd, msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n >= 0 ? n : errno == EAGAIN ? 0 : -errno;
}

static ssize_t send_bytes(struct mg_tcp *t, const void *bytes, size_t len)
{
    ssize_t n;

    do
        n = send(t->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n >= 0 ? n : errno == EAGAIN ? 0 : -errno;
}

/* A head and a short body are cheaper copied together than handed over as two spans. */
static ssize_t send_spans(struct mg_tcp *t, const struct iovec *iov, int n, size_t total)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};

    if (n == 1)
        return send_bytes(t, iov->iov_base, iov->iov_len);
    if (total <= SMALL) {
        char bytes[SMALL], *at = bytes;

        for (int i = 0; i < n; at += iov[i++].iov_len)
            memcpy(at, iov[i].iov_base, iov[i].iov_len);
        return send_bytes(t, bytes, total);
    }
    return send_message(t, &msg);
}

/* The socket takes bytes again. */
static void send_queued(struct mg_tcp *t)
{
    ssize_t n = send_bytes(t, mg_buf_bytes(&t->out), mg_buf_len(&t->out));

    if (n < 0) {
        end(t, (int)n);
        return;
    }
    mg_buf_consume(&t->out, (size_t)n);
    if (mg_buf_len(&t->out) > 0)
        return;
    if (t->flags & SHUT)
        send_fin(t);
    t->conn.events->on_drain(&t->conn);
}

static int tcp_write(struct mg_conn *c, const struct iovec *iov, int n)
{
    struct mg_tcp *t = of_conn(c);
    size_t total = 0;
    ssize_t taken = 0;

    if (t->flags & SHUT)
        return UV_EPIPE;
    for (int i = 0; i < n; i++)
        total += iov[i].iov_len;
    if (mg_buf_len(&t->out) == 0 && !(t->flags & CONNECTING))
        taken = send_spans(t, iov, n, total);
    if (taken < 0)
        return (int)taken;
    if ((size_t)taken == total)
        return MG_OK;
    append_rest(&t->out, iov, n, (size_t)taken);
    return MG_AGAIN;
}

static size_t tcp_queued(const struct mg_conn *c)
{
    return mg_buf_len(&of_conn(c)->out);
}

static void tcp_shutdown(struct mg_conn *c)
{
    struct mg_tcp *t = of_conn(c);

    if (t->flags & SHUT)
        return;
    t->flags |= SHUT;
    if (mg_buf_len(&t->out) == 0 && !(t->flags & CONNECTING))
        send_fin(t);
}

/* ---- closing ------------------------------------------------------------------------ */

static void on_closed(struct mg_deferred *d)
{
    struct mg_tcp *t = MG_LIST_OF(d, struct mg_tcp, later);

    mg_buf_free(&t->out);
    free(t->ends);
    free(t);
}

static void free_dial(struct mg_tcp *t)
{
    if (t->dial == NULL)
        return;
    mg_timer_clear(&t->dial->timer);
    free(t->dial);
    t->dial = NULL;
}

static void tcp_close(struct mg_conn *c)
{
    struct mg_tcp *t = of_conn(c);

    assert(!(t->flags & CLOSED));
    t->flags |= CLOSED;
    free_dial(t);
    if (t->watch.fn != NULL)
        mg_watch_stop(c->loop, &t->watch);
    close(t->fd);
    t->later.fn = on_closed;
    mg_loop_defer_to_next(c->loop, &t->later);
}

static void tcp_reset(struct mg_conn *c)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    setsockopt(of_conn(c)->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    tcp_close(c);
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
    socklen_t len = sizeof(*out);

    memset(out, 0, sizeof(*out));
    if (t->ends != NULL) {
        *out = local ? t->ends->local : t->ends->peer;
        return 0;
    }
    if ((local ? getsockname : getpeername)(t->fd, (struct sockaddr *)out, &len) != 0)
        return -errno;
    return 0;
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

static void on_ready(struct mg_watch *watch, uint32_t events);

static int start_watch(struct mg_tcp *t)
{
    return mg_watch_start(t->conn.loop, &t->watch, t->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                          on_ready);
}

/* Takes over `fd`, also when it fails. */
static int new_tcp(struct mg_loop *loop, int fd, struct mg_tcp **out)
{
    struct mg_tcp *t = calloc(1, sizeof(*t));
    int on = 1;

    if (t == NULL) {
        close(fd);
        return UV_ENOMEM;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    mg_list_init(&t->later.link);
    t->later.fn = on_later;
    t->conn.ops = &tcp_ops;
    t->conn.loop = loop;
    t->fd = fd;
    *out = t;
    return 0;
}

int mg_tcp_adopt(struct mg_loop *loop, int fd, struct mg_conn **out)
{
    struct mg_tcp *t;
    int rc = new_tcp(loop, fd, &t);

    *out = NULL;
    if (rc != 0)
        return rc;
    rc = start_watch(t);
    if (rc != 0) {
        close(fd);
        free(t);
        return rc;
    }
    *out = &t->conn;
    return 0;
}

void mg_tcp_set_ends(struct mg_conn *c, struct mg_proxy_ends *ends)
{
    of_conn(c)->ends = ends;
}

/* ---- connecting --------------------------------------------------------------------- */

/* Tells once.  The owner may close it meanwhile. */
static void tell(struct mg_tcp *t, int err)
{
    free_dial(t);
    t->flags &= ~(uint32_t)CONNECTING;
    if (err == 0 && mg_buf_len(&t->out) == 0 && (t->flags & SHUT))
        send_fin(t);
    t->conn.events->on_connect(&t->conn, err);
}

static void on_connected(struct mg_tcp *t)
{
    int err = 0;
    socklen_t len = sizeof(err);

    getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &err, &len);
    tell(t, -err);
}

/* After an error too what came before it is still read; then recv() (or send(), for what is queued)
 * says what it is. */
static void on_ready(struct mg_watch *watch, uint32_t events)
{
    struct mg_tcp *t = MG_LIST_OF(watch, struct mg_tcp, watch);

    if (events & ~(uint32_t)EPOLLOUT)
        t->flags |= READABLE;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        t->flags |= HUNG_UP;
    if (t->flags & CONNECTING)
        on_connected(t);
    if ((events & ~(uint32_t)EPOLLIN) && mg_buf_len(&t->out) > 0 && !(t->flags & (CLOSED | ENDED)))
        send_queued(t);
    read_some(t);
}

static void on_connect_timer(struct mg_timer *timer)
{
    struct dial *dial = MG_LIST_OF(timer, struct dial, timer);

    tell(dial->tcp, dial->err);
}

/* A refusal by this very host is known at once, but told as any other: from the loop. */
static int start_dial(struct mg_tcp *t, const struct sockaddr *to, socklen_t len,
                      uint32_t timeout_ms)
{
    struct dial *dial = calloc(1, sizeof(*dial));

    if (dial == NULL)
        return UV_ENOMEM;
    dial->tcp = t;
    dial->err = UV_ETIMEDOUT;
    mg_timer_init(&dial->timer, on_connect_timer);
    t->dial = dial;
    t->flags |= CONNECTING;
    if (connect(t->fd, to, len) != 0 && errno != EINPROGRESS && errno != EINTR) {
        dial->err = -errno;
        mg_timer_set(t->conn.loop, &dial->timer, 0);
        return 0;
    }
    if (timeout_ms != 0)
        mg_timer_set(t->conn.loop, &dial->timer, timeout_ms);
    return start_watch(t);
}

int mg_tcp_connect(struct mg_loop *loop, const struct sockaddr *to, uint32_t timeout_ms,
                   const struct mg_conn_events *events, void *owner, struct mg_conn **out)
{
    socklen_t len = to->sa_family == AF_UNIX    ? sizeof(struct sockaddr_un)
                    : to->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                : sizeof(struct sockaddr_in);
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct mg_tcp *t;
    int rc;

    *out = NULL;
    if (fd < 0)
        return -errno;
    rc = new_tcp(loop, fd, &t);
    if (rc != 0)
        return rc;
    t->conn.events = events;
    t->conn.owner = owner;
    rc = start_dial(t, to, len, timeout_ms);
    if (rc != 0) {
        tcp_close(&t->conn);
        return rc;
    }
    *out = &t->conn;
    return 0;
}

static void set_option(int fd, int name, uint32_t value)
{
    int number = value > INT16_MAX ? INT16_MAX : (int)value; /* the most that Linux takes */

    if (value > 0)
        setsockopt(fd, IPPROTO_TCP, name, &number, sizeof(number));
}

void mg_tcp_keepalive(struct mg_conn *c, uint32_t idle_s, uint32_t interval_s, uint32_t probes)
{
    int fd = of_conn(c)->fd, on = 1;

    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    set_option(fd, TCP_KEEPIDLE, idle_s);
    set_option(fd, TCP_KEEPINTVL, interval_s);
    set_option(fd, TCP_KEEPCNT, probes > 127 ? 127 : probes);
}
