/* hist.h -- Latencies counted in buckets whose width is under 2 % of their value.
 *
 * Owner:      whoever declares it; all zero is an empty histogram.
 * Errors:     none of these can fail.
 */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

enum { HIST_SUB = 64, HIST_BUCKETS = HIST_SUB * 60 };

struct hist {
    uint64_t total, max;
    uint64_t count[HIST_BUCKETS];
};

void hist_add(struct hist *h, uint64_t ns);
/* The value under which `share` (0 to 1) of all values lie: the upper edge of its bucket, in ns. */
uint64_t hist_at(const struct hist *h, double share);

#endif
