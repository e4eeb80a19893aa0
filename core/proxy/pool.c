#include "proxy/pool.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/connect.h"

/* What the pool knows of one connection; the client's owner. */
struct mg_pooled {
    struct mg_list link; /* in the endpoint's idle list, or in none */
    struct mg_list aged; /* in the budget's, while in that one */
    struct mg_endpoint *ep;
    struct mg_client *client;
    struct mg_timer idle;
    uint64_t made_ns;           /* with a max_age_ms */
    struct mg_proxy_ends *ends; /* that its PROXY header named; NULL: nobody, or there is none */
    struct sockaddr_storage to;
    uint32_t version; /* of the name when `to` was among its addresses */
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

static struct mg_pool_budget *budget_of(const struct mg_endpoint *ep)
{
    return mg_endpoints_budget(ep->registry);
}

static void end_wait(struct mg_endpoint *ep, struct mg_pool_wait *w)
{
    w->connect = NULL, w->queue = NULL;
    mg_breaker_sub(ep->conf.breaker, MG_BREAKER_PENDING);
}

static void count_connection(struct mg_endpoint *ep)
{
    ep->conns++;
    budget_of(ep)->used++;
    mg_breaker_add(ep->conf.breaker, MG_BREAKER_CONNECTIONS);
}

/* The caller settles the endpoint. */
static void uncount_connection(struct mg_endpoint *ep)
{
    ep->conns--;
    budget_of(ep)->used--;
    mg_breaker_sub(ep->conf.breaker, MG_BREAKER_CONNECTIONS);
    serve_later(ep);
}

/* ---- connections that stand --------------------------------------------------------- */

static void put_idle(struct mg_pooled *p)
{
    mg_list_append(&p->ep->idle, &p->link);
    mg_list_append(&budget_of(p->ep)->idle, &p->aged);
    p->ep->nidle++;
}

static void leave_idle(struct mg_pooled *p)
{
    mg_list_remove(&p->link);
    mg_list_remove(&p->aged);
    p->ep->nidle--;
}

static void forget(struct mg_pooled *p)
{
    struct mg_endpoint *ep = p->ep;

    if (!mg_list_empty(&p->link))
        leave_idle(p);
    mg_timer_clear(&p->idle);
    uncount_connection(ep);
    free(p->ends);
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
    put_idle(p);
    mg_timer_set(loop_of(ep), &p->idle, time_left(p));
    serve_later(ep);
}

static void on_closed(struct mg_client *c, void *owner)
{
    (void)c;
    forget(owner);
}

static const struct mg_client_events client_events = {.on_free = on_free, .on_closed = on_closed};

/* NULL: out of memory. */
static struct mg_pooled *new_pooled(const struct mg_proxy_ends *ends)
{
    struct mg_pooled *p = calloc(1, sizeof(*p));

    if (p == NULL || ends == NULL)
        return p;
    p->ends = malloc(sizeof(*ends));
    if (p->ends == NULL) {
        free(p);
        return NULL;
    }
    *p->ends = *ends;
    return p;
}

/* NULL: out of memory, and `conn` is closed. */
static struct mg_client *adopt(struct mg_endpoint *ep, struct mg_conn *conn,
                               const struct sockaddr_storage *to, const struct mg_proxy_ends *ends)
{
    struct mg_pooled *p = new_pooled(ends);

    if (p == NULL) {
        mg_conn_close(conn);
        return NULL;
    }
    p->client = mg_client_new(conn, &client_events, p);
    if (p->client == NULL) {
        free(p->ends);
        free(p);
        return NULL;
    }
    p->ep = ep;
    p->to = *to;
    p->version = ep->name->version - 1; /* its name may have changed meanwhile */
    p->made_ns = ep->conf.max_age_ms > 0 ? mg_clock_ns() : 0;
    mg_list_init(&p->link);
    mg_list_init(&p->aged);
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

static bool is_for(const struct mg_pooled *p, const struct mg_proxy_ends *ends)
{
    if (p->ends == NULL || ends == NULL)
        return p->ends == ends;
    return memcmp(p->ends, ends, sizeof(*ends)) == 0;
}

/* The newest idle one, which is most likely alive, of those that `w` may use; NULL: there is none. */
static struct mg_pooled *find_idle(const struct mg_endpoint *ep, const struct mg_pool_wait *w)
{
    for (struct mg_list *n = ep->idle.prev; n != &ep->idle; n = n->prev) {
        struct mg_pooled *p = MG_LIST_OF(n, struct mg_pooled, link);

        if (is_for(p, w->ends))
            return p;
    }
    return NULL;
}

static struct mg_client *take_idle(struct mg_endpoint *ep, const struct mg_pool_wait *w)
{
    struct mg_pooled *p;

    close_newest(ep, false);
    p = find_idle(ep, w);
    if (p == NULL)
        return NULL;
    leave_idle(p);
    ep->active++;
    return p->client;
}

void mg_pool_clear(struct mg_endpoint *ep)
{
    close_newest(ep, true);
}

/* ---- connections being made --------------------------------------------------------- */

static void on_connected(void *owner, struct mg_conn *conn, const struct sockaddr_storage *to,
                         int err, const char *reason)
{
    struct mg_pool_wait *w = owner;
    struct mg_endpoint *ep = w->ep;
    struct mg_client *c = conn != NULL ? adopt(ep, conn, to, w->ends) : NULL;

    if (conn != NULL && c == NULL) {
        err = MG_ENOMEM;
        reason = mg_error_text(err);
    }
    ep->refs++; /* keeps it from being freed by what fn() does */
    if (c == NULL)
        uncount_connection(ep);
    end_wait(ep, w);
    w->fn(w, c, err, reason);
    ep->refs--;
    mg_endpoint_settle(ep);
}

void mg_pool_shed(struct mg_pool_budget *b, uint32_t most)
{
    for (; most > 0 && !mg_list_empty(&b->idle); most--, b->closed++)
        close_idle(MG_LIST_OF(b->idle.next, struct mg_pooled, aged));
}

/* A new connection is worth more than one that was not used for longest, whoever's that is. */
static int connect_start(struct mg_endpoint *ep, struct mg_pool_wait *w)
{
    struct mg_pool_budget *b = budget_of(ep);
    int rc;

    if (b->used >= b->max)
        mg_pool_shed(b, 1);
    rc = mg_connect_start(ep, w->ends, on_connected, w, &w->connect);

    if (rc != MG_AGAIN)
        return rc;
    w->ep = ep;
    count_connection(ep);
    return rc;
}

/* ---- requests that wait for a connection -------------------------------------------- */

/* As Envoy has it: an endpoint that has no connection may always make one, or those who wait there
 * would wait for what others hold. */
static bool may_connect(const struct mg_endpoint *ep)
{
    return ep->conns == 0 || mg_breaker_may(ep->conf.breaker, MG_BREAKER_CONNECTIONS);
}

/* An idle connection that the waiter may not use gives way to one that it may. */
static bool make_room(struct mg_endpoint *ep)
{
    if (ep->nidle > 0 && !may_connect(ep))
        close_idle(MG_LIST_OF(ep->idle.next, struct mg_pooled, link));
    return may_connect(ep);
}

/* The oldest of those who wait gets what is free; false: nothing is. */
static bool serve_one(struct mg_endpoint *ep, struct mg_pool_wait *w)
{
    struct mg_client *c = take_idle(ep, w);
    int rc;

    if (c == NULL && !make_room(ep))
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
    if (make_room(ep)) {
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
    *out = fresh ? NULL : take_idle(ep, w);
    if (*out != NULL)
        return MG_OK;
    if (ep->conf.max_connections > 0 && ep->conns >= ep->conf.max_connections && ep->nidle > 0)
        close_idle(MG_LIST_OF(ep->idle.next, struct mg_pooled, link)); /* `w` may not use it */
    if (ep->conf.max_connections > 0 && ep->conns >= ep->conf.max_connections)
        return MG_EFULL;
    return wait_for_one(ep, w);
}

void mg_pool_cancel(struct mg_pool_wait *w)
{
    struct mg_connect *k = w->connect;
    struct mg_endpoint *ep = k != NULL ? w->ep : w->queue;

    if (ep == NULL)
        return;
    if (k == NULL)
        mg_list_remove(&w->link);
    end_wait(ep, w);
    if (k != NULL) {
        mg_connect_cancel(k);
        uncount_connection(ep);
    }
    mg_endpoint_settle(ep);
}
