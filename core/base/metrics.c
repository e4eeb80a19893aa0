#include "base/metrics.h"
#include "base/metrics_text.h"
#include <math.h>
#include <stdatomic.h>

struct mg_metrics *mg_metrics_new(struct mg_shm *shm, uint32_t workers)
{
    static const mg_str label = {"metric", 6};
    struct mg_metrics *m = mg_shm_alloc(shm, sizeof(*m));

    if (m == NULL || mg_shm_lock_init(&m->lock) != 0)
        return NULL;
    m->shm = shm;
    m->workers = workers;
    m->seed = mg_hash_seed_new();
    /* The first family, so its id is 0: count_dropped() relies on it. */
    if (mg_metrics_family(m, MG_COUNTER, MG_STR("moongate_series_dropped_total"),
                          MG_STR("Look-ups of a new series that were folded into _other because "
                                 "the metric's cap or the shared memory's size was reached."),
                          &label, 1, NULL, 0, MG_METRIC_FAMILIES) != 0)
        return NULL;
    return m;
}

/* ---- linking: one process at a time --------------------------------------------------- */

static struct mg_metric_series *find_series(struct mg_metrics *m, uint32_t family, uint64_t hash,
                                            const char *text, size_t len)
{
    struct mg_metric_series *s;

    s = __atomic_load_n(&m->buckets[hash % MG_METRIC_HASH], __ATOMIC_ACQUIRE);
    for (; s != NULL; s = s->chained)
        if (s->hash == hash && s->family == family && s->len == len &&
            memcmp(s->text, text, len) == 0)
            return s;
    return NULL;
}

/* Both of the links below may be asked for again, by the next holder of the lock. */
static void link_hash(struct mg_metrics *m, struct mg_metric_series *s)
{
    struct mg_metric_series **bucket = &m->buckets[s->hash % MG_METRIC_HASH];

    if (find_series(m, s->family, s->hash, s->text, s->len) != NULL)
        return;
    s->chained = *bucket;
    __atomic_store_n(bucket, s, __ATOMIC_RELEASE);
}

static void link_family(struct mg_metric_family *f, struct mg_metric_series *s)
{
    struct mg_metric_series *last = f->last != NULL ? f->last : f->first;

    while (last != NULL && last->next != NULL)
        last = last->next;
    if (last != s)
        __atomic_store_n(last != NULL ? &last->next : &f->first, s, __ATOMIC_RELEASE);
    f->last = s;
}

static void show_series(struct mg_metrics *m, struct mg_metric_series *s)
{
    m->pending = s;
    link_hash(m, s);
    link_family(m->families[s->family], s);
    m->pending = NULL;
}

static void lock(struct mg_metrics *m)
{
    if (mg_shm_lock(&m->lock) && m->pending != NULL)
        show_series(m, m->pending);
}

/* ---- families ------------------------------------------------------------------------- */

static bool is_name(mg_str s, bool colon)
{
    if (s.len == 0 || s.len > MG_METRIC_NAME)
        return false;
    for (uint32_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool letter = (mg_lower(c) >= 'a' && mg_lower(c) <= 'z') || c == '_' || (colon && c == ':');

        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return true;
}

/* Names that start with "__" are Prometheus's own, "le" is the buckets'. */
static bool are_labels(enum mg_metric_type type, const mg_str *labels, uint32_t n)
{
    if (n > MG_METRIC_LABELS)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        if (!is_name(labels[i], false) ||
            (labels[i].len > 1 && memcmp(labels[i].ptr, "__", 2) == 0))
            return false;
        if (type == MG_HISTOGRAM && mg_str_eq(labels[i], MG_STR("le")))
            return false;
        for (uint32_t j = 0; j < i; j++)
            if (mg_str_eq(labels[i], labels[j]))
                return false;
    }
    return true;
}

static bool are_bounds(enum mg_metric_type type, const double *bounds, uint32_t n)
{
    if (n > MG_METRIC_BUCKETS || (type != MG_HISTOGRAM && n > 0))
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (!isfinite(bounds[i]) || (i > 0 && bounds[i] <= bounds[i - 1]))
            return false;
    return true;
}

static bool is_same(const struct mg_metric_family *a, const struct mg_metric_family *b)
{
    if (a->type != b->type || a->nlabels != b->nlabels || a->nbounds != b->nbounds)
        return false;
    for (uint32_t i = 0; i < a->nlabels; i++)
        if (!mg_str_eq(a->labels[i], b->labels[i]))
            return false;
    for (uint32_t i = 0; i < a->nbounds; i++)
        if (a->bounds[i] != b->bounds[i])
            return false;
    return true;
}

static uint32_t slots_of(const struct mg_metric_family *f)
{
    return f->type == MG_HISTOGRAM ? f->nbounds + 2 : 1;
}

static uint64_t *take_slots(struct mg_metrics *m, uint32_t n)
{
    if (m->chunk == NULL || m->chunk_used + n > MG_METRIC_CHUNK) {
        uint64_t *chunk =
            mg_shm_alloc(m->shm, sizeof(*chunk) * MG_METRIC_CHUNK * (size_t)m->workers);

        if (chunk == NULL)
            return NULL;
        m->chunk_used = MG_METRIC_CHUNK;
        atomic_signal_fence(memory_order_seq_cst); /* killed here or below: still consistent */
        m->chunk = chunk;
        atomic_signal_fence(memory_order_seq_cst);
        m->chunk_used = 0;
    }
    m->chunk_used += n;
    return m->chunk + m->chunk_used - n;
}

/* A series that nothing points to yet; NULL: the region is full. */
static struct mg_metric_series *new_series(struct mg_metrics *m, const struct mg_metric_family *f,
                                           uint64_t hash, const char *text, size_t len)
{
    struct mg_metric_series *s = mg_shm_alloc(m->shm, sizeof(*s) + len);
    uint64_t *slots = s != NULL ? take_slots(m, slots_of(f)) : NULL;

    if (slots == NULL)
        return NULL;
    s->slots = slots;
    s->hash = hash;
    s->family = f->id;
    s->len = (uint32_t)len;
    memcpy(s->text, text, len);
    return s;
}

static uint64_t hash_of(const struct mg_metrics *m, uint32_t family, const char *text, size_t len)
{
    return mg_hash(&m->seed, text, len) + family * 0x9e3779b97f4a7c15u;
}

/* The copy of `like` in the region: strings follow the struct. */
static struct mg_metric_family *copy_family(struct mg_metrics *m,
                                            const struct mg_metric_family *like)
{
    size_t size = sizeof(*like) + like->name.len + 3 * (size_t)like->help.len;
    struct mg_metric_family *f;
    char *to;

    for (uint32_t i = 0; i < like->nlabels; i++)
        size += like->labels[i].len;
    f = mg_shm_alloc(m->shm, size);
    if (f == NULL)
        return NULL;
    *f = *like;
    to = (char *)(f + 1);
    f->name.ptr = memcpy(to, like->name.ptr, like->name.len);
    to += like->name.len;
    for (uint32_t i = 0; i < like->nlabels; i++) {
        f->labels[i].ptr = memcpy(to, like->labels[i].ptr, like->labels[i].len);
        to += like->labels[i].len;
    }
    f->help = mg_str_of(to, mg_metrics_text_help(to, like->help));
    return f;
}

/* Memory first, then the id, then the link that others see: whatever a killed process leaves
 * behind is never seen, or whole. */
static int add_family(struct mg_metrics *m, struct mg_metric_family **at,
                      struct mg_metric_family *like)
{
    char text[MG_METRIC_TEXT];
    struct mg_metric_family *f;
    size_t len;

    if (m->nfamilies == MG_METRIC_FAMILIES)
        return MG_ELIMIT;
    like->id = m->nfamilies;
    f = copy_family(m, like);
    if (f == NULL)
        return MG_ENOMEM;
    len = mg_metrics_text_labels(text, f, NULL);
    f->other = new_series(m, f, hash_of(m, f->id, text, len), text, len);
    if (f->other == NULL)
        return MG_ENOMEM;
    f->next = *at;
    m->families[f->id] = f;
    __atomic_store_n(&m->nfamilies, f->id + 1, __ATOMIC_RELEASE);
    link_hash(m, f->other);
    __atomic_store_n(at, f, __ATOMIC_RELEASE);
    return (int)f->id;
}

static int compare(mg_str a, mg_str b)
{
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int find_or_add(struct mg_metrics *m, struct mg_metric_family *like)
{
    struct mg_metric_family **at = &m->first;
    int order = -1;

    while (*at != NULL && (order = compare((*at)->name, like->name)) < 0)
        at = &(*at)->next;
    if (*at == NULL || order != 0)
        return add_family(m, at, like);
    if (!is_same(*at, like))
        return MG_EINVAL;
    __atomic_store_n(&(*at)->max_series, like->max_series, __ATOMIC_RELAXED);
    return (int)(*at)->id;
}

int mg_metrics_family(struct mg_metrics *m, enum mg_metric_type type, mg_str name, mg_str help,
                      const mg_str *labels, uint32_t nlabels, const double *bounds,
                      uint32_t nbounds, uint32_t max_series)
{
    struct mg_metric_family like = {.name = name,
                                    .help = help,
                                    .type = type,
                                    .nlabels = nlabels,
                                    .nbounds = nbounds,
                                    .max_series = max_series > 0 ? max_series : MG_METRIC_SERIES};
    int id;

    if (!is_name(name, true) || help.len == 0 || (unsigned)type > MG_HISTOGRAM ||
        !are_labels(type, labels, nlabels) || !are_bounds(type, bounds, nbounds))
        return MG_EINVAL;
    if (nlabels > 0)
        memcpy(like.labels, labels, nlabels * sizeof(*labels));
    if (nbounds > 0)
        memcpy(like.bounds, bounds, nbounds * sizeof(*bounds));
    lock(m);
    id = find_or_add(m, &like);
    mg_shm_unlock(&m->lock);
    return id;
}

/* ---- series --------------------------------------------------------------------------- */

static struct mg_metric_family *family_of(struct mg_metrics *m, int id)
{
    if (id < 0 || (uint32_t)id >= __atomic_load_n(&m->nfamilies, __ATOMIC_ACQUIRE))
        return NULL;
    return m->families[id];
}

/* Lists `other`, once: a metric that never folded does not show it. */
static void show_other(struct mg_metrics *m, struct mg_metric_family *f)
{
    const struct mg_metric_series *s;

    lock(m);
    for (s = f->first; s != NULL && s != f->other;)
        s = s->next;
    if (s == NULL)
        show_series(m, f->other);
    __atomic_store_n(&f->other_shown, true, __ATOMIC_RELEASE);
    mg_shm_unlock(&m->lock);
}

static bool has_room(const struct mg_metric_family *f)
{
    return __atomic_load_n(&f->nseries, __ATOMIC_RELAXED) <
           __atomic_load_n(&f->max_series, __ATOMIC_RELAXED);
}

/* Under the lock: the series, made now, or NULL when it must be folded. */
static struct mg_metric_series *add_series(struct mg_metrics *m, struct mg_metric_family *f,
                                           uint64_t hash, const char *text, size_t len)
{
    struct mg_metric_series *s = find_series(m, f->id, hash, text, len);

    if (s != NULL || !has_room(f))
        return s;
    s = new_series(m, f, hash, text, len);
    if (s == NULL)
        return NULL;
    __atomic_store_n(&f->nseries, f->nseries + 1, __ATOMIC_RELAXED);
    show_series(m, s);
    return s;
}

static void count_dropped(struct mg_metrics *m, const struct mg_metric_family *f, uint32_t worker)
{
    uint64_t *slot;

    if (f->id == 0) /* the count of what was dropped does not count itself */
        return;
    slot = mg_metrics_series(m, 0, worker, &f->name, 1);
    __atomic_store_n(slot, *slot + 1, __ATOMIC_RELAXED);
}

uint64_t *mg_metrics_series(struct mg_metrics *m, int family, uint32_t worker, const mg_str *values,
                            uint32_t nvalues)
{
    struct mg_metric_family *f = family_of(m, family);
    char text[MG_METRIC_TEXT];
    struct mg_metric_series *s;
    uint64_t hash;
    size_t len;

    if (f == NULL || worker >= m->workers || nvalues != f->nlabels)
        return m->nowhere;
    len = mg_metrics_text_labels(text, f, values);
    hash = hash_of(m, f->id, text, len);
    s = find_series(m, f->id, hash, text, len);
    if (s == NULL && has_room(f)) {
        lock(m);
        s = add_series(m, f, hash, text, len);
        mg_shm_unlock(&m->lock);
    }
    if (s == NULL) {
        count_dropped(m, f, worker);
        s = f->other;
    }
    if (s == f->other && !__atomic_load_n(&f->other_shown, __ATOMIC_ACQUIRE))
        show_other(m, f);
    return s->slots + (size_t)worker * MG_METRIC_CHUNK;
}

void mg_metrics_forget(struct mg_metrics *m, uint32_t worker)
{
    uint32_t n = worker < m->workers ? __atomic_load_n(&m->nfamilies, __ATOMIC_ACQUIRE) : 0;

    for (uint32_t i = 0; i < n; i++) {
        struct mg_metric_series *s = __atomic_load_n(&m->families[i]->first, __ATOMIC_ACQUIRE);

        if (m->families[i]->type != MG_GAUGE)
            continue;
        for (; s != NULL; s = __atomic_load_n(&s->next, __ATOMIC_ACQUIRE))
            __atomic_store_n(&s->slots[(size_t)worker * MG_METRIC_CHUNK], 0, __ATOMIC_RELAXED);
    }
}

void mg_metrics_observe(struct mg_metrics *m, int family, uint64_t *slots, double value)
{
    const struct mg_metric_family *f = family_of(m, family);
    uint32_t i = 0;
    uint64_t bits;
    double sum;

    if (f == NULL || f->type != MG_HISTOGRAM || isnan(value))
        return;
    while (i < f->nbounds && value > f->bounds[i])
        i++;
    __atomic_store_n(&slots[i], slots[i] + 1, __ATOMIC_RELAXED);
    memcpy(&sum, &slots[f->nbounds + 1], sizeof(sum));
    sum += value;
    memcpy(&bits, &sum, sizeof(bits));
    __atomic_store_n(&slots[f->nbounds + 1], bits, __ATOMIC_RELAXED);
}
