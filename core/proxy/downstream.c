#include "proxy/downstream.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/forwarded.h"

/* What is kept of a client's connection between its requests; few bytes, for there are many. */
struct mg_downstream {
    struct mg_list link;
    struct mg_front *front;
    struct mg_server *server;
    uint16_t port;
    bool counted;      /* among its client's */
    uint8_t size;      /* of the address: 4, 16, or 0 of a Unix socket */
    uint8_t address[]; /* `size` bytes */
};

enum { SHED_MOST = 256 };

static const struct mg_server_handler handler;

struct mg_proxy *mg_proxy_new(struct mg_loop *loop, const struct mg_exchange_hooks *hooks)
{
    struct mg_proxy *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->loop = loop;
    p->hooks = *hooks;
    p->endpoints = mg_endpoints_new(loop, mg_overload_upstreams());
    if (p->endpoints == NULL) {
        free(p);
        return NULL;
    }
    mg_list_init(&p->downstreams);
    mg_list_init(&p->fronts);
    mg_listener_budget_init(&p->budget, mg_overload_clients());
    return p;
}

void mg_proxy_free(struct mg_proxy *p)
{
    for (struct mg_x *x = p->spare, *next; x != NULL; x = next) {
        next = x->next;
        mg_arena_free(&x->arena);
        free(x);
    }
    mg_endpoints_free(p->endpoints);
    free(p);
}

/* ---- exchanges -------------------------------------------------------------------------- */

static struct mg_x *take(struct mg_proxy *p)
{
    struct mg_x *x = p->spare;

    if (x != NULL) {
        p->spare = x->next;
    } else {
        x = calloc(1, sizeof(*x));
        if (x == NULL)
            return NULL;
        mg_arena_init(&x->arena);
        mg_exchange_setup(x, p);
    }
    mg_message_init(&x->req, &x->arena);
    mg_message_init(&x->res, &x->arena);
    p->active++;
    return x;
}

/* What a request left is cleared here, so that take() hands out a clean one. */
void mg_downstream_give_back(struct mg_x *x)
{
    if (x->server == NULL)
        x->proxy->background--;
    memset(&x->pub, 0, sizeof(x->pub));
    mg_arena_reset(&x->arena);
    x->server = NULL;
    x->wait = MG_WAIT_NONE;
    x->reason = NULL;
    x->upstream_address = (mg_str){0};
    x->responded = x->continued = x->lane_body = x->tunnel = x->replied = false;
    x->head = x->settled = x->counted = false;
    x->broken = 0;
    x->waited_ns = 0;
    x->others_given = 0;
    x->shadow = NULL;
    memset(&x->body_in, 0, sizeof(x->body_in));
    memset(&x->body_out, 0, sizeof(x->body_out));
    x->next = x->proxy->spare;
    x->proxy->spare = x;
    x->proxy->active--;
}

struct mg_x *mg_proxy_background(struct mg_proxy *p)
{
    struct mg_x *x = take(p);

    if (x == NULL)
        return NULL;
    p->background++;
    x->pub.start_ns = mg_clock_ns();
    return x;
}

/* ---- connections ------------------------------------------------------------------------ */

/* NULL: out of memory, or the client has gone. */
static struct mg_downstream *downstream_new(const struct mg_conn *conn)
{
    struct sockaddr_storage peer;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&peer;
    const struct sockaddr_in *in = (const struct sockaddr_in *)&peer;
    struct mg_downstream *d;
    uint8_t size;

    if (mg_conn_peer_address(conn, &peer) != 0)
        return NULL;
    size = peer.ss_family == AF_INET ? 4 : peer.ss_family == AF_INET6 ? 16 : 0;
    d = calloc(1, offsetof(struct mg_downstream, address) + size);
    if (d == NULL)
        return NULL;
    d->size = size;
    if (size == 0)
        return d;
    memcpy(d->address, size == 4 ? (const void *)&in->sin_addr : &in6->sin6_addr, size);
    d->port = ntohs(size == 4 ? in->sin_port : in6->sin6_port);
    return d;
}

static int serve(struct mg_front *front, struct mg_conn *conn, bool counted)
{
    struct mg_downstream *d = downstream_new(conn);
    struct mg_server_opts opts = {.limits = &front->limits, .handler = &handler, .owner = d};
    struct mg_server *server;

    if (d == NULL) {
        mg_conn_close(conn);
        return MG_ENOMEM;
    }
    if (mg_server_new(conn, &opts, &server) != 0) {
        free(d);
        return MG_ENOMEM;
    }
    d->server = server;
    d->front = front;
    d->counted = counted;
    mg_list_append(&front->proxy->downstreams, &d->link);
    front->conns++;
    front->proxy->conns++;
    return MG_OK;
}

int mg_front_serve(struct mg_front *f, struct mg_conn *conn)
{
    return serve(f, conn, false);
}

static void accepted(struct mg_listener *l, struct mg_conn *conn, uint64_t client)
{
    if (serve(mg_listener_owner(l), conn, client != MG_CLIENTS_NOBODY) != MG_OK)
        mg_listener_release(l, client);
}

static void turned_away(struct mg_listener *l, enum mg_listener_refusal why)
{
    struct mg_front *f = mg_listener_owner(l);
    const struct mg_exchange_hooks *hooks = &f->proxy->hooks;

    if (why == MG_REFUSED_CLIENT)
        mg_overload_refused_client(&f->proxy->overload);
    else
        hooks->turned_away(hooks->arg, f->name, why);
}

/* ---- listeners -------------------------------------------------------------------------- */

static void set_limits(struct mg_limits *l, const struct mg_listener_conf *conf)
{
    l->request_line_bytes = conf->request_line_bytes;
    l->header_bytes = conf->header_bytes;
    l->header_count = conf->header_count;
    l->trailer_bytes = conf->trailer_bytes;
    l->body_bytes = conf->body_bytes;
    l->header_timeout_ms = conf->header_timeout_ms;
    l->body_timeout_ms = conf->body_timeout_ms;
    l->body_rate = conf->body_rate;
    l->idle_timeout_ms = conf->idle_timeout_ms;
    l->write_timeout_ms = conf->write_timeout_ms;
    l->requests_per_connection = conf->requests_per_connection;
}

void mg_front_configure(struct mg_front *f, uint32_t index)
{
    f->index = index;
    f->conf = f->proxy->listeners[index];
    set_limits(&f->limits, &f->conf);
    if (f->listener != NULL) {
        mg_listener_set_tls(f->listener, f->conf.tls, f->conf.permissive);
        mg_listener_set_proxied(f->listener, f->conf.proxied);
        mg_listener_set_max(f->listener, f->conf.connections, f->conf.connections_per_client);
    }
}

static void front_free(struct mg_front *f)
{
    free(f->name);
    free(f);
}

struct mg_front *mg_front_new(struct mg_proxy *p, const char *name, uint32_t index)
{
    struct mg_front *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return NULL;
    f->proxy = p;
    mg_list_init(&f->link);
    f->fd = -1;
    f->name = strdup(name);
    mg_front_configure(f, index);
    return f;
}

int mg_front_open(struct mg_proxy *p, const char *name, uint32_t index, int fd,
                  struct mg_front **out)
{
    struct mg_front *f = mg_front_new(p, name, index);
    struct mg_listener_opts opts = {
        .fd = fd, .on_accept = accepted, .on_refused = turned_away, .owner = f};
    int rc;

    *out = NULL;
    if (f == NULL) {
        close(fd);
        return MG_ENOMEM;
    }
    f->fd = fd;
    opts.tls = f->conf.tls;
    opts.permissive = f->conf.permissive;
    opts.proxied = f->conf.proxied;
    opts.max_conns = f->conf.connections;
    opts.max_per_client = f->conf.connections_per_client;
    opts.budget = &p->budget;
    rc = mg_listener_open(p->loop, &opts, &f->listener);
    if (rc != 0) {
        close(fd);
        front_free(f);
        return rc;
    }
    mg_list_append(&p->fronts, &f->link);
    *out = f;
    return MG_OK;
}

void mg_front_close(struct mg_front *f)
{
    f->closed = true;
    mg_list_remove(&f->link);
    if (f->listener != NULL) {
        mg_listener_close(f->listener);
        close(f->fd);
    }
    if (f->conns == 0)
        front_free(f);
}

/* mg_server_drain() frees no server before the end of the turn, so the list stands. */
static void drain(struct mg_proxy *p, const struct mg_front *only)
{
    for (struct mg_list *n = p->downstreams.next; n != &p->downstreams; n = n->next) {
        struct mg_downstream *d = MG_LIST_OF(n, struct mg_downstream, link);

        if (only == NULL || d->front == only)
            mg_server_drain(d->server);
    }
}

void mg_front_drop(struct mg_front *f)
{
    f->dropped = true;
    drain(f->proxy, f);
    mg_front_close(f);
}

void mg_proxy_drain(struct mg_proxy *p)
{
    p->draining = true;
    drain(p, NULL);
}

/* ---- when memory or connections run out --------------------------------------------------- */

struct oldest {
    uint64_t since;
    struct mg_server *server;
};

/* Puts one among the `n` oldest so far, in order; how many they are then. */
static uint32_t rank(struct oldest *list, uint32_t n, uint32_t most, struct oldest one)
{
    uint32_t i = n < most ? n : most - 1;

    if (n == most && list[i].since <= one.since)
        return n;
    for (; i > 0 && list[i - 1].since > one.since; i--)
        list[i] = list[i - 1];
    list[i] = one;
    return n < most ? n + 1 : n;
}

uint32_t mg_proxy_shed(struct mg_proxy *p, const struct mg_front *only, uint32_t most)
{
    struct oldest list[SHED_MOST];
    uint32_t found = 0;

    most = most < SHED_MOST ? most : SHED_MOST;
    if (most == 0)
        return 0;
    for (struct mg_list *n = p->downstreams.next; n != &p->downstreams; n = n->next) {
        struct mg_downstream *d = MG_LIST_OF(n, struct mg_downstream, link);
        struct oldest one = {mg_server_idle_since(d->server), d->server};

        if (one.since != UINT64_MAX && (only == NULL || d->front == only))
            found = rank(list, found, most, one);
    }
    for (uint32_t i = 0; i < found; i++)
        mg_server_shed(list[i].server);
    return found;
}

void mg_proxy_relieve(struct mg_proxy *p)
{
    for (struct mg_x *x = p->spare; x != NULL; x = x->next)
        mg_arena_free(&x->arena);
}

/* ---- requests --------------------------------------------------------------------------- */

static mg_str peer_text(struct mg_x *x, const struct mg_downstream *d)
{
    const uint8_t *b = d->address;
    char text[INET6_ADDRSTRLEN];
    char *at = text;

    if (d->size == 0)
        return (mg_str){"", 0};
    if (d->size == 16) {
        inet_ntop(AF_INET6, d->address, text, sizeof(text));
        return mg_arena_copy(&x->arena, text, strlen(text));
    }
    for (int i = 0; i < 4; i++) {
        if (b[i] >= 100)
            *at++ = (char)('0' + b[i] / 100);
        if (b[i] >= 10)
            *at++ = (char)('0' + b[i] / 10 % 10);
        *at++ = (char)('0' + b[i] % 10);
        *at++ = '.';
    }
    return mg_arena_copy(&x->arena, text, (size_t)(at - text) - 1);
}

static bool is_grpc(const struct mg_message *m)
{
    mg_str type;

    return m->method_id == MG_METHOD_POST &&
           mg_headers_get(&m->headers, MG_STR("content-type"), &type) == MG_OK && type.len >= 16 &&
           mg_str_ieq(mg_str_of(type.ptr, 16), MG_STR("application/grpc"));
}

/* Fills what Lua sees of the request. */
static void describe(struct mg_x *x, const struct mg_downstream *d)
{
    const struct mg_message *m = &x->req;
    const struct mg_peer *peer = mg_conn_peer(mg_server_conn(d->server));
    mg_exchange *pub = &x->pub;

    pub->method = m->method;
    pub->method_id = m->method_id;
    pub->path = m->path;
    pub->query = m->query;
    pub->has_query = m->has_query;
    pub->authority = m->authority;
    pub->host = m->host;
    pub->minor = m->minor;
    pub->upgrade = m->upgrade.len > 0;
    pub->grpc = is_grpc(m);
    pub->listener = (uint16_t)d->front->index;
    pub->port = d->front->conf.port;
    pub->peer_port = d->port;
    pub->peer_address = peer_text(x, d);
    pub->tls = peer != NULL;
    if (peer != NULL)
        pub->principal = /* outlives the connection, for logs */
            mg_arena_copy(&x->arena, peer->principal.ptr, peer->principal.len);
    pub->start_ns = mg_server_start_ns(d->server);
}

static struct mg_message *on_head_bytes(struct mg_server *s, void **owner)
{
    struct mg_downstream *d = mg_server_owner(s);
    struct mg_proxy *p = d->front->proxy;
    bool refused = d->front->dropped || mg_overload_refuses(&p->overload);
    struct mg_x *x = refused ? NULL : take(p);

    if (x == NULL)
        return NULL;
    x->server = s;
    *owner = x;
    return &x->req;
}

static void on_request(struct mg_server *s, struct mg_stream *stream)
{
    struct mg_downstream *d = mg_server_owner(s);
    struct mg_x *x = stream->owner;

    describe(x, d);
    mg_forwarded_add(x, &d->front->conf);
    mg_exchange_begin(x, stream);
}

static void on_refused(struct mg_server *s, void *owner, int status, const char *why)
{
    struct mg_downstream *d = mg_server_owner(s);
    const struct mg_exchange_hooks *hooks = &d->front->proxy->hooks;

    if (owner != NULL)
        mg_downstream_give_back(owner);
    hooks->refused(hooks->arg, d->front->name, status, why);
}

static void on_closed(struct mg_server *s)
{
    struct mg_downstream *d = mg_server_owner(s);
    struct mg_front *f = d->front;
    uint64_t client = d->counted ? mg_clients_key(d->size == 4, d->address) : MG_CLIENTS_NOBODY;

    mg_list_remove(&d->link);
    free(d);
    f->proxy->conns--;
    f->conns--;
    if (f->listener != NULL)
        mg_listener_release(f->listener, client);
    if (f->closed && f->conns == 0)
        front_free(f);
}

static const struct mg_server_handler handler = {
    .on_head_bytes = on_head_bytes,
    .on_request = on_request,
    .on_refused = on_refused,
    .on_closed = on_closed,
};
