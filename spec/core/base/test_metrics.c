#include "base/metrics.h"
#include "test.h"
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define S(literal)                                                                                 \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

/* A region, its metrics and what they last wrote. */
struct world {
    struct mg_shm *shm;
    struct mg_metrics *m;
    char text[1 << 20];
    size_t len;
};

static struct world w;

static void begin(size_t size, uint32_t workers)
{
    w.shm = mg_shm_new(size);
    w.m = mg_metrics_new(w.shm, workers);
    CHECK(w.m != NULL);
}

static int gather(void *arg, const char *ptr, size_t len)
{
    struct world *world = arg;

    if (world->len + len >= sizeof(world->text))
        return MG_ELIMIT;
    memcpy(world->text + world->len, ptr, len);
    world->len += len;
    world->text[world->len] = '\0';
    return 0;
}

static const char *written(void)
{
    w.len = 0;
    w.text[0] = '\0';
    CHECK(mg_metrics_write(w.m, gather, &w) == 0);
    return w.text;
}

static mg_str written_span(void)
{
    written();
    return mg_str_of(w.text, w.len);
}

static int family(enum mg_metric_type type, const char *name, const mg_str *labels, uint32_t n,
                  uint32_t cap)
{
    static const double bounds[] = {0.005, 0.1, 5};

    return mg_metrics_family(w.m, type, mg_str_of(name, strlen(name)), MG_STR("Help."), labels, n,
                             bounds, type == MG_HISTOGRAM ? 3 : 0, cap);
}

static uint64_t *series(int id, uint32_t worker, const char *value)
{
    mg_str v = mg_str_of(value, strlen(value));

    return mg_metrics_series(w.m, id, worker, &v, 1);
}

static void set_gauge(uint64_t *slot, double value)
{
    memcpy(slot, &value, sizeof(value));
}

static void writes_every_type_sorted_and_added_up(void)
{
    static const mg_str route[] = {S("route")};
    int requests, open, seconds;

    begin(1 << 22, 2);
    requests = family(MG_COUNTER, "z_requests_total", route, 1, 0);
    seconds = family(MG_HISTOGRAM, "m_seconds", route, 1, 0);
    open = family(MG_GAUGE, "a_open", NULL, 0, 0);
    *series(requests, 0, "b") += 3;
    *series(requests, 1, "a") += 1;
    *series(requests, 1, "b") += 4;
    set_gauge(mg_metrics_series(w.m, open, 0, NULL, 0), 1.5);
    set_gauge(mg_metrics_series(w.m, open, 1, NULL, 0), 2);
    mg_metrics_observe(w.m, seconds, series(seconds, 0, "r"), 0.005);
    mg_metrics_observe(w.m, seconds, series(seconds, 0, "r"), 0.05);
    mg_metrics_observe(w.m, seconds, series(seconds, 1, "r"), 100);
    mg_metrics_observe(w.m, seconds, series(seconds, 1, "r"), NAN);
    CHECK_STR(written_span(), "# HELP a_open Help.\n"
                              "# TYPE a_open gauge\n"
                              "a_open 3.5\n"
                              "# HELP m_seconds Help.\n"
                              "# TYPE m_seconds histogram\n"
                              "m_seconds_bucket{route=\"r\",le=\"0.005\"} 1\n"
                              "m_seconds_bucket{route=\"r\",le=\"0.1\"} 2\n"
                              "m_seconds_bucket{route=\"r\",le=\"5\"} 2\n"
                              "m_seconds_bucket{route=\"r\",le=\"+Inf\"} 3\n"
                              "m_seconds_sum{route=\"r\"} 100.055\n"
                              "m_seconds_count{route=\"r\"} 3\n"
                              "# HELP z_requests_total Help.\n"
                              "# TYPE z_requests_total counter\n"
                              "z_requests_total{route=\"b\"} 7\n"
                              "z_requests_total{route=\"a\"} 1\n");
    mg_shm_free(w.shm);
}

static void a_value_cannot_break_out_of_its_quotes(void)
{
    static const mg_str path[] = {S("path")};
    char flood[1000];
    int id;

    begin(1 << 22, 1);
    id = mg_metrics_family(w.m, MG_COUNTER, MG_STR("x_total"), MG_STR("a\\b\nc\"d"), path, 1, NULL,
                           0, 0);
    *series(id, 0, "\"} 9\nforged 1\\") += 1;
    *series(id, 0, "\xff\xc3\xa9") += 1;
    CHECK_STR(written_span(), "# HELP x_total a\\\\b\\nc\"d\n"
                              "# TYPE x_total counter\n"
                              "x_total{path=\"\\\"} 9\\nforged 1\\\\\"} 1\n"
                              "x_total{path=\"\xef\xbf\xbd\xc3\xa9\"} 1\n");
    memset(flood, 'v', sizeof(flood));
    memcpy(flood + 255, "\xe2\x82\xac", 3); /* the cut falls into a character */
    flood[999] = '\0';
    *series(id, 0, flood) += 1;
    CHECK(strstr(written(), "vv\"} 1\n") != NULL);
    mg_shm_free(w.shm);
}

static void what_is_past_the_cap_is_folded_and_counted(void)
{
    static const mg_str user[] = {S("user")};
    uint64_t *kept;
    int id;

    begin(1 << 22, 2);
    id = family(MG_COUNTER, "u_total", user, 1, 2);
    kept = series(id, 0, "ann");
    series(id, 0, "bob");
    CHECK(strstr(written(), "_other") == NULL);
    CHECK(strstr(written(), "moongate_series_dropped_total") == NULL);
    *series(id, 0, "eve") += 1;
    *series(id, 1, "mallory") += 1;
    CHECK(series(id, 0, "eve") == series(id, 0, "_other"));
    CHECK(series(id, 0, "ann") == kept);
    CHECK(strstr(written(), "u_total{user=\"_other\"} 2\n") != NULL);
    CHECK(strstr(written(), "moongate_series_dropped_total{metric=\"u_total\"} 3\n") != NULL);
    mg_shm_free(w.shm);
}

static void a_client_that_says_other_makes_no_second_series(void)
{
    static const mg_str user[] = {S("user")};
    const char *at;
    int id;

    begin(1 << 22, 1);
    id = family(MG_COUNTER, "u_total", user, 1, 1);
    *series(id, 0, "_other") += 1;
    *series(id, 0, "ann") += 1;
    *series(id, 0, "bob") += 1;
    at = strstr(written(), "u_total{user=\"_other\"} 2\n");
    CHECK(at != NULL && strstr(at + 1, "u_total{user=\"_other\"}") == NULL);
    mg_shm_free(w.shm);
}

static void a_full_region_folds_too(void)
{
    static const mg_str user[] = {S("user")};
    int id, other, made = 0;

    begin(600000, 2);
    id = family(MG_HISTOGRAM, "u_seconds", user, 1, 0);
    for (int i = 0; i < 5000; i++) {
        char value[32];

        snprintf(value, sizeof(value), "%d", i);
        mg_metrics_observe(w.m, id, series(id, 1, value), 1);
        made += i > 0 && series(id, 1, value) != series(id, 1, "_other");
    }
    CHECK(made > 50 && made < 4900);
    CHECK(strstr(written(), "u_seconds_count{user=\"_other\"}") != NULL);
    CHECK(strstr(written(), "moongate_series_dropped_total{metric=") != NULL);
    other = family(MG_COUNTER, "late_total", user, 1, 0);
    CHECK(other == MG_ENOMEM);
    *series(other, 0, "nobody reads it") += 1;
    mg_shm_free(w.shm);
}

static void a_family_is_declared_once(void)
{
    static const mg_str ab[] = {S("a"), S("b")}, aa[] = {S("a"), S("a")};
    static const mg_str le[] = {S("le")}, bad[] = {S("a-b")}, own[] = {S("__x")};
    static const double down[] = {2, 1};
    int id;

    begin(1 << 22, 1);
    id = family(MG_COUNTER, "x_total", ab, 2, 0);
    CHECK(id >= 0 && family(MG_COUNTER, "x_total", ab, 2, 0) == id);
    CHECK(family(MG_GAUGE, "x_total", ab, 2, 0) == MG_EINVAL);
    CHECK(family(MG_COUNTER, "x_total", ab, 1, 0) == MG_EINVAL);
    CHECK(family(MG_COUNTER, "y_total", aa, 2, 0) == MG_EINVAL);
    CHECK(family(MG_COUNTER, "y_total", bad, 1, 0) == MG_EINVAL);
    CHECK(family(MG_COUNTER, "y_total", own, 1, 0) == MG_EINVAL);
    CHECK(family(MG_HISTOGRAM, "y", le, 1, 0) == MG_EINVAL);
    CHECK(family(MG_COUNTER, "1y", ab, 2, 0) == MG_EINVAL);
    CHECK(family(MG_COUNTER, "", ab, 2, 0) == MG_EINVAL);
    CHECK(mg_metrics_family(w.m, MG_HISTOGRAM, MG_STR("y"), MG_STR("h"), ab, 2, down, 2, 0) ==
          MG_EINVAL);
    CHECK(mg_metrics_family(w.m, MG_COUNTER, MG_STR("y"), MG_STR(""), ab, 2, NULL, 0, 0) ==
          MG_EINVAL);
    CHECK(family(MG_COUNTER, "job:y:rate", ab, 2, 0) >= 0);
    *mg_metrics_series(w.m, id, 7, ab, 2) += 1; /* no such worker */
    *mg_metrics_series(w.m, id, 0, ab, 1) += 1; /* too few values */
    CHECK(strcmp(written(), "") == 0);
    mg_shm_free(w.shm);
}

static void workers_never_share_a_cache_line(void)
{
    static const mg_str user[] = {S("user")};
    int id;

    begin(1 << 22, 3);
    id = family(MG_COUNTER, "u_total", user, 1, 0);
    for (int i = 0; i < 600; i++) {
        char value[32];

        snprintf(value, sizeof(value), "%d", i);
        for (uint32_t a = 0; a < 3; a++)
            for (uint32_t b = 0; b < a; b++)
                CHECK((uintptr_t)series(id, a, value) / 64 != (uintptr_t)series(id, b, value) / 64);
    }
    mg_shm_free(w.shm);
}

/* Two processes make the same series and count in their own slots; a third writes it all out. */
static void processes_make_and_count_the_same_series(void)
{
    static const mg_str user[] = {S("user")};
    int status;

    begin(1 << 22, 2);
    for (uint32_t worker = 0; worker < 2; worker++) {
        if (fork() == 0) {
            int id = family(MG_COUNTER, "u_total", user, 1, 0);

            for (int i = 0; i < 100000; i++) {
                char value[32];

                snprintf(value, sizeof(value), "%d", i % 100);
                *series(id, worker, value) += 1;
            }
            _exit(0);
        }
    }
    for (int i = 0; i < 2; i++)
        CHECK(wait(&status) > 0 && status == 0);
    written();
    for (int i = 0; i < 100; i++) {
        char line[64];
        const char *at;

        snprintf(line, sizeof(line), "u_total{user=\"%d\"} 2000\n", i);
        at = strstr(w.text, line);
        CHECK(at != NULL && strstr(at + 1, line) == NULL);
    }
    mg_shm_free(w.shm);
}

/* A process is killed again and again while it makes series: the text stays sound. */
static void killed_while_making_series_leaves_it_sound(void)
{
    static const mg_str user[] = {S("user")};
    int id, lines = 0;

    begin(1 << 24, 1);
    id = family(MG_COUNTER, "u_total", user, 1, 100000);
    for (int round = 0; round < 30; round++) {
        pid_t pid = fork();

        if (pid == 0) {
            char value[32];

            for (uint32_t i = 0;; i++) {
                snprintf(value, sizeof(value), "%d-%u", round, i % 200);
                *series(id, 0, value) += 1;
            }
        }
        usleep(500 + 100 * (useconds_t)round);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    for (int i = 0; i < 50; i++) {
        char value[32];

        snprintf(value, sizeof(value), "after-%d", i);
        *series(id, 0, value) += 1;
    }
    written();
    for (const char *p = w.text; (p = strstr(p, "u_total{")) != NULL; p++)
        lines++;
    CHECK(strstr(w.text, "user=\"after-49\"} 1\n") != NULL);
    CHECK(lines >= 50 && lines <= 6050);
    mg_shm_free(w.shm);
}

static int count_bytes(void *arg, const char *ptr, size_t len)
{
    (void)ptr;
    *(size_t *)arg += len;
    return len <= 65536 ? 0 : MG_ELIMIT;
}

static int stop(void *arg, const char *ptr, size_t len)
{
    (void)ptr;
    (void)len;
    ++*(int *)arg;
    return MG_EGONE;
}

/* Says how long 50,000 series take; only the bound on each piece is checked. */
static void a_large_scrape_comes_in_bounded_pieces(void)
{
    static const mg_str labels[] = {S("source_principal"), S("destination_principal"), S("code")};
    struct timespec from, to;
    size_t bytes = 0;
    int id, calls = 0;

    begin((size_t)64 << 20, 4);
    id = family(MG_COUNTER, "u_total", labels, 3, 50000);
    for (uint32_t i = 0; i < 50000; i++) {
        char value[32];
        mg_str values[] = {S("spiffe://cluster.local/ns/default/sa/sleep"), {value, 0}, S("200")};

        values[1].len = (uint32_t)snprintf(value, sizeof(value), "workload-%u", i);
        *mg_metrics_series(w.m, id, i % 4, values, 3) = i;
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    CHECK(mg_metrics_write(w.m, count_bytes, &bytes) == 0);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    printf("# 50000 series of 4 workers: %zu bytes, %.1f ms\n", bytes,
           (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6);
    CHECK(bytes > (size_t)50000 * 100);
    CHECK(mg_metrics_write(w.m, stop, &calls) == MG_EGONE && calls == 1);
    mg_shm_free(w.shm);
}

static void a_series_may_lack_labels(void)
{
    static const mg_str labels[] = {S("a"), S("b")};
    static const mg_str without[] = {{"\0", 1}, S("x")}, none[] = {{"\0", 1}, {"\0", 1}};
    int id;

    begin(1 << 22, 1);
    id = family(MG_COUNTER, "lacking_total", labels, 2, 0);
    *mg_metrics_series(w.m, id, 0, without, 2) = 5;
    *mg_metrics_series(w.m, id, 0, none, 2) = 6;
    CHECK(strstr(written(), "lacking_total{b=\"x\"} 5\n") != NULL);
    CHECK(strstr(written(), "lacking_total 6\n") != NULL ||
          strstr(written(), "lacking_total{} 6\n") != NULL);
    mg_shm_free(w.shm);
}

static void of_a_worker_that_ended_gauges_go_and_counters_stay(void)
{
    int requests, open;

    begin(1 << 22, 2);
    requests = family(MG_COUNTER, "requests_total", NULL, 0, 0);
    open = family(MG_GAUGE, "open", NULL, 0, 0);
    for (uint32_t worker = 0; worker < 2; worker++) {
        *mg_metrics_series(w.m, requests, worker, NULL, 0) = 5;
        set_gauge(mg_metrics_series(w.m, open, worker, NULL, 0), 2);
    }
    mg_metrics_forget(w.m, 1);
    CHECK(strstr(written(), "\nrequests_total 10\n") != NULL);
    CHECK(strstr(written(), "\nopen 2\n") != NULL);
    mg_shm_free(w.shm);
}

/* With an argument it prints an exposition, for promtool check metrics. */
static void print_sample(void)
{
    static const mg_str labels[] = {S("route"), S("code")};
    static const mg_str values[] = {S("a\"b\\c\nd"), S("200")};
    int id;

    begin(1 << 22, 2);
    id = family(MG_COUNTER, "x_requests_total", labels, 2, 1);
    *mg_metrics_series(w.m, id, 0, values, 2) = 5;
    *mg_metrics_series(w.m, id, 0, labels, 2) = 5;
    id = family(MG_HISTOGRAM, "x_duration_seconds", labels, 2, 0);
    mg_metrics_observe(w.m, id, mg_metrics_series(w.m, id, 1, values, 2), 0.07);
    id = family(MG_GAUGE, "x_ratio", NULL, 0, 0);
    set_gauge(mg_metrics_series(w.m, id, 1, NULL, 0), 0.1);
    fputs(written(), stdout);
    mg_shm_free(w.shm);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        TEST(writes_every_type_sorted_and_added_up),
        TEST(a_value_cannot_break_out_of_its_quotes),
        TEST(what_is_past_the_cap_is_folded_and_counted),
        TEST(a_client_that_says_other_makes_no_second_series),
        TEST(a_full_region_folds_too),
        TEST(a_family_is_declared_once),
        TEST(workers_never_share_a_cache_line),
        TEST(processes_make_and_count_the_same_series),
        TEST(killed_while_making_series_leaves_it_sound),
        TEST(a_large_scrape_comes_in_bounded_pieces),
        TEST(a_series_may_lack_labels),
        TEST(of_a_worker_that_ended_gauges_go_and_counters_stay)};

    if (argc > 1 && strcmp(argv[1], "print") == 0) {
        print_sample();
        return 0;
    }
    return test_run(cases, sizeof(cases) / sizeof(cases[0]));
}
