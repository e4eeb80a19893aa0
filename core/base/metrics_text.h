/* metrics_text.h -- How metrics are kept in the shared region, and their text: private to metrics.
 *
 * Owner:      metrics.c makes and links all of it; metrics_text.c reads and prints it.
 * Ownership:  everything lives in the region and is never freed.
 * Errors:     none of these can fail.
 * Invariant:  what a reader meets is whole: a family or a series is linked by one release store,
 *             after all its fields are set, and never changes but for its links and slots.
 */
#ifndef MG_METRICS_TEXT_H
#define MG_METRICS_TEXT_H
#include "base/hash.h"
#include "base/metrics.h"

/* Slots of a worker come by the page: a piece holds one page for each worker. */
enum { MG_METRIC_CHUNK = 512, MG_METRIC_HASH = 65536 };
/* The longest label text: names, values whose every byte was mended to three, and marks. */
enum { MG_METRIC_TEXT = MG_METRIC_LABELS * (MG_METRIC_NAME + 3 * MG_METRIC_VALUE + 4) };

struct mg_metric_series {
    struct mg_metric_series *next;    /* in the family, in order of creation */
    struct mg_metric_series *chained; /* of the same hash bucket */
    uint64_t *slots;                  /* worker 0's; the next worker's are MG_METRIC_CHUNK on */
    uint64_t hash;
    uint32_t family;
    uint32_t len;
    char text[]; /* a="1",b="2": the key, and ready to be printed */
};

struct mg_metric_family {
    struct mg_metric_family *next;                 /* by name */
    struct mg_metric_series *first, *last, *other; /* last may lag behind */
    bool other_shown; /* other is in the list; it is made with the family, so folding cannot fail */
    mg_str name, help; /* help is escaped */
    uint32_t id, nlabels, nbounds, max_series, nseries;
    enum mg_metric_type type;
    mg_str labels[MG_METRIC_LABELS];
    double bounds[MG_METRIC_BUCKETS];
};

struct mg_metrics {
    struct mg_shm *shm;
    uint32_t workers;
    uint32_t nfamilies;
    struct mg_hash_seed seed;
    pthread_mutex_t lock;             /* of whoever adds a family or a series */
    struct mg_metric_series *pending; /* being linked; a killed process leaves it to the next */
    struct mg_metric_family *first;
    uint64_t *chunk; /* where the next series gets its slots */
    uint32_t chunk_used;
    struct mg_metric_family *families[MG_METRIC_FAMILIES];
    struct mg_metric_series *buckets[MG_METRIC_HASH];
    uint64_t nowhere[MG_METRIC_BUCKETS + 2]; /* what cannot be counted */
};

/* Writes the labels' text to out (MG_METRIC_TEXT bytes); values NULL: all "_other". */
size_t mg_metrics_text_labels(char *out, const struct mg_metric_family *f, const mg_str *values);
/* Escapes help to out (3 bytes for each of text's); its length. */
size_t mg_metrics_text_help(char *out, mg_str text);
#endif
