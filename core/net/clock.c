#include "net/clock.h"

#include <stdbool.h>
#include <time.h>
#include <uv.h>

/* Held, the monotonic clock begins well above 0, which means "not yet" in more than one place. */
enum { HELD_FROM_NS = 1000000000 };

static struct {
    bool on;
    uint64_t ns;
    double wall; /* when `ns` was HELD_FROM_NS */
} held;

uint64_t mg_clock_ns(void)
{
    return held.on ? held.ns : uv_hrtime();
}

uint64_t mg_clock_ticks(void)
{
    return uv_hrtime();
}

double mg_clock_wall(void)
{
    struct timespec now;

    if (held.on)
        return held.wall + (double)(held.ns - HELD_FROM_NS) / 1e9;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void mg_clock_hold(double wall)
{
    held.on = true;
    held.ns = HELD_FROM_NS;
    held.wall = wall;
}

void mg_clock_advance(uint64_t ns)
{
    held.ns += ns;
}
