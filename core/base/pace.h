/* pace.h -- A thread that works for long looks up from it, so that those who wait for its core are seen.
 *
 * Owner:     the thread that began it; another one may tell it to rest.
 * Errors:    none.  Where no timer is to be had the thread goes on in one go.
 * Invariant: to give way (base/sched.h) is not enough.  Linux from 6.6 on gives the core to one that wakes up only if it
 *            has had no more than its share, be it by microseconds, and looks at that again at the clock's next tick, up
 *            to 4 ms later.  When one offers its core it looks at it then.
 */
#ifndef MG_PACE_H
#define MG_PACE_H
#include <signal.h>
#include <stdbool.h>
#include <time.h>

enum { MG_PACE_US = 150 };

struct mg_pace {
    timer_t timer;
    bool begun;
    volatile sig_atomic_t going;
};

/* Of the calling thread, at rest.  `p` is zeroed. */
void mg_pace_begin(struct mg_pace *p);
/* Every MG_PACE_US of time the thread offers its core (sched_yield(2)), interrupted wherever it is. */
void mg_pace_go(struct mg_pace *p);
void mg_pace_rest(struct mg_pace *p);
void mg_pace_end(struct mg_pace *p);
#endif
