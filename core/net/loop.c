#include "net/loop.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>

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
            return loop->wheel_at - shift + i * 64 + (unsigned)__builtin_ctzll(word);
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

static void on_tick(uv_timer_t *tick);

static void arm(struct mg_loop *loop, uint64_t due)
{
    uint64_t now = uv_now(&loop->uv);

    loop->wheel_due = due;
    uv_timer_start(&loop->tick, on_tick, due > now ? due - now : 0, 0);
}

/* Takes the whole slot over first: a callback may set or clear any timer, this slot's too. */
static void run_slot(struct mg_loop *loop, uint64_t at)
{
    unsigned index = (unsigned)(at % MG_WHEEL);
    struct mg_list *slot = &loop->wheel[index], due;

    mg_list_init(&due);
    mg_list_append(slot, &due);
    mg_list_remove(slot);
    loop->wheel_bits[index / 64] &= ~(UINT64_C(1) << (index % 64));
    while (!mg_list_empty(&due)) {
        struct mg_timer *t = MG_LIST_OF(due.next, struct mg_timer, link);

        mg_list_remove(&t->link);
        if (t->deadline > uv_now(&loop->uv)) {
            insert(loop, t);
        } else {
            t->deadline = 0;
            t->fn(t);
        }
    }
}

static void on_tick(uv_timer_t *tick)
{
    struct mg_loop *loop = tick->data;
    uint64_t now = uv_now(&loop->uv), at = loop->wheel_due;

    /* While slots run, no timer that is set arms the tick: it is done once, below. */
    loop->wheel_due = 0;
    for (; at <= now; at = next_tick(loop)) {
        loop->wheel_at = at + 1;
        run_slot(loop, at);
    }
    loop->wheel_due = UINT64_MAX;
    if (at != UINT64_MAX)
        arm(loop, at);
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
    uint64_t now = uv_now(&loop->uv);

    /* One more: uv_now() is rounded down, so a whole `ms` may not have passed when it says so. */
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
        arm(loop, t->slot);
}

void mg_timer_clear(struct mg_timer *t)
{
    mg_list_remove(&t->link);
    t->deadline = 0;
}

/* ---- the end of a turn -------------------------------------------------------------- */

/* What is deferred meanwhile runs as well: the loop must not wait while something is left. */
static void run_deferred(uv_prepare_t *before_poll)
{
    struct mg_loop *loop = before_poll->data;

    while (!mg_list_empty(&loop->deferred)) {
        struct mg_deferred *d = MG_LIST_OF(loop->deferred.next, struct mg_deferred, link);

        mg_list_remove(&d->link);
        d->fn(d);
    }
}

void mg_loop_defer(struct mg_loop *loop, struct mg_deferred *d)
{
    if (mg_list_empty(&d->link))
        mg_list_append(&loop->deferred, &d->link);
}

/* ---- the loop ----------------------------------------------------------------------- */

int mg_loop_init(struct mg_loop *loop)
{
    int rc = uv_loop_init(&loop->uv);

    if (rc != 0)
        return rc;
    loop->scratch = malloc(MG_SCRATCH);
    if (loop->scratch == NULL) {
        uv_loop_close(&loop->uv);
        return UV_ENOMEM;
    }
    uv_timer_init(&loop->uv, &loop->tick);
    loop->tick.data = loop;
    mg_list_init(&loop->deferred);
    loop->lingering = 0;
    uv_prepare_init(&loop->uv, &loop->before_poll);
    loop->before_poll.data = loop;
    uv_prepare_start(&loop->before_poll, run_deferred);
    uv_unref((uv_handle_t *)&loop->before_poll);
    loop->wheel_at = uv_now(&loop->uv);
    loop->wheel_due = UINT64_MAX;
    memset(loop->wheel_bits, 0, sizeof(loop->wheel_bits));
    for (int i = 0; i < MG_WHEEL; i++)
        mg_list_init(&loop->wheel[i]);
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

void mg_loop_run(struct mg_loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void mg_loop_stop(struct mg_loop *loop)
{
    uv_stop(&loop->uv);
}

static void on_close_limit(uv_timer_t *tick)
{
    uv_timer_stop(tick);
}

/* A job on a pool thread cannot be called back; its memory must stay until it is done. */
static void wait_for_jobs(struct mg_loop *loop)
{
    loop->wheel_due = 0; /* what a job's end sets will not run any more */
    uv_timer_start(&loop->tick, on_close_limit, CLOSE_WAIT_MS, 0);
    while (loop->uv.active_reqs.count > 0 && uv_is_active((uv_handle_t *)&loop->tick))
        uv_run(&loop->uv, UV_RUN_ONCE);
}

int mg_loop_close(struct mg_loop *loop)
{
    int rc;

    uv_run(&loop->uv, UV_RUN_NOWAIT);
    wait_for_jobs(loop);
    uv_close((uv_handle_t *)&loop->tick, NULL);
    uv_close((uv_handle_t *)&loop->before_poll, NULL);
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    rc = uv_loop_close(&loop->uv);
    free(loop->scratch);
    loop->scratch = NULL;
    return rc;
}

uint64_t mg_loop_now(const struct mg_loop *loop)
{
    return uv_now(&loop->uv);
}

uint64_t mg_clock_ns(void)
{
    return uv_hrtime();
}

static void run_job(uv_work_t *req)
{
    struct mg_job *job = MG_LIST_OF(req, struct mg_job, req);

    job->work(job);
}

static void end_job(uv_work_t *req, int status)
{
    struct mg_job *job = MG_LIST_OF(req, struct mg_job, req);

    (void)status; /* never cancelled: nobody calls uv_cancel() on a job */
    job->done(job);
}

int mg_loop_submit(struct mg_loop *loop, struct mg_job *job)
{
    return uv_queue_work(&loop->uv, &job->req, run_job, end_job);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct mg_watch *w = MG_LIST_OF(poll, struct mg_watch, poll);

    (void)status; /* an error shows when the fd is read */
    (void)events;
    w->fn(w);
}

int mg_watch_start(struct mg_loop *loop, struct mg_watch *w, int fd, void (*fn)(struct mg_watch *))
{
    int rc = uv_poll_init(&loop->uv, &w->poll, fd);

    w->fn = fn;
    return rc != 0 ? rc : uv_poll_start(&w->poll, UV_READABLE, on_readable);
}

void mg_watch_stop(struct mg_watch *w)
{
    uv_close((uv_handle_t *)&w->poll, NULL);
}
