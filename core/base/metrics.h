/* metrics.h -- Counters, gauges and histograms of all workers, and their text for Prometheus.
 *
 * Owner:      lives in the shared region; made by the master, used by every process.
 * Ownership:  mg_metrics_series() gives the worker's own slots: it alone writes them, by plain
 *             64-bit stores; the scrape adds up all workers' slots (base units, no locks).  They
 *             are never taken back, so a worker may keep the pointer for good.
 * Errors:     a family that is declared twice with another type or labels: MG_EINVAL.
 * Invariant:  a family has at most `max_series` series; what comes past it, or finds the region
 *             full, is folded into one series whose labels are all "_other" and counted (each
 *             look-up that folds, so whoever caches pointers must bound that cache) in
 *             moongate_series_dropped_total.
 *             A worker that is replaced goes on with its slots: a counter never goes back, and a
 *             gauge says nothing of one that has ended.
 *             Slots of two workers never share a cache line.
 */
#ifndef MG_METRICS_H
#define MG_METRICS_H
#include "base/shm.h"

enum mg_metric_type { MG_COUNTER, MG_GAUGE, MG_HISTOGRAM };
enum { MG_METRIC_LABELS = 32, MG_METRIC_BUCKETS = 32, MG_METRIC_SERIES = 10000 };
/* Families in all; bytes of a name; bytes of a label's value, which is cut there. */
enum { MG_METRIC_FAMILIES = 1024, MG_METRIC_NAME = 128, MG_METRIC_VALUE = 256 };

/* The value of a label that a series does not have. */
#define MG_METRIC_ABSENT mg_str_of("\0", 1)

struct mg_metrics;

/* `workers` slots are kept for each series.  NULL: the region is full. */
struct mg_metrics *mg_metrics_new(struct mg_shm *shm, uint32_t workers);

/* Declares a family (or finds it): name and help (not empty) in Prometheus's rules, label names,
 * for a histogram its upper bounds in base units, ascending, +Inf left out.  max_series 0:
 * MG_METRIC_SERIES; declared again, the family takes the last one's.  Returns its id (>= 0),
 * MG_EINVAL, MG_ELIMIT (too many families) or MG_ENOMEM (the region is full). */
int mg_metrics_family(struct mg_metrics *m, enum mg_metric_type type, mg_str name, mg_str help,
                      const mg_str *labels, uint32_t nlabels, const double *bounds,
                      uint32_t nbounds, uint32_t max_series);
/* The slots of one series for `worker`: counter: [0]; gauge: [0], a double's bits; histogram:
 * one count a bound, one for +Inf, then the sum (a double's bits).  Never NULL: what cannot be
 * counted (no such family or worker, a wrong number of labels) goes to slots nobody reads.
 * Label values that are no UTF-8 are mended, or Prometheus would refuse the whole scrape. */
uint64_t *mg_metrics_series(struct mg_metrics *m, int family, uint32_t worker, const mg_str *values,
                            uint32_t nvalues);
/* `worker` has ended: its gauges are 0 from now on; counters and histograms keep what they counted. */
void mg_metrics_forget(struct mg_metrics *m, uint32_t worker);
/* Adds one observation to a histogram's slots; the bounds are the family's.  NaN is ignored. */
void mg_metrics_observe(struct mg_metrics *m, int family, uint64_t *slots, double value);

/* Writes the whole exposition (text format 0.0.4) through `put`; stops when put is not 0 and
 * returns that.  Families sorted by name (those without series left out), series in order of
 * creation; gauges are added up over the workers. */
int mg_metrics_write(struct mg_metrics *m, int (*put)(void *arg, const char *ptr, size_t len),
                     void *arg);
#endif
