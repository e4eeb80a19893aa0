/* test_jobs.c -- Each job is worked on once and told once, by as many threads as there is work for, or by none. */
#include "net/jobs.h"
#include "test.h"
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MANY = 2000, ENOUGH = 5, PATIENCE_MS = 10000, WHILE_MS = 20 };

static volatile sig_atomic_t offers;

/* The C library's is not asked. */
int sched_yield(void)
{
    offers++;
    return 0;
}

struct task {
    struct mg_job job;
    int worked, told;
    uv_thread_t by;
    uv_sem_t *wait; /* for this, if any, before it is done */
};

static void work(struct mg_job *job)
{
    struct task *t = MG_LIST_OF(job, struct task, job);

    if (t->wait != NULL)
        uv_sem_wait(t->wait);
    t->by = uv_thread_self();
    t->worked++;
}

static void done(struct mg_job *job)
{
    MG_LIST_OF(job, struct task, job)->told++;
}

static struct task task(uv_sem_t *wait)
{
    return (struct task){.job = {.work = work, .done = done}, .wait = wait};
}

static void finish_all(struct mg_jobs *jobs, uint64_t now)
{
    struct pollfd told = {.fd = jobs->told, .events = POLLIN};

    while (jobs->count > 0) {
        CHECK(poll(&told, 1, -1) == 1);
        mg_jobs_finish(jobs, now);
    }
}

static void each_is_told_once(void)
{
    struct task *all = calloc(MANY, sizeof(*all));
    struct mg_jobs jobs;
    int good = 0;

    CHECK(mg_jobs_init(&jobs) == 0);
    for (int i = 0; i < MANY; i++) {
        all[i] = task(NULL);
        mg_jobs_submit(&jobs, &all[i].job, 0);
    }
    finish_all(&jobs, 0);
    for (int i = 0; i < MANY; i++)
        good += all[i].worked == 1 && all[i].told == 1;
    CHECK(good == MANY);
    mg_jobs_close(&jobs);
    free(all);
}

static void one_that_takes_long_holds_up_none(void)
{
    struct task slow, quick[MG_JOBS_THREADS - 1];
    struct mg_jobs jobs;
    uv_sem_t gate;

    CHECK(uv_sem_init(&gate, 0) == 0);
    CHECK(mg_jobs_init(&jobs) == 0);
    slow = task(&gate);
    mg_jobs_submit(&jobs, &slow.job, 0);
    CHECK(jobs.threads == 1);
    for (int i = 0; i < MG_JOBS_THREADS - 1; i++) {
        quick[i] = task(NULL);
        mg_jobs_submit(&jobs, &quick[i].job, 0);
    }
    while (jobs.count > 1)
        mg_jobs_finish(&jobs, 0);
    CHECK(slow.told == 0);
    uv_sem_post(&gate);
    finish_all(&jobs, 0);
    CHECK(slow.told == 1);
    mg_jobs_close(&jobs);
    uv_sem_destroy(&gate);
}

static void a_late_one_is_hurried(void)
{
    struct task slow, next;
    struct mg_jobs jobs;
    uv_sem_t gate;

    CHECK(uv_sem_init(&gate, 0) == 0);
    CHECK(mg_jobs_init(&jobs) == 0);
    slow = next = task(&gate);
    mg_jobs_submit(&jobs, &slow.job, 100);
    mg_jobs_hurry(&jobs, 100 + MG_JOBS_LATE_MS - 1);
    CHECK(!jobs.thread[0].hurried);
    mg_jobs_hurry(&jobs, 100 + MG_JOBS_LATE_MS);
    CHECK(jobs.thread[0].hurried);
    uv_sem_post(&gate);
    finish_all(&jobs, 100 + MG_JOBS_LATE_MS);
    CHECK(!jobs.thread[0].hurried);
    mg_jobs_submit(&jobs, &next.job, 200);
    mg_jobs_hurry(&jobs, 201);
    CHECK(!jobs.thread[0].hurried);
    uv_sem_post(&gate);
    finish_all(&jobs, 201);
    mg_jobs_close(&jobs);
    uv_sem_destroy(&gate);
}

static uv_sem_t begun;

static void work_for(int ms)
{
    uint64_t end = uv_hrtime() + (uint64_t)ms * 1000000;

    while (offers < ENOUGH && uv_hrtime() < end)
        ;
}

static void work_long(struct mg_job *job)
{
    (void)job;
    offers = 0;
    work_for(PATIENCE_MS);
}

/* It is under way when it is found late; then its gate opens. */
static void work_late(struct mg_job *job)
{
    uv_sem_post(&begun);
    uv_sem_wait(MG_LIST_OF(job, struct task, job)->wait);
    offers = 0;
    work_for(WHILE_MS);
}

static void long_work_offers_its_core_unless_it_is_late(void)
{
    struct task longer = task(NULL), late;
    struct mg_jobs jobs;
    uv_sem_t gate;

    CHECK(uv_sem_init(&gate, 0) == 0);
    CHECK(mg_jobs_init(&jobs) == 0);
    longer.job.work = work_long;
    mg_jobs_submit(&jobs, &longer.job, 0);
    finish_all(&jobs, 0);
    CHECK(offers == ENOUGH);
    CHECK(uv_sem_init(&begun, 0) == 0);
    late = task(&gate);
    late.job.work = work_late;
    mg_jobs_submit(&jobs, &late.job, 0);
    uv_sem_wait(&begun);
    mg_jobs_hurry(&jobs, MG_JOBS_LATE_MS);
    uv_sem_post(&gate);
    finish_all(&jobs, MG_JOBS_LATE_MS);
    CHECK(offers <= 1); /* one may have been under way */
    mg_jobs_close(&jobs);
    uv_sem_destroy(&begun);
    uv_sem_destroy(&gate);
}

static void without_a_thread_it_is_done_all_the_same(void)
{
    struct task t = task(NULL);
    struct rlimit files, none;
    uv_thread_t self = uv_thread_self();
    struct mg_jobs jobs;

    CHECK(mg_jobs_init(&jobs) == 0);
    CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
    none = (struct rlimit){0, files.rlim_max};
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0); /* no eventfd is to be had */
    mg_jobs_submit(&jobs, &t.job, 0);
    CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0);
    CHECK(jobs.threads == 0 && t.worked == 1 && t.told == 0);
    CHECK(uv_thread_equal(&t.by, &self));
    finish_all(&jobs, 0);
    CHECK(t.told == 1);
    mg_jobs_close(&jobs);
}

TEST_MAIN(TEST(each_is_told_once), TEST(one_that_takes_long_holds_up_none),
          TEST(a_late_one_is_hurried), TEST(long_work_offers_its_core_unless_it_is_late),
          TEST(without_a_thread_it_is_done_all_the_same))
