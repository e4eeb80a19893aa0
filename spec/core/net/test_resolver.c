/* test_resolver.c -- Literals at once, names in the background, one look-up a name.
 *
 * Only names that need no network: "localhost" (RFC 6761, 6.3) and names under ".invalid" (6.4),
 * which fail with or without a name server. */
#include <arpa/inet.h>
#include <stdlib.h>
#include "fire.h"
#include "net/resolver.h"
#include "test.h"

static struct mg_loop loop;
static struct mg_resolver *r;

struct waiter {
    struct mg_name_wait wait;
    int told, err;
};

static void on_told(struct mg_name_wait *wait, int err)
{
    struct waiter *w = MG_LIST_OF(wait, struct waiter, wait);

    w->told++;
    w->err = err;
}

static void waiting(struct mg_name *name, struct waiter *w)
{
    w->told = 0;
    w->wait.fn = on_told;
    mg_list_init(&w->wait.link);
    mg_resolver_wait(name, &w->wait);
}

static void open_resolver(void)
{
    CHECK(mg_loop_init(&loop) == 0);
    r = mg_resolver_new(&loop);
}

static void close_resolver(void)
{
    mg_resolver_free(r);
    CHECK(mg_loop_close(&loop) == 0);
}

/* Turns until the waiter is told; a look-up is bounded by the resolver itself. */
static void turn_until_told(const struct waiter *w)
{
    uint64_t limit = mg_clock_ns() + 20 * UINT64_C(1000000000);

    while (w->told == 0 && mg_clock_ns() < limit)
        mg_loop_turn(&loop, true);
}

static void test_literals_answer_at_once(void)
{
    struct mg_name *four, *six;

    open_resolver();
    four = mg_resolver_get(r, "192.0.2.7", 8080);
    six = mg_resolver_get(r, "2001:db8::1", 443);
    CHECK(four->count == 1 && four->err == 0);
    CHECK(((struct sockaddr_in *)&four->addresses[0])->sin_addr.s_addr == inet_addr("192.0.2.7"));
    CHECK(((struct sockaddr_in *)&four->addresses[0])->sin_port == htons(8080));
    CHECK(six->count == 1 && six->addresses[0].ss_family == AF_INET6);
    CHECK(((struct sockaddr_in6 *)&six->addresses[0])->sin6_port == htons(443));
    CHECK(!mg_loop_turn(&loop, false)); /* nothing is asked, nothing is refreshed */
    mg_resolver_put(r, four);
    mg_resolver_put(r, six);
    close_resolver();
}

static void test_localhost(void)
{
    struct mg_name *name;
    struct waiter w, too;
    bool loopback = true;

    open_resolver();
    name = mg_resolver_get(r, "localhost", 9101);
    CHECK(name->count == 0 && name->err == 0);
    waiting(name, &w);
    waiting(name, &too);
    CHECK(w.told == 0);
    turn_until_told(&w);
    CHECK(w.told == 1 && w.err == 0 && too.told == 1 && too.err == 0);
    CHECK(name->count >= 1);
    for (uint32_t i = 0; i < name->count; i++) {
        const struct sockaddr_storage *at = &name->addresses[i];

        if (at->ss_family == AF_INET)
            loopback &= ntohl(((struct sockaddr_in *)at)->sin_addr.s_addr) >> 24 == 127 &&
                        ((struct sockaddr_in *)at)->sin_port == htons(9101);
        else
            loopback &= IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)at)->sin6_addr) &&
                        ((struct sockaddr_in6 *)at)->sin6_port == htons(9101);
    }
    CHECK(loopback);
    close_resolver();
}

static void test_a_name_is_shared(void)
{
    struct mg_name *one, *two, *other;

    open_resolver();
    one = mg_resolver_get(r, "localhost", 80);
    two = mg_resolver_get(r, "localhost", 80);
    other = mg_resolver_get(r, "localhost", 81);
    CHECK(one == two && one != other);
    CHECK(loop.uv.active_reqs.count == 2); /* one look-up each */
    mg_resolver_put(r, one);
    CHECK(strcmp(two->host, "localhost") == 0); /* still there */
    mg_resolver_put(r, two);
    mg_resolver_put(r, other);
    close_resolver();
}

static void test_no_such_name(void)
{
    struct mg_name *name;
    struct waiter w;

    open_resolver();
    name = mg_resolver_get(r, "nothing-here.invalid", 80);
    waiting(name, &w);
    turn_until_told(&w);
    CHECK(w.told == 1 && w.err == MG_EDNS);
    CHECK(name->count == 0 && name->err == MG_EDNS);
    waiting(name, &w); /* told again by the next try */
    turn_until_told(&w);
    CHECK(w.told == 1 && w.err == MG_EDNS);
    close_resolver();
}

static void test_refuses_what_is_no_host(void)
{
    char host[300];

    open_resolver();
    memset(host, 'a', sizeof(host));
    host[254] = '\0';
    CHECK(mg_resolver_get(r, host, 80) == NULL);
    CHECK(mg_resolver_get(r, "", 80) == NULL);
    CHECK(mg_resolver_get(r, "a b", 80) == NULL);
    CHECK(mg_resolver_get(r, "a/b", 80) == NULL);
    CHECK(mg_resolver_get(r, "a:80", 80) == NULL);
    CHECK(mg_resolver_get(r, "caf\xc3\xa9.example", 80) == NULL);
    close_resolver();
}

/* Given back, given up, and freed while libuv still looks: the sanitizer watches. */
static void test_leaving_early(void)
{
    struct mg_name *name;
    struct waiter w, gone;

    open_resolver();
    name = mg_resolver_get(r, "localhost", 80);
    waiting(name, &w);
    waiting(name, &gone);
    mg_list_remove(&gone.wait.link);
    turn_until_told(&w);
    CHECK(w.told == 1 && gone.told == 0);
    mg_resolver_put(r, name);

    name = mg_resolver_get(r, "localhost", 80);
    waiting(name, &w);
    mg_resolver_put(r, name);
    mg_list_remove(&w.wait.link); /* harmless after the name has gone */
    mg_resolver_get(r, "localhost", 82);
    close_resolver();
    CHECK(w.told == 0);
}

static struct mg_name *given_back;

static void on_told_put(struct mg_name_wait *wait, int err)
{
    on_told(wait, err);
    mg_resolver_put(r, given_back);
}

static void test_put_when_told(void)
{
    struct waiter w;

    open_resolver();
    given_back = mg_resolver_get(r, "localhost", 80);
    waiting(given_back, &w);
    w.wait.fn = on_told_put;
    turn_until_told(&w);
    CHECK(w.told == 1);
    close_resolver();
}

/* Like a name that stops resolving: what was known stays. */
static void test_failure_keeps_the_last_answer(void)
{
    struct mg_name *name;
    struct waiter w;
    uint64_t limit;
    uint32_t count;

    open_resolver();
    name = mg_resolver_get(r, "localhost", 80);
    waiting(name, &w);
    turn_until_told(&w);
    count = name->count;
    CHECK(count >= 1);
    name->host = "nothing-here.invalid";
    fire_timers(&loop); /* the refresh is due in MG_RESOLVER_PERIOD_MS */
    CHECK(loop.uv.active_reqs.count == 1);
    limit = mg_clock_ns() + 20 * UINT64_C(1000000000);
    while (name->err == 0 && mg_clock_ns() < limit)
        mg_loop_turn(&loop, true);
    CHECK(name->err == MG_EDNS);
    CHECK(name->count == count);
    close_resolver();
}

/* Asks again, and waits for what comes. */
static void ask_again(struct mg_name *name, const char *host)
{
    uint64_t limit = mg_clock_ns() + 20 * UINT64_C(1000000000);

    name->host = host;
    fire_timers(&loop);
    while (loop.uv.active_reqs.count > 0 && mg_clock_ns() < limit)
        mg_loop_turn(&loop, true);
}

static void test_an_answer_that_changes(void)
{
    struct sockaddr_storage old, six = {0};
    uint32_t version, first;
    struct mg_name *name;
    struct waiter w;

    open_resolver();
    name = mg_resolver_get(r, "localhost", 80);
    waiting(name, &w);
    turn_until_told(&w);
    first = name->version;
    old = name->addresses[0];
    CHECK(mg_resolver_has(name, &old));
    ask_again(name, "localhost");
    CHECK(name->version == first);
    ask_again(name, "127.0.0.9"); /* one with such an address, for getaddrinfo() */
    version = name->version;
    CHECK(version != first && name->count == 1 && !mg_resolver_has(name, &old));
    ask_again(name, "nothing-here.invalid");
    CHECK(name->err == MG_EDNS && name->version == version && name->count == 1);
    ask_again(name, "::1");
    CHECK(name->err == 0 && name->version != version && name->count == 1);
    uv_ip6_addr("::1", 80, (struct sockaddr_in6 *)&six);
    CHECK(mg_resolver_has(name, &six));
    close_resolver();
}

/* A loop that stood still takes no answer of before for one of now. */
static void test_an_answer_of_long_ago(void)
{
    struct mg_name *name;
    struct waiter w;

    open_resolver();
    name = mg_resolver_get(r, "localhost", 80);
    waiting(name, &w);
    name->host = "127.0.0.9"; /* what it points to by now */
    while (mg_clock_ns() / 1000000 == mg_loop_now(&loop))
        ;
    mg_loop_catch_up(&loop);
    turn_until_told(&w);
    CHECK(w.told == 1 && w.err == 0 && name->count == 1);
    CHECK(((struct sockaddr_in *)&name->addresses[0])->sin_addr.s_addr == inet_addr("127.0.0.9"));
    close_resolver();
}

TEST_MAIN(TEST(test_literals_answer_at_once), TEST(test_localhost), TEST(test_a_name_is_shared),
          TEST(test_no_such_name), TEST(test_refuses_what_is_no_host), TEST(test_leaving_early),
          TEST(test_put_when_told), TEST(test_failure_keeps_the_last_answer),
          TEST(test_an_answer_that_changes), TEST(test_an_answer_of_long_ago))
