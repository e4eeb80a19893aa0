/* clock.h -- What time it is, for everybody in the process.
 *
 * Owner:      nobody; a rehearsal (script/rehearsal.c) holds the clock, for the rest of the process.
 * Errors:     none.
 * Invariant:  a held clock moves by mg_clock_advance() alone, both faces of it by the same time, so
 *             what would wait an hour needs none.
 */
#ifndef MG_CLOCK_H
#define MG_CLOCK_H
#include <stdint.h>

/* Nanoseconds of the monotonic clock, read now. */
uint64_t mg_clock_ns(void);
/* The same though the clock is held: for what measures. */
uint64_t mg_clock_ticks(void);
/* Seconds since 1970. */
double mg_clock_wall(void);
/* Time stands still from now on, at `wall` seconds since 1970. */
void mg_clock_hold(double wall);
/* Moves a held clock on. */
void mg_clock_advance(uint64_t ns);
#endif
