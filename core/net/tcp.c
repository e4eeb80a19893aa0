#include "net/tcp_state.h"
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { READS_A_TURN = 4 };

/* Lives until the connect is told. */
struct dial {
    struct mg_timer timer;
    struct mg_tcp *tcp;
    int err; /* what the timer tells */
};

/* ---- reading ------------------------------------------------------------------------ */

void mg_tcp_end(struct mg_tcp *t, int err)
{
    t->flags |= TCP_ENDED;
    if (err == 0) {
        t->conn.events->on_eof(&t->conn);
        return;
    }
    t->err = err;
    t->conn.events->on_error(&t->conn, err);
}

static bool may_read(const struct mg_tcp *t)
{
    const uint32_t mask = TCP_WANTED | TCP_READABLE | TCP_CONNECTING | TCP_CLOSED | TCP_ENDED;

    return (t->flags & mask) == (TCP_WANTED | TCP_READABLE);
}

/* The kernel tells of a reset once: after send() has heard of it, recv() calls it an end. */
static int end_of(const struct mg_tcp *t)
{
    return t->err == UV_ECONNRESET ? t->err : 0;
}

/* A short read has emptied the socket, unless its end is behind the bytes. */
static void read_some(struct mg_tcp *t)
{
    for (int i = 0; i < READS_A_TURN && may_read(t); i++) {
        ssize_t n = recv(t->fd, t->conn.loop->scratch, MG_SCRATCH, MSG_DONTWAIT);

        if (n < 0 ? errno != EINTR : n < MG_SCRATCH && !(t->flags & TCP_HUNG_UP))
            t->flags &= ~(uint32_t)TCP_READABLE;
        if (n > 0)
            t->conn.events->on_read(&t->conn, t->conn.loop->scratch, (size_t)n);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            mg_tcp_end(t, n == 0 ? end_of(t) : -errno);
    }
    if (may_read(t))
        mg_loop_defer_to_next(t->conn.loop, &t->later);
}

/* That nothing can be sent is told when all that came before is read: it may be the answer. */
static void on_later(struct mg_deferred *d)
{
    const uint32_t mask = TCP_UNTOLD | TCP_WANTED | TCP_READABLE | TCP_CLOSED | TCP_ENDED;
    struct mg_tcp *t = MG_LIST_OF(d, struct mg_tcp, later);

    read_some(t);
    if ((t->flags & mask) == (TCP_UNTOLD | TCP_WANTED))
        mg_tcp_end(t, t->err);
}

/* What came while nobody wanted it is read from the loop. */
static void tcp_read_start(struct mg_conn *c)
{
    struct mg_tcp *t = of_conn(c);

    t->flags |= TCP_WANTED;
    if (may_read(t))
        mg_loop_defer_to_next(c->loop, &t->later);
}

static void tcp_read_stop(struct mg_conn *c)
{
    of_conn(c)->flags &= ~(uint32_t)TCP_WANTED;
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

    assert(!(t->flags & TCP_CLOSED));
    mg_tcp_uncork(t);
    t->flags |= TCP_CLOSED;
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

static const struct mg_conn_ops tcp_ops = {.write = mg_tcp_write,
                                           .read_start = tcp_read_start,
                                           .read_stop = tcp_read_stop,
                                           .shutdown = mg_tcp_shutdown,
                                           .close = tcp_close,
                                           .reset = tcp_reset,
                                           .queued = mg_tcp_queued,
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
    mg_list_init(&t->sending.link);
    t->sending.fn = mg_tcp_on_sending;
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
    t->flags &= ~(uint32_t)TCP_CONNECTING;
    if (err == 0 && mg_buf_len(&t->out) == 0 && (t->flags & TCP_SHUT))
        mg_tcp_send_fin(t);
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
        t->flags |= TCP_READABLE;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        t->flags |= TCP_HUNG_UP;
    if (t->flags & TCP_CONNECTING)
        on_connected(t);
    if ((events & ~(uint32_t)EPOLLIN) && mg_buf_len(&t->out) > 0 &&
        !(t->flags & (TCP_CLOSED | TCP_ENDED)))
        mg_tcp_send_queued(t);
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
    t->flags |= TCP_CONNECTING;
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
