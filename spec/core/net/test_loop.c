/* test_loop.c -- Timers never early and never lost, jobs, and a loop that closes clean. */
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>
#include "net/loop.h"
#include "test.h"

struct probe {
    struct mg_timer timer;
    struct mg_loop *loop;
    uint64_t due, fired; /* ms of mg_loop_now() */
    int calls;
};

static void on_probe(struct mg_timer *t)
{
    struct probe *p = MG_LIST_OF(t, struct probe, timer);

    p->fired = mg_loop_now(p->loop);
    p->calls++;
}

static void set(struct mg_loop *loop, struct probe *p, uint64_t ms)
{
    p->loop = loop;
    p->due = mg_loop_now(loop) + ms;
    mg_timer_set(loop, &p->timer, ms);
}

static void init_and_set(struct mg_loop *loop, struct probe *p, uint64_t ms)
{
    memset(p, 0, sizeof(*p));
    mg_timer_init(&p->timer, on_probe);
    set(loop, p, ms);
}

static void test_fires_once_and_not_early(void)
{
    struct mg_loop loop;
    struct probe p[5];
    static const uint64_t ms[5] = {0, 1, 7, 64, 130};
    uint64_t start;

    CHECK(mg_loop_init(&loop) == 0);
    start = mg_clock_ns();
    for (int i = 0; i < 5; i++)
        init_and_set(&loop, &p[i], ms[i]);
    mg_loop_run(&loop);
    CHECK(mg_clock_ns() - start >= 130 * UINT64_C(1000000));
    for (int i = 0; i < 5; i++) {
        CHECK(p[i].calls == 1);
        CHECK(p[i].fired >= p[i].due);
        CHECK(p[i].timer.deadline == 0);
    }
    CHECK(mg_loop_close(&loop) == 0);
}

/* Past the horizon the wheel looks at it once more and moves it on. */
static void test_past_the_horizon(void)
{
    struct mg_loop loop;
    struct probe near, far;

    CHECK(mg_loop_init(&loop) == 0);
    init_and_set(&loop, &near, 3);
    init_and_set(&loop, &far, MG_WHEEL + 50);
    mg_loop_run(&loop);
    CHECK(near.calls == 1 && far.calls == 1);
    CHECK(far.fired >= far.due);
    CHECK(near.fired <= far.fired);
    CHECK(mg_loop_close(&loop) == 0);
}

static void test_moves_later_and_earlier(void)
{
    struct mg_loop loop;
    struct probe later, earlier;

    CHECK(mg_loop_init(&loop) == 0);
    init_and_set(&loop, &later, 5);
    set(&loop, &later, 60);
    init_and_set(&loop, &earlier, 1000);
    set(&loop, &earlier, 20);
    mg_loop_run(&loop);
    CHECK(later.calls == 1 && later.fired >= later.due);
    CHECK(earlier.calls == 1 && earlier.fired >= earlier.due);
    CHECK(earlier.fired <= later.fired);
    CHECK(mg_loop_close(&loop) == 0);
}

/* The second set must be one store: the slot stays, the wheel moves it when it comes round. */
static void test_later_deadline_keeps_its_slot(void)
{
    struct mg_loop loop;
    struct probe p;
    uint64_t slot;

    CHECK(mg_loop_init(&loop) == 0);
    init_and_set(&loop, &p, 10);
    slot = p.timer.slot;
    set(&loop, &p, 1000);
    CHECK(p.timer.slot == slot);
    mg_timer_clear(&p.timer);
    CHECK(mg_loop_close(&loop) == 0);
}

static struct probe victim, same_slot;

static void on_clears(struct mg_timer *t)
{
    struct probe *p = MG_LIST_OF(t, struct probe, timer);

    p->calls++;
    mg_timer_clear(&victim.timer);
    mg_timer_clear(&same_slot.timer);
    if (p->calls < 3)
        set(p->loop, p, 2); /* sets itself again, as a periodic timer does */
}

static void test_set_and_clear_inside_callbacks(void)
{
    struct mg_loop loop;
    struct probe p = {.calls = 0};

    CHECK(mg_loop_init(&loop) == 0);
    mg_timer_init(&p.timer, on_clears);
    set(&loop, &p, 10);
    init_and_set(&loop, &same_slot, 10);
    init_and_set(&loop, &victim, 30);
    mg_loop_run(&loop);
    CHECK(p.calls == 3);
    CHECK(victim.calls == 0 && same_slot.calls == 0);
    CHECK(mg_loop_close(&loop) == 0);
}

/* An idle stretch longer than the wheel must not confuse it. */
static void test_set_after_a_long_sleep(void)
{
    struct mg_loop loop;
    struct probe p;

    CHECK(mg_loop_init(&loop) == 0);
    loop.wheel_at -= 10 * MG_WHEEL + 17; /* as if nothing had been set for that long */
    init_and_set(&loop, &p, 15);
    CHECK(p.timer.slot == p.timer.deadline);
    mg_loop_run(&loop);
    CHECK(p.calls == 1 && p.fired >= p.due);
    CHECK(mg_loop_close(&loop) == 0);
}

/* One timer in two seconds: a handful of turns, not one a millisecond. */
static void test_idle_does_not_wake(void)
{
    struct mg_loop loop;
    struct probe p;
    unsigned wakes = 1;

    CHECK(mg_loop_init(&loop) == 0);
    init_and_set(&loop, &p, 500);
    while (mg_loop_turn(&loop, true))
        wakes++;
    CHECK(p.calls == 1);
    CHECK(wakes <= 5);
    CHECK(mg_loop_close(&loop) == 0);
}

enum { MANY = 100000 };

static void test_hundred_thousand(void)
{
    struct mg_loop loop;
    struct probe *all = malloc(MANY * sizeof(*all));
    int once = 0, early = 0;

    CHECK(mg_loop_init(&loop) == 0);
    srandom(7);
    for (int i = 0; i < MANY; i++)
        init_and_set(&loop, &all[i], (uint64_t)random() % 4300);
    for (int i = 0; i < MANY; i += 2)
        set(&loop, &all[i], (uint64_t)random() % 300);
    for (int i = 1; i < MANY; i += 4)
        mg_timer_clear(&all[i].timer);
    mg_loop_run(&loop);
    for (int i = 0; i < MANY; i++) {
        once += all[i].calls == (i % 4 != 1);
        early += all[i].calls != 0 && all[i].fired < all[i].due;
    }
    CHECK(once == MANY);
    CHECK(early == 0);
    free(all);
    CHECK(mg_loop_close(&loop) == 0);
}

struct sum {
    struct mg_job job;
    int worked, told, nice;
    uv_thread_t by;
};

static void work(struct mg_job *job)
{
    struct sum *s = MG_LIST_OF(job, struct sum, job);

    s->by = uv_thread_self();
    s->nice = getpriority(PRIO_PROCESS, 0);
    s->worked++;
}

static void done(struct mg_job *job)
{
    MG_LIST_OF(job, struct sum, job)->told++;
}

static void test_jobs(void)
{
    struct mg_loop loop;
    struct sum s[8];
    uv_thread_t self = uv_thread_self();
    int base = getpriority(PRIO_PROCESS, 0);

    memset(s, 0, sizeof(s));
    CHECK(mg_loop_init(&loop) == 0);
    for (int i = 0; i < 8; i++) {
        s[i].job.work = work;
        s[i].job.done = done;
        mg_loop_submit(&loop, &s[i].job);
    }
    mg_loop_run(&loop);
    for (int i = 0; i < 8; i++) {
        CHECK(s[i].worked == 1 && s[i].told == 1);
        CHECK(!uv_thread_equal(&s[i].by, &self));
        CHECK(s[i].nice == (base < 14 ? base + 5 : 19));
    }
    /* One more, which closing has to wait for. */
    mg_loop_submit(&loop, &s[0].job);
    CHECK(mg_loop_close(&loop) == 0);
    CHECK(s[0].told == 2);
}

struct late {
    struct mg_deferred deferred;
    struct mg_loop *loop;
    int calls, again;
};

static void on_late(struct mg_deferred *d)
{
    struct late *l = MG_LIST_OF(d, struct late, deferred);

    l->calls++;
    if (l->again-- > 0)
        mg_loop_defer(l->loop, d);
}

static void test_deferred_runs_once_before_the_loop_waits(void)
{
    struct mg_loop loop;
    struct probe p;
    struct late one = {.deferred.fn = on_late},
                again = {.deferred.fn = on_late, .loop = &loop, .again = 2},
                back = {.deferred.fn = on_late};

    CHECK(mg_loop_init(&loop) == 0);
    mg_list_init(&one.deferred.link);
    mg_list_init(&again.deferred.link);
    mg_list_init(&back.deferred.link);
    mg_loop_defer(&loop, &one.deferred);
    mg_loop_defer(&loop, &one.deferred);
    mg_loop_defer(&loop, &again.deferred);
    mg_loop_defer(&loop, &back.deferred);
    mg_list_remove(&back.deferred.link);
    init_and_set(&loop, &p, 1);
    CHECK(one.calls == 0);
    mg_loop_run(&loop);
    CHECK(one.calls == 1 && again.calls == 3 && back.calls == 0);
    CHECK(mg_loop_close(&loop) == 0);
}

static void on_next(struct mg_deferred *d)
{
    struct late *l = MG_LIST_OF(d, struct late, deferred);

    l->calls++;
    if (l->again-- > 0)
        mg_loop_defer_to_next(l->loop, d);
}

/* Put off again inside its call, it runs a turn later; and no turn waits meanwhile. */
static void test_deferred_to_the_next_turn(void)
{
    struct mg_loop loop;
    struct late l = {.deferred.fn = on_next, .loop = &loop, .again = 2};

    CHECK(mg_loop_init(&loop) == 0);
    mg_list_init(&l.deferred.link);
    mg_loop_defer_to_next(&loop, &l.deferred);
    mg_loop_defer_to_next(&loop, &l.deferred);
    for (int turn = 1; turn <= 3; turn++) {
        mg_loop_turn(&loop, true);
        CHECK(l.calls == turn);
    }
    CHECK(mg_loop_close(&loop) == 0);
}

static void on_order(struct mg_deferred *d)
{
    static int order;

    MG_LIST_OF(d, struct late, deferred)->calls = ++order;
}

/* Sends come when all else is done, whatever was put off first; and as soon as there are many. */
static void test_sends_are_last(void)
{
    struct mg_loop loop;
    struct late send = {.deferred.fn = on_order}, other = {.deferred.fn = on_order},
                many[MG_SENDS] = {0};

    CHECK(mg_loop_init(&loop) == 0);
    mg_list_init(&send.deferred.link);
    mg_list_init(&other.deferred.link);
    mg_loop_defer_send(&loop, &send.deferred);
    mg_loop_defer_send(&loop, &send.deferred);
    mg_loop_defer(&loop, &other.deferred);
    mg_loop_turn(&loop, false);
    CHECK(other.calls == 1 && send.calls == 2);
    for (int i = 0; i < MG_SENDS; i++) {
        CHECK(many[0].calls == 0);
        many[i].deferred.fn = on_late;
        mg_list_init(&many[i].deferred.link);
        mg_loop_defer_send(&loop, &many[i].deferred);
    }
    for (int i = 0; i < MG_SENDS; i++)
        CHECK(many[i].calls == 1);
    CHECK(mg_loop_close(&loop) == 0);
}

struct pair {
    struct mg_watch watch;
    struct mg_loop *loop;
    struct pair *other;
    int calls;
};

static void on_pair(struct mg_watch *w, uint32_t events)
{
    struct pair *p = MG_LIST_OF(w, struct pair, watch);

    CHECK(events & EPOLLIN);
    p->calls++;
    mg_watch_stop(p->loop, &p->other->watch);
}

/* Of two that are ready in one turn the first stops the second, which must not hear of it. */
static void test_a_stopped_watch_is_told_nothing(void)
{
    struct mg_loop loop;
    struct pair pairs[2];
    int fds[2];

    CHECK(mg_loop_init(&loop) == 0);
    for (int i = 0; i < 2; i++) {
        fds[i] = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
        pairs[i] = (struct pair){.loop = &loop, .other = &pairs[1 - i]};
        CHECK(mg_watch_start(&loop, &pairs[i].watch, fds[i], EPOLLIN, on_pair) == 0);
    }
    CHECK(mg_loop_turn(&loop, true)); /* the other one is watched on */
    CHECK(pairs[0].calls + pairs[1].calls == 1);
    mg_watch_stop(&loop, &pairs[pairs[0].calls == 0].watch);
    CHECK(!mg_loop_turn(&loop, true));
    CHECK(mg_loop_close(&loop) == 0);
    close(fds[0]);
    close(fds[1]);
}

static void on_stop(struct mg_timer *t)
{
    mg_loop_stop(MG_LIST_OF(t, struct probe, timer)->loop);
}

static void test_stop(void)
{
    struct mg_loop loop;
    struct probe p, never;

    CHECK(mg_loop_init(&loop) == 0);
    init_and_set(&loop, &p, 5);
    p.timer.fn = on_stop;
    init_and_set(&loop, &never, 3600000);
    mg_loop_run(&loop);
    CHECK(never.calls == 0);
    mg_timer_clear(&never.timer);
    CHECK(mg_loop_close(&loop) == 0);
}

TEST_MAIN(TEST(test_fires_once_and_not_early), TEST(test_past_the_horizon),
          TEST(test_moves_later_and_earlier), TEST(test_later_deadline_keeps_its_slot),
          TEST(test_set_and_clear_inside_callbacks), TEST(test_set_after_a_long_sleep),
          TEST(test_idle_does_not_wake), TEST(test_hundred_thousand), TEST(test_jobs),
          TEST(test_deferred_runs_once_before_the_loop_waits), TEST(test_deferred_to_the_next_turn),
          TEST(test_sends_are_last), TEST(test_a_stopped_watch_is_told_nothing), TEST(test_stop))
