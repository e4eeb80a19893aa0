#include "base/sched.h"
#include "test.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* sched_getattr(2): the slice in ns; 0 before Linux 6.12. */
static uint64_t slice(void)
{
    uint64_t a[7] = {0};

    CHECK(syscall(SYS_sched_getattr, 0, a, sizeof(a), 0) == 0);
    return a[3]; /* behind two words of 32 bits, the flags, and two more */
}

static int niceness(void)
{
    return getpriority(PRIO_PROCESS, 0);
}

/* Older systems take a slice, and forget it. */
static bool is_known(void)
{
    return slice() != 0;
}

static void *give_way(void *nothing)
{
    int before = niceness();
    uint64_t usual = slice();

    mg_sched_give_way(2, MG_SCHED_LONGEST_US);
    CHECK(niceness() == before + 2);
    CHECK(slice() > usual || !is_known());
    mg_sched_go_first();
    CHECK(slice() < usual || !is_known());
    mg_sched_as_usual();
    CHECK(slice() == usual);
    CHECK(niceness() == before + 2);
    return nothing;
}

static void it_is_the_threads_alone(void)
{
    int before = niceness();
    uint64_t usual = slice();
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, give_way, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(niceness() == before);
    CHECK(slice() == usual);
}

static void a_nicest_thread_stays_one(void)
{
    mg_sched_give_way(100, MG_SCHED_LONGEST_US);
    CHECK(niceness() == 19);
    mg_sched_give_way(1, MG_SCHED_LONGEST_US);
    CHECK(niceness() == 19);
}

TEST_MAIN(TEST(it_is_the_threads_alone), TEST(a_nicest_thread_stays_one))
