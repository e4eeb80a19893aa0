/* The file itself, for one test dies inside its lock. */
#include "base/dict.c"
#include "test.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct mg_shm *shm;

static struct mg_dict *begin(size_t size)
{
    struct mg_dict *d;

    shm = mg_shm_new(size + (1 << 16));
    d = mg_dict_open(shm, MG_STR("d"), size);
    CHECK(d != NULL);
    return d;
}

static mg_str span(const char *s)
{
    return mg_str_of(s, strlen(s));
}

static int set(struct mg_dict *d, const char *key, const char *value)
{
    return mg_dict_set(d, span(key), span(value), 1000, 0, false);
}

static mg_str get(struct mg_dict *d, const char *key, uint64_t now_ms)
{
    static char out[1 << 20];
    size_t len = 0;

    if (mg_dict_get(d, span(key), now_ms, out, sizeof(out), &len) != MG_OK)
        return MG_STR("(none)");
    return mg_str_of(out, len);
}

static int swap(struct mg_dict *d, const char *old, const char *value, uint64_t now_ms)
{
    mg_str nothing = {0};

    return mg_dict_swap(d, MG_STR("k"), old == NULL ? nothing : span(old), span(value), now_ms,
                        100);
}

static void a_swap_counts_only_if_nothing_changed_meanwhile(void)
{
    struct mg_dict *d = begin(1 << 18);

    CHECK(swap(d, "a", "b", 0) == MG_EPHASE);
    CHECK(swap(d, NULL, "", 0) == MG_OK);
    CHECK(swap(d, NULL, "a", 0) == MG_EPHASE);
    CHECK(swap(d, "", "a", 0) == MG_OK);
    CHECK(swap(d, "b", "c", 0) == MG_EPHASE && swap(d, "", "c", 0) == MG_EPHASE);
    CHECK(swap(d, "a", "a value that needs more than one cell, for it has seventy bytes or more",
               0) == MG_OK);
    CHECK(swap(d, "a value that needs more than one cell, for it has seventy bytes or mor?", "d",
               0) == MG_EPHASE);
    CHECK(swap(d, "a value that needs more than one cell, for it has seventy bytes or more", "d",
               50) == MG_OK);
    CHECK_STR(get(d, "k", 149), "d");
    CHECK(swap(d, "d", "e", 150) == MG_EPHASE);
    CHECK(swap(d, NULL, "e", 150) == MG_OK);
    mg_shm_free(shm);
}

static void what_is_set_can_be_got_replaced_and_deleted(void)
{
    struct mg_dict *d = begin(1 << 18);
    char part[3];
    size_t len;

    CHECK_STR(get(d, "a", 0), "(none)");
    CHECK(set(d, "a", "one") == MG_OK && set(d, "b", "") == MG_OK);
    CHECK_STR(get(d, "a", 0), "one");
    CHECK_STR(get(d, "b", 0), "");
    CHECK(set(d, "a", "a value that needs more than one cell, for it has seventy bytes or more") ==
          MG_OK);
    CHECK_STR(get(d, "a", 0),
              "a value that needs more than one cell, for it has seventy bytes or more");
    CHECK(mg_dict_get(d, span("a"), 0, part, 3, &len) == MG_OK && len == 71);
    CHECK(memcmp(part, "a v", 3) == 0);
    CHECK(mg_dict_set(d, span("a"), span("x"), 0, 0, true) == MG_EPHASE);
    CHECK(mg_dict_set(d, span("c"), span("x"), 0, 0, true) == MG_OK);
    CHECK(mg_dict_delete(d, span("a")) == MG_OK);
    CHECK(mg_dict_delete(d, span("a")) == MG_ENOENT);
    CHECK_STR(get(d, "a", 0), "(none)");
    CHECK(mg_dict_open(shm, MG_STR("d"), 1) == d);
    mg_shm_free(shm);
}

/* Every length around the cells' borders, for key and value. */
static void every_length_comes_back(void)
{
    struct mg_dict *d = begin(1 << 20);
    char bytes[300];
    uint64_t entries, used, evicted;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7 + 1);
    for (uint32_t klen = 0; klen < 150; klen++) {
        for (uint32_t vlen = 0; vlen < 150; vlen++) {
            char out[150] = {0};
            size_t len;

            CHECK(mg_dict_set(d, mg_str_of(bytes, klen), mg_str_of(bytes + vlen, vlen), 0, 0,
                              false) == MG_OK);
            CHECK(mg_dict_get(d, mg_str_of(bytes, klen), 0, out, sizeof(out), &len) == MG_OK);
            CHECK(len == vlen && memcmp(out, bytes + vlen, vlen) == 0);
        }
        CHECK(mg_dict_delete(d, mg_str_of(bytes, klen)) == MG_OK);
    }
    mg_dict_stats(d, &entries, &used, &evicted);
    CHECK(entries == 0 && used == 0 && evicted == 0);
    mg_shm_free(shm);
}

static void an_entry_lives_as_long_as_its_ttl(void)
{
    struct mg_dict *d = begin(1 << 18);
    uint64_t ttl;

    CHECK(mg_dict_set(d, span("a"), span("x"), 1000, 500, false) == MG_OK);
    CHECK(mg_dict_ttl(d, span("a"), 1200, &ttl) == MG_OK && ttl == 300);
    CHECK_STR(get(d, "a", 1499), "x");
    CHECK_STR(get(d, "a", 1500), "(none)");
    CHECK(mg_dict_ttl(d, span("a"), 1500, &ttl) == MG_ENOENT);
    CHECK(set(d, "a", "y") == MG_OK);
    CHECK(mg_dict_ttl(d, span("a"), 9999999, &ttl) == MG_OK && ttl == 0);
    CHECK(mg_dict_set(d, span("b"), span("x"), 1000, UINT64_MAX, false) == MG_OK);
    CHECK_STR(get(d, "b", UINT64_MAX / 2), "x");
    CHECK(mg_dict_set(d, span("c"), span("x"), 1000, 5, false) == MG_OK);
    CHECK(mg_dict_set(d, span("c"), span("y"), 1005, 5, true) == MG_OK);
    mg_shm_free(shm);
}

static void incr_counts_and_keeps_the_expiry(void)
{
    struct mg_dict *d = begin(1 << 18);
    double n = 0;
    uint64_t ttl;

    CHECK(mg_dict_incr(d, span("n"), 2, 10, 1000, 500, &n) == MG_OK && n == 12);
    CHECK(mg_dict_incr(d, span("n"), 0.5, 10, 1400, 500, &n) == MG_OK && n == 12.5);
    CHECK_STR(get(d, "n", 1400), "12.5");
    CHECK(mg_dict_ttl(d, span("n"), 1400, &ttl) == MG_OK && ttl == 100);
    CHECK(mg_dict_incr(d, span("n"), 1, 0, 1500, 500, &n) == MG_OK && n == 1);
    CHECK(set(d, "t", "text") == MG_OK && set(d, "e", "") == MG_OK && set(d, "s", "41") == MG_OK);
    CHECK(mg_dict_incr(d, span("t"), 1, 0, 0, 0, &n) == MG_EINVAL);
    CHECK(mg_dict_incr(d, span("e"), 1, 0, 0, 0, &n) == MG_EINVAL);
    CHECK(mg_dict_incr(d, span("s"), INFINITY, 0, 0, 0, &n) == MG_EINVAL);
    CHECK(mg_dict_incr(d, span("s"), NAN, 0, 0, 0, &n) == MG_EINVAL);
    CHECK(mg_dict_incr(d, span("s"), 1, 0, 0, 0, &n) == MG_OK && n == 42);
    CHECK_STR(get(d, "t", 0), "text");
    mg_shm_free(shm);
}

static void the_entry_used_longest_ago_goes_first(void)
{
    struct mg_dict *d = begin(1 << 16);
    uint64_t entries, used, evicted;
    char key[32];

    set(d, "kept", "by use");
    set(d, "lost", "by neglect");
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        CHECK(set(d, key, "value") == MG_OK);
        CHECK_STR(get(d, "kept", 0), "by use");
    }
    CHECK_STR(get(d, "lost", 0), "(none)");
    CHECK_STR(get(d, "k4999", 0), "value");
    mg_dict_stats(d, &entries, &used, &evicted);
    CHECK(entries + evicted == 5002 && used <= 1 << 16 && used > 1 << 15);
    mg_shm_free(shm);
}

static void an_expired_one_goes_before_the_oldest(void)
{
    struct mg_dict *d = begin(1 << 14);
    uint64_t entries, used, evicted = 0;
    char key[32];
    int n;

    set(d, "oldest", "x");
    mg_dict_set(d, span("expired"), span("x"), 0, 10, false);
    for (n = 0, used = 0; used < (uint64_t)(d->ncells - 1) * CELL; n++) {
        snprintf(key, sizeof(key), "k%d", n);
        set(d, key, "x");
        mg_dict_stats(d, &entries, &used, &evicted);
    }
    CHECK(evicted == 0);
    CHECK(set(d, "one more", "x") == MG_OK);
    mg_dict_stats(d, &entries, &used, &evicted);
    CHECK(evicted == 0);
    CHECK_STR(get(d, "oldest", 0), "x");
    CHECK_STR(get(d, "expired", 0), "(none)");
    mg_shm_free(shm);
}

static void what_is_too_large_is_refused_and_the_old_value_stays(void)
{
    static char large[1 << 18];
    struct mg_dict *d = begin(1 << 18);
    double n;

    memset(large, 'l', sizeof(large) - 1);
    set(d, "a", "small");
    CHECK(set(d, "a", large) == MG_ELIMIT);
    CHECK(set(d, large, "a") == MG_ELIMIT);
    CHECK(mg_dict_incr(d, span(large), 1, 0, 0, 0, &n) == MG_ELIMIT);
    CHECK_STR(get(d, "a", 0), "small");
    large[60000] = '\0';
    CHECK(set(d, "a", large) == MG_OK);
    CHECK_STR(get(d, "a", 0), large);
    mg_shm_free(shm);
}

static void a_long_mix_of_calls_leaves_no_cell_behind(void)
{
    struct mg_dict *d = begin(1 << 20);
    uint64_t entries, used, evicted;
    static char value[3000];

    memset(value, 'v', sizeof(value));
    srand(11);
    for (uint64_t now = 1; now < 200000; now++) {
        char name[16];
        mg_str key = mg_str_of(name, (size_t)snprintf(name, sizeof(name), "%d", rand() % 3000));
        size_t len;

        if (rand() % 10 == 0)
            mg_dict_delete(d, key);
        else if (rand() % 2 == 0)
            mg_dict_get(d, key, now, value, 0, &len);
        else
            mg_dict_set(d, key, mg_str_of(value, (size_t)rand() % 3000), now,
                        (uint64_t)rand() % 20000, false);
    }
    mg_dict_stats(d, &entries, &used, &evicted);
    CHECK(entries > 0 && evicted > 0 && d->nshards > 1);
    for (int i = 0; i < 3000; i++) {
        char name[16];

        mg_dict_delete(d, mg_str_of(name, (size_t)snprintf(name, sizeof(name), "%d", i)));
    }
    mg_dict_stats(d, &entries, &used, &evicted);
    CHECK(entries == 0 && used == 0);
    mg_shm_free(shm);
}

static void two_processes_count_exactly(void)
{
    struct mg_dict *d = begin(1 << 18);
    int status;

    for (int child = 0; child < 2; child++) {
        if (fork() == 0) {
            double n;

            for (int i = 0; i < 200000; i++)
                mg_dict_incr(d, span("hits"), 1, 0, 0, 0, &n);
            _exit(0);
        }
    }
    for (int i = 0; i < 2; i++)
        CHECK(wait(&status) > 0 && status == 0);
    CHECK_STR(get(d, "hits", 0), "400000");
    mg_shm_free(shm);
}

/* Dies with the lock held and the shard half written. */
static void die_inside(struct mg_dict *d)
{
    struct shard *s = lock(d, 0);

    s->oldest = 99999999;
    s->free = 88888888;
    memset(s->buckets, 0xee, d->nbuckets * sizeof(*s->buckets));
    kill(getpid(), SIGKILL);
}

static void a_shard_whose_writer_was_killed_is_emptied_and_works(void)
{
    struct mg_dict *d = begin(1 << 16);
    uint64_t entries, used, evicted;
    char key[16];
    pid_t pid;
    int status;

    set(d, "a", "x");
    pid = fork();
    if (pid == 0)
        die_inside(d);
    CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    CHECK_STR(get(d, "a", 0), "(none)");
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof(key), "%d", i);
        CHECK(set(d, key, "again") == MG_OK);
    }
    CHECK_STR(get(d, "4999", 0), "again");
    mg_dict_stats(d, &entries, &used, &evicted);
    CHECK(entries > 100 && used <= 1 << 16);
    mg_shm_free(shm);
}

static void killed_at_any_moment_leaves_it_usable(void)
{
    struct mg_dict *d = begin(1 << 16);

    for (int round = 0; round < 50; round++) {
        pid_t pid = fork();

        if (pid == 0) {
            for (int i = 0;; i++) {
                char key[16];

                snprintf(key, sizeof(key), "%d", i % 3000);
                set(d, key, "some value of a length that needs two cells or three");
            }
        }
        usleep(200 + 40 * (useconds_t)round);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        CHECK(set(d, "still", "there") == MG_OK);
        CHECK_STR(get(d, "still", 0), "there");
    }
    mg_shm_free(shm);
}

TEST_MAIN(TEST(what_is_set_can_be_got_replaced_and_deleted), TEST(every_length_comes_back),
          TEST(a_swap_counts_only_if_nothing_changed_meanwhile),
          TEST(an_entry_lives_as_long_as_its_ttl), TEST(incr_counts_and_keeps_the_expiry),
          TEST(the_entry_used_longest_ago_goes_first), TEST(an_expired_one_goes_before_the_oldest),
          TEST(what_is_too_large_is_refused_and_the_old_value_stays),
          TEST(a_long_mix_of_calls_leaves_no_cell_behind), TEST(two_processes_count_exactly),
          TEST(a_shard_whose_writer_was_killed_is_emptied_and_works),
          TEST(killed_at_any_moment_leaves_it_usable))
