#include "hist.h"

/* Values under HIST_SUB have a bucket each; above, every power of two has HIST_SUB of them. */
static int bucket_of(uint64_t ns)
{
    int shift = ns < HIST_SUB ? 0 : 63 - 6 - __builtin_clzll(ns);

    return shift * HIST_SUB + (int)(ns >> shift);
}

static uint64_t upper_edge(int bucket)
{
    int shift = bucket < 2 * HIST_SUB ? 0 : bucket / HIST_SUB - 1;

    return ((uint64_t)(bucket - shift * HIST_SUB + 1) << shift) - 1;
}

void hist_add(struct hist *h, uint64_t ns)
{
    h->total++;
    h->count[bucket_of(ns)]++;
    if (ns > h->max)
        h->max = ns;
}

uint64_t hist_at(const struct hist *h, double share)
{
    uint64_t rank = (uint64_t)(share * (double)h->total);
    uint64_t seen = 0;

    for (int i = 0; i < HIST_BUCKETS; i++) {
        seen += h->count[i];
        if (seen > rank)
            return upper_edge(i) < h->max ? upper_edge(i) : h->max;
    }
    return h->max;
}
