/* How a worker takes a config: its Lua side (moongate.worker) makes it ready, here listeners follow. */
#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "app/worker_state.h"
#include "base/log.h"
#include "base/sched.h"
#include "script/vm.h"

enum { REST_NS = 100000 }; /* half as long as a piece (moongate.worker) */

/* ---- listeners --------------------------------------------------------------------------- */

static struct mg_front *find_front(struct mg_worker *w, const char *name)
{
    for (uint32_t i = 0; i < w->nfronts; i++)
        if (strcmp(w->fronts[i]->name, name) == 0)
            return w->fronts[i];
    return NULL;
}

/* A listener that stands keeps its socket and connections, and takes the new settings. */
static int serve_listener(struct mg_worker *w, const char *name, uint32_t index, int fd)
{
    struct mg_front *f = find_front(w, name);
    int rc;

    if (f != NULL) {
        mg_front_configure(f, index);
        return 0;
    }
    if (fd < 0 || w->nfronts == MG_PLAN_LISTENERS)
        return MG_ENOENT;
    rc = mg_front_open(w->proxy, name, index, dup(fd), &f);
    if (rc == 0)
        w->fronts[w->nfronts++] = f;
    return rc;
}

/* The names that moongate.worker returned are on the stack's top. */
static int serve_listeners(struct mg_worker *w, const struct mg_control *sockets)
{
    uint32_t n = (uint32_t)lua_objlen(w->L, -1);

    for (uint32_t i = 0; i < n; i++) {
        const char *name;
        int rc;

        lua_rawgeti(w->L, -1, (int)i + 1);
        name = lua_tostring(w->L, -1);
        rc = serve_listener(w, name, i, mg_control_find(sockets, name));
        if (rc != 0)
            mg_log(MG_LOG_ERROR, "listener %s: %s", name, mg_error_text(rc));
        lua_pop(w->L, 1);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static bool is_listed(lua_State *L, const char *name)
{
    bool found = false;

    for (int i = 1, n = (int)lua_objlen(L, -1); i <= n && !found; i++) {
        lua_rawgeti(L, -1, i);
        found = strcmp(lua_tostring(L, -1), name) == 0;
        lua_pop(L, 1);
    }
    return found;
}

/* A listener of the same name may have moved to another address: that is another socket. */
static bool has_moved(const struct mg_front *f, int fd)
{
    struct stat own, given;

    return fd >= 0 && fstat(f->fd, &own) == 0 && fstat(fd, &given) == 0 &&
           own.st_ino != given.st_ino;
}

static void drop_listeners(struct mg_worker *w, const struct mg_control *sockets)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < w->nfronts; i++) {
        struct mg_front *f = w->fronts[i];

        if (is_listed(w->L, f->name) && !has_moved(f, mg_control_find(sockets, f->name)))
            w->fronts[kept++] = f;
        else
            mg_front_drop(f);
    }
    w->nfronts = kept;
}

/* ---- the config ---------------------------------------------------------------------------- */

/* Calls a function of moongate.worker; its results are on the stack, or false: the error is. */
static bool call(struct mg_worker *w, const char *name, const void *bytes, size_t size,
                 int nresults)
{
    if (mg_vm_function(w->L, "moongate.worker", name) != 0)
        return false;
    if (bytes != NULL)
        lua_pushlstring(w->L, bytes, size);
    return mg_vm_call(w->L, bytes != NULL ? 1 : 0, nresults) == 0;
}

static void end_load(struct mg_worker *w)
{
    if (w->loading != NULL)
        mg_control_close(w->loading); /* what is served was duplicated */
    free(w->loading);
    w->loading = NULL;
}

static void wake_in(struct mg_worker *w, long ns)
{
    struct itimerspec t = {.it_value.tv_nsec = ns};

    timerfd_settime(w->rest.fd, 0, &t, NULL); /* forgets as well that it had passed */
}

/* A load that goes on. */
static void give_up(struct mg_worker *w)
{
    wake_in(w, 0);
    mg_list_remove(&w->load.link);
    end_load(w);
}

/* Takes over the message's descriptors. */
static bool begin_load(struct mg_worker *w, struct mg_control *message)
{
    size_t size = 0;
    void *bytes = mg_plan_map(mg_control_find(message, MG_CONTROL_IMAGE), &size);
    struct mg_control *loading = bytes == NULL ? NULL : malloc(sizeof(*loading));
    bool ok;

    if (loading == NULL) {
        mg_log(MG_LOG_ERROR, "config: its image cannot be had");
        if (bytes != NULL)
            munmap(bytes, size);
        mg_control_close(message);
        return false;
    }
    give_up(w);
    w->loading = loading;
    *w->loading = *message;
    /* So large a string would be a debt, which the collector would pay off in its next step, of 100 ms; the load starts
     * it again. */
    lua_gc(w->L, LUA_GCSTOP, 0);
    ok = call(w, "begin", bytes, size, 0);
    if (!ok) {
        mg_worker_stop_load(w);
        mg_log(MG_LOG_ERROR, "config: %s", lua_tostring(w->L, -1));
    }
    munmap(bytes, size);
    lua_settop(w->L, 0);
    return ok;
}

enum progress {
    GOES_ON,
    SERVES,
    REFUSED, /* what was made of it is still to go */
    BROKEN,  /* by the Lua side itself: there is nothing to go on with */
    OVER
};

/* Why is on the stack's top. */
static enum progress refuse(struct mg_worker *w, enum progress at)
{
    mg_log(MG_LOG_ERROR, "config refused: %s", lua_tostring(w->L, -1));
    return at;
}

/* All is made, and nothing opened, started or served: a spare one stops here until the master sends it the sockets of one
 * that has died, which may be never. */
static void await_slot(struct mg_worker *w)
{
    int rc;

    if (w->slot != MG_WORKER_SPARE)
        return;
    mg_sched_as_usual();
    mg_control_close(w->loading);
    do {
        rc = mg_control_receive(w->opts->control, w->loading);
        if (rc == 0 && w->loading->type == MG_CONTROL_REOPEN)
            mg_sink_reopen_all();
    } while (rc == -EINTR || (rc == 0 && w->loading->type != MG_CONTROL_RELOAD));
    if (rc != 0)
        _exit(0); /* the master is gone */
    mg_worker_set_slot(w, w->loading->slot);
    mg_loop_catch_up(&w->loop);
}

static enum progress progress_of(struct mg_worker *w)
{
    const char *word;

    if (!call(w, "go_on", NULL, 0, 2))
        return refuse(w, BROKEN);
    word = lua_tostring(w->L, -2);
    if (strcmp(word, "more") == 0 || strcmp(word, "done") == 0)
        return word[0] == 'm' ? GOES_ON : OVER;
    if (strcmp(word, "made") == 0) {
        await_slot(w);
        return GOES_ON;
    }
    if (strcmp(word, "ready") == 0) {
        drop_listeners(w, w->loading);
        return serve_listeners(w, w->loading) == 0 ? SERVES : REFUSED;
    }
    return refuse(w, REFUSED);
}

static enum progress go_on(struct mg_worker *w)
{
    enum progress at = progress_of(w);

    lua_settop(w->L, 0);
    if (at != GOES_ON)
        end_load(w);
    return at;
}

/* Between two pieces others get the core, and the worker, which does not use it all, gets it back when a request
 * comes. */
static void rest(struct mg_worker *w)
{
    wake_in(w, REST_NS);
}

static void on_rested(struct mg_watch *watch, uint32_t events)
{
    struct mg_worker *w = MG_LIST_OF(watch, struct mg_worker, rest);

    (void)events;
    wake_in(w, 0);
    mg_loop_defer(&w->loop, &w->load);
}

static void on_load(struct mg_deferred *d)
{
    struct mg_worker *w = MG_LIST_OF(d, struct mg_worker, load);
    enum progress at;

    mg_loop_send_now(&w->loop); /* what is ready does not wait for a piece of the load */
    at = go_on(w);
    if (at == SERVES || at == REFUSED || at == BROKEN)
        mg_worker_tell(w, at == SERVES ? MG_CONTROL_READY : MG_CONTROL_FAILED);
    if (at != OVER && at != BROKEN)
        rest(w);
    else
        mg_sched_as_usual();
}

void mg_worker_reload(struct mg_worker *w, struct mg_control *message)
{
    if (begin_load(w, message)) {
        mg_sched_go_first();
        rest(w);
    } else {
        mg_worker_tell(w, MG_CONTROL_FAILED);
    }
}

bool mg_worker_load(struct mg_worker *w)
{
    enum progress at;

    mg_sched_give_way(0, MG_SCHED_LONGEST_US); /* to the workers that serve */
    mg_sink_wait_for_files(w->opts->again);
    at = begin_load(w, w->opts->load) ? GOES_ON : REFUSED;
    while (at == GOES_ON)
        at = go_on(w);
    mg_sink_wait_for_files(false);
    mg_sched_as_usual();
    if (at != SERVES)
        return false;
    mg_sched_go_first();
    rest(w);
    return true;
}

int mg_worker_load_setup(struct mg_worker *w)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

    mg_list_init(&w->load.link);
    w->load.fn = on_load;
    return fd < 0 ? -errno : mg_watch_start(&w->loop, &w->rest, fd, EPOLLIN, on_rested);
}

void mg_worker_stop_load(struct mg_worker *w)
{
    if (w->loading != NULL)
        lua_gc(w->L, LUA_GCRESTART, 0); /* it may not have begun */
    give_up(w);
    mg_sched_as_usual();
}

void mg_worker_load_cleanup(struct mg_worker *w)
{
    mg_worker_stop_load(w);
    mg_watch_stop(&w->loop, &w->rest);
    close(w->rest.fd);
}
