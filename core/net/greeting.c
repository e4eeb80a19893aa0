#include "net/greeting.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "net/proxy_header.h"
#include "net/tcp.h"

enum {
    LOG_EVERY_MS = 1000,
    PROXY_MS = 5000 /* for a PROXY header to come whole */
};

struct greeting {
    struct mg_list link;
    struct mg_greeter *greeter;
    struct mg_conn *conn;       /* in the handshake; NULL while first bytes are awaited */
    struct mg_watch watch;      /* awaits them */
    struct mg_timer timer;      /* ... and for how long */
    struct mg_buf header;       /* of the PROXY protocol, as far as it has come */
    struct mg_proxy_ends *ends; /* what it said; NULL: nothing */
    uint64_t client;            /* as counted */
};

void mg_greeter_init(struct mg_greeter *r, struct mg_loop *loop, const struct mg_listener_opts *o,
                     struct mg_listener *listener)
{
    *r = (struct mg_greeter){.loop = loop, .o = o, .listener = listener};
    mg_list_init(&r->waiting);
}

/* Once in a while: a peer that does not speak the protocol comes again and again. */
bool mg_greeter_may_say(struct mg_greeter *r)
{
    uint64_t now = mg_loop_now(r->loop);

    if (r->logged != 0 && now - r->logged < LOG_EVERY_MS)
        return false;
    r->logged = now;
    return true;
}

/* ---- TLS ------------------------------------------------------------------------------- */

static void hand_over(struct mg_greeter *r, struct mg_conn *conn, uint64_t client)
{
    conn->owner = NULL;
    conn->events = NULL;
    r->o->on_accept(r->listener, conn, client);
}

static void end_greeting(struct greeting *g)
{
    mg_list_remove(&g->link);
    mg_buf_free(&g->header);
    free(g->ends);
    free(g);
}

static void drop_handshake(struct greeting *g)
{
    struct mg_greeter *r = g->greeter;
    uint64_t client = g->client;

    mg_conn_close(g->conn);
    end_greeting(g);
    mg_listener_release(r->listener, client);
}

static void on_handshake(struct mg_conn *conn, int err)
{
    struct greeting *g = conn->owner;
    struct mg_greeter *r = g->greeter;
    uint64_t client = g->client;

    if (err != 0) {
        mg_log(MG_LOG_DEBUG, "TLS handshake failed: %s", mg_tls_reason(conn));
        r->o->on_refused(r->listener, MG_REFUSED_TLS);
        drop_handshake(g);
        return;
    }
    end_greeting(g);
    hand_over(r, conn, client);
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

static void start_handshake(struct mg_greeter *r, struct mg_conn *lower, uint64_t client)
{
    struct greeting *g = calloc(1, sizeof(*g));
    mg_str nothing = {"", 0};

    if (g == NULL) {
        mg_conn_close(lower);
        mg_listener_release(r->listener, client);
        return;
    }
    g->greeter = r;
    g->client = client;
    mg_timer_init(&g->timer, NULL);
    mg_list_append(&r->waiting, &g->link);
    if (mg_tls_accept(r->o->tls, lower, nothing, &handshake_events, g, &g->conn) == 0)
        return;
    end_greeting(g); /* mg_tls_accept() has closed what it took over */
    mg_listener_release(r->listener, client);
}

/* `ends` (NULL: those of the socket) is taken over. */
static void start(struct mg_greeter *r, int fd, struct mg_proxy_ends *ends, uint64_t client,
                  bool secure)
{
    struct mg_conn *conn;

    if (mg_tcp_adopt(r->loop, fd, &conn) != 0) {
        free(ends);
        mg_listener_release(r->listener, client);
        return;
    }
    mg_tcp_set_ends(conn, ends);
    if (secure)
        start_handshake(r, conn, client);
    else
        hand_over(r, conn, client);
}

/* ---- first bytes ---------------------------------------------------------------------- */

/* Takes the connection from the greeting: the descriptor and *ends are the caller's again. */
static int end_wait(struct greeting *g, struct mg_proxy_ends **ends)
{
    int fd = g->watch.fd;

    mg_timer_clear(&g->timer);
    mg_watch_stop(g->greeter->loop, &g->watch);
    *ends = g->ends;
    g->ends = NULL;
    end_greeting(g);
    return fd;
}

static void drop_wait(struct greeting *g)
{
    struct mg_greeter *r = g->greeter;
    struct mg_proxy_ends *ends;
    uint64_t client = g->client;

    close(end_wait(g, &ends));
    free(ends);
    mg_listener_release(r->listener, client);
}

static void on_wait_over(struct mg_timer *t)
{
    struct greeting *g = MG_LIST_OF(t, struct greeting, timer);

    if (mg_buf_len(&g->header) > 0)
        g->greeter->o->on_refused(g->greeter->listener, MG_REFUSED_HEADER);
    drop_wait(g);
}

/* `ends` is taken over, as is `fd`. */
static void start_wait(struct mg_greeter *r, int fd, struct mg_proxy_ends *ends, uint64_t client,
                       uint32_t ms, void (*on_bytes)(struct mg_watch *, uint32_t))
{
    struct greeting *g = calloc(1, sizeof(*g));

    if (g == NULL || mg_watch_start(r->loop, &g->watch, fd, EPOLLIN, on_bytes) != 0) {
        free(g);
        free(ends);
        close(fd);
        mg_listener_release(r->listener, client);
        return;
    }
    g->greeter = r;
    g->ends = ends;
    g->client = client;
    mg_list_append(&r->waiting, &g->link);
    mg_timer_init(&g->timer, on_wait_over);
    mg_timer_set(r->loop, &g->timer, ms);
}

/* Bytes that have come, which stay in the socket; 0: nothing yet, or the peer has left and the connection is dropped. */
static size_t look(struct greeting *g, char *out, size_t size)
{
    ssize_t n = recv(g->watch.fd, out, size, MSG_PEEK | MSG_DONTWAIT);

    if (n > 0)
        return (size_t)n;
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
        drop_wait(g);
    return 0;
}

/* A TLS record that opens a handshake starts with 0x16 (RFC 8446, 5.1); no HTTP method does.  The
 * byte is only peeked at, so the connection starts with nothing read. */
static void on_first_byte(struct mg_watch *watch, uint32_t events)
{
    struct greeting *g = MG_LIST_OF(watch, struct greeting, watch);
    struct mg_greeter *r = g->greeter;
    struct mg_proxy_ends *ends;
    uint64_t client = g->client;
    char first;
    int fd;

    (void)events;
    if (look(g, &first, 1) == 0)
        return;
    fd = end_wait(g, &ends);
    start(r, fd, ends, client, first == 0x16 && r->o->tls != NULL);
}

/* Counts the connection to its client; false: that has as many as it may.  Who comes by a Unix socket has no
 * address to be told from others by. */
static bool admit(struct mg_greeter *r, int fd, const struct mg_proxy_ends *ends, uint64_t *client)
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof(peer);
    uint64_t key;

    *client = MG_CLIENTS_NOBODY;
    if (r->o->max_per_client == 0)
        return true;
    if (ends == NULL && getpeername(fd, (struct sockaddr *)&peer, &len) != 0)
        return true; /* it has gone, as will be seen */
    key = mg_clients_key_of(ends != NULL ? &ends->peer : &peer);
    if (key == MG_CLIENTS_NOBODY)
        return true;
    if (r->clients == NULL)
        r->clients = mg_clients_new();
    if (r->clients == NULL || !mg_clients_add(r->clients, key, r->o->max_per_client))
        return false;
    *client = key;
    return true;
}

static void greet(struct mg_greeter *r, int fd, struct mg_proxy_ends *ends)
{
    uint64_t client;

    if (!admit(r, fd, ends, &client)) {
        r->o->on_refused(r->listener, MG_REFUSED_CLIENT);
        free(ends);
        close(fd);
        mg_listener_release(r->listener, client);
    } else if (r->o->tls != NULL && r->o->permissive) {
        start_wait(r, fd, ends, client, MG_TLS_HANDSHAKE_MS, on_first_byte);
    } else {
        start(r, fd, ends, client, r->o->tls != NULL);
    }
}

/* ---- the PROXY protocol --------------------------------------------------------------- */

static void refuse_header(struct greeting *g)
{
    if (mg_greeter_may_say(g->greeter))
        mg_log(MG_LOG_WARN, "a connection without a valid PROXY header is refused");
    g->greeter->o->on_refused(g->greeter->listener, MG_REFUSED_HEADER);
    drop_wait(g);
}

static void header_done(struct greeting *g, const struct mg_proxy_ends *said)
{
    struct mg_greeter *r = g->greeter;
    struct mg_proxy_ends *ends = NULL;
    int fd;

    if (said != NULL && (g->ends = malloc(sizeof(*said))) != NULL)
        *g->ends = *said;
    if (said != NULL && g->ends == NULL) {
        drop_wait(g);
        return;
    }
    fd = end_wait(g, &ends);
    greet(r, fd, ends);
}

/* The header is taken from the socket and not a byte more: what follows is TLS's, or HTTP's. */
static void on_header(struct mg_watch *watch, uint32_t events)
{
    struct greeting *g = MG_LIST_OF(watch, struct greeting, watch);
    size_t had = mg_buf_len(&g->header);
    char bytes[MG_PROXY_HEADER_MAX];
    struct mg_proxy_ends ends;
    bool known;
    size_t n = look(g, bytes, sizeof(bytes) - had);
    int used;

    (void)events;
    if (n == 0)
        return;
    mg_buf_append(&g->header, bytes, n);
    used = mg_proxy_header_read(mg_buf_bytes(&g->header), had + n, &ends, &known);
    if (used >= 0 && recv(watch->fd, bytes, used > 0 ? (size_t)used - had : n, MSG_DONTWAIT) <= 0)
        used = MG_EPROTO;
    if (used < 0)
        refuse_header(g);
    else if (used > 0)
        header_done(g, known ? &ends : NULL);
}

/* ---- begin and end --------------------------------------------------------------------- */

void mg_greeter_take(struct mg_greeter *r, int fd)
{
    if (r->o->proxied)
        start_wait(r, fd, NULL, MG_CLIENTS_NOBODY, PROXY_MS, on_header);
    else
        greet(r, fd, NULL);
}

void mg_greeter_drop(struct mg_greeter *r)
{
    while (!mg_list_empty(&r->waiting)) {
        struct greeting *g = MG_LIST_OF(r->waiting.next, struct greeting, link);

        if (g->conn != NULL)
            drop_handshake(g);
        else
            drop_wait(g);
    }
}

void mg_greeter_left(struct mg_greeter *r, uint64_t client)
{
    if (client != MG_CLIENTS_NOBODY)
        mg_clients_remove(r->clients, client);
}

void mg_greeter_free(struct mg_greeter *r)
{
    mg_clients_free(r->clients);
}
