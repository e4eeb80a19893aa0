#include "proxy/connect.h"

#include <stdlib.h>

#include "net/tcp.h"

struct mg_connect {
    struct mg_endpoint *ep;
    const struct mg_proxy_ends *ends;
    mg_connect_fn *fn;
    void *owner;
    struct mg_conn *conn;
    struct mg_name_wait name;
    struct mg_timer timer; /* the look-up's and the handshake's limit */
    struct sockaddr_storage to;
    uint32_t tried;           /* addresses so far */
    bool tls, naming, handed; /* by mg_endpoint_dial(): it has no socket and speaks no TLS */
};

static struct mg_loop *loop_of(const struct mg_endpoint *ep)
{
    return mg_endpoints_loop(ep->registry);
}

static void forget(struct mg_connect *k)
{
    mg_timer_clear(&k->timer);
    if (k->naming)
        mg_list_remove(&k->name.link);
    free(k);
}

/* `reason` may point into the connection, so that is closed last. */
static void failed(struct mg_connect *k, int err, const char *reason)
{
    struct mg_conn *conn = k->conn;
    mg_connect_fn *fn = k->fn;
    void *owner = k->owner;

    forget(k);
    fn(owner, NULL, NULL, err, reason);
    if (conn != NULL)
        mg_conn_close(conn);
}

static void done(struct mg_connect *k)
{
    struct mg_connect stood = *k;

    forget(k);
    stood.fn(stood.owner, stood.conn, &stood.to, MG_OK, NULL);
}

static void on_connect(struct mg_conn *conn, int err);
static void on_lost(struct mg_conn *conn, int err);

static void on_early_eof(struct mg_conn *conn)
{
    on_lost(conn, MG_ECLOSED);
}

/* Nothing is due from the upstream before a request: what comes is dropped with the connection. */
static void on_early_read(struct mg_conn *conn, const char *bytes, size_t len)
{
    (void)bytes, (void)len;
    on_lost(conn, MG_EPROTO);
}

static const struct mg_conn_events connect_events = {
    .on_connect = on_connect,
    .on_read = on_early_read,
    .on_eof = on_early_eof,
    .on_error = on_lost,
};

/* Each new connection takes the name's next address, and the one after where there is no way. */
static int start_tcp(struct mg_connect *k)
{
    struct mg_name *name = k->ep->name;
    int rc = MG_ECONNECT;

    if (mg_endpoint_dial(k->ep, &connect_events, k, &k->conn)) {
        k->handed = true;
        k->to = name->addresses[0];
        k->tried = name->count;
        return k->conn == NULL ? MG_ENOMEM : MG_OK;
    }
    while (rc != 0 && k->tried < name->count) {
        k->to = name->addresses[name->turn++ % name->count];
        k->tried++;
        rc = mg_tcp_connect(loop_of(k->ep), (const struct sockaddr *)&k->to, 0, &connect_events, k,
                            &k->conn);
    }
    return rc;
}

static void start_tls(struct mg_connect *k)
{
    const struct mg_endpoint_conf *conf = &k->ep->conf;
    struct mg_conn *lower = k->conn;
    int rc;

    k->tls = true;
    k->conn = NULL;
    rc = mg_tls_connect(conf->tls, lower, conf->sni.ptr,
                        conf->verify.len > 0 ? conf->verify.ptr : NULL, &connect_events, k,
                        &k->conn);
    if (rc != 0)
        failed(k, MG_ETLS, mg_error_text(rc));
}

/* A name with several addresses stands as long as one of them answers. */
static bool try_next_address(struct mg_connect *k)
{
    struct mg_conn *old = k->conn;

    if (k->tls || k->tried >= k->ep->name->count)
        return false;
    if (start_tcp(k) != 0) {
        k->conn = old;
        return false;
    }
    mg_conn_close(old);
    return true;
}

/* It goes out before anything else, TLS's too; a socket that is new takes it whole. */
static int send_header(const struct mg_connect *k)
{
    char bytes[MG_PROXY_HEADER_OUT];
    struct iovec iov = {bytes, 0};

    if (k->ep->conf.proxy_protocol == 0 || k->handed)
        return MG_OK;
    iov.iov_len = mg_proxy_header_write((int)k->ep->conf.proxy_protocol, k->ends, bytes);
    return mg_conn_write(k->conn, &iov, 1);
}

static void on_connect(struct mg_conn *conn, int err)
{
    struct mg_connect *k = conn->owner;

    if (err != 0 && try_next_address(k))
        return;
    if (err == 0 && !k->tls) {
        mg_endpoint_keepalive(k->ep, conn);
        err = send_header(k);
    }
    if (k->tls && err != 0)
        failed(k, MG_ETLS, mg_tls_reason(conn));
    else if (err == UV_ETIMEDOUT || err == MG_ETIMEOUT || err == MG_ECONNTIMEOUT)
        failed(k, MG_ECONNTIMEOUT, mg_error_text(err));
    else if (err != 0)
        failed(k, MG_ECONNECT, mg_error_text(err));
    else if (k->ep->conf.tls != NULL && !k->tls && !k->handed)
        start_tls(k);
    else
        done(k);
}

static void on_lost(struct mg_conn *conn, int err)
{
    struct mg_connect *k = conn->owner;

    failed(k, k->tls ? MG_ETLS : MG_ECONNECT, mg_error_text(err));
}

static void on_connect_timeout(struct mg_timer *t)
{
    struct mg_connect *k = MG_LIST_OF(t, struct mg_connect, timer);

    failed(k, MG_ECONNTIMEOUT, "connection timeout");
}

static void on_name(struct mg_name_wait *w, int err)
{
    struct mg_connect *k = MG_LIST_OF(w, struct mg_connect, name);
    int rc;

    k->naming = false;
    if (err != 0) {
        failed(k, MG_EDNS, mg_error_text(err));
        return;
    }
    rc = start_tcp(k);
    if (rc != 0)
        failed(k, MG_ECONNECT, mg_error_text(rc));
}

int mg_connect_start(struct mg_endpoint *ep, const struct mg_proxy_ends *ends, mg_connect_fn *fn,
                     void *owner, struct mg_connect **out)
{
    struct mg_connect *k = calloc(1, sizeof(*k));
    int rc = 0;

    if (k == NULL)
        return MG_ENOMEM;
    k->ep = ep;
    k->ends = ends;
    k->fn = fn;
    k->owner = owner;
    mg_timer_init(&k->timer, on_connect_timeout);
    mg_list_init(&k->name.link);
    if (ep->name->count == 0) {
        k->naming = true;
        k->name.fn = on_name;
        mg_resolver_wait(ep->name, &k->name);
    } else {
        rc = start_tcp(k);
    }
    if (rc != 0) {
        free(k);
        return MG_ECONNECT;
    }
    mg_timer_set(loop_of(ep), &k->timer, ep->conf.connect_timeout_ms);
    *out = k;
    return MG_AGAIN;
}

void mg_connect_cancel(struct mg_connect *k)
{
    struct mg_conn *conn = k->conn;

    forget(k);
    if (conn != NULL)
        mg_conn_close(conn);
}
