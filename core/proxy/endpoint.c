#include "proxy/endpoint.h"

#include <stdlib.h>

#include "net/tcp.h"
#include "proxy/pool.h"

struct mg_endpoints {
    struct mg_loop *loop;
    struct mg_resolver *resolver;
    struct mg_list all;
    struct mg_pool_budget budget;
    mg_dial *dial;
    void *dial_arg;
};

struct mg_endpoints *mg_endpoints_new(struct mg_loop *loop, uint32_t max)
{
    struct mg_endpoints *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->loop = loop;
    r->resolver = mg_resolver_new(loop);
    if (r->resolver == NULL) {
        free(r);
        return NULL;
    }
    mg_list_init(&r->all);
    mg_list_init(&r->budget.idle);
    r->budget.max = max;
    return r;
}

void mg_endpoints_free(struct mg_endpoints *r)
{
    for (struct mg_list *n = r->all.next, *next; n != &r->all; n = next) {
        struct mg_endpoint *ep = MG_LIST_OF(n, struct mg_endpoint, link);

        next = n->next;
        mg_pool_clear(ep);
        mg_endpoint_settle(ep);
    }
    mg_resolver_free(r->resolver);
    free(r);
}

void mg_endpoints_dial(struct mg_endpoints *r, mg_dial *dial, void *arg)
{
    r->dial = dial;
    r->dial_arg = arg;
}

bool mg_endpoint_dial(const struct mg_endpoint *ep, const struct mg_conn_events *events,
                      void *owner, struct mg_conn **out)
{
    const struct mg_endpoints *r = ep->registry;

    if (r->dial == NULL)
        return false;
    *out = r->dial(r->dial_arg, ep);
    if (*out != NULL) {
        (*out)->events = events;
        (*out)->owner = owner;
    }
    return true;
}

void mg_endpoint_keepalive(const struct mg_endpoint *ep, struct mg_conn *conn)
{
    const struct mg_endpoint_conf *conf = &ep->conf;

    if (ep->registry->dial == NULL &&
        conf->keepalive_s + conf->keepalive_interval_s + conf->keepalive_probes > 0)
        mg_tcp_keepalive(conn, conf->keepalive_s, conf->keepalive_interval_s,
                         conf->keepalive_probes);
}

struct mg_loop *mg_endpoints_loop(const struct mg_endpoints *r)
{
    return r->loop;
}

struct mg_pool_budget *mg_endpoints_budget(struct mg_endpoints *r)
{
    return &r->budget;
}

static bool same_conf(const struct mg_endpoint_conf *a, const struct mg_endpoint_conf *b)
{
    return mg_str_eq(a->address, b->address) && mg_str_eq(a->sni, b->sni) &&
           mg_str_eq(a->verify, b->verify) && a->tls == b->tls &&
           a->connect_timeout_ms == b->connect_timeout_ms &&
           a->idle_timeout_ms == b->idle_timeout_ms && a->max_idle == b->max_idle &&
           a->max_requests == b->max_requests && a->max_connections == b->max_connections &&
           a->max_age_ms == b->max_age_ms && a->keepalive_s == b->keepalive_s &&
           a->keepalive_interval_s == b->keepalive_interval_s &&
           a->keepalive_probes == b->keepalive_probes && a->proxy_protocol == b->proxy_protocol &&
           a->breaker == b->breaker;
}

/* "unix:/path" is the path alone. */
static bool take_path(mg_str address, char host[256])
{
    if (address.len < 6 || memcmp(address.ptr, "unix:/", 6) != 0 || address.len - 5 > 255)
        return false;
    memcpy(host, address.ptr + 5, address.len - 5);
    host[address.len - 5] = '\0';
    return true;
}

/* "host:port" or "[v6]:port" to its parts; host is written NUL-terminated. */
static int split_address(mg_str address, char host[256], uint16_t *port)
{
    const char *colon = memrchr(address.ptr, ':', address.len);
    mg_str name;
    unsigned long n = 0;

    *port = 0;
    if (take_path(address, host))
        return MG_OK;
    if (colon == NULL || colon == address.ptr)
        return MG_EINVAL;
    name = mg_str_of(address.ptr, (size_t)(colon - address.ptr));
    if (name.ptr[0] == '[' && name.ptr[name.len - 1] == ']')
        name = mg_str_of(name.ptr + 1, name.len - 2);
    for (const char *p = colon + 1; p < address.ptr + address.len; p++) {
        if (*p < '0' || *p > '9' || n > 65535)
            return MG_EINVAL;
        n = n * 10 + (unsigned long)(*p - '0');
    }
    if (n == 0 || n > 65535 || name.len == 0 || name.len > 253)
        return MG_EINVAL;
    memcpy(host, name.ptr, name.len);
    host[name.len] = '\0';
    *port = (uint16_t)n;
    return MG_OK;
}

static mg_str keep(char **at, mg_str text)
{
    mg_str kept = {*at, text.len};

    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    (*at)[text.len] = '\0';
    *at += text.len + 1;
    return kept;
}

static struct mg_endpoint *endpoint_new(struct mg_endpoints *r, const struct mg_endpoint_conf *conf,
                                        struct mg_name *name)
{
    struct mg_endpoint *ep = calloc(1, sizeof(*ep));
    char *at;

    if (ep == NULL)
        return NULL;
    ep->texts = at = malloc(conf->address.len + conf->sni.len + conf->verify.len + 3);
    if (at == NULL) {
        free(ep);
        return NULL;
    }
    ep->registry = r;
    ep->conf = *conf;
    ep->conf.address = keep(&at, conf->address);
    ep->conf.sni = keep(&at, conf->sni);
    ep->conf.verify = keep(&at, conf->verify);
    ep->name = name;
    if (conf->tls != NULL)
        mg_tls_ref(conf->tls);
    if (conf->breaker != NULL)
        mg_breaker_ref(conf->breaker);
    mg_pool_init(ep);
    mg_list_append(&r->all, &ep->link);
    return ep;
}

struct mg_endpoint *mg_endpoints_get(struct mg_endpoints *r, const struct mg_endpoint_conf *conf,
                                     const char **why)
{
    struct mg_endpoint *ep;
    struct mg_name *name;
    char host[256];
    uint16_t port;

    for (struct mg_list *n = r->all.next; n != &r->all; n = n->next) {
        ep = MG_LIST_OF(n, struct mg_endpoint, link);
        if (same_conf(&ep->conf, conf)) {
            ep->refs++;
            return ep;
        }
    }
    if (conf->tls != NULL && conf->sni.len == 0) {
        *why = "TLS to an endpoint needs a name to verify";
        return NULL;
    }
    if (split_address(conf->address, host, &port) != MG_OK ||
        (name = mg_resolver_get(r->resolver, r->dial != NULL ? "0.0.0.0" : host, port)) == NULL) {
        *why = "not an address: expected host:port or unix:/path";
        return NULL;
    }
    ep = endpoint_new(r, conf, name);
    if (ep == NULL) {
        mg_resolver_put(r->resolver, name);
        *why = "out of memory";
        return NULL;
    }
    ep->refs = 1;
    return ep;
}

void mg_endpoints_put(struct mg_endpoint *ep)
{
    ep->refs--;
    if (ep->refs == 0)
        mg_pool_clear(ep);
    mg_endpoint_settle(ep);
}

void mg_endpoint_settle(struct mg_endpoint *ep)
{
    if (ep->refs > 0 || ep->conns > 0 || !mg_list_empty(&ep->waiting))
        return;
    mg_list_remove(&ep->link);
    mg_list_remove(&ep->serving.link);
    mg_resolver_put(ep->registry->resolver, ep->name);
    if (ep->conf.tls != NULL)
        mg_tls_unref(ep->conf.tls);
    if (ep->conf.breaker != NULL)
        mg_breaker_unref(ep->conf.breaker);
    free(ep->texts);
    free(ep);
}
