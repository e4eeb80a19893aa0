#include "proxy/overload.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "proxy/downstream.h"
#include "proxy/pool.h"

enum { LOOK_MS = 250, RELIEVE_MS = 1000, SHED_PART = 16, FEW = 256, FOR_FILES = 64 };

static const char *const resources[] = {"memory", "connections", "descriptors"};

/* ---- metrics --------------------------------------------------------------------------- */

static uint64_t *series(struct mg_metrics *m, uint32_t worker, enum mg_metric_type type,
                        mg_str name, mg_str help, const char *label, const char *value)
{
    mg_str labels[] = {mg_str_of(label, strlen(label))},
           values[] = {mg_str_of(value, strlen(value))};
    uint32_t n = label[0] != '\0';
    int family = mg_metrics_family(m, type, name, help, labels, n, NULL, 0, 0);

    return mg_metrics_series(m, family, worker, values, n);
}

static uint64_t *action(struct mg_metrics *m, uint32_t worker, const char *name)
{
    return series(m, worker, MG_COUNTER, MG_STR("moongate_overload_actions_total"),
                  MG_STR("What was given up because memory or connections ran out."), "action",
                  name);
}

static void declare(struct mg_overload *o, struct mg_metrics *m, uint32_t worker)
{
    o->memory =
        series(m, worker, MG_GAUGE, MG_STR("moongate_memory_bytes"),
               MG_STR("Memory of the workers' own, as the overload manager sees it."), "", "");
    for (int i = 0; i < MG_OVERLOAD_RESOURCES; i++)
        o->state[i] =
            series(m, worker, MG_GAUGE, MG_STR("moongate_overload_active"),
                   MG_STR("Workers that run out of a resource."), "resource", resources[i]);
    o->closed_idle = action(m, worker, "closed_idle");
    o->closed_upstream = action(m, worker, "closed_upstream");
    o->refused_request = action(m, worker, "refused_request");
    o->refused_client = action(m, worker, "refused_client");
}

static void gauge(uint64_t *slot, double value)
{
    if (slot != NULL)
        memcpy(slot, &value, sizeof(value));
}

static void count(uint64_t *slot, uint64_t n)
{
    if (slot != NULL)
        *slot += n;
}

/* ---- memory ---------------------------------------------------------------------------- */

/* What is this process's alone, and not a file's: the second number of statm less the third. */
static uint64_t measure(const struct mg_overload *o)
{
    uint64_t resident, shared;
    char text[128], *at;
    ssize_t n = pread(o->statm, text, sizeof(text) - 1, 0);

    if (n <= 0)
        return 0;
    text[n] = '\0';
    strtoull(text, &at, 10); /* the whole program's */
    resident = strtoull(at, &at, 10);
    shared = strtoull(at, &at, 10);
    return shared > resident ? 0 : (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Memory that was freed does not leave the process by itself. */
static uint64_t relieve(struct mg_overload *o)
{
    const struct mg_exchange_hooks *hooks = &o->proxy->hooks;
    uint64_t now = mg_loop_now(o->proxy->loop);

    if (now - o->relieved_ms >= RELIEVE_MS) {
        o->relieved_ms = now;
        mg_proxy_relieve(o->proxy);
        if (hooks->relieve != NULL)
            hooks->relieve(hooks->arg);
        malloc_trim(0);
    }
    return measure(o);
}

static void say(enum mg_overload_resource resource, bool active, const char *what)
{
    mg_log(active ? MG_LOG_WARN : MG_LOG_INFO, "overload: %s %s", resources[resource], what);
}

/* A few at a look: who waits is not served sooner by more. */
static void shed(struct mg_overload *o, const struct mg_front *only)
{
    uint32_t conns = only != NULL ? only->conns : o->proxy->conns;

    count(o->closed_idle, mg_proxy_shed(o->proxy, only, 1 + conns / SHED_PART));
}

static void shed_upstreams(struct mg_overload *o)
{
    struct mg_pool_budget *b = mg_endpoints_budget(o->proxy->endpoints);

    mg_pool_shed(b, 1 + b->used / SHED_PART);
}

static void turn(struct mg_overload *o, enum mg_overload_resource r, bool active,
                 const char *begins, const char *ends)
{
    if (active != o->active[r])
        say(r, active, active ? begins : ends);
    o->active[r] = active;
    gauge(o->state[r], active);
}

static void look_at_memory(struct mg_overload *o)
{
    uint64_t low = o->ceiling - o->ceiling / 16, used = measure(o);
    bool refusing;

    if (o->ceiling > 0 && used >= low)
        used = relieve(o);
    gauge(o->memory, (double)used);
    turn(o, MG_OVERLOAD_MEMORY, o->ceiling > 0 && used >= low,
         "is near its ceiling: idle connections are closed, the oldest first",
         "is below its ceiling again");
    refusing = o->active[MG_OVERLOAD_MEMORY] && (o->refusing || used >= o->ceiling);
    if (refusing && !o->refusing)
        say(MG_OVERLOAD_MEMORY, true, "is at its ceiling: new requests get 503");
    o->refusing = refusing;
    if (o->active[MG_OVERLOAD_MEMORY]) {
        shed(o, NULL);
        shed_upstreams(o);
    }
}

/* ---- connections ----------------------------------------------------------------------- */

static void look_at_connections(struct mg_overload *o)
{
    bool full = false, spent = false;

    for (struct mg_list *n = o->proxy->fronts.next; n != &o->proxy->fronts; n = n->next) {
        struct mg_front *f = MG_LIST_OF(n, struct mg_front, link);

        if (mg_listener_is_full(f->listener, true)) {
            spent = true;
        } else if (mg_listener_is_full(f->listener, false)) {
            full = true;
            shed(o, f);
        }
    }
    if (spent)
        shed(o, NULL);
    turn(o, MG_OVERLOAD_CONNECTIONS, full,
         "of a listener are all in use: idle ones are closed, the oldest first, for clients that "
         "wait",
         "of the listeners suffice again");
    turn(o, MG_OVERLOAD_DESCRIPTORS, spent,
         "run out: idle connections are closed, the oldest first, for clients that wait",
         "suffice again");
}

static void count_upstreams(struct mg_overload *o)
{
    uint64_t closed = mg_endpoints_budget(o->proxy->endpoints)->closed;

    count(o->closed_upstream, closed - o->counted_upstream);
    o->counted_upstream = closed;
}

static void on_look(struct mg_timer *t)
{
    struct mg_overload *o = MG_LIST_OF(t, struct mg_overload, timer);

    look_at_memory(o);
    look_at_connections(o);
    count_upstreams(o);
    mg_timer_set(o->proxy->loop, t, LOOK_MS);
}

/* ---- the manager ------------------------------------------------------------------------- */

void mg_overload_start(struct mg_overload *o, struct mg_proxy *proxy, struct mg_metrics *metrics,
                       uint32_t worker)
{
    *o = (struct mg_overload){.proxy = proxy,
                              .statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)};
    if (metrics != NULL)
        declare(o, metrics, worker);
    mg_timer_init(&o->timer, on_look);
    mg_timer_set(proxy->loop, &o->timer, LOOK_MS);
}

void mg_overload_stop(struct mg_overload *o)
{
    mg_timer_clear(&o->timer);
    if (o->statm >= 0)
        close(o->statm);
    gauge(o->memory, 0);
    for (int i = 0; i < MG_OVERLOAD_RESOURCES; i++)
        gauge(o->state[i], 0);
}

void mg_overload_limit(struct mg_overload *o, uint64_t bytes)
{
    o->ceiling = bytes;
}

bool mg_overload_refuses(struct mg_overload *o)
{
    count(o->refused_request, o->refusing);
    return o->refusing;
}

void mg_overload_refused_client(struct mg_overload *o)
{
    count(o->refused_client, 1);
}

static uint32_t descriptors(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= INT32_MAX)
        return INT32_MAX;
    return (uint32_t)files.rlim_cur;
}

uint32_t mg_overload_clients(void)
{
    uint32_t n = descriptors();

    return n < FEW ? n / 4 : n / 2 - FOR_FILES;
}

uint32_t mg_overload_upstreams(void)
{
    return descriptors() / 2;
}
