#include "proxy/socket.h"

#include <stdio.h>
#include <stdlib.h>

#include "proxy/connect.h"

/* A lane that waits; x NULL: none. */
struct waiter {
    struct mg_x *x;
    struct mg_timer limit;
};

struct mg_socket {
    struct mg_proxy *proxy;
    struct mg_endpoint *ep;
    struct mg_connect *connect; /* in progress, or NULL */
    struct mg_conn *conn;       /* NULL: not yet, or not any more */
    struct mg_buf in;
    struct waiter reader, writer;
    struct mg_deferred burial; /* tells who waits for a socket that was closed, and frees it */
    uint32_t least;            /* what the reader waits for */
    int ended;                 /* why there will be no more, or 0 */
    bool paused;
    char reason[128];
};

/* ---- waiting ---------------------------------------------------------------------------- */

static void leave(struct waiter *w)
{
    mg_timer_clear(&w->limit);
    w->x->socket = NULL;
    w->x = NULL;
}

void mg_socket_forget(struct mg_x *x)
{
    struct mg_socket *s = x->socket;

    leave(s->reader.x == x ? &s->reader : &s->writer);
}

static int join(struct mg_socket *s, struct waiter *w, struct mg_x *x, uint32_t timeout_ms)
{
    w->x = x;
    x->socket = s;
    x->wait = MG_WAIT_SOCKET;
    if (timeout_ms > 0)
        mg_timer_set(s->proxy->loop, &w->limit, timeout_ms);
    return MG_AGAIN;
}

/* The socket may be gone when this returns. */
static void wake(struct waiter *w, int rc)
{
    struct mg_x *x = w->x;

    if (x == NULL)
        return;
    leave(w);
    mg_exchange_wake(x, MG_WAIT_SOCKET, rc);
}

static void on_read_limit(struct mg_timer *t)
{
    wake(&MG_LIST_OF(t, struct mg_socket, reader.limit)->reader, MG_ETIMEOUT);
}

static void on_write_limit(struct mg_timer *t)
{
    wake(&MG_LIST_OF(t, struct mg_socket, writer.limit)->writer, MG_ETIMEOUT);
}

/* Both, though the first to wake may close the socket. */
static void wake_both(struct mg_socket *s, int rc)
{
    struct mg_x *reader = s->reader.x, *writer = s->writer.x;

    if (reader != NULL)
        leave(&s->reader);
    if (writer != NULL)
        leave(&s->writer);
    if (reader != NULL)
        mg_exchange_wake(reader, MG_WAIT_SOCKET, rc);
    if (writer != NULL)
        mg_exchange_wake(writer, MG_WAIT_SOCKET, rc);
}

/* ---- the connection --------------------------------------------------------------------- */

static void note(struct mg_socket *s, int err, const char *reason)
{
    s->ended = err;
    snprintf(s->reason, sizeof(s->reason), "%s", reason != NULL ? reason : mg_error_text(err));
}

static void hang_up(struct mg_socket *s)
{
    struct mg_conn *conn = s->conn;

    s->conn = NULL;
    if (conn != NULL)
        mg_conn_close(conn);
}

static void on_lost(struct mg_conn *conn, int err)
{
    struct mg_socket *s = conn->owner;

    note(s, err, NULL);
    hang_up(s);
    wake_both(s, err);
}

static void on_eof(struct mg_conn *conn)
{
    on_lost(conn, MG_ECLOSED);
}

static void on_read(struct mg_conn *conn, const char *bytes, size_t len)
{
    struct mg_socket *s = conn->owner;

    mg_buf_append(&s->in, bytes, len);
    if (mg_buf_len(&s->in) >= MG_SOCKET_BYTES) {
        mg_conn_read_stop(conn);
        s->paused = true;
    }
    if (mg_buf_len(&s->in) >= s->least)
        wake(&s->reader, MG_OK);
}

static void on_drain(struct mg_conn *conn)
{
    struct mg_socket *s = conn->owner;

    wake(&s->writer, MG_OK);
}

static const struct mg_conn_events events = {
    .on_read = on_read,
    .on_eof = on_eof,
    .on_drain = on_drain,
    .on_error = on_lost,
};

static void on_connected(void *owner, struct mg_conn *conn, const struct sockaddr_storage *to,
                         int err, const char *reason)
{
    struct mg_socket *s = owner;

    (void)to;
    s->connect = NULL;
    if (conn == NULL) {
        note(s, err, reason);
    } else {
        s->conn = conn;
        conn->events = &events;
        conn->owner = s;
        mg_conn_read_start(conn);
    }
    wake(&s->writer, err);
}

/* ---- what policies do ------------------------------------------------------------------- */

static void bury(struct mg_deferred *d)
{
    struct mg_socket *s = MG_LIST_OF(d, struct mg_socket, burial);

    wake_both(s, MG_ECLOSED);
    free(s);
}

struct mg_socket *mg_socket_make(struct mg_proxy *proxy, struct mg_endpoint *ep)
{
    struct mg_socket *s = NULL;

    if (proxy->sockets < MG_SOCKETS_MOST)
        s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    proxy->sockets++;
    s->proxy = proxy;
    s->ep = ep;
    ep->refs++;
    mg_timer_init(&s->reader.limit, on_read_limit);
    mg_timer_init(&s->writer.limit, on_write_limit);
    mg_list_init(&s->burial.link);
    s->burial.fn = bury;
    return s;
}

void mg_socket_end(struct mg_socket *s)
{
    if (s->connect != NULL)
        mg_connect_cancel(s->connect);
    s->connect = NULL;
    hang_up(s);
    mg_endpoints_put(s->ep);
    s->proxy->sockets--;
    if (s->in.data != NULL)
        mg_buf_free(&s->in);
    if (s->reader.x != NULL || s->writer.x != NULL)
        mg_loop_defer(s->proxy->loop, &s->burial);
    else
        free(s);
}

int mg_socket_start(struct mg_socket *s, struct mg_x *x)
{
    int rc = mg_exchange_may_wait(x);

    if (rc == MG_OK && (s->conn != NULL || s->connect != NULL || s->ended != 0))
        rc = MG_EPHASE;
    if (rc != MG_OK)
        return rc;
    rc = mg_connect_start(s->ep, NULL, on_connected, s, &s->connect);
    if (rc == MG_AGAIN)
        return join(s, &s->writer, x, 0); /* the endpoint's own limit counts */
    note(s, rc, NULL);
    return rc;
}

int mg_socket_send(struct mg_socket *s, struct mg_x *x, mg_str bytes, uint32_t timeout_ms)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes.ptr, .iov_len = bytes.len};
    int rc = mg_exchange_may_wait(x);

    if (rc != MG_OK)
        return rc;
    if (s->conn == NULL)
        return s->ended != 0 ? s->ended : MG_EPHASE;
    if (s->writer.x != NULL || mg_conn_queued(s->conn) > 0)
        return MG_EFULL;
    rc = mg_conn_write(s->conn, &iov, 1);
    if (rc == MG_AGAIN)
        return timeout_ms == 0 ? MG_OK : join(s, &s->writer, x, timeout_ms);
    if (rc < 0) {
        note(s, rc, NULL);
        hang_up(s);
    }
    return rc;
}

int mg_socket_await(struct mg_socket *s, struct mg_x *x, uint32_t least, uint32_t timeout_ms)
{
    int rc = mg_exchange_may_wait(x);

    if (rc != MG_OK)
        return rc;
    if (mg_buf_len(&s->in) >= least)
        return MG_OK;
    if (least > MG_SOCKET_BYTES)
        return MG_ELIMIT;
    if (s->ended != 0)
        return s->ended;
    if (s->conn == NULL || s->reader.x != NULL)
        return MG_EPHASE;
    s->least = least;
    return join(s, &s->reader, x, timeout_ms);
}

mg_str mg_socket_arrived(const struct mg_socket *s)
{
    return mg_buf_len(&s->in) > 0 ? mg_str_of(mg_buf_bytes(&s->in), mg_buf_len(&s->in))
                                  : (mg_str){"", 0};
}

void mg_socket_taken(struct mg_socket *s, uint32_t len)
{
    if (len > 0)
        mg_buf_consume(&s->in, len);
    if (s->paused && s->conn != NULL && mg_buf_len(&s->in) < MG_SOCKET_BYTES) {
        s->paused = false;
        mg_conn_read_start(s->conn);
    }
}

const char *mg_socket_reason(const struct mg_socket *s)
{
    return s->reason;
}
