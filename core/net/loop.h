/* loop.h -- One worker's event loop: time, timers, sockets, and work for threads.
 *
 * It waits for its own sockets and for libuv's loop beside them: libuv resolves names and watches
 * files, but its poll handles are level-triggered, which asks epoll about every socket twice.
 *
 * Owner:      a process has one; app/ creates it, runs it and closes it.
 * Ownership:  a timer lives inside what it times; clear it before freeing that.
 * Errors:     0 or a negative code.
 * Invariant:  mg_timer_set() to a later time is one store: the wheel looks at the deadline when
 *             the slot comes round, so a busy connection re-arms nothing.
 */
#ifndef MG_LOOP_H
#define MG_LOOP_H
#include <sys/epoll.h>
#include <uv.h>
#include "base/list.h"
#include "moongate.h"
#include "net/clock.h"
#include "net/jobs.h"

enum {
    MG_SCRATCH = 96 * 1024, /* a head and 64 KiB of body come in one read */
    MG_WHEEL = 4096 /* slots of 1 ms */,
    MG_BATCH = 256 /* events a turn */,
    MG_SENDS = 64 /* put off at most */,
    MG_STAGE = 32 * 1024
};

struct mg_timer {
    struct mg_list link;
    uint64_t deadline; /* ms of mg_loop_now(); 0: not set */
    uint64_t slot;     /* tick at which the wheel will look at it */
    void (*fn)(struct mg_timer *);
};

/* Something to do once the callbacks of this turn are through, before the loop waits again. */
struct mg_deferred {
    struct mg_list link; /* in no ring when not waiting: mg_list_init() it first */
    void (*fn)(struct mg_deferred *);
};

/* A descriptor that the loop tells about. */
struct mg_watch {
    void (*fn)(struct mg_watch *, uint32_t events); /* EPOLLIN, ... as in epoll_ctl(2) */
    int fd;
};

struct mg_loop {
    uv_loop_t uv;
    uv_async_t keep_alive; /* uv_run() looks at nothing when no handle is open */
    struct mg_watch uv_ready;
    int epoll;
    bool stopped;
    uint32_t watches; /* started; uv_ready is not counted */
    struct epoll_event batch[MG_BATCH];
    int batch_at, batch_len;       /* those from `batch_at` on are still to be told */
    struct mg_list deferred, next; /* for the end of this turn; for the next one */
    struct mg_list sends;          /* for the very end of this turn */
    uint32_t sends_put_off;        /* since they were last done */
    uint32_t staged;
    char stage[MG_STAGE]; /* what those are to send, `staged` bytes; empty between two turns */
    uint64_t now;         /* ms; read once a turn */
    uint64_t caught_up;   /* the last mg_loop_catch_up(); 0: none */
    uint64_t wheel_at;    /* next tick to look at; no timer has an earlier slot */
    uint64_t wheel_due;   /* tick to wake up for; UINT64_MAX: none */
    uint64_t wheel_bits[MG_WHEEL / 64]; /* slots that hold a timer */
    struct mg_list wheel[MG_WHEEL];
    struct mg_jobs jobs;
    struct mg_watch jobs_told;
    struct mg_timer jobs_late;
    uint32_t lingering; /* connections that only wait for their last bytes to go out: net/conn.c */
    char *scratch;      /* MG_SCRATCH bytes: reads land here and are gone after the callback */
};

/* Also ignores SIGPIPE for the process: a write to a reset socket must be an error code. */
int mg_loop_init(struct mg_loop *loop);
/* Until mg_loop_stop() or nothing is left to wait for. */
void mg_loop_run(struct mg_loop *loop);
/* What is due now, or, if nothing is and `wait`, what comes next.  False: nothing is left to wait
 * for. */
bool mg_loop_turn(struct mg_loop *loop, bool wait);
/* Time has passed outside of the loop: mg_loop_now() is told, and what was asked before is out of date. */
void mg_loop_catch_up(struct mg_loop *loop);
/* mg_loop_run() returns after this turn. */
void mg_loop_stop(struct mg_loop *loop);
/* Waits (5 s at most) for jobs.  UV_EBUSY: a watch or a job leaked. */
int mg_loop_close(struct mg_loop *loop);

/* Milliseconds, cached for this turn of the loop. */
uint64_t mg_loop_now(const struct mg_loop *loop);
/* Milliseconds until a timer may be due (never too many); UINT64_MAX: none is set. */
uint64_t mg_loop_due(const struct mg_loop *loop);
/* Whether jobs are under way: then there is something to wait for that no timer tells. */
bool mg_loop_busy(const struct mg_loop *loop);

/* Not set yet; fn runs on the loop. */
void mg_timer_init(struct mg_timer *t, void (*fn)(struct mg_timer *));
/* Calls fn once, `ms` after mg_loop_now() (never early).  Set again: moves it. */
void mg_timer_set(struct mg_loop *loop, struct mg_timer *t, uint64_t ms);
/* fn will not be called; harmless when it is not set. */
void mg_timer_clear(struct mg_timer *t);

/* Calls d->fn once at the end of this turn; again before that: still once.  mg_list_remove(&d->link)
 * takes it back. */
void mg_loop_defer(struct mg_loop *loop, struct mg_deferred *d);
/* Calls d->fn once when all else in this turn is done, or as soon as MG_SENDS are put off: so the first
 * waits for 63 others at most.  It may call nobody's events. */
void mg_loop_defer_send(struct mg_loop *loop, struct mg_deferred *d);
/* Does at once what was put off so. */
void mg_loop_send_now(struct mg_loop *loop);
/* The same as mg_loop_defer(), in the next turn, after the events that have come by then. */
void mg_loop_defer_to_next(struct mg_loop *loop, struct mg_deferred *d);

/* Calls fn for `events` of `fd` (those of epoll_ctl(2), EPOLLET among them) until stopped.  The fd
 * stays the caller's; it must be open when the watch is stopped. */
int mg_watch_start(struct mg_loop *loop, struct mg_watch *w, int fd, uint32_t events,
                   void (*fn)(struct mg_watch *, uint32_t events));
/* fn will not be called, not for events that this turn has yet to tell either. */
void mg_watch_stop(struct mg_loop *loop, struct mg_watch *w);

/* Runs job->work() on a thread, then job->done() on the loop (net/jobs.h). */
void mg_loop_submit(struct mg_loop *loop, struct mg_job *job);
#endif
