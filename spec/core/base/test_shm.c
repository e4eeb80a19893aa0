#include "base/shm.h"
#include "test.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct piece {
    pthread_mutex_t lock;
    uint64_t count;
    int inits;
};

static void wait_for(pid_t pid, int want)
{
    int status;

    CHECK(waitpid(pid, &status, 0) == pid && status == want);
}

static void pieces_are_aligned_zeroed_and_end(void)
{
    struct mg_shm *s = mg_shm_new(1 << 16);
    size_t got = 0;
    char *p;

    while ((p = mg_shm_alloc(s, 1000)) != NULL) {
        CHECK((uintptr_t)p % 64 == 0 && p[0] == 0 && p[999] == 0);
        memset(p, 0xff, 1000);
        got++;
    }
    CHECK(got == (1 << 16) / 1024);
    CHECK(mg_shm_alloc(s, SIZE_MAX) == NULL);
    CHECK(mg_shm_alloc(s, SIZE_MAX - 32) == NULL);
    mg_shm_free(s);
}

static void a_large_region_costs_nothing_until_touched(void)
{
    struct mg_shm *s = mg_shm_new((size_t)8 << 30);
    char *p;

    CHECK(s != NULL);
    if (s == NULL)
        return;
    p = mg_shm_alloc(s, (size_t)4 << 30);
    CHECK(p != NULL);
    if (p != NULL)
        p[((size_t)4 << 30) - 1] = 1;
    mg_shm_free(s);
}

static int init_piece(struct mg_shm *s, void *ptr, size_t size)
{
    struct piece *p = ptr;

    (void)s;
    (void)size;
    p->inits++;
    return mg_shm_lock_init(&p->lock);
}

static int refuse(struct mg_shm *s, void *ptr, size_t size)
{
    (void)s;
    (void)ptr;
    (void)size;
    return MG_EINVAL;
}

static void a_name_is_one_piece_for_all_processes(void)
{
    struct mg_shm *s = mg_shm_new(1 << 20);
    struct piece *p;
    pid_t pid = fork();

    if (pid == 0) {
        p = mg_shm_named(s, "test", MG_STR("counter"), sizeof(*p), init_piece);
        p->count = 42;
        _exit(0);
    }
    wait_for(pid, 0);
    p = mg_shm_named(s, "test", MG_STR("counter"), sizeof(*p), init_piece);
    CHECK(p != NULL && p->count == 42 && p->inits == 1);
    CHECK(mg_shm_named(s, "test", MG_STR("other"), sizeof(*p), init_piece) != p);
    CHECK(mg_shm_named(s, "test", MG_STR("bad"), sizeof(*p), refuse) == NULL);
    CHECK(mg_shm_named(s, "test", MG_STR("huge"), 2 << 20, init_piece) == NULL);
    mg_shm_free(s);
}

static void sum_up(void *piece, void *sum)
{
    *(uint64_t *)sum += ((struct piece *)piece)->count;
}

static void pieces_of_a_kind_are_found_and_no_others(void)
{
    static const struct {
        const char *kind;
        mg_str name;
    } pieces[] = {{"a", {"one", 3}}, {"a", {"two", 3}}, {"b", {"one", 3}}, {"b", {"a", 1}}};
    struct mg_shm *s = mg_shm_new(1 << 20);
    uint64_t sum = 0, count = 1;

    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++, count *= 10) {
        struct piece *p =
            mg_shm_named(s, pieces[i].kind, pieces[i].name, sizeof(struct piece), init_piece);

        CHECK(p->count == 0);
        p->count = count;
    }
    mg_shm_each(s, "a", sum_up, &sum);
    CHECK(sum == 11);
    mg_shm_free(s);
}

static void a_lock_keeps_two_processes_apart(void)
{
    struct mg_shm *s = mg_shm_new(1 << 20);
    volatile struct piece *p = mg_shm_named(s, "test", MG_STR("x"), sizeof(*p), init_piece);
    pid_t pids[2];

    for (int i = 0; i < 2; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            for (int n = 0; n < 100000; n++) {
                mg_shm_lock((pthread_mutex_t *)&p->lock);
                p->count = p->count + 1;
                mg_shm_unlock((pthread_mutex_t *)&p->lock);
            }
            _exit(0);
        }
    }
    wait_for(pids[0], 0);
    wait_for(pids[1], 0);
    CHECK(p->count == 200000);
    mg_shm_free(s);
}

static void a_killed_holder_s_lock_is_taken_over_once(void)
{
    struct mg_shm *s = mg_shm_new(1 << 20);
    struct piece *p = mg_shm_named(s, "test", MG_STR("x"), sizeof(*p), init_piece);
    pid_t pid = fork();

    if (pid == 0) {
        mg_shm_lock(&p->lock);
        kill(getpid(), SIGKILL);
    }
    wait_for(pid, SIGKILL);
    CHECK(mg_shm_lock(&p->lock) == true);
    mg_shm_unlock(&p->lock);
    CHECK(mg_shm_lock(&p->lock) == false);
    mg_shm_unlock(&p->lock);
    mg_shm_free(s);
}

TEST_MAIN(TEST(pieces_are_aligned_zeroed_and_end), TEST(a_large_region_costs_nothing_until_touched),
          TEST(a_name_is_one_piece_for_all_processes),
          TEST(pieces_of_a_kind_are_found_and_no_others), TEST(a_lock_keeps_two_processes_apart),
          TEST(a_killed_holder_s_lock_is_taken_over_once))
