#include "base/sched.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { USUAL = 0, SHORTEST = 100 }; /* us; the system bounds a slice */

/* What sched_setattr(2) takes; glibc names it from 2.41 on. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t slice_ns, deadline, period;
};

static bool get(struct attributes *a)
{
    *a = (struct attributes){0};
    return syscall(SYS_sched_getattr, 0, a, sizeof(*a), 0) == 0 &&
           (a->policy == SCHED_OTHER || a->policy == SCHED_BATCH);
}

static bool change(int nice, unsigned slice_us)
{
    struct attributes a;

    if (!get(&a))
        return false;
    a.nice += nice;
    a.slice_ns = (uint64_t)slice_us * 1000;
    return syscall(SYS_sched_setattr, 0, &a, 0) == 0;
}

void mg_sched_give_way(int nice, unsigned slice_us)
{
    if (!change(nice, slice_us))
        setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + nice);
}

void mg_sched_go_first(void)
{
    change(0, SHORTEST);
}

void mg_sched_as_usual(void)
{
    change(0, USUAL);
}
