#include "net/listener.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/log.h"
#include "net/tcp.h"

enum {
    ACCEPTS = 32,        /* a turn of the loop: what is open gets its turn too */
    PAUSE_MS = 100,      /* after accept() failed for want of descriptors or memory */
    LOG_EVERY_MS = 1000, /* and how often that is said */
    ADDRESS_MAX = 64
};

/* The listening socket is watched and accepted from here, not by uv_listen(): that would
 * take the descriptor over (it stays the master's), accept without bound, and on EMFILE accept and
 * drop what waits instead of leaving it to the kernel's queue. */
struct mg_listener {
    struct mg_loop *loop;
    struct mg_listener_opts o;
    struct mg_list link; /* in the budget's */
    struct mg_watch watch;
    struct mg_deferred gone; /* frees it: it may be closed by what it has accepted */
    struct mg_timer pause;
    struct mg_list greetings;
    uint64_t logged; /* ms; when accept's failure was last said */
    uint32_t conns;
    bool watched, paused, closing;
};

/* A connection nobody has been told of: its first byte or its handshake is awaited. */
struct greeting {
    struct mg_list link;
    struct mg_listener *listener;
    struct mg_conn *conn;  /* in the handshake; NULL while the first byte is awaited */
    struct mg_watch watch; /* awaits it */
    struct mg_timer timer; /* ... and for how long */
};

/* ---- the bound ------------------------------------------------------------------------ */

static void on_readable(struct mg_watch *watch, uint32_t events);

void mg_listener_budget_init(struct mg_listener_budget *b, uint32_t max)
{
    b->used = 0;
    b->max = max;
    mg_list_init(&b->listeners);
}

static bool is_spent(const struct mg_listener *l)
{
    return l->o.budget != NULL && l->o.budget->used >= l->o.budget->max;
}

static bool has_room(const struct mg_listener *l)
{
    return l->conns < l->o.max_conns && !is_spent(l);
}

/* Accepts or not, as the state wants it; 0, or why it cannot. */
static int settle(struct mg_listener *l)
{
    bool wanted = !l->closing && !l->paused && has_room(l);
    int rc = 0;

    if (wanted && !l->watched)
        rc = mg_watch_start(l->loop, &l->watch, l->o.fd, EPOLLIN, on_readable);
    else if (!wanted && l->watched)
        mg_watch_stop(l->loop, &l->watch);
    l->watched = wanted && rc == 0;
    return rc;
}

static void on_gone(struct mg_deferred *d)
{
    struct mg_listener *l = MG_LIST_OF(d, struct mg_listener, gone);

    if (l->o.tls != NULL)
        mg_tls_unref(l->o.tls);
    free(l);
}

static void free_if_done(struct mg_listener *l)
{
    if (l->closing && l->conns == 0)
        mg_loop_defer_to_next(l->loop, &l->gone);
}

static void settle_all(struct mg_listener_budget *b)
{
    for (struct mg_list *n = b->listeners.next; n != &b->listeners; n = n->next)
        settle(MG_LIST_OF(n, struct mg_listener, link));
}

static void count(struct mg_listener *l)
{
    l->conns++;
    if (l->o.budget == NULL)
        return;
    l->o.budget->used++;
    if (is_spent(l))
        settle_all(l->o.budget);
}

void mg_listener_release(struct mg_listener *l)
{
    bool spent = is_spent(l);

    l->conns--;
    if (l->o.budget != NULL)
        l->o.budget->used--;
    settle(l);
    if (spent)
        settle_all(l->o.budget);
    free_if_done(l);
}

bool mg_listener_is_full(const struct mg_listener *l, bool all)
{
    struct pollfd queue = {.fd = l->o.fd, .events = POLLIN};

    return (all ? is_spent(l) : l->conns >= l->o.max_conns) && !l->closing &&
           poll(&queue, 1, 0) == 1;
}

/* ---- from the first byte to on_accept ------------------------------------------------- */

static void hand_over(struct mg_listener *l, struct mg_conn *conn)
{
    conn->owner = NULL;
    conn->events = NULL;
    l->o.on_accept(l, conn);
}

static void end_greeting(struct greeting *g)
{
    mg_list_remove(&g->link);
    free(g);
}

static void drop_handshake(struct greeting *g)
{
    struct mg_listener *l = g->listener;

    mg_conn_close(g->conn);
    end_greeting(g);
    mg_listener_release(l);
}

static void on_handshake(struct mg_conn *conn, int err)
{
    struct greeting *g = conn->owner;
    struct mg_listener *l = g->listener;

    if (err != 0) {
        mg_log(MG_LOG_DEBUG, "TLS handshake failed: %s", mg_tls_reason(conn));
        drop_handshake(g);
        return;
    }
    end_greeting(g);
    hand_over(l, conn);
}

static void on_handshake_eof(struct mg_conn *conn)
{
    drop_handshake(conn->owner);
}

static void on_handshake_error(struct mg_conn *conn, int err)
{
    (void)err;
    drop_handshake(conn->owner);
}

static const struct mg_conn_events handshake_events = {
    .on_connect = on_handshake, .on_eof = on_handshake_eof, .on_error = on_handshake_error};

static void start_handshake(struct mg_listener *l, struct mg_conn *lower)
{
    struct greeting *g = calloc(1, sizeof(*g));
    mg_str nothing = {"", 0};

    if (g == NULL) {
        mg_conn_close(lower);
        mg_listener_release(l);
        return;
    }
    g->listener = l;
    mg_timer_init(&g->timer, NULL);
    mg_list_append(&l->greetings, &g->link);
    if (mg_tls_accept(l->o.tls, lower, nothing, &handshake_events, g, &g->conn) == 0)
        return;
    end_greeting(g); /* mg_tls_accept() has closed what it took over */
    mg_listener_release(l);
}

static void start(struct mg_listener *l, int fd, bool secure)
{
    struct mg_conn *conn;

    if (mg_tcp_adopt(l->loop, fd, &conn) != 0)
        mg_listener_release(l);
    else if (secure)
        start_handshake(l, conn);
    else
        hand_over(l, conn);
}

/* ---- telling TLS from clear text ------------------------------------------------------ */

/* The descriptor is the caller's again. */
static int end_sniff(struct greeting *g)
{
    int fd = g->watch.fd;

    mg_timer_clear(&g->timer);
    mg_watch_stop(g->listener->loop, &g->watch);
    end_greeting(g);
    return fd;
}

static void drop_sniff(struct greeting *g)
{
    struct mg_listener *l = g->listener;

    close(end_sniff(g));
    mg_listener_release(l);
}

static void on_sniff_timer(struct mg_timer *t)
{
    drop_sniff(MG_LIST_OF(t, struct greeting, timer));
}

/* A TLS record that opens a handshake starts with 0x16 (RFC 8446, 5.1); no HTTP method does.  The
 * byte is only peeked at, so the connection starts with nothing read. */
static void on_first_byte(struct mg_watch *watch, uint32_t events)
{
    struct greeting *g = MG_LIST_OF(watch, struct greeting, watch);
    struct mg_listener *l = g->listener;
    unsigned char first;
    ssize_t n = recv(watch->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);

    (void)events;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        drop_sniff(g);
    else
        start(l, end_sniff(g), first == 0x16 && l->o.tls != NULL);
}

static void start_sniff(struct mg_listener *l, int fd)
{
    struct greeting *g = calloc(1, sizeof(*g));

    if (g == NULL || mg_watch_start(l->loop, &g->watch, fd, EPOLLIN, on_first_byte) != 0) {
        free(g);
        close(fd);
        mg_listener_release(l);
        return;
    }
    g->listener = l;
    mg_list_append(&l->greetings, &g->link);
    mg_timer_init(&g->timer, on_sniff_timer);
    mg_timer_set(l->loop, &g->timer, MG_TLS_HANDSHAKE_MS);
}

/* ---- accepting ------------------------------------------------------------------------ */

static void on_pause_over(struct mg_timer *t)
{
    struct mg_listener *l = MG_LIST_OF(t, struct mg_listener, pause);

    l->paused = false;
    settle(l);
}

static void pause_accepting(struct mg_listener *l, int err)
{
    uint64_t now = mg_loop_now(l->loop);

    /* EINVAL: the socket was shut, and whoever did that will have this listener closed. */
    if (err != EINVAL && (l->logged == 0 || now - l->logged >= LOG_EVERY_MS)) {
        mg_log(MG_LOG_WARN, "cannot accept: %s", strerror(err));
        l->logged = now;
    }
    l->paused = true;
    settle(l);
    mg_timer_set(l->loop, &l->pause, PAUSE_MS);
}

/* Errors of the one connection that accept() took, not of the socket (accept(2), "Error
 * handling"): the next one may be well. */
static bool is_of_one(int err)
{
    switch (err) {
    case EINTR:
    case ECONNABORTED:
    case EPERM:
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
        return true;
    default:
        return false;
    }
}

static void on_accepted(struct mg_listener *l, int fd)
{
    count(l);
    if (l->o.tls != NULL && l->o.permissive)
        start_sniff(l, fd);
    else
        start(l, fd, l->o.tls != NULL);
}

static void on_readable(struct mg_watch *watch, uint32_t events)
{
    struct mg_listener *l = MG_LIST_OF(watch, struct mg_listener, watch);

    (void)events;
    for (int i = 0; i < ACCEPTS && !l->closing && has_room(l); i++) {
        int fd = accept4(l->o.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            on_accepted(l, fd);
        } else if (!is_of_one(errno)) {
            if (errno != EAGAIN)
                pause_accepting(l, errno);
            return;
        }
    }
    settle(l);
}

/* ---- the listener --------------------------------------------------------------------- */

int mg_listener_open(struct mg_loop *loop, const struct mg_listener_opts *o,
                     struct mg_listener **out)
{
    struct mg_listener *l = calloc(1, sizeof(*l));
    int rc;

    *out = NULL;
    if (l == NULL)
        return UV_ENOMEM;
    l->loop = loop;
    l->o = *o;
    mg_list_init(&l->greetings);
    mg_list_init(&l->link);
    mg_list_init(&l->gone.link);
    l->gone.fn = on_gone;
    mg_timer_init(&l->pause, on_pause_over);
    rc = settle(l);
    if (rc != 0) {
        free(l);
        return rc;
    }
    if (o->tls != NULL)
        mg_tls_ref(o->tls);
    if (o->budget != NULL)
        mg_list_append(&o->budget->listeners, &l->link);
    *out = l;
    return 0;
}

void *mg_listener_owner(const struct mg_listener *l)
{
    return l->o.owner;
}

void mg_listener_set_tls(struct mg_listener *l, struct mg_tls *tls, bool permissive)
{
    if (tls != NULL)
        mg_tls_ref(tls);
    if (l->o.tls != NULL)
        mg_tls_unref(l->o.tls);
    l->o.tls = tls;
    l->o.permissive = permissive;
}

void mg_listener_set_max(struct mg_listener *l, uint32_t max_conns)
{
    l->o.max_conns = max_conns;
    settle(l);
}

uint32_t mg_listener_conns(const struct mg_listener *l)
{
    return l->conns;
}

void mg_listener_close(struct mg_listener *l)
{
    l->closing = true;
    mg_list_remove(&l->link);
    mg_timer_clear(&l->pause);
    settle(l);
    while (!mg_list_empty(&l->greetings)) {
        struct greeting *g = MG_LIST_OF(l->greetings.next, struct greeting, link);

        if (g->conn != NULL)
            drop_handshake(g);
        else
            drop_sniff(g);
    }
    free_if_done(l);
}

/* ---- binding -------------------------------------------------------------------------- */

/* "127.0.0.1:80" or "[::1]:80". */
static int parse(const char *address, struct sockaddr_storage *out, socklen_t *len)
{
    const char *colon = strrchr(address, ':');
    char host[ADDRESS_MAX], *end;
    size_t n = colon == NULL ? 0 : (size_t)(colon - address);
    bool six = address[0] == '[';
    unsigned long port;

    if (n == 0 || n >= sizeof(host) || colon[1] < '0' || colon[1] > '9')
        return MG_EINVAL;
    port = strtoul(colon + 1, &end, 10);
    if (*end != '\0' || port > 65535 || (six && (n < 3 || address[n - 1] != ']')))
        return MG_EINVAL;
    n -= six ? 2 : 0;
    memcpy(host, address + six, n);
    host[n] = '\0';
    *len = six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (six ? uv_ip6_addr(host, (int)port, (struct sockaddr_in6 *)out)
            : uv_ip4_addr(host, (int)port, (struct sockaddr_in *)out))
        return MG_EINVAL;
    return 0;
}

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value));
}

static int bind_socket(const char *address, bool shared)
{
    struct sockaddr_storage at = {0};
    socklen_t len;
    int fd, rc = parse(address, &at, &len);

    if (rc != 0)
        return rc;
    fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (set(fd, SOL_SOCKET, SO_REUSEADDR, 1) != 0 ||
        set(fd, SOL_SOCKET, SO_REUSEPORT, shared) != 0 ||
        (at.ss_family == AF_INET6 && set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0) != 0) ||
        bind(fd, (struct sockaddr *)&at, len) != 0) {
        rc = -errno;
        close(fd);
        return rc;
    }
    return fd;
}

int mg_listener_bind(const char *address, int backlog)
{
    int fd = bind_socket(address, true);

    if (fd >= 0 && listen(fd, backlog) != 0) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    return fd;
}

int mg_listener_probe(const char *address)
{
    int fd = bind_socket(address, false);

    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}
