#include "proxy/socket.h"
#include "one_exchange.h"

static struct mg_socket *s;

static mg_str text(const char *t)
{
    return mg_str_of(t, strlen(t));
}

static void let_run(void)
{
    x->pub.running = false;
    wakes = 0;
}

static void woken(int rc)
{
    TURN_UNTIL(wakes == 1);
    CHECK(woken_rc == rc);
    CHECK(x->socket == NULL);
    x->pub.running = true;
}

/* A connected one, and its peer. */
static int open_socket(void)
{
    int fd;

    begin("GET", MG_BODY_NONE, 0);
    s = mg_socket_make(proxy, ep);
    CHECK(s != NULL);
    CHECK(mg_socket_await(s, x, 1, 0) == MG_EPHASE);
    CHECK(mg_socket_send(s, x, text("early"), 0) == MG_EPHASE);
    CHECK(mg_socket_start(s, x) == MG_AGAIN && x->socket == s);
    let_run();
    fd = accept_one();
    woken(MG_OK);
    CHECK(mg_socket_start(s, x) == MG_EPHASE);
    return fd;
}

static void close_socket(int fd)
{
    mg_socket_end(s);
    CHECK(proxy->sockets == 0);
    finish();
    if (fd >= 0)
        close(fd);
}

static int await(uint32_t least, uint32_t ms)
{
    int rc = mg_socket_await(s, x, least, ms);

    if (rc == MG_AGAIN)
        let_run();
    return rc;
}

static void writes_and_reads(void)
{
    int fd = open_socket();

    CHECK(mg_socket_send(s, x, text("hello\n"), 1000) == MG_OK);
    receive(fd, "hello\n");
    CHECK(await(4, 0) == MG_AGAIN);
    answer(fd, "ab");
    CHECK(wakes == 0); /* that is not enough */
    answer(fd, "cdef");
    woken(MG_OK);
    CHECK_STR(mg_socket_arrived(s), "abcdef");
    mg_socket_taken(s, 4);
    CHECK(await(2, 0) == MG_OK);
    CHECK_STR(mg_socket_arrived(s), "ef");
    mg_socket_taken(s, 2);
    CHECK(mg_socket_arrived(s).len == 0);
    CHECK(await(MG_SOCKET_BYTES + 1, 0) == MG_ELIMIT);
    close_socket(fd);
}

static void a_wait_has_an_end(void)
{
    int fd = open_socket();

    CHECK(await(1, 5) == MG_AGAIN);
    woken(MG_ETIMEOUT);
    CHECK(await(1, 0) == MG_AGAIN); /* it is of use still */
    answer(fd, "x");
    woken(MG_OK);
    CHECK(await(2, 0) == MG_AGAIN);
    close(fd);
    woken(MG_ECLOSED);
    CHECK_STR(mg_socket_arrived(s), "x"); /* what had come can be read */
    CHECK(await(1, 0) == MG_OK);
    CHECK(await(2, 0) == MG_ECLOSED);
    CHECK(mg_socket_send(s, x, text("y"), 0) == MG_ECLOSED);
    close_socket(-1);
}

static void is_told_when_another_lane_closes_it(void)
{
    int fd = open_socket();

    CHECK(await(1, 1000) == MG_AGAIN);
    mg_socket_end(s);
    CHECK(wakes == 0); /* never from inside a call */
    woken(MG_ECLOSED);
    finish();
    close(fd);
}

static void outlives_who_waits_for_it(void)
{
    int fd = open_socket();

    CHECK(await(1, 1000) == MG_AGAIN);
    mg_exchange_wake(x, MG_WAIT_SOCKET, MG_EGONE);
    CHECK(wakes == 1 && x->socket == NULL);
    x->pub.running = true;
    answer(fd, "late");
    if (await(4, 0) == MG_AGAIN)
        woken(MG_OK);
    CHECK_STR(mg_socket_arrived(s), "late");
    close_socket(fd);
}

static void takes_no_more_than_it_keeps(void)
{
    static char much[4 * MG_SOCKET_BYTES];
    int fd = open_socket();
    size_t sent = 0, taken = 0;

    while (taken < sizeof(much)) {
        ssize_t n = send(fd, much + sent, sizeof(much) - sent, MSG_DONTWAIT);

        sent += n > 0 ? (size_t)n : 0;
        if (await(1, 0) == MG_AGAIN)
            woken(MG_OK);
        for (int i = 0; i < 5; i++)
            TURN(1);
        CHECK(mg_socket_arrived(s).len < MG_SOCKET_BYTES + MG_SCRATCH);
        taken += mg_socket_arrived(s).len;
        mg_socket_taken(s, mg_socket_arrived(s).len);
    }
    CHECK(taken == sizeof(much));
    close_socket(fd);
}

static void queues_one_write_and_no_more(void)
{
    static char much[8000000], sink[65536];
    int fd = open_socket();
    size_t got_back = 0;

    CHECK(mg_socket_send(s, x, mg_str_of(much, sizeof(much)), 0) == MG_OK);
    CHECK(mg_socket_send(s, x, text("more"), 0) == MG_EFULL);
    for (int i = 0; got_back < sizeof(much) && i < 100000; i++) {
        ssize_t n = recv(fd, sink, sizeof(sink), MSG_DONTWAIT);

        got_back += n > 0 ? (size_t)n : 0;
        TURN(n > 0 ? 0 : 1);
    }
    CHECK(got_back == sizeof(much));
    CHECK(mg_socket_send(s, x, text("more"), 0) == MG_OK);
    CHECK(mg_socket_send(s, x, mg_str_of(much, sizeof(much)), 5) == MG_AGAIN);
    let_run();
    woken(MG_ETIMEOUT);
    close_socket(fd);
}

static void says_why_it_could_not_connect(void)
{
    struct mg_endpoint *gone = endpoint(1);

    begin("GET", MG_BODY_NONE, 0);
    s = mg_socket_make(proxy, gone);
    mg_endpoints_put(gone);
    CHECK(mg_socket_start(s, x) == MG_AGAIN);
    let_run();
    woken(MG_ECONNECT);
    CHECK(strlen(mg_socket_reason(s)) > 0);
    CHECK(await(1, 0) == MG_ECONNECT);
    close_socket(-1);
    begin("GET", MG_BODY_NONE, 0); /* and may be closed before that is known */
    s = mg_socket_make(proxy, ep);
    CHECK(mg_socket_start(s, x) == MG_AGAIN);
    let_run();
    mg_socket_end(s);
    woken(MG_ECLOSED);
    finish();
    close(accept_one());
}

static void there_are_only_so_many(void)
{
    static struct mg_socket *all[MG_SOCKETS_MOST];

    begin("GET", MG_BODY_NONE, 0);
    for (int i = 0; i < MG_SOCKETS_MOST; i++)
        CHECK((all[i] = mg_socket_make(proxy, ep)) != NULL);
    CHECK(mg_socket_make(proxy, ep) == NULL);
    for (int i = 0; i < MG_SOCKETS_MOST; i++)
        mg_socket_end(all[i]);
    finish();
}

static void a_sleep_can_be_ended(void)
{
    begin("GET", MG_BODY_NONE, 0);
    CHECK(mg_exchange_sleep(x, 60000) == MG_AGAIN);
    let_run();
    mg_exchange_rouse(x);
    mg_exchange_rouse(x);
    CHECK(wakes == 0); /* never from inside a call */
    TURN_UNTIL(wakes == 1);
    x->pub.running = true;
    mg_exchange_rouse(x); /* it sleeps no more */
    CHECK(mg_exchange_sleep(x, 5) == MG_AGAIN);
    let_run();
    TURN_UNTIL(wakes == 1);
    x->pub.running = true;
    finish();
}

TEST_MAIN(TEST(writes_and_reads), TEST(a_wait_has_an_end),
          TEST(is_told_when_another_lane_closes_it), TEST(outlives_who_waits_for_it),
          TEST(takes_no_more_than_it_keeps), TEST(queues_one_write_and_no_more),
          TEST(says_why_it_could_not_connect), TEST(there_are_only_so_many),
          TEST(a_sleep_can_be_ended), TEST(everything_goes))
