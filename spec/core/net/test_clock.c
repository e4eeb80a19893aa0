/* test_clock.c -- A clock that is held moves only when it is told to. */
#include "net/clock.h"
#include "net/loop.h"
#include "test.h"

static int fired;

static void on_timer(struct mg_timer *t)
{
    (void)t;
    fired++;
}

static void runs_as_the_system_does(void)
{
    uint64_t before = mg_clock_ns();

    CHECK(mg_clock_ns() >= before && mg_clock_wall() > 1.6e9);
}

static void stands_still_when_held(void)
{
    uint64_t before;

    mg_clock_hold(1e9);
    before = mg_clock_ns();
    CHECK(mg_clock_ticks() != before);
    CHECK(before > 0 && mg_clock_ns() == before && mg_clock_wall() == 1e9);
    mg_clock_advance(UINT64_C(3600000000000));
    CHECK(mg_clock_ns() - before == UINT64_C(3600000000000) && mg_clock_wall() == 1e9 + 3600);
}

static void brings_timers_that_are_hours_away(void)
{
    struct mg_loop loop;
    struct mg_timer t;

    CHECK(mg_loop_init(&loop) == 0);
    CHECK(mg_loop_due(&loop) == UINT64_MAX);
    mg_timer_init(&t, on_timer);
    mg_timer_set(&loop, &t, 3600000);
    while (fired == 0 && mg_loop_due(&loop) != UINT64_MAX) {
        mg_clock_advance(mg_loop_due(&loop) * 1000000);
        mg_loop_turn(&loop, false);
    }
    CHECK(fired == 1 && mg_clock_wall() >= 1e9 + 7200 && mg_clock_wall() < 1e9 + 7201);
    CHECK(mg_loop_close(&loop) == 0);
}

TEST_MAIN(TEST(runs_as_the_system_does), TEST(stands_still_when_held),
          TEST(brings_timers_that_are_hours_away))
