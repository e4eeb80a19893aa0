/* test_server.c -- Requests in turn on one connection: splits, pipelines, refusals, back-pressure. */
#include "one_server.h"

static void test_one_write_for_a_small_answer(void)
{
    open_server();
    feed("GET /a HTTP/1.1\r\n" HOST "\r\n");
    CHECK(wire.writes == 1 && strcmp(wire.out, ANSWER) == 0);
    CHECK(strcmp(user.log, "GET /a;|") == 0);
    CHECK(!wire.shut && wire.reading);
    close_server();
}

static const char several[] = "\r\nGET /a HTTP/1.1\r\n" HOST "\r\n"
                              "POST /b HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\nhello world"
                              "POST /c HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                              "5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\n"
                              "PUT /d HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n"
                              "GET /e HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"
                              "GET /never HTTP/1.1\r\n" HOST "\r\n";
static const char several_log[] =
    "GET /a;|POST /b;hello world|POST /c;hello world|PUT /d;|GET /e;|";

static void test_every_split_reads_the_same(void)
{
    for (size_t cut = 0; cut < sizeof(several); cut++) {
        open_server();
        fake_feed(several, cut);
        fake_feed(several + cut, sizeof(several) - 1 - cut);
        CHECK(strcmp(user.log, several_log) == 0);
        CHECK(user.refused == 0 && user.errors == 0 && wire.shut);
        close_server();
    }
}

static void test_byte_by_byte(void)
{
    open_server();
    for (size_t i = 0; i < sizeof(several) - 1; i++)
        fake_feed(several + i, 1);
    CHECK(strcmp(user.log, several_log) == 0);
    close_server();
}

static void test_pipelined_requests_wait_for_the_answer(void)
{
    open_server();
    user.hold = true;
    feed("GET /a HTTP/1.1\r\n" HOST "\r\nGET /b HTTP/1.1\r\n" HOST "\r\nGET /c");
    CHECK(user.requests == 1 && wire.writes == 0);
    answer();
    CHECK(user.requests == 1); /* no event from inside a call */
    fake_turn();
    CHECK(user.requests == 2);
    answer();
    fake_turn();
    feed(" HTTP/1.1\r\n" HOST "\r\n");
    CHECK(user.requests == 3);
    answer();
    CHECK(strcmp(user.log, "GET /a;|GET /b;|GET /c;|") == 0);
    CHECK(strcmp(wire.out, ANSWER ANSWER ANSWER) == 0);
    close_server();
}

static void test_pipelining_is_bounded(void)
{
    static const char get[] = "GET /a HTTP/1.1\r\n" HOST "\r\n";
    int given = 0;

    open_server();
    user.hold = true;
    while (feed(get) && given < 100000)
        given++;
    CHECK(given > 1000 && given < 5000 && !wire.reading);
    user.hold = false;
    answer();
    fake_turn();
    CHECK(user.requests == given && wire.reading);
    close_server();
}

/* A head may be longer than what else waits here, where its listener's limit says so. */
static void test_a_head_is_bounded_by_its_limit(void)
{
    static char piece[90000];

    memset(piece, 'x', sizeof(piece));
    open_server();
    limits.header_bytes = 200000;
    user.hold = true;
    feed("GET /a HTTP/1.1\r\n" HOST "\r\nGET /b HTTP/1.1\r\n" HOST "X: ");
    CHECK(fake_feed(piece, sizeof(piece)) && !wire.reading);
    answer();
    fake_turn();
    CHECK(fake_feed(piece, sizeof(piece)) && feed("\r\n\r\n") && user.requests == 2);
    answer();
    feed("GET /c HTTP/1.1\r\n" HOST "X: ");
    CHECK(fake_feed(piece, sizeof(piece)) && fake_feed(piece, sizeof(piece)));
    CHECK(fake_feed(piece, sizeof(piece)) && user.refused == 431);
    close_server();
}

static void test_refusals_close(void)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"GET /a HTTP/1.1\r\nX A: 1\r\n" HOST "\r\nGET /b HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /a HTTP/1.1\n", 400},
        {"GET /a HTTP/2.0\r\n" HOST "\r\n", 505},
        {"CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n", 501},
        {"POST /a HTTP/1.1\r\n" HOST "Expect: x\r\n\r\n", 417},
        {"POST /a HTTP/1.1\r\n" HOST "Content-Length: 99\r\n\r\n", 413},
    };
    char line[64];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        open_server();
        limits.body_bytes = 10;
        feed(cases[i].text);
        snprintf(line, sizeof(line), "HTTP/1.1 %d ", cases[i].status);
        CHECK(strncmp(wire.out, line, strlen(line)) == 0 && SAYS("Connection: close\r\n"));
        CHECK(user.requests == 0 && user.refused == cases[i].status && wire.shut);
        close_server();
    }
    open_server();
    user.keep = true;
    feed("GET /a HTTP/1.1\r\n" HOST "\r\n");
    CHECK(user.refused == 503);
    fake_turn();
    CHECK(user.closed == 0 && !wire.closed); /* it counts until the client has gone */
    close_server();
    open_server();
    feed("HEAD /a HTTP/1.1\r\n\r\n");
    CHECK(user.refused == 400 && strcmp(wire.out + wire.len - 4, "\r\n\r\n") == 0);
    close_server();
}

static void test_broken_bodies(void)
{
    open_server();
    feed("POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX");
    CHECK(user.errors == 1 && user.last_error == MG_EPROTO && SAYS("HTTP/1.1 400 "));
    close_server();
    open_server();
    limits.body_bytes = 4;
    feed("POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\n");
    CHECK(user.errors == 1 && user.last_error == MG_ELIMIT && SAYS("HTTP/1.1 413 "));
    close_server();
    open_server();
    feed("POST /a HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhel");
    fake_eof();
    CHECK(user.errors == 1 && user.last_error == MG_EGONE && wire.len == 0);
    close_server();
}

static void test_keep_alive_rules(void)
{
    open_server();
    feed("GET /a HTTP/1.0\r\n\r\n");
    CHECK(wire.shut && SAYS("Connection: close\r\n"));
    close_server();
    open_server();
    feed("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(!wire.shut && SAYS("Connection: keep-alive\r\n"));
    close_server();
    open_server();
    limits.requests_per_connection = 2;
    feed("GET /a HTTP/1.1\r\n" HOST "\r\n");
    CHECK(!wire.shut);
    feed("GET /a HTTP/1.1\r\n" HOST "\r\n");
    CHECK(wire.shut && SAYS("Connection: close\r\n"));
    close_server();
}

static void test_draining(void)
{
    open_server();
    user.hold = true;
    feed("GET /a HTTP/1.1\r\n" HOST "\r\n");
    mg_server_drain(server);
    CHECK(!wire.shut);
    answer();
    CHECK(wire.shut && SAYS("Connection: close\r\n"));
    close_server();
    open_server();
    feed("GET /a HTTP/1.1\r\n" HOST "\r\n");
    mg_server_drain(server);
    CHECK(wire.shut && user.closed == 0);
    close_server();
    open_server(); /* one that has asked nothing yet may still ask */
    mg_server_drain(server);
    CHECK(!wire.shut);
    feed("GET /a HTTP/1.1\r\n" HOST "\r\n");
    CHECK(wire.shut && SAYS("Connection: close\r\n"));
    close_server();
}

static void test_bodies_on_the_wire(void)
{
    open_server();
    user.framing = MG_BODY_CLOSE;
    feed("GET /a HTTP/1.1\r\n" HOST "\r\n");
    CHECK(strcmp(wire.out, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "5\r\nhello\r\n0\r\n\r\n") == 0);
    close_server();
    open_server();
    user.framing = MG_BODY_CHUNKED;
    feed("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(strcmp(wire.out, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello") == 0 && wire.shut);
    close_server();
    open_server();
    feed("HEAD /a HTTP/1.1\r\n" HOST "\r\n");
    CHECK(strcmp(wire.out, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n") == 0 && !wire.shut);
    close_server();
    open_server();
    user.status = 204;
    feed("GET /a HTTP/1.1\r\n" HOST "\r\n");
    CHECK(strcmp(wire.out, "HTTP/1.1 204 No Content\r\n\r\n") == 0 && !wire.shut);
    close_server();
}

static void test_a_cut_is_visible(void)
{
    open_server();
    user.hold = true;
    feed("GET /a HTTP/1.1\r\n" HOST "\r\n");
    start_answer("hello", 9);
    CHECK(user.stream->ops->send_end(user.stream, NULL) == MG_EINVAL);
    release(true);
    CHECK(wire.shut && !wire.reset);
    close_server();
    open_server();
    user.hold = true;
    user.framing = MG_BODY_CHUNKED;
    feed("GET /a HTTP/1.1\r\n" HOST "\r\n");
    start_answer("hello", 0);
    release(false);
    CHECK(wire.shut && !SAYS("\r\n0\r\n\r\n"));
    close_server();
    open_server();
    user.hold = true;
    user.framing = MG_BODY_CLOSE;
    feed("GET /a HTTP/1.0\r\n\r\n");
    start_answer("hello", 0);
    release(false);
    CHECK(wire.reset);
    close_server();
}

static void test_more_than_promised_is_dropped(void)
{
    open_server();
    user.hold = true;
    feed("GET /a HTTP/1.1\r\n" HOST "\r\n");
    start_answer("hello", 3);
    CHECK(user.stream->ops->send_end(user.stream, NULL) == MG_OK);
    release(true);
    CHECK(strcmp(wire.out, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhel") == 0 && !wire.shut);
    close_server();
}

static void test_early_answers(void)
{
    open_server();
    user.early = true;
    feed("POST /a HTTP/1.1\r\n" HOST "Content-Length: 20\r\n\r\nGET /x");
    feed(" HTTP/1.1\r\n\r\nxGET /b HTTP/1.1\r\n" HOST "\r\n");
    CHECK(user.requests == 2 && !wire.shut);
    CHECK_STR(user.in.path, "/b");
    close_server();
    open_server();
    user.early = true;
    feed("POST /a HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\nGET /x HTTP/1.1\r\n" HOST
         "\r\n");
    CHECK(user.requests == 1 && wire.shut && SAYS("Connection: close"));
    close_server();
    open_server();
    user.early = true;
    feed("POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    CHECK(user.requests == 1 && wire.shut && SAYS("Connection: close"));
    close_server();
    open_server();
    user.early = true;
    feed("POST /a HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    CHECK(wire.shut && SAYS("Connection: close") && !SAYS("100"));
    close_server();
}

static void test_expect_continue(void)
{
    struct mg_message m;

    open_server();
    user.hold = true;
    feed("POST /a HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    mg_message_init(&m, &user.response_arena);
    m.status = 100;
    CHECK(user.in.expect_continue);
    CHECK(user.stream->ops->send_interim(user.stream, &m) == MG_OK);
    CHECK(strcmp(wire.out, "HTTP/1.1 100 Continue\r\n\r\n") == 0);
    feed("hello");
    CHECK(user.ends == 1);
    answer();
    CHECK(!wire.shut && user.requests == 1);
    close_server();
}

static void test_pause_holds_the_body(void)
{
    open_server();
    user.pause = user.hold = true;
    feed("POST /a HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nhello");
    CHECK(mg_buf_len(&user.body) == 0 && !wire.reading);
    user.stream->ops->resume(user.stream);
    CHECK(mg_buf_len(&user.body) == 0);
    fake_turn();
    CHECK(mg_buf_len(&user.body) == 5 && wire.reading && user.ends == 0);
    feed("world");
    CHECK(user.ends == 1 && mg_buf_len(&user.body) == 10);
    answer();
    close_server();
}

static void test_release_while_paused_reads_on(void)
{
    open_server();
    user.pause = user.early = true;
    feed("POST /a HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhel");
    fake_turn();
    CHECK(wire.reading);
    user.pause = user.early = false;
    feed("loGET /b HTTP/1.1\r\n" HOST "\r\n");
    CHECK(user.requests == 2 && !wire.shut);
    close_server();
}

static void test_back_pressure(void)
{
    open_server();
    user.hold = true;
    feed("GET /a HTTP/1.1\r\n" HOST "\r\n");
    wire.full = true;
    mg_message_init(&user.out, &user.response_arena);
    user.out.status = 200;
    user.out.framing = MG_BODY_CHUNKED;
    user.stream->ops->send_head(user.stream, &user.out);
    CHECK(user.stream->ops->send_body(user.stream, MG_STR("hello")) == MG_AGAIN);
    fake_drain();
    CHECK(user.drains == 1);
    CHECK(user.stream->ops->send_end(user.stream, NULL) == MG_OK);
    release(true);
    close_server();
}

static void test_a_client_that_left(void)
{
    open_server();
    user.hold = true;
    feed("GET /a HTTP/1.1\r\n" HOST "\r\n");
    fake_eof();
    CHECK(user.last_error == MG_EGONE && user.closed == 1);
    close_server();
    open_server();
    user.hold = true;
    feed("GET /a HTTP/1.1\r\n" HOST "\r\n");
    wire.error = UV_EPIPE;
    mg_message_init(&user.out, &user.response_arena);
    user.out.status = 200;
    CHECK(user.stream->ops->send_head(user.stream, &user.out) == MG_OK);
    CHECK(user.stream->ops->flush(user.stream) == MG_EGONE);
    CHECK(user.stream->ops->send_body(user.stream, MG_STR("x")) == MG_EGONE);
    CHECK(user.errors == 0 && user.closed == 0);
    close_server();
}

static void test_tunnel(void)
{
    open_server();
    user.hold = true;
    feed("GET /a HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: websocket\r\n\r\nearly");
    user.status = 101;
    mg_message_init(&user.out, &user.response_arena);
    user.out.status = 101;
    user.out.upgrade = MG_STR("websocket");
    user.stream->ops->send_head(user.stream, &user.out);
    user.stream->ops->tunnel(user.stream);
    CHECK(SAYS("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"));
    user.ends = 0;
    fake_turn();
    CHECK(mg_buf_len(&user.body) == 5);
    feed("GET / HTTP/1.1\n");
    CHECK(mg_buf_len(&user.body) == 20 && user.requests == 1);
    CHECK(user.stream->ops->send_body(user.stream, MG_STR("raw")) == MG_OK && SAYS("\r\n\r\nraw"));
    fake_eof();
    CHECK(user.ends == 1 && user.errors == 0);
    user.stream->ops->send_end(user.stream, NULL);
    CHECK(wire.shut);
    release(true);
    close_server();
}

TEST_MAIN(TEST(test_one_write_for_a_small_answer), TEST(test_every_split_reads_the_same),
          TEST(test_byte_by_byte), TEST(test_pipelined_requests_wait_for_the_answer),
          TEST(test_pipelining_is_bounded), TEST(test_a_head_is_bounded_by_its_limit),
          TEST(test_refusals_close), TEST(test_broken_bodies), TEST(test_keep_alive_rules),
          TEST(test_draining), TEST(test_bodies_on_the_wire), TEST(test_a_cut_is_visible),
          TEST(test_more_than_promised_is_dropped), TEST(test_early_answers),
          TEST(test_expect_continue), TEST(test_pause_holds_the_body),
          TEST(test_release_while_paused_reads_on), TEST(test_back_pressure),
          TEST(test_a_client_that_left), TEST(test_tunnel))
