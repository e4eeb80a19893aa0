#include "net/resolver.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

enum { BUCKETS = 256, HOST_MAX = 253 };

struct mg_resolver {
    struct mg_loop *loop;
    struct mg_list buckets[BUCKETS];
};

struct entry {
    struct mg_name name; /* first: the face everyone else sees */
    struct mg_list link; /* in its bucket */
    struct mg_list waiters;
    struct mg_timer timer; /* while asked: MG_RESOLVER_LIMIT_MS; else: when to ask again */
    struct mg_loop *loop;
    uv_getaddrinfo_t req;
    uint64_t asked_ms;
    uint32_t refs;
    bool asked; /* req is libuv's */
    bool dead;  /* nobody's: free it when libuv lets go */
    char host[];
};

static struct entry *of_name(struct mg_name *name)
{
    return (struct entry *)name;
}

/* ---- answers -------------------------------------------------------------------------- */

static void tell(struct entry *e, int err)
{
    struct mg_list all;

    /* The ring is taken over first: who is told may wait again, or give another up. */
    mg_list_init(&all);
    mg_list_append(&e->waiters, &all);
    mg_list_remove(&e->waiters);
    e->refs++;
    while (!mg_list_empty(&all)) {
        struct mg_name_wait *w = MG_LIST_OF(all.next, struct mg_name_wait, link);

        mg_list_remove(&w->link);
        w->fn(w, err);
    }
    mg_resolver_put(NULL, &e->name);
}

static bool known(const struct sockaddr_storage *list, uint32_t n, const struct addrinfo *ai)
{
    for (uint32_t i = 0; i < n; i++)
        if (memcmp(&list[i], ai->ai_addr, ai->ai_addrlen) == 0)
            return true;
    return false;
}

/* Keeps getaddrinfo()'s order (RFC 6724), each address once. */
static uint32_t collect(struct sockaddr_storage *list, const struct addrinfo *ai, uint16_t port)
{
    uint32_t n = 0;

    for (; ai != NULL && n < MG_RESOLVER_ADDRESSES; ai = ai->ai_next) {
        if (ai->ai_family == AF_INET)
            ((struct sockaddr_in *)ai->ai_addr)->sin_port = htons(port);
        else if (ai->ai_family == AF_INET6)
            ((struct sockaddr_in6 *)ai->ai_addr)->sin6_port = htons(port);
        else
            continue;
        if (known(list, n, ai))
            continue;
        memset(&list[n], 0, sizeof(list[n]));
        memcpy(&list[n++], ai->ai_addr, ai->ai_addrlen);
    }
    return n;
}

/* The order of answers often goes round; that alone is no change. */
static void take_answer(struct mg_name *name, const struct sockaddr_storage *list, uint32_t n)
{
    bool same = n == name->count;

    for (uint32_t i = 0; i < n && same; i++)
        same = mg_resolver_has(name, &list[i]);
    if (!same)
        name->version++;
    memcpy(name->addresses, list, n * sizeof(*list));
    name->count = n;
}

static void ask(struct entry *e);

/* The loop stood still meanwhile, be it for days. */
static bool is_stale(const struct entry *e)
{
    return e->asked_ms < e->loop->caught_up;
}

static void on_answer(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
    struct sockaddr_storage list[MG_RESOLVER_ADDRESSES];
    struct entry *e = req->data;
    uint32_t n = 0;

    e->asked = false;
    if (e->dead) {
        uv_freeaddrinfo(found);
        free(e);
        return;
    }
    if (is_stale(e)) {
        uv_freeaddrinfo(found);
        ask(e);
        return;
    }
    if (status == 0)
        n = collect(list, found, e->name.port);
    uv_freeaddrinfo(found);
    if (n > 0)
        take_answer(&e->name, list, n);
    e->name.err = n > 0 ? 0 : MG_EDNS;
    mg_timer_set(e->loop, &e->timer, n > 0 ? MG_RESOLVER_PERIOD_MS : MG_RESOLVER_RETRY_MS);
    tell(e, e->name.err);
}

static void ask(struct entry *e)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    int rc;

    /* No AAAA answers on a host without IPv6 (and the other way round): each address gets its
     * turn, and those could not be reached. */
    hints.ai_flags = AI_ADDRCONFIG;
    e->req.data = e;
    rc = uv_getaddrinfo(&e->loop->uv, &e->req, on_answer, e->name.host, NULL, &hints);
    e->asked = rc == 0;
    e->asked_ms = mg_loop_now(e->loop);
    if (rc != 0)
        e->name.err = MG_EDNS;
    mg_timer_set(e->loop, &e->timer, rc == 0 ? MG_RESOLVER_LIMIT_MS : MG_RESOLVER_RETRY_MS);
}

static void on_timer(struct mg_timer *t)
{
    struct entry *e = MG_LIST_OF(t, struct entry, timer);

    if (!e->asked) {
        ask(e);
        return;
    }
    e->name.err = MG_EDNS;
    tell(e, MG_EDNS);
}

/* ---- names ---------------------------------------------------------------------------- */

static bool is_host(const char *host)
{
    size_t len = strlen(host);

    if (len == 0 || len > HOST_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)host[i]) && strchr("-_.", host[i]) == NULL)
            return false;
    return true;
}

static bool is_path(const char *host)
{
    return host[0] == '/' && strlen(host) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
}

static bool set_literal(struct mg_name *name, const char *host, uint16_t port)
{
    struct sockaddr_storage *to = &name->addresses[0];

    if (is_path(host)) {
        to->ss_family = AF_UNIX;
        memcpy(((struct sockaddr_un *)to)->sun_path, host, strlen(host) + 1);
    } else if (uv_ip4_addr(host, port, (struct sockaddr_in *)to) != 0 &&
               uv_ip6_addr(host, port, (struct sockaddr_in6 *)to) != 0)
        return false;
    name->count = 1;
    return true;
}

/* FNV-1a, over the port as well. */
static struct mg_list *bucket_of(struct mg_resolver *r, const char *host, uint16_t port)
{
    uint32_t hash = 2166136261u ^ port;

    for (; *host != '\0'; host++)
        hash = (hash ^ (unsigned char)*host) * 16777619u;
    return &r->buckets[hash % BUCKETS];
}

static struct entry *find(struct mg_list *bucket, const char *host, uint16_t port)
{
    for (struct mg_list *at = bucket->next; at != bucket; at = at->next) {
        struct entry *e = MG_LIST_OF(at, struct entry, link);

        if (e->name.port == port && strcmp(e->host, host) == 0)
            return e;
    }
    return NULL;
}

static struct entry *new_entry(struct mg_loop *loop, const char *host, uint16_t port)
{
    struct sockaddr_in6 any;
    bool six = uv_ip6_addr(host, port, &any) == 0;
    size_t size = strlen(host) + 1;
    struct entry *e;

    if (!six && !is_host(host) && !is_path(host))
        return NULL;
    e = calloc(1, sizeof(*e) + size);
    if (e == NULL)
        return NULL;
    memcpy(e->host, host, size);
    e->name.host = e->host;
    e->name.port = port;
    e->loop = loop;
    mg_list_init(&e->waiters);
    mg_timer_init(&e->timer, on_timer);
    if (!set_literal(&e->name, host, port))
        ask(e);
    return e;
}

struct mg_name *mg_resolver_get(struct mg_resolver *r, const char *host, uint16_t port)
{
    struct mg_list *bucket = bucket_of(r, host, port);
    struct entry *e = find(bucket, host, port);

    if (e == NULL) {
        e = new_entry(r->loop, host, port);
        if (e == NULL)
            return NULL;
        mg_list_append(bucket, &e->link);
    }
    e->refs++;
    return &e->name;
}

static void drop(struct entry *e)
{
    mg_list_remove(&e->link);
    mg_timer_clear(&e->timer);
    while (!mg_list_empty(&e->waiters))
        mg_list_remove(e->waiters.next);
    e->dead = true;
    if (e->asked)
        uv_cancel((uv_req_t *)&e->req); /* on_answer() frees it, cancelled or not */
    else
        free(e);
}

void mg_resolver_put(struct mg_resolver *r, struct mg_name *name)
{
    struct entry *e = of_name(name);

    (void)r;
    if (--e->refs == 0)
        drop(e);
}

bool mg_resolver_has(const struct mg_name *name, const struct sockaddr_storage *address)
{
    for (uint32_t i = 0; i < name->count; i++)
        if (memcmp(&name->addresses[i], address, sizeof(*address)) == 0)
            return true;
    return false;
}

void mg_resolver_wait(struct mg_name *name, struct mg_name_wait *w)
{
    mg_list_append(&of_name(name)->waiters, &w->link);
}

/* ---- the resolver --------------------------------------------------------------------- */

struct mg_resolver *mg_resolver_new(struct mg_loop *loop)
{
    struct mg_resolver *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->loop = loop;
    for (int i = 0; i < BUCKETS; i++)
        mg_list_init(&r->buckets[i]);
    return r;
}

void mg_resolver_free(struct mg_resolver *r)
{
    for (int i = 0; i < BUCKETS; i++)
        while (!mg_list_empty(&r->buckets[i]))
            drop(MG_LIST_OF(r->buckets[i].next, struct entry, link));
    free(r);
}
