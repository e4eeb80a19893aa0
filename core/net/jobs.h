/* jobs.h -- Threads for work that takes long: handshakes, signatures, pages of the admin address.
 *
 * Owner:      a loop has one, and is told by a descriptor what is done; net/loop.c hands both on.
 * Ownership:  a job is the caller's, and stays where it is until it is done.
 * Errors:     without a thread the work is done by the loop's own, late but not lost.
 * Invariant:  the loop and its threads share no lock but malloc()'s.  Threads give way to whoever wants their core: one
 *             that lost it while it holds a lock (or is at uv_async_send()) would stop the loop for as long.
 */
#ifndef MG_JOBS_H
#define MG_JOBS_H
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "base/list.h"
#include "base/pace.h"

enum { MG_JOBS_THREADS = 4, MG_JOBS_LATE_MS = 10 };

struct mg_job {
    void (*work)(struct mg_job *); /* by a thread */
    void (*done)(struct mg_job *); /* by the loop's own */
    struct mg_job *next;           /* in the stack that it waits in */
    struct mg_list link; /* of those its thread has; looked at by the loop alone, as what follows */
    struct mg_jobs_thread *thread;
    uint64_t since; /* ms of the loop */
};

struct mg_jobs_thread {
    struct mg_jobs *jobs;
    uv_thread_t thread;
    int wake; /* blocks until there is something in `to_do` */
    bool stop;
    bool hurried;
    struct mg_pace pace;
    struct mg_job *to_do; /* the last given first */
    struct mg_list given; /* and not done, the oldest first */
    uint32_t count;
};

struct mg_jobs {
    int told; /* readable when something is in `finished` */
    uint32_t count;
    struct mg_job *finished; /* the last one first */
    unsigned threads;
    struct mg_jobs_thread thread[MG_JOBS_THREADS];
};

/* No thread is started before there is work.  0, or a negative errno. */
int mg_jobs_init(struct mg_jobs *jobs);
/* `now` in ms, of one clock for all calls. */
void mg_jobs_submit(struct mg_jobs *jobs, struct mg_job *job, uint64_t now);
/* Calls done() of each job whose work is. */
void mg_jobs_finish(struct mg_jobs *jobs, uint64_t now);
/* Threads whose oldest job was given MG_JOBS_LATE_MS ago offer their cores no more until they are not late any more:
 * where all are always busy they would hardly have a turn. */
void mg_jobs_hurry(struct mg_jobs *jobs, uint64_t now);
/* None may be under way. */
void mg_jobs_close(struct mg_jobs *jobs);
#endif
