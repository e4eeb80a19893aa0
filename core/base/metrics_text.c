#include "base/metrics_text.h"
#include "base/num.h"
#include "base/utf8.h"

enum { OUT_SIZE = 32768 };

struct out {
    int (*put)(void *arg, const char *ptr, size_t len);
    void *arg;
    int rc; /* the first answer of put() that was not 0: nothing more is written */
    size_t len;
    char bytes[OUT_SIZE];
};

/* ---- escaping (Prometheus exposition formats, "Text format details") ----------------- */

/* Backslash, line feed and, where `quote` says so, '"' are escaped.  NUL and what is no UTF-8
 * becomes U+FFFD, for one such byte makes Prometheus drop the scrape. */
static size_t escape(char *out, const char *ptr, size_t len, bool quote)
{
    char *to = out;

    for (size_t i = 0, n; i<len; i += n> 0 ? n : 1) {
        n = mg_utf8_len(ptr + i, len - i);
        if (n == 0 || ptr[i] == '\0') {
            memcpy(to, "\xef\xbf\xbd", 3);
            to += 3;
        } else if (ptr[i] == '\\' || ptr[i] == '\n' || (quote && ptr[i] == '"')) {
            *to++ = '\\';
            *to++ = (char)(ptr[i] == '\n' ? 'n' : ptr[i]);
        } else {
            memcpy(to, ptr + i, n);
            to += n;
        }
    }
    return (size_t)(to - out);
}

/* Where to cut a value: before the character that would pass the limit. */
static size_t cut(mg_str value)
{
    size_t len = value.len;

    if (len <= MG_METRIC_VALUE)
        return len;
    len = MG_METRIC_VALUE;
    while (len > MG_METRIC_VALUE - 4 && ((unsigned char)value.ptr[len] & 0xc0) == 0x80)
        len--;
    return len;
}

size_t mg_metrics_text_labels(char *out, const struct mg_metric_family *f, const mg_str *values)
{
    char *to = out;

    for (uint32_t i = 0; i < f->nlabels; i++) {
        mg_str value = values != NULL ? values[i] : MG_STR("_other");

        if (mg_str_eq(value, MG_METRIC_ABSENT))
            continue;
        if (to > out)
            *to++ = ',';
        memcpy(to, f->labels[i].ptr, f->labels[i].len);
        to += f->labels[i].len;
        *to++ = '=';
        *to++ = '"';
        to += escape(to, value.ptr, cut(value), true);
        *to++ = '"';
    }
    return (size_t)(to - out);
}

size_t mg_metrics_text_help(char *out, mg_str text)
{
    return escape(out, text.ptr, text.len, false);
}

/* ---- the exposition ------------------------------------------------------------------ */

static void flush(struct out *o)
{
    if (o->rc == 0 && o->len > 0)
        o->rc = o->put(o->arg, o->bytes, o->len);
    o->len = 0;
}

static void add(struct out *o, const char *ptr, size_t len)
{
    while (len > OUT_SIZE - o->len) {
        size_t part = OUT_SIZE - o->len;

        memcpy(o->bytes + o->len, ptr, part);
        o->len += part;
        flush(o);
        ptr += part;
        len -= part;
    }
    memcpy(o->bytes + o->len, ptr, len);
    o->len += len;
}

static void add_str(struct out *o, mg_str s)
{
    add(o, s.ptr, s.len);
}

static void add_double(struct out *o, double value)
{
    char text[MG_NUM_TEXT];

    add(o, text, mg_num_double(text, value));
}

static void add_u64(struct out *o, uint64_t value)
{
    char text[MG_NUM_TEXT];

    add(o, text, mg_num_u64(text, value));
}

/* name_suffix{labels,le="bound"} and a space; le NULL: none. */
static void add_name(struct out *o, const struct mg_metric_family *f, mg_str suffix,
                     const struct mg_metric_series *s, const mg_str *le)
{
    add_str(o, f->name);
    add_str(o, suffix);
    if (s->len > 0 || le != NULL) {
        add(o, "{", 1);
        add(o, s->text, s->len);
        if (le != NULL) {
            if (s->len > 0)
                add(o, ",", 1);
            add_str(o, MG_STR("le=\""));
            add_str(o, *le);
            add(o, "\"", 1);
        }
        add(o, "}", 1);
    }
    add(o, " ", 1);
}

static uint64_t sum_slot(const struct mg_metrics *m, const struct mg_metric_series *s, uint32_t i)
{
    uint64_t sum = 0;

    for (uint32_t w = 0; w < m->workers; w++)
        sum += __atomic_load_n(&s->slots[(size_t)w * MG_METRIC_CHUNK + i], __ATOMIC_RELAXED);
    return sum;
}

static double sum_double(const struct mg_metrics *m, const struct mg_metric_series *s, uint32_t i)
{
    double sum = 0;

    for (uint32_t w = 0; w < m->workers; w++) {
        const uint64_t *slot = &s->slots[(size_t)w * MG_METRIC_CHUNK + i];
        uint64_t bits = __atomic_load_n(slot, __ATOMIC_RELAXED);
        double value;

        memcpy(&value, &bits, sizeof(value));
        sum += value;
    }
    return sum;
}

/* _count is the sum of the buckets as they were read, so it always equals the +Inf bucket. */
static void add_histogram(struct out *o, const struct mg_metrics *m,
                          const struct mg_metric_family *f, const struct mg_metric_series *s,
                          const mg_str *le)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i <= f->nbounds; i++) {
        count += sum_slot(m, s, i);
        add_name(o, f, MG_STR("_bucket"), s, &le[i]);
        add_u64(o, count);
        add(o, "\n", 1);
    }
    add_name(o, f, MG_STR("_sum"), s, NULL);
    add_double(o, sum_double(m, s, f->nbounds + 1));
    add(o, "\n", 1);
    add_name(o, f, MG_STR("_count"), s, NULL);
    add_u64(o, count);
    add(o, "\n", 1);
}

static void add_head(struct out *o, const struct mg_metric_family *f)
{
    static const mg_str types[] = {{" counter\n", 9}, {" gauge\n", 7}, {" histogram\n", 11}};

    add_str(o, MG_STR("# HELP "));
    add_str(o, f->name);
    add(o, " ", 1);
    add_str(o, f->help);
    add_str(o, MG_STR("\n# TYPE "));
    add_str(o, f->name);
    add_str(o, types[f->type]);
}

static void add_family(struct out *o, const struct mg_metrics *m, const struct mg_metric_family *f)
{
    struct mg_metric_series *s = __atomic_load_n(&f->first, __ATOMIC_ACQUIRE);
    char text[MG_METRIC_BUCKETS + 1][MG_NUM_TEXT];
    mg_str le[MG_METRIC_BUCKETS + 1];

    if (s == NULL)
        return;
    for (uint32_t i = 0; i < f->nbounds; i++)
        le[i] = mg_str_of(text[i], mg_num_double(text[i], f->bounds[i]));
    le[f->nbounds] = MG_STR("+Inf");
    add_head(o, f);
    for (; s != NULL && o->rc == 0; s = __atomic_load_n(&s->next, __ATOMIC_ACQUIRE)) {
        if (f->type == MG_HISTOGRAM) {
            add_histogram(o, m, f, s, le);
            continue;
        }
        add_name(o, f, MG_STR(""), s, NULL);
        if (f->type == MG_COUNTER)
            add_u64(o, sum_slot(m, s, 0));
        else
            add_double(o, sum_double(m, s, 0));
        add(o, "\n", 1);
    }
}

int mg_metrics_write(struct mg_metrics *m, int (*put)(void *arg, const char *ptr, size_t len),
                     void *arg)
{
    struct out o;

    o.put = put;
    o.arg = arg;
    o.rc = 0;
    o.len = 0;
    for (struct mg_metric_family *f = __atomic_load_n(&m->first, __ATOMIC_ACQUIRE);
         f != NULL && o.rc == 0; f = __atomic_load_n(&f->next, __ATOMIC_ACQUIRE))
        add_family(&o, m, f);
    flush(&o);
    return o.rc;
}
