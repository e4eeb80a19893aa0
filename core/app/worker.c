#include "app/worker.h"

#include <lauxlib.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "app/stall.h"
#include "app/worker_state.h"
#include "base/log.h"
#include "script/abi.h"
#include "script/budget.h"
#include "script/lane.h"
#include "script/profile.h"
#include "script/vm.h"

enum { FLUSH_MS = 200, DRAIN_LOOK_MS = 20, REFUSED_MS = 1000, REFUSED_LINES = 20 };

/* ---- requests refused before they became exchanges -------------------------------------- */

/* A flood of such requests is not to be one of lines: what is more than a few is said once a second. */
static void sum_up_refused(struct mg_worker *w)
{
    uint64_t now = mg_loop_now(&w->loop);

    if (now - w->refused_since_ms < REFUSED_MS)
        return;
    if (w->refused_unsaid > 0)
        mg_log(MG_LOG_INFO, "refused %u more requests", w->refused_unsaid);
    w->refused_since_ms = now;
    w->refused_said = w->refused_unsaid = 0;
}

static void on_refused(void *arg, const char *listener, int status, const char *why)
{
    struct mg_worker *w = arg;
    char code[12];
    mg_str labels[2];

    snprintf(code, sizeof(code), "%d", status);
    labels[0] = mg_str_of(listener, strlen(listener));
    labels[1] = mg_str_of(code, strlen(code));
    (*mg_metrics_series(w->env.metrics, w->refused_family, w->env.worker, labels, 2))++;
    sum_up_refused(w);
    if (w->refused_said >= REFUSED_LINES) {
        w->refused_unsaid++;
        return;
    }
    w->refused_said++;
    mg_log(MG_LOG_INFO, "listener=%s status=%d flags=%s refused: %s", listener, status,
           status == 503 ? "OM" : "DPE", why);
}

static void on_turned_away(void *arg, const char *listener, enum mg_listener_refusal why)
{
    struct mg_worker *w = arg;
    mg_str labels[] = {mg_str_of(listener, strlen(listener)),
                       why == MG_REFUSED_TLS ? MG_STR("tls") : MG_STR("proxy_header")};

    (*mg_metrics_series(w->env.metrics, w->turned_away_family, w->env.worker, labels, 2))++;
}

static void declare_metrics(struct mg_worker *w)
{
    static const mg_str labels[] = {{"listener", 8}, {"code", 4}};
    static const mg_str reasons[] = {{"listener", 8}, {"reason", 6}};

    w->dropped_family = mg_metrics_family(
        w->env.metrics, MG_COUNTER, MG_STR("moongate_log_lines_dropped_total"),
        MG_STR("Lines of all logs that nobody took in time."), NULL, 0, NULL, 0, 0);
    w->refused_family = mg_metrics_family(
        w->env.metrics, MG_COUNTER, MG_STR("moongate_requests_refused_total"),
        MG_STR("Requests refused before a policy saw them: malformed, too large, too slow."),
        labels, 2, NULL, 0, 0);
    w->turned_away_family = mg_metrics_family(
        w->env.metrics, MG_COUNTER, MG_STR("moongate_connections_refused_total"),
        MG_STR("Connections closed before a request, by a failed handshake or PROXY header."),
        reasons, 2, NULL, 0, 0);
}

void mg_worker_set_slot(struct mg_worker *w, uint32_t slot)
{
    char who[32] = "spare";

    w->slot = slot;
    if (slot != MG_WORKER_SPARE)
        snprintf(who, sizeof(who), "worker %u", slot);
    mg_log_setup(who, MG_LOG_INFO);
}

void mg_worker_tell(struct mg_worker *w, enum mg_control_type type)
{
    struct mg_control message = {.type = type};

    mg_control_send(w->opts->control, &message);
}

/* ---- memory -------------------------------------------------------------------------------- */

static void relieve(void *arg)
{
    struct mg_worker *w = arg;

    lua_gc(w->L, LUA_GCCOLLECT, 0);
}

/* Who holds it is said when nobody has to wait for that any more: report(). */
static void look_at_policies(struct mg_worker *w)
{
    if (!w->spent && mg_budget_is_spent()) {
        w->spent = true;
        mg_log(MG_LOG_ERROR, "policies keep %zu MiB of memory: another worker is to take over",
               mg_budget_held() >> 20);
    }
    if (w->spent && !w->retiring && w->drain_until == 0)
        mg_worker_tell(w, MG_CONTROL_SPENT); /* again and again: the master has reasons to wait */
}

static void report(struct mg_worker *w)
{
    if (mg_vm_function(w->L, "moongate.holdings", "say") != 0 || mg_vm_call(w->L, 0, 0) != 0)
        mg_log(MG_LOG_ERROR, "%s", lua_tostring(w->L, -1));
    lua_settop(w->L, 0);
}

/* A control group's limit, where there is one (cgroups(7), version 2). */
static uint64_t group_memory(void)
{
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "re");
    char text[32] = "";

    if (file == NULL)
        return 0;
    if (fgets(text, sizeof(text), file) == NULL)
        text[0] = '\0';
    fclose(file);
    return strtoull(text, NULL, 10); /* "max": 0 */
}

/* Three quarters of what there is, shared by the workers. */
static uint64_t usual_memory(uint32_t workers)
{
    uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t group = group_memory();

    return (group > 0 && group < all ? group : all) / 4 * 3 / workers;
}

/* ---- the end ------------------------------------------------------------------------------- */

/* Timers of policies may run for ever; a request's last bytes and its log may not be lost. */
static bool is_drained(const struct mg_worker *w)
{
    return w->proxy->conns == 0 && w->proxy->active == w->proxy->background &&
           w->loop.lingering == 0;
}

static void on_drain_look(struct mg_timer *t)
{
    struct mg_worker *w = MG_LIST_OF(t, struct mg_worker, drain);

    if (is_drained(w) || mg_loop_now(&w->loop) >= w->drain_until)
        mg_loop_stop(&w->loop);
    else
        mg_timer_set(&w->loop, &w->drain, DRAIN_LOOK_MS);
}

static void drain(struct mg_worker *w)
{
    if (w->drain_until != 0)
        return;
    mg_worker_stop_load(w); /* it would open listeners */
    for (uint32_t i = 0; i < w->nfronts; i++)
        mg_front_close(w->fronts[i]);
    w->nfronts = 0;
    mg_proxy_drain(w->proxy);
    w->drain_until = mg_loop_now(&w->loop) + MG_DRAIN_MS;
    on_drain_look(&w->drain);
}

/* Its successor shows the slot's life from now on, and answers for it when a profile is wanted. */
static void retire(struct mg_worker *w)
{
    w->retiring = true;
    mg_profile_free(w->profile);
    w->profile = NULL;
}

static void on_control(struct mg_watch *watch, uint32_t events)
{
    struct mg_worker *w = MG_LIST_OF(watch, struct mg_worker, control);
    static struct mg_control message;
    int rc = mg_control_receive(w->opts->control, &message);

    (void)events;
    if (rc == -EPROTO)
        return; /* the master gave up in the middle; it says so itself */
    if (rc != 0) {
        mg_watch_stop(&w->loop, watch);
        w->master_gone = true;
        drain(w);
        return;
    }
    if (message.type == MG_CONTROL_RELOAD && w->drain_until == 0)
        mg_worker_reload(w, &message);
    else
        mg_control_close(&message);
    if (message.type == MG_CONTROL_DRAIN)
        drain(w);
    else if (message.type == MG_CONTROL_RETIRE)
        retire(w);
    else if (message.type == MG_CONTROL_REOPEN)
        mg_sink_reopen_all();
}

/* Only SIGTERM: it ends this worker as the master's message does. */
static void on_signal(struct mg_watch *watch, uint32_t events)
{
    struct mg_worker *w = MG_LIST_OF(watch, struct mg_worker, signals);
    struct signalfd_siginfo info;

    (void)events;
    if (read(w->signal_fd, &info, sizeof(info)) == sizeof(info))
        drain(w);
}

/* ---- the beginning ------------------------------------------------------------------------- */

/* What a full disk or a reader that is too slow has cost. */
static void count_dropped(struct mg_worker *w)
{
    uint64_t dropped = mg_sink_dropped();

    if (dropped == w->dropped)
        return;
    *mg_metrics_series(w->env.metrics, w->dropped_family, w->env.worker, NULL, 0) +=
        dropped - w->dropped;
    w->dropped = dropped;
}

static void on_flush(struct mg_timer *t)
{
    struct mg_worker *w = MG_LIST_OF(t, struct mg_worker, flush);

    mg_sink_flush_all();
    if (!w->retiring) {
        mg_profile_look(w->profile);
        mg_stall_beat(w->opts->shared->status, w->slot);
    }
    look_at_policies(w);
    count_dropped(w);
    sum_up_refused(w);
    mg_timer_set(&w->loop, t, FLUSH_MS);
}

static int watch(struct mg_worker *w)
{
    sigset_t mask;
    int rc;

    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    w->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    rc = mg_watch_start(&w->loop, &w->signals, w->signal_fd, EPOLLIN, on_signal);
    return rc != 0 ? rc
                   : mg_watch_start(&w->loop, &w->control, w->opts->control, EPOLLIN, on_control);
}

static int setup(struct mg_worker *w)
{
    struct mg_exchange_hooks hooks = {.serve = mg_lane_serve,
                                      .wake = mg_lane_wake,
                                      .refused = on_refused,
                                      .turned_away = on_turned_away,
                                      .relieve = relieve,
                                      .arg = w};

    if (mg_loop_init(&w->loop) != 0 || mg_tls_init() != 0)
        return -1;
    w->proxy = mg_proxy_new(&w->loop, &hooks);
    w->env = (struct mg_env){
        .proxy = w->proxy,
        .shm = w->opts->shared->shm,
        .metrics = w->opts->shared->metrics,
        .ticket_keys = w->opts->shared->ticket_keys,
        .worker = w->opts->column,
        .memory = usual_memory(w->opts->shared->workers),
    };
    mg_abi_setup(&w->env);
    declare_metrics(w);
    w->L = mg_vm_new();
    if (w->proxy == NULL || w->L == NULL)
        return -1;
    mg_overload_start(&w->proxy->overload, w->proxy, w->env.metrics, w->env.worker);
    if (mg_vm_function(w->L, "moongate.runtime", "lane") != 0) {
        mg_log(MG_LOG_ERROR, "%s", lua_tostring(w->L, -1));
        return -1;
    }
    mg_lane_setup(w->L);
    if (mg_vm_function(w->L, "moongate.budget", "look") != 0 || mg_budget_start(w->L) != 0) {
        mg_log(MG_LOG_ERROR, "budgets: %s", lua_tostring(w->L, -1));
        return -1;
    }
    mg_timer_init(&w->drain, on_drain_look);
    mg_timer_init(&w->flush, on_flush);
    return mg_worker_load_setup(w) != 0 ? -1 : watch(w);
}

/* Frees all that the worker owns, so that what is left over is a leak that a sanitizer can tell. */
static void cleanup(struct mg_worker *w)
{
    mg_timer_clear(&w->flush);
    mg_worker_load_cleanup(w);
    mg_overload_stop(&w->proxy->overload);
    if (w->profile != NULL)
        mg_profile_free(w->profile);
    mg_abi_cleanup();
    for (struct mg_x *x = w->proxy->spare; x != NULL; x = x->next)
        mg_lane_free(x);
    mg_budget_stop();
    mg_vm_close(w->L);
    mg_abi_setup(NULL);
    mg_proxy_free(w->proxy);
    if (!w->master_gone)
        mg_watch_stop(&w->loop, &w->control);
    mg_watch_stop(&w->loop, &w->signals);
    if (mg_loop_close(&w->loop) != 0)
        mg_log(MG_LOG_WARN, "a handle was left open");
    free(w);
}

int mg_worker_run(const struct mg_worker_opts *o)
{
    struct mg_worker *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return 1;
    w->opts = o;
    mg_worker_set_slot(w, o->slot);
    mg_stall_answer();
    if (setup(w) != 0 || !mg_worker_load(w))
        return 1;
    w->profile = mg_profile_new(o->shared->profile, w->slot);
    if (w->profile == NULL)
        return 1;
    on_flush(&w->flush);
    mg_worker_tell(w, MG_CONTROL_READY);
    mg_loop_run(&w->loop);
    if (w->retiring)
        report(w);
    mg_sink_flush_all();
    /* What the requests that are cut off hold, nobody gives back: there is no leak to look for. */
    if (!is_drained(w) || w->proxy->active > 0)
        _exit(0);
    cleanup(w);
    return 0;
}
