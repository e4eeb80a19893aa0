/* test_pace.c -- A thread that works offers its core, one that rests does not, and another one may stop it. */
#include "base/pace.h"
#include "test.h"
#include <pthread.h>
#include <stdbool.h>

enum { ENOUGH = 20, PATIENCE_S = 10, WHILE_MS = 20 };

static volatile sig_atomic_t offers;

/* The C library's is not asked. */
int sched_yield(void)
{
    offers++;
    return 0;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Works until the core was offered so many times; how many it were after that time at most. */
static int work(int until, double seconds)
{
    double end = now() + seconds;
    int before = offers;

    while (offers - before < until && now() < end)
        ;
    return offers - before;
}

static void it_offers_its_core(void)
{
    struct mg_pace pace = {0};

    mg_pace_begin(&pace);
    CHECK(work(1, WHILE_MS / 1e3) == 0);
    mg_pace_go(&pace);
    CHECK(work(ENOUGH, PATIENCE_S) == ENOUGH);
    mg_pace_rest(&pace);
    work(1, WHILE_MS / 1e3); /* one may have been under way */
    CHECK(work(1, WHILE_MS / 1e3) == 0);
    mg_pace_go(&pace);
    CHECK(work(ENOUGH, PATIENCE_S) == ENOUGH);
    mg_pace_end(&pace);
}

static void *stop_it(void *pace)
{
    mg_pace_rest(pace);
    return NULL;
}

static void another_thread_stops_it(void)
{
    struct mg_pace pace = {0};
    pthread_t other;

    mg_pace_begin(&pace);
    mg_pace_go(&pace);
    CHECK(work(ENOUGH, PATIENCE_S) == ENOUGH);
    CHECK(pthread_create(&other, NULL, stop_it, &pace) == 0);
    CHECK(pthread_join(other, NULL) == 0);
    work(1, WHILE_MS / 1e3);
    CHECK(work(1, WHILE_MS / 1e3) == 0);
    mg_pace_end(&pace);
}

static void one_that_was_not_begun_does_nothing(void)
{
    struct mg_pace pace = {0};

    mg_pace_go(&pace);
    CHECK(work(1, WHILE_MS / 1e3) == 0);
    mg_pace_rest(&pace);
    mg_pace_end(&pace);
}

TEST_MAIN(TEST(it_offers_its_core), TEST(another_thread_stops_it),
          TEST(one_that_was_not_begun_does_nothing))
