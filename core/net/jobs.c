#include "net/jobs.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sched.h"

enum { NICE = 5, SLICE_US = 4000 };

/* ---- stacks: anybody pushes, one takes them all ------------------------------------- */

static void push(struct mg_job **stack, struct mg_job *job)
{
    job->next = __atomic_load_n(stack, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(stack, &job->next, job, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
        ;
}

/* The first pushed first. */
static struct mg_job *take_all(struct mg_job **stack)
{
    struct mg_job *job = __atomic_exchange_n(stack, NULL, __ATOMIC_ACQUIRE), *turned = NULL;

    while (job != NULL) {
        struct mg_job *next = job->next;

        job->next = turned;
        turned = job;
        job = next;
    }
    return turned;
}

static void tell(int fd)
{
    while (eventfd_write(fd, 1) != 0 && errno == EINTR)
        ;
}

/* ---- a thread ----------------------------------------------------------------------- */

static void work(struct mg_jobs *jobs, struct mg_job *job)
{
    job->work(job);
    push(&jobs->finished, job);
    tell(jobs->told);
}

/* Who is in a hurry offers nothing: it would lose its turn. */
static void work_all(struct mg_jobs_thread *t, struct mg_job *job)
{
    while (job != NULL) {
        struct mg_job *next = job->next;

        mg_pace_go(&t->pace);
        if (__atomic_load_n(&t->hurried, __ATOMIC_SEQ_CST))
            mg_pace_rest(&t->pace);
        work(t->jobs, job);
        mg_pace_rest(&t->pace);
        job = next;
    }
}

static void run(void *arg)
{
    struct mg_jobs_thread *t = arg;
    eventfd_t count;

    mg_sched_give_way(NICE, SLICE_US);
    mg_pace_begin(&t->pace);
    while (!__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE)) {
        if (eventfd_read(t->wake, &count) == 0)
            work_all(t, take_all(&t->to_do));
    }
    mg_pace_end(&t->pace);
}

/* Signals are the loop's. */
static int start(struct mg_jobs_thread *t)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = uv_thread_create(&t->thread, run, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static bool add_thread(struct mg_jobs *jobs)
{
    struct mg_jobs_thread *t = &jobs->thread[jobs->threads];

    *t = (struct mg_jobs_thread){.jobs = jobs, .wake = eventfd(0, EFD_CLOEXEC)};
    if (t->wake < 0)
        return false;
    mg_list_init(&t->given);
    if (start(t) != 0) {
        close(t->wake);
        return false;
    }
    jobs->threads++;
    return true;
}

/* ---- the loop ----------------------------------------------------------------------- */

int mg_jobs_init(struct mg_jobs *jobs)
{
    jobs->told = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    jobs->count = 0;
    jobs->finished = NULL;
    jobs->threads = 0;
    return jobs->told >= 0 ? 0 : -errno;
}

static struct mg_jobs_thread *least_busy(struct mg_jobs *jobs)
{
    struct mg_jobs_thread *best = NULL;

    for (unsigned i = 0; i < jobs->threads; i++) {
        if (best == NULL || jobs->thread[i].count < best->count)
            best = &jobs->thread[i];
    }
    return best;
}

/* NULL: there is none, and none can be had. */
static struct mg_jobs_thread *choose(struct mg_jobs *jobs)
{
    struct mg_jobs_thread *best = least_busy(jobs);

    if ((best == NULL || best->count > 0) && jobs->threads < MG_JOBS_THREADS && add_thread(jobs))
        best = &jobs->thread[jobs->threads - 1];
    return best;
}

void mg_jobs_submit(struct mg_jobs *jobs, struct mg_job *job, uint64_t now)
{
    struct mg_jobs_thread *t = choose(jobs);

    jobs->count++;
    job->thread = t;
    job->since = now;
    if (t == NULL) {
        mg_log(MG_LOG_WARN, "no thread for long work: requests wait for it");
        work(jobs, job);
        return;
    }
    t->count++;
    mg_list_append(&t->given, &job->link);
    push(&t->to_do, job);
    tell(t->wake);
}

static bool is_late(const struct mg_jobs_thread *t, uint64_t now)
{
    return t->count > 0 &&
           now - MG_LIST_OF(t->given.next, struct mg_job, link)->since >= MG_JOBS_LATE_MS;
}

static void hurry(struct mg_jobs_thread *t)
{
    __atomic_store_n(&t->hurried, true, __ATOMIC_SEQ_CST);
    mg_pace_rest(&t->pace);
}

static void take_back(struct mg_job *job, uint64_t now)
{
    struct mg_jobs_thread *t = job->thread;

    if (t == NULL)
        return;
    t->count--;
    mg_list_remove(&job->link);
    if (t->hurried && !is_late(t, now))
        __atomic_store_n(&t->hurried, false, __ATOMIC_SEQ_CST);
}

void mg_jobs_finish(struct mg_jobs *jobs, uint64_t now)
{
    eventfd_t count;
    struct mg_job *job;

    eventfd_read(jobs->told, &count);
    job = take_all(&jobs->finished);
    while (job != NULL) {
        struct mg_job *next = job->next;

        jobs->count--;
        take_back(job, now);
        job->done(job);
        job = next;
    }
}

void mg_jobs_hurry(struct mg_jobs *jobs, uint64_t now)
{
    for (unsigned i = 0; i < jobs->threads; i++) {
        struct mg_jobs_thread *t = &jobs->thread[i];

        if (!t->hurried && is_late(t, now))
            hurry(t);
    }
}

void mg_jobs_close(struct mg_jobs *jobs)
{
    for (unsigned i = 0; i < jobs->threads; i++) {
        struct mg_jobs_thread *t = &jobs->thread[i];

        __atomic_store_n(&t->stop, true, __ATOMIC_RELEASE);
        tell(t->wake);
        uv_thread_join(&t->thread);
        close(t->wake);
    }
    close(jobs->told);
}
