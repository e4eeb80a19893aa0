#include "base/sched.h"
#include "test.h"
#include <pthread.h>
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

static void *give_way(void *known)
{
    int before = niceness();
    uint64_t usual = slice();

    *(bool *)known = mg_sched_give_way(2);
    CHECK(niceness() == before + 2);
    CHECK(*(bool *)known == (slice() > usual));
    mg_sched_go_first();
    CHECK(!*(bool *)known || slice() < usual);
    mg_sched_as_usual();
    CHECK(slice() == usual);
    CHECK(niceness() == before + 2);
    return NULL;
}

static void it_is_the_threads_alone(void)
{
    int before = niceness();
    uint64_t usual = slice();
    pthread_t thread;
    bool known = false;

    CHECK(pthread_create(&thread, NULL, give_way, &known) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(niceness() == before);
    CHECK(slice() == usual);
}

static void a_nicest_thread_stays_one(void)
{
    mg_sched_give_way(100);
    CHECK(niceness() == 19);
    mg_sched_give_way(1);
    CHECK(niceness() == 19);
}

TEST_MAIN(TEST(it_is_the_threads_alone), TEST(a_nicest_thread_stays_one))
