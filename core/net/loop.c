#include "net/loop.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLOSE_WAIT_MS = 5000 };

/* ---- the wheel ---------------------------------------------------------------------- */

/* The first tick at or after wheel_at whose slot holds a timer; UINT64_MAX: none. */
static uint64_t next_tick(const struct mg_loop *loop)
{
    unsigned at = (unsigned)(loop->wheel_at % MG_WHEEL);
    unsigned shift = at % 64;

    /* One word more than there are: the first is looked at again for what lies below `at`. */
    for (unsigned i = 0; i <= MG_WHEEL / 64; i++) {
        uint64_t word = loop->wheel_bits[(at / 64 + i) % (MG_WHEEL / 64)];

        if (i == 0)
            word &= ~UINT64_C(0) << shift;
        if (word != 0)
            return loop->wheel_at - shift + (uint64_t)i * 64 + (unsigned)__builtin_ctzll(word);
    }
    return UINT64_MAX;
}

static void insert(struct mg_loop *loop, struct mg_timer *t)
{
    uint64_t horizon = loop->wheel_at + MG_WHEEL - 1;
    unsigned index;

    t->slot = t->deadline < horizon ? t->deadline : horizon;
    index = (unsigned)(t->slot % MG_WHEEL);
    mg_list_append(&loop->wheel[index], &t->link);
    loop->wheel_bits[index / 64] |= UINT64_C(1) << (index % 64);
}

static void take_over(struct mg_list *to, struct mg_list *from)
{
    mg_list_init(to);
    mg_list_append(from, to);
    mg_list_remove(from);
}

/* Takes the whole slot over first: a callback may set or clear any timer, this slot's too. */
static void run_slot(struct mg_loop *loop, uint64_t at)
{
    unsigned index = (unsigned)(at % MG_WHEEL);
    struct mg_list *slot = &loop->wheel[index], due;

    take_over(&due, slot);
    loop->wheel_bits[index / 64] &= ~(UINT64_C(1) << (index % 64));
    while (!mg_list_empty(&due)) {
        struct mg_timer *t = MG_LIST_OF(due.next, struct mg_timer, link);

        mg_list_remove(&t->link);
        if (t->deadline > loop->now) {
            insert(loop, t);
        } else {
            t->deadline = 0;
            t->fn(t);
        }
    }
}

static void run_wheel(struct mg_loop *loop)
{
    uint64_t at = loop->wheel_due;

    if (at > loop->now)
        return;
    /* While slots run, no timer that is set moves what is due: it is done once, below. */
    loop->wheel_due = 0;
    for (; at <= loop->now; at = next_tick(loop)) {
        loop->wheel_at = at + 1;
        run_slot(loop, at);
    }
    loop->wheel_due = at;
}

void mg_timer_init(struct mg_timer *t, void (*fn)(struct mg_timer *))
{
    mg_list_init(&t->link);
    t->deadline = 0;
    t->slot = 0;
    t->fn = fn;
}

void mg_timer_set(struct mg_loop *loop, struct mg_timer *t, uint64_t ms)
{
    uint64_t now = loop->now;

    /* One more: the time is rounded down, so a whole `ms` may not have passed when it says so. */
    t->deadline = now + ms + 1;
    if (!mg_list_empty(&t->link)) {
        if (t->deadline >= t->slot)
            return;
        mg_list_remove(&t->link);
    }
    /* No slot before the armed one holds a timer, so the wheel may turn on to there. */
    if (now > loop->wheel_at && loop->wheel_due != 0)
        loop->wheel_at = now < loop->wheel_due ? now : loop->wheel_due;
    insert(loop, t);
    if (t->slot < loop->wheel_due)
        loop->wheel_due = t->slot;
}

void mg_timer_clear(struct mg_timer *t)
{
    mg_list_remove(&t->link);
    t->deadline = 0;
}

/* ---- the end of a turn -------------------------------------------------------------- */

static void run_all(struct mg_list *list)
{
    while (!mg_list_empty(list)) {
        struct mg_deferred *d = MG_LIST_OF(list->next, struct mg_deferred, link);

        mg_list_remove(&d->link);
        d->fn(d);
    }
}

void mg_loop_defer(struct mg_loop *loop, struct mg_deferred *d)
{
    if (mg_list_empty(&d->link))
        mg_list_append(&loop->deferred, &d->link);
}

void mg_loop_defer_to_next(struct mg_loop *loop, struct mg_deferred *d)
{
    if (mg_list_empty(&d->link))
        mg_list_append(&loop->next, &d->link);
}

void mg_loop_send_now(struct mg_loop *loop)
{
    run_all(&loop->sends);
    loop->sends_put_off = 0;
    loop->staged = 0;
}

void mg_loop_defer_send(struct mg_loop *loop, struct mg_deferred *d)
{
    if (!mg_list_empty(&d->link))
        return;
    mg_list_append(&loop->sends, &d->link);
    if (++loop->sends_put_off == MG_SENDS)
        mg_loop_send_now(loop);
}

/* Only what was there before: what is put off again waits for one more turn. */
static void run_next(struct mg_loop *loop)
{
    struct mg_list due;

    take_over(&due, &loop->next);
    run_all(&due);
}

/* ---- descriptors -------------------------------------------------------------------- */

static int watch(struct mg_loop *loop, struct mg_watch *w, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = w};

    w->fd = fd;
    return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

int mg_watch_start(struct mg_loop *loop, struct mg_watch *w, int fd, uint32_t events,
                   void (*fn)(struct mg_watch *, uint32_t events))
{
    int rc = watch(loop, w, fd, events);

    w->fn = fn;
    if (rc == 0)
        loop->watches++;
    return rc;
}

void mg_watch_stop(struct mg_loop *loop, struct mg_watch *w)
{
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, w->fd, NULL);
    loop->watches--;
    for (int i = loop->batch_at; i < loop->batch_len; i++) {
        if (loop->batch[i].data.ptr == w)
            loop->batch[i].data.ptr = NULL;
    }
}

/* ---- jobs ---------------------------------------------------------------------------- */

static void on_jobs_told(struct mg_watch *w, uint32_t events)
{
    struct mg_loop *loop = MG_LIST_OF(w, struct mg_loop, jobs_told);

    (void)events;
    mg_jobs_finish(&loop->jobs, loop->now);
    if (loop->jobs.count == 0)
        mg_timer_clear(&loop->jobs_late);
}

static void on_jobs_late(struct mg_timer *t)
{
    struct mg_loop *loop = MG_LIST_OF(t, struct mg_loop, jobs_late);

    mg_jobs_hurry(&loop->jobs, loop->now);
    if (loop->jobs.count > 0)
        mg_timer_set(loop, t, MG_JOBS_LATE_MS);
}

void mg_loop_submit(struct mg_loop *loop, struct mg_job *job)
{
    if (loop->jobs.count == 0)
        mg_timer_set(loop, &loop->jobs_late, MG_JOBS_LATE_MS);
    mg_jobs_submit(&loop->jobs, job, loop->now);
}

static int join_jobs(struct mg_loop *loop)
{
    int rc = mg_jobs_init(&loop->jobs);

    if (rc != 0)
        return rc;
    mg_timer_init(&loop->jobs_late, on_jobs_late);
    loop->jobs_told.fn = on_jobs_told;
    rc = watch(loop, &loop->jobs_told, loop->jobs.told, EPOLLIN);
    if (rc != 0)
        mg_jobs_close(&loop->jobs);
    return rc;
}

bool mg_loop_busy(const struct mg_loop *loop)
{
    return loop->jobs.count > 0 || loop->uv.active_reqs.count > 0;
}

/* ---- the loop ----------------------------------------------------------------------- */

static void on_uv_ready(struct mg_watch *w, uint32_t events)
{
    (void)events;
    uv_run(&MG_LIST_OF(w, struct mg_loop, uv_ready)->uv, UV_RUN_NOWAIT);
}

/* libuv's own descriptors are put into its epoll by its first turn, hence that one here. */
static int join_uv(struct mg_loop *loop)
{
    int rc = uv_async_init(&loop->uv, &loop->keep_alive, NULL);

    if (rc != 0)
        return rc;
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    loop->uv_ready.fn = on_uv_ready;
    return watch(loop, &loop->uv_ready, uv_backend_fd(&loop->uv), EPOLLIN);
}

static void leave_uv(struct mg_loop *loop)
{
    uv_close((uv_handle_t *)&loop->keep_alive, NULL);
    uv_run(&loop->uv, UV_RUN_NOWAIT);
}

static void read_clock(struct mg_loop *loop)
{
    loop->now = mg_clock_ns() / 1000000;
}

static int open_parts(struct mg_loop *loop)
{
    int rc;

    loop->scratch = malloc(MG_SCRATCH);
    if (loop->scratch == NULL)
        return UV_ENOMEM;
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0) {
        rc = -errno;
        goto fail_epoll;
    }
    rc = join_jobs(loop);
    if (rc != 0)
        goto fail_jobs;
    rc = join_uv(loop);
    if (rc != 0)
        goto fail_uv;
    return 0;
fail_uv:
    leave_uv(loop);
    mg_jobs_close(&loop->jobs);
fail_jobs:
    close(loop->epoll);
fail_epoll:
    free(loop->scratch);
    return rc;
}

int mg_loop_init(struct mg_loop *loop)
{
    int rc = uv_loop_init(&loop->uv);

    if (rc != 0)
        return rc;
    rc = open_parts(loop);
    if (rc != 0) {
        uv_loop_close(&loop->uv);
        return rc;
    }
    loop->watches = 0;
    loop->caught_up = 0;
    loop->batch_at = loop->batch_len = 0;
    loop->lingering = 0;
    mg_list_init(&loop->deferred);
    mg_list_init(&loop->next);
    mg_list_init(&loop->sends);
    loop->sends_put_off = loop->staged = 0;
    read_clock(loop);
    loop->wheel_at = loop->now;
    loop->wheel_due = UINT64_MAX;
    memset(loop->wheel_bits, 0, sizeof(loop->wheel_bits));
    for (int i = 0; i < MG_WHEEL; i++)
        mg_list_init(&loop->wheel[i]);
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

/* For epoll_wait(): ms, -1: until something happens. */
static int time_to_wait(const struct mg_loop *loop)
{
    uint64_t left = loop->wheel_due > loop->now ? loop->wheel_due - loop->now : 0;

    if (loop->wheel_due == UINT64_MAX)
        return -1;
    return left < INT_MAX ? (int)left : INT_MAX;
}

static void poll_events(struct mg_loop *loop, int timeout)
{
    loop->batch_len = epoll_wait(loop->epoll, loop->batch, MG_BATCH, timeout);
    read_clock(loop);
    for (loop->batch_at = 0; loop->batch_at < loop->batch_len;) {
        struct epoll_event *event = &loop->batch[loop->batch_at++];
        struct mg_watch *w = event->data.ptr;

        if (w != NULL)
            w->fn(w, event->events);
    }
}

static bool is_alive(const struct mg_loop *loop)
{
    return loop->watches > 0 || loop->wheel_due != UINT64_MAX || mg_loop_busy(loop);
}

/* What is deferred by something deferred runs as well: the loop must not wait while any is left. */
bool mg_loop_turn(struct mg_loop *loop, bool wait)
{
    run_all(&loop->deferred);
    mg_loop_send_now(loop);
    poll_events(loop,
                wait && mg_list_empty(&loop->next) && is_alive(loop) ? time_to_wait(loop) : 0);
    run_next(loop);
    run_wheel(loop);
    run_all(&loop->deferred);
    mg_loop_send_now(loop);
    return is_alive(loop);
}

void mg_loop_run(struct mg_loop *loop)
{
    loop->stopped = false;
    while (mg_loop_turn(loop, true) && !loop->stopped)
        ;
}

void mg_loop_stop(struct mg_loop *loop)
{
    loop->stopped = true;
}

/* A job on a thread cannot be called back; its memory must stay until it is done. */
static void wait_for_jobs(struct mg_loop *loop)
{
    struct pollfd ready[] = {{.fd = uv_backend_fd(&loop->uv), .events = POLLIN},
                             {.fd = loop->jobs.told, .events = POLLIN}};
    uint64_t limit = loop->now + CLOSE_WAIT_MS;

    for (; mg_loop_busy(loop) && loop->now < limit; read_clock(loop)) {
        poll(ready, 2, MG_JOBS_LATE_MS);
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        mg_jobs_finish(&loop->jobs, loop->now);
        mg_jobs_hurry(&loop->jobs, loop->now);
    }
}

int mg_loop_close(struct mg_loop *loop)
{
    bool leaked;
    int rc;

    mg_loop_turn(loop, false);
    wait_for_jobs(loop);
    run_all(&loop->deferred);
    run_all(&loop->next);
    leaked = loop->watches > 0 || loop->jobs.count > 0;
    if (loop->jobs.count == 0)
        mg_jobs_close(&loop->jobs);
    leave_uv(loop);
    rc = uv_loop_close(&loop->uv);
    close(loop->epoll);
    free(loop->scratch);
    loop->scratch = NULL;
    return rc != 0 || !leaked ? rc : UV_EBUSY;
}

void mg_loop_catch_up(struct mg_loop *loop)
{
    read_clock(loop);
    loop->caught_up = loop->now;
}

uint64_t mg_loop_now(const struct mg_loop *loop)
{
    return loop->now;
}

uint64_t mg_loop_due(const struct mg_loop *loop)
{
    if (loop->wheel_due == UINT64_MAX)
        return UINT64_MAX;
    return loop->wheel_due > loop->now ? loop->wheel_due - loop->now : 0;
}
