/* test_server_clocks.c -- What a server does when a client, or the writing to it, takes too long. */
#include "one_server.h"

/* The loop runs until the timer has fired. */
static void run_until(const bool *done)
{
    for (int i = 0; i < 10000 && !*done; i++)
        mg_loop_turn(&loop, true);
}

static void test_timeouts(void)
{
    open_server();
    limits.header_timeout_ms = 5;
    feed("GET /a HT");
    run_until(&wire.shut);
    CHECK(user.refused == 408 && SAYS("HTTP/1.1 408 Request Timeout\r\n"));
    close_server();
    open_server();
    user.hold = true;
    limits.body_timeout_ms = 5;
    feed("POST /a HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhel");
    run_until(&wire.shut);
    CHECK(user.last_error == MG_ETIMEOUT && SAYS("HTTP/1.1 408 "));
    close_server();
    open_server();
    limits.idle_timeout_ms = 5;
    feed("GET /a HTTP/1.1\r\n" HOST "\r\n");
    run_until(&wire.closed);
    CHECK(wire.closed && !SAYS("408"));
    close_server();
    open_server();
    limits.write_timeout_ms = 5;
    user.hold = wire.full = true;
    feed("GET /a HTTP/1.1\r\n" HOST "\r\n");
    start_answer("hello", 9);
    run_until(&wire.closed);
    CHECK(wire.closed && user.last_error == MG_ETIMEOUT);
    close_server();
}

/* The socket was too full for a message that it was given at the end of the turn. */
static void test_idle_with_bytes_to_send(void)
{
    static const struct timespec pause = {0, 10000000};

    open_server();
    limits.idle_timeout_ms = 5;
    feed("GET /a HTTP/1.1\r\n" HOST "\r\n");
    wire.full = true;
    CHECK(mg_server_idle_since(server) == UINT64_MAX);
    for (int i = 0; i < 3; i++) {
        nanosleep(&pause, NULL);
        mg_loop_turn(&loop, false);
    }
    CHECK(!wire.closed);
    fake_drain();
    run_until(&wire.closed);
    CHECK(wire.closed);
    close_server();
    open_server();
    limits.idle_timeout_ms = limits.write_timeout_ms = 5;
    feed("GET /a HTTP/1.1\r\n" HOST "\r\n");
    wire.full = true;
    run_until(&wire.closed);
    CHECK(wire.closed);
    close_server();
}

static void test_slow_bodies(void)
{
    static const struct timespec pause = {0, 10000000};
    struct mg_message interim = {.status = 100};

    open_server();
    user.hold = true;
    limits.body_timeout_ms = 5;
    limits.body_rate = 1;
    feed("POST /a HTTP/1.1\r\n" HOST "Content-Length: 9000\r\n\r\n");
    nanosleep(&pause, NULL);
    feed("as many bytes as would do for half a minute");
    CHECK(user.last_error == 0);
    limits.body_rate = 1000000;
    nanosleep(&pause, NULL);
    feed("x");
    CHECK(user.last_error == MG_ETIMEOUT && SAYS("HTTP/1.1 408 "));
    close_server();
    open_server(); /* a client that was not asked for its body yet is not late */
    user.hold = true;
    limits.body_timeout_ms = 5;
    feed("POST /a HTTP/1.1\r\n" HOST "Content-Length: 9000\r\nExpect: 100-continue\r\n\r\n");
    nanosleep(&pause, NULL);
    mg_loop_turn(&loop, true);
    CHECK(user.last_error == 0);
    CHECK(user.stream->ops->send_interim(user.stream, &interim) == MG_OK);
    limits.body_rate = 1000000;
    limits.body_timeout_ms = 10000;
    feed("x");
    CHECK(user.last_error == 0);
    limits.body_timeout_ms = 5;
    nanosleep(&pause, NULL);
    feed("x");
    CHECK(user.last_error == MG_ETIMEOUT && SAYS("HTTP/1.1 408 "));
    close_server();
}

TEST_MAIN(TEST(test_timeouts), TEST(test_idle_with_bytes_to_send), TEST(test_slow_bodies))
