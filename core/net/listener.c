#include "net/listener.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/log.h"
#include "net/greeting.h"

enum {
    ACCEPTS = 32,  /* a turn of the loop: what is open gets its turn too */
    PAUSE_MS = 100 /* after accept() failed for want of descriptors or memory */
};

/* The listening socket is watched and accepted from here, not by uv_listen(): that would
 * take the descriptor over (it stays the master's), accept without bound, and on EMFILE accept and
 * drop what waits instead of leaving it to the kernel's queue. */
struct mg_listener {
    struct mg_loop *loop;
    struct mg_listener_opts o;
    struct mg_list link; /* in the budget's */
    struct mg_watch watch;
    struct mg_deferred gone; /* frees it: it may be closed by what it has accepted */
    struct mg_timer pause;
    struct mg_greeter greeter;
    uint32_t conns;
    bool watched, paused, closing;
};

/* ---- the bound ------------------------------------------------------------------------ */

static void on_readable(struct mg_watch *watch, uint32_t events);

void mg_listener_budget_init(struct mg_listener_budget *b, uint32_t max)
{
    b->used = 0;
    b->max = max;
    mg_list_init(&b->listeners);
}

static bool is_spent(const struct mg_listener *l)
{
    return l->o.budget != NULL && l->o.budget->used >= l->o.budget->max;
}

static bool has_room(const struct mg_listener *l)
{
    return l->conns < l->o.max_conns && !is_spent(l);
}

/* Accepts or not, as the state wants it; 0, or why it cannot. */
static int settle(struct mg_listener *l)
{
    bool wanted = !l->closing && !l->paused && has_room(l);
    int rc = 0;

    if (wanted && !l->watched)
        rc = mg_watch_start(l->loop, &l->watch, l->o.fd, EPOLLIN | EPOLLEXCLUSIVE, on_readable);
    else if (!wanted && l->watched)
        mg_watch_stop(l->loop, &l->watch);
    l->watched = wanted && rc == 0;
    return rc;
}

static void on_gone(struct mg_deferred *d)
{
    struct mg_listener *l = MG_LIST_OF(d, struct mg_listener, gone);

    if (l->o.tls != NULL)
        mg_tls_unref(l->o.tls);
    mg_greeter_free(&l->greeter);
    free(l);
}

static void free_if_done(struct mg_listener *l)
{
    if (l->closing && l->conns == 0)
        mg_loop_defer_to_next(l->loop, &l->gone);
}

static void settle_all(struct mg_listener_budget *b)
{
    for (struct mg_list *n = b->listeners.next; n != &b->listeners; n = n->next)
        settle(MG_LIST_OF(n, struct mg_listener, link));
}

static void count(struct mg_listener *l)
{
    l->conns++;
    if (l->o.budget == NULL)
        return;
    l->o.budget->used++;
    if (is_spent(l))
        settle_all(l->o.budget);
}

void mg_listener_release(struct mg_listener *l, uint64_t client)
{
    bool spent = is_spent(l);

    mg_greeter_left(&l->greeter, client);
    l->conns--;
    if (l->o.budget != NULL)
        l->o.budget->used--;
    settle(l);
    if (spent)
        settle_all(l->o.budget);
    free_if_done(l);
}

bool mg_listener_is_full(const struct mg_listener *l, bool all)
{
    struct pollfd queue = {.fd = l->o.fd, .events = POLLIN};

    return (all ? is_spent(l) : l->conns >= l->o.max_conns) && !l->closing &&
           poll(&queue, 1, 0) == 1;
}

/* ---- accepting ------------------------------------------------------------------------ */

static void on_pause_over(struct mg_timer *t)
{
    struct mg_listener *l = MG_LIST_OF(t, struct mg_listener, pause);

    l->paused = false;
    settle(l);
}

static void pause_accepting(struct mg_listener *l, int err)
{
    /* EINVAL: the socket was shut, and whoever did that will have this listener closed. */
    if (err != EINVAL && mg_greeter_may_say(&l->greeter))
        mg_log(MG_LOG_WARN, "cannot accept: %s", strerror(err));
    l->paused = true;
    settle(l);
    mg_timer_set(l->loop, &l->pause, PAUSE_MS);
}

/* Errors of the one connection that accept() took, not of the socket (accept(2), "Error
 * handling"): the next one may be well. */
static bool is_of_one(int err)
{
    switch (err) {
    case EINTR:
    case ECONNABORTED:
    case EPERM:
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
        return true;
    default:
        return false;
    }
}

static void on_readable(struct mg_watch *watch, uint32_t events)
{
    struct mg_listener *l = MG_LIST_OF(watch, struct mg_listener, watch);

    (void)events;
    for (int i = 0; i < ACCEPTS && !l->closing && has_room(l); i++) {
        int fd = accept4(l->o.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            count(l);
            mg_greeter_take(&l->greeter, fd);
        } else if (!is_of_one(errno)) {
            if (errno != EAGAIN)
                pause_accepting(l, errno);
            return;
        }
    }
    settle(l);
}

/* ---- the listener --------------------------------------------------------------------- */

int mg_listener_open(struct mg_loop *loop, const struct mg_listener_opts *o,
                     struct mg_listener **out)
{
    struct mg_listener *l = calloc(1, sizeof(*l));
    int rc;

    *out = NULL;
    if (l == NULL)
        return UV_ENOMEM;
    l->loop = loop;
    l->o = *o;
    mg_greeter_init(&l->greeter, loop, &l->o, l);
    mg_list_init(&l->link);
    mg_list_init(&l->gone.link);
    l->gone.fn = on_gone;
    mg_timer_init(&l->pause, on_pause_over);
    rc = settle(l);
    if (rc != 0) {
        free(l);
        return rc;
    }
    if (o->tls != NULL)
        mg_tls_ref(o->tls);
    if (o->budget != NULL)
        mg_list_append(&o->budget->listeners, &l->link);
    *out = l;
    return 0;
}

void *mg_listener_owner(const struct mg_listener *l)
{
    return l->o.owner;
}

void mg_listener_set_tls(struct mg_listener *l, struct mg_tls *tls, bool permissive)
{
    if (tls != NULL)
        mg_tls_ref(tls);
    if (l->o.tls != NULL)
        mg_tls_unref(l->o.tls);
    l->o.tls = tls;
    l->o.permissive = permissive;
}

void mg_listener_set_proxied(struct mg_listener *l, bool proxied)
{
    l->o.proxied = proxied;
}

void mg_listener_set_max(struct mg_listener *l, uint32_t max_conns, uint32_t max_per_client)
{
    l->o.max_conns = max_conns;
    l->o.max_per_client = max_per_client;
    settle(l);
}

uint32_t mg_listener_conns(const struct mg_listener *l)
{
    return l->conns;
}

void mg_listener_close(struct mg_listener *l)
{
    l->closing = true;
    mg_list_remove(&l->link);
    mg_timer_clear(&l->pause);
    settle(l);
    mg_greeter_drop(&l->greeter);
    free_if_done(l);
}
