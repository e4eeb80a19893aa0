#include "proxy/pool.h"

#include <stdlib.h>

#include "net/tcp.h"

/* What the pool knows of one connection; the client's owner. */
struct mg_pooled {
    struct mg_list link; /* in the endpoint's idle list, or in none */
    struct mg_endpoint *ep;
    struct mg_client *client;
    struct mg_timer idle;
    uint64_t made_ns; /* with a max_age_ms */
    struct sockaddr_storage to;
    uint32_t version; /* of the name when `to` was among its addresses */
};

/* A connection being made: name, then TCP, then TLS. */
struct mg_connect {
    struct mg_endpoint *ep;
    struct mg_pool_wait *wait; /* NULL: the waiter gave up */
    struct mg_conn *conn;
    struct mg_name_wait name;
    struct mg_timer timer; /* the look-up's and the handshake's limit */
    struct sockaddr_storage to;
    uint32_t tried; /* addresses so far */
    bool tls, naming;
};

static struct mg_loop *loop_of(const struct mg_endpoint *ep)
{
    return mg_endpoints_loop(ep->registry);
}

/* Who waits gets what has become free at the end of this turn: it may be a lane that runs now. */
static void serve_later(struct mg_endpoint *ep)
{
    if (!mg_list_empty(&ep->waiting))
        mg_loop_defer(loop_of(ep), &ep->serving);
}

static void end_wait(struct mg_endpoint *ep, struct mg_pool_wait *w)
{
    w->connect = NULL, w->queue = NULL;
    mg_breaker_sub(ep->conf.breaker, MG_BREAKER_PENDING);
}

static void count_connection(struct mg_endpoint *ep)
{
    ep->conns++;
    mg_breaker_add(ep->conf.breaker, MG_BREAKER_CONNECTIONS);
}

/* The caller settles the endpoint. */
static void uncount_connection(struct mg_endpoint *ep)
{
    ep->conns--;
    mg_breaker_sub(ep->conf.breaker, MG_BREAKER_CONNECTIONS);
    serve_later(ep);
}

/* ---- connections that stand --------------------------------------------------------- */

static void forget(struct mg_pooled *p)
{
    struct mg_endpoint *ep = p->ep;

    if (!mg_list_empty(&p->link)) {
        mg_list_remove(&p->link);
        ep->nidle--;
    }
    mg_timer_clear(&p->idle);
    uncount_connection(ep);
    free(p);
    mg_endpoint_settle(ep);
}

static void close_idle(struct mg_pooled *p)
{
    mg_client_close(p->client);
    forget(p);
}

/* The timer is left running while the connection is in use, so that a busy one re-arms nothing. */
static void on_idle_timeout(struct mg_timer *t)
{
    struct mg_pooled *p = MG_LIST_OF(t, struct mg_pooled, idle);

    if (!mg_list_empty(&p->link))
        close_idle(p);
}

/* What is left of the time that a connection may last; with no such limit, the idle one. */
static uint32_t time_left(const struct mg_pooled *p)
{
    const struct mg_endpoint_conf *conf = &p->ep->conf;
    uint64_t age;

    if (conf->max_age_ms == 0)
        return conf->idle_timeout_ms;
    age = (mg_clock_ns() - p->made_ns) / 1000000;
    if (age >= conf->max_age_ms)
        return 0;
    return conf->max_age_ms - age < conf->idle_timeout_ms ? (uint32_t)(conf->max_age_ms - age)
                                                          : conf->idle_timeout_ms;
}

static bool worth_keeping(struct mg_pooled *p)
{
    const struct mg_endpoint_conf *conf = &p->ep->conf;

    return mg_resolver_means(p->ep->name, &p->to, &p->version) && p->ep->refs > 0 &&
           conf->max_idle > 0 &&
           (conf->max_requests == 0 || mg_client_requests(p->client) < conf->max_requests) &&
           time_left(p) > 0;
}

/* The stream was released. */
static void on_free(struct mg_client *c, void *owner, bool reusable)
{
    struct mg_pooled *p = owner;
    struct mg_endpoint *ep = p->ep;

    ep->active--;
    if (!reusable || !worth_keeping(p)) {
        if (reusable)
            mg_client_close(c); /* else it ends by itself */
        forget(p);
        return;
    }
    if (ep->nidle >= ep->conf.max_idle)
        close_idle(MG_LIST_OF(ep->idle.next, struct mg_pooled, link));
    mg_list_append(&ep->idle, &p->link);
    ep->nidle++;
    mg_timer_set(loop_of(ep), &p->idle, time_left(p));
    serve_later(ep);
}

static void on_closed(struct mg_client *c, void *owner)
{
    (void)c;
    forget(owner);
}

static const struct mg_client_events client_events = {.on_free = on_free, .on_closed = on_closed};

/* NULL: out of memory, and `conn` is closed. */
static struct mg_client *adopt(const struct mg_connect *k)
{
    struct mg_pooled *p = calloc(1, sizeof(*p));
    struct mg_endpoint *ep = k->ep;

    if (p == NULL) {
        mg_conn_close(k->conn);
        return NULL;
    }
    p->client = mg_client_new(k->conn, &client_events, p);
    if (p->client == NULL) {
        free(p);
        return NULL;
    }
    p->ep = ep;
    p->to = k->to;
    p->version = ep->name->version - 1; /* its name may have changed meanwhile */
    p->made_ns = ep->conf.max_age_ms > 0 ? mg_clock_ns() : 0;
    mg_list_init(&p->link);
    mg_timer_init(&p->idle, on_idle_timeout);
    ep->active++;
    return p->client;
}

static struct mg_pooled *newest(const struct mg_endpoint *ep)
{
    return MG_LIST_OF(ep->idle.prev, struct mg_pooled, link);
}

/* Closes idle connections from the newest on: all, or those to where the name no longer points. */
static void close_newest(struct mg_endpoint *ep, bool all)
{
    ep->refs++; /* keeps it from being freed under the loop */
    while (ep->nidle > 0 &&
           (all || !mg_resolver_means(ep->name, &newest(ep)->to, &newest(ep)->version)))
        close_idle(newest(ep));
    ep->refs--;
}

static struct mg_client *take_idle(struct mg_endpoint *ep)
{
    struct mg_pooled *p;

    close_newest(ep, false);
    if (ep->nidle == 0)
        return NULL;
    p = newest(ep); /* most likely alive */
    mg_list_remove(&p->link);
    ep->nidle--;
    ep->active++;
    return p->client;
}

void mg_pool_clear(struct mg_endpoint *ep)
{
    close_newest(ep, true);
}

/* ---- connections being made --------------------------------------------------------- */

static void connect_free(struct mg_connect *k)
{
    mg_timer_clear(&k->timer);
    if (k->naming)
        mg_list_remove(&k->name.link);
    free(k);
}

/* `reason` may point into the connection, so that is closed last. */
static void connect_failed(struct mg_connect *k, int err, const char *reason)
{
    struct mg_endpoint *ep = k->ep;
    struct mg_conn *conn = k->conn;
    struct mg_pool_wait *w = k->wait;

    connect_free(k);
    ep->refs++; /* keeps it from being freed by what fn() does */
    uncount_connection(ep);
    if (w != NULL) {
        end_wait(ep, w);
        w->fn(w, NULL, err, reason);
    }
    ep->refs--;
    if (conn != NULL)
        mg_conn_close(conn);
    mg_endpoint_settle(ep);
}

static void connect_done(struct mg_connect *k)
{
    struct mg_endpoint *ep = k->ep;
    struct mg_pool_wait *w = k->wait;
    struct mg_client *c = adopt(k);

    if (c == NULL) {
        k->conn = NULL;
        connect_failed(k, MG_ENOMEM, mg_error_text(MG_ENOMEM));
        return;
    }
    connect_free(k);
    end_wait(ep, w);
    w->fn(w, c, MG_OK, NULL);
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
        connect_failed(k, MG_ETLS, mg_error_text(rc));
}

/* A name with several addresses stands as long as one of them answers. */
static bool try_next_address(struct mg_connect *k)
{
    struct mg_conn *failed = k->conn;

    if (k->tls || k->tried >= k->ep->name->count)
        return false;
    if (start_tcp(k) != 0) {
        k->conn = failed;
        return false;
    }
    mg_conn_close(failed);
    return true;
}

static void keep_alive(const struct mg_connect *k)
{
    const struct mg_endpoint_conf *conf = &k->ep->conf;

    if (conf->keepalive_s + conf->keepalive_interval_s + conf->keepalive_probes > 0)
        mg_tcp_keepalive(k->conn, conf->keepalive_s, conf->keepalive_interval_s,
                         conf->keepalive_probes);
}

static void on_connect(struct mg_conn *conn, int err)
{
    struct mg_connect *k = conn->owner;

    if (err != 0 && try_next_address(k))
        return;
    if (err == 0 && !k->tls)
        keep_alive(k);
    if (k->tls && err != 0)
        connect_failed(k, MG_ETLS, mg_tls_reason(conn));
    else if (err == UV_ETIMEDOUT || err == MG_ETIMEOUT || err == MG_ECONNTIMEOUT)
        connect_failed(k, MG_ECONNTIMEOUT, mg_error_text(err));
    else if (err != 0)
        connect_failed(k, MG_ECONNECT, mg_error_text(err));
    else if (k->ep->conf.tls != NULL && !k->tls)
        start_tls(k);
    else
        connect_done(k);
}

static void on_lost(struct mg_conn *conn, int err)
{
    struct mg_connect *k = conn->owner;

    connect_failed(k, k->tls ? MG_ETLS : MG_ECONNECT, mg_error_text(err));
}

static void on_connect_timeout(struct mg_timer *t)
{
    struct mg_connect *k = MG_LIST_OF(t, struct mg_connect, timer);

    connect_failed(k, MG_ECONNTIMEOUT, "connection timeout");
}

static void on_name(struct mg_name_wait *w, int err)
{
    struct mg_connect *k = MG_LIST_OF(w, struct mg_connect, name);
    int rc;

    k->naming = false;
    if (err != 0) {
        connect_failed(k, MG_EDNS, mg_error_text(err));
        return;
    }
    rc = start_tcp(k);
    if (rc != 0)
        connect_failed(k, MG_ECONNECT, mg_error_text(rc));
}

static int connect_start(struct mg_endpoint *ep, struct mg_pool_wait *w)
{
    struct mg_connect *k = calloc(1, sizeof(*k));
    int rc = 0;

    if (k == NULL)
        return MG_ENOMEM;
    k->ep = ep;
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
    k->wait = w;
    w->connect = k;
    count_connection(ep);
    return MG_AGAIN;
}

/* ---- requests that wait for a connection -------------------------------------------- */

/* As Envoy has it: an endpoint that has no connection may always make one, or those who wait there
 * would wait for what others hold. */
static bool may_connect(const struct mg_endpoint *ep)
{
    return ep->conns == 0 || mg_breaker_may(ep->conf.breaker, MG_BREAKER_CONNECTIONS);
}

/* The oldest of those who wait gets what is free; false: nothing is. */
static bool serve_one(struct mg_endpoint *ep, struct mg_pool_wait *w)
{
    struct mg_client *c = take_idle(ep);
    int rc;

    if (c == NULL && !may_connect(ep))
        return false;
    mg_list_remove(&w->link);
    w->queue = NULL;
    rc = c == NULL ? connect_start(ep, w) : MG_OK;
    if (rc != MG_AGAIN) {
        end_wait(ep, w);
        w->fn(w, c, rc, c == NULL ? mg_error_text(rc) : NULL);
    }
    return true;
}

static void serve_waiting(struct mg_deferred *d)
{
    struct mg_endpoint *ep = MG_LIST_OF(d, struct mg_endpoint, serving);

    ep->refs++; /* keeps it from being freed under the loop */
    while (!mg_list_empty(&ep->waiting) &&
           serve_one(ep, MG_LIST_OF(ep->waiting.next, struct mg_pool_wait, link)))
        ;
    ep->refs--;
    mg_endpoint_settle(ep);
}

void mg_pool_init(struct mg_endpoint *ep)
{
    mg_list_init(&ep->idle);
    mg_list_init(&ep->waiting);
    mg_list_init(&ep->serving.link);
    ep->serving.fn = serve_waiting;
}

/* A new connection, or a place in the queue for one. */
static int wait_for_one(struct mg_endpoint *ep, struct mg_pool_wait *w)
{
    int rc = MG_AGAIN;

    if (!mg_breaker_may(ep->conf.breaker, MG_BREAKER_PENDING))
        return MG_EFULL;
    if (ep->nidle > 0 && !may_connect(ep))
        close_idle(MG_LIST_OF(ep->idle.next, struct mg_pooled, link)); /* `fresh` left it there */
    if (may_connect(ep)) {
        rc = connect_start(ep, w);
    } else {
        w->queue = ep;
        mg_list_append(&ep->waiting, &w->link);
    }
    if (rc == MG_AGAIN)
        mg_breaker_add(ep->conf.breaker, MG_BREAKER_PENDING);
    return rc;
}

int mg_pool_get(struct mg_endpoint *ep, bool fresh, struct mg_pool_wait *w, struct mg_client **out)
{
    w->connect = NULL, w->queue = NULL;
    *out = fresh ? NULL : take_idle(ep);
    if (*out != NULL)
        return MG_OK;
    if (ep->conf.max_connections > 0 && ep->conns >= ep->conf.max_connections && ep->nidle > 0)
        close_idle(MG_LIST_OF(ep->idle.next, struct mg_pooled, link)); /* `fresh` left it there */
    if (ep->conf.max_connections > 0 && ep->conns >= ep->conf.max_connections)
        return MG_EFULL;
    return wait_for_one(ep, w);
}

void mg_pool_cancel(struct mg_pool_wait *w)
{
    struct mg_connect *k = w->connect;
    struct mg_endpoint *ep = w->queue;

    if (ep != NULL) {
        mg_list_remove(&w->link);
        end_wait(ep, w);
        mg_endpoint_settle(ep);
    }
    if (k == NULL)
        return;
    end_wait(k->ep, w);
    k->wait = NULL;
    connect_failed(k, MG_EGONE, NULL);
}
