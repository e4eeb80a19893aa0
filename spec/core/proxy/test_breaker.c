#include "base/dict.h"
#include "proxy/breaker.h"
#include "test.h"

static const struct mg_breaker_conf two = {
    .name = {"a", 1}, .max_connections = 2, .max_pending = 1, .max_retries = 1};

static struct mg_breaker *open_in(struct mg_shm *shm, uint32_t worker,
                                  const struct mg_breaker_conf *conf)
{
    return mg_breaker_open(conf, shm, worker);
}

static void lets_in_as_many_as_it_says(void)
{
    struct mg_breaker *b = open_in(NULL, 0, &two);

    CHECK(mg_breaker_may(b, MG_BREAKER_CONNECTIONS));
    mg_breaker_add(b, MG_BREAKER_CONNECTIONS);
    CHECK(mg_breaker_may(b, MG_BREAKER_CONNECTIONS));
    mg_breaker_add(b, MG_BREAKER_CONNECTIONS);
    CHECK(!mg_breaker_may(b, MG_BREAKER_CONNECTIONS));
    CHECK(mg_breaker_may(b, MG_BREAKER_PENDING) && mg_breaker_may(b, MG_BREAKER_REQUESTS));
    mg_breaker_sub(b, MG_BREAKER_CONNECTIONS);
    CHECK(mg_breaker_may(b, MG_BREAKER_CONNECTIONS));
    mg_breaker_unref(b);
}

static void no_breaker_is_no_limit(void)
{
    mg_breaker_add(NULL, MG_BREAKER_REQUESTS);
    CHECK(mg_breaker_may(NULL, MG_BREAKER_REQUESTS));
    mg_breaker_sub(NULL, MG_BREAKER_REQUESTS);
}

static void the_same_conf_is_the_same_breaker(void)
{
    struct mg_breaker_conf other = two;
    struct mg_breaker *b = open_in(NULL, 0, &two), *c;

    CHECK(open_in(NULL, 0, &two) == b);
    other.max_pending = 3;
    c = open_in(NULL, 0, &other);
    CHECK(c != b);
    mg_breaker_unref(c);
    mg_breaker_unref(b);
    mg_breaker_unref(b);
}

/* The other workers' counts are made by hand: a process has one index. */
static void workers_count_together(void)
{
    struct mg_shm *shm = mg_shm_new(1 << 20);
    struct mg_breaker_conf other = two;
    struct mg_breaker *mine = open_in(shm, 0, &two), *theirs;

    other.max_requests = 9;
    theirs = open_in(shm, 0, &other);
    CHECK(mine->shared && mine->slots == theirs->slots);
    theirs->own = 1;
    mg_breaker_add(mine, MG_BREAKER_CONNECTIONS);
    mg_breaker_add(theirs, MG_BREAKER_CONNECTIONS);
    CHECK(!mg_breaker_may(mine, MG_BREAKER_CONNECTIONS));
    mg_breaker_forget(shm, 2);
    CHECK(!mg_breaker_may(mine, MG_BREAKER_CONNECTIONS));
    mg_breaker_forget(shm, 1); /* it was killed */
    CHECK(mg_breaker_may(mine, MG_BREAKER_CONNECTIONS));
    mg_breaker_add(mine, MG_BREAKER_CONNECTIONS);
    CHECK(!mg_breaker_may(mine, MG_BREAKER_CONNECTIONS));
    mg_breaker_unref(theirs);
    mg_breaker_unref(mine);
    mg_shm_free(shm);
}

static void what_has_its_name_is_not_it(void)
{
    struct mg_shm *shm = mg_shm_new(1 << 20);
    struct mg_breaker *b = open_in(shm, 0, &two);
    struct mg_dict *d = mg_dict_open(shm, two.name, 4096);
    char out[8];
    size_t len;

    CHECK(mg_dict_set(d, MG_STR("key"), MG_STR("value"), 0, 0, false) == 0);
    mg_breaker_forget(shm, 0);
    CHECK(mg_dict_get(d, MG_STR("key"), 0, out, sizeof(out), &len) == 0 && len == 5);
    mg_breaker_unref(b);
    mg_shm_free(shm);
}

static void a_budget_grows_with_the_requests(void)
{
    struct mg_breaker_conf conf = {.name = {"b", 1}, .retry_percent = 50, .min_retries = 1};
    struct mg_breaker *b = open_in(NULL, 0, &conf);

    CHECK(mg_breaker_may(b, MG_BREAKER_RETRIES));
    mg_breaker_add(b, MG_BREAKER_RETRIES);
    CHECK(!mg_breaker_may(b, MG_BREAKER_RETRIES));
    for (int i = 0; i < 4; i++)
        mg_breaker_add(b, MG_BREAKER_REQUESTS);
    CHECK(mg_breaker_may(b, MG_BREAKER_RETRIES));
    mg_breaker_unref(b);
}

TEST_MAIN(TEST(lets_in_as_many_as_it_says), TEST(no_breaker_is_no_limit),
          TEST(the_same_conf_is_the_same_breaker), TEST(workers_count_together),
          TEST(what_has_its_name_is_not_it), TEST(a_budget_grows_with_the_requests))
