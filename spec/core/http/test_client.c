/* test_client.c -- One request on an upstream connection: what comes back, what is reused. */
#include "base/buf.h"
#include "fake_conn.h"
#include "http/client.h"
#include "test.h"

static struct {
    bool hold;  /* does not release in on_end */
    bool pause; /* pauses inside on_head */
    enum {
        LEAVE,
        TAKE,
        TAKE_AND_RELEASE
    } at_once; /* what on_head does with a body that is there */
    struct mg_arena arena, response_arena;
    struct mg_message request, in;
    struct mg_stream *stream;
    struct mg_buf body;
    int heads, interims, ends, errors, last_error, drains, freed, closed;
    bool reusable;
} user;
static struct mg_client *client;

static void release(bool whole)
{
    struct mg_stream *s = user.stream;

    user.stream = NULL;
    s->ops->release(s, whole);
}

static void on_head(struct mg_stream *s)
{
    CHECK(s == user.stream && s->in == &user.in && user.ends == 0);
    user.heads++;
    if (user.pause)
        s->ops->pause(s);
    if (user.at_once == LEAVE || s->at_once.len == 0)
        return;
    mg_buf_append(&user.body, s->at_once.ptr, s->at_once.len);
    s->at_once = (mg_str){0};
    if (user.at_once == TAKE_AND_RELEASE)
        release(true);
}

static void on_interim(struct mg_stream *s)
{
    CHECK(s == user.stream && s->in->status < 200 && user.heads == 0);
    user.interims++;
}

static void on_body(struct mg_stream *s, mg_str bytes)
{
    CHECK(s == user.stream && user.heads == 1 && user.ends == 0);
    mg_buf_append(&user.body, bytes.ptr, bytes.len);
}

static void on_end(struct mg_stream *s)
{
    CHECK(s == user.stream && user.heads == 1);
    user.ends++;
    if (!user.hold)
        release(true);
}

static void on_drain(struct mg_stream *s)
{
    CHECK(s == user.stream);
    user.drains++;
}

static void on_error(struct mg_stream *s, int err)
{
    CHECK(s == user.stream && user.ends == 0);
    user.errors++;
    user.last_error = err;
    release(false);
}

static const struct mg_stream_events events = {.on_head = on_head,
                                               .on_interim = on_interim,
                                               .on_body = on_body,
                                               .on_end = on_end,
                                               .on_drain = on_drain,
                                               .on_error = on_error};

static void on_free(struct mg_client *c, void *owner, bool reusable)
{
    CHECK(c == client && owner == &user);
    user.freed++;
    user.reusable = reusable;
    if (!reusable)
        client = NULL;
}

static void on_closed(struct mg_client *c, void *owner)
{
    CHECK(c == client && owner == &user && user.stream == NULL);
    user.closed++;
    client = NULL;
}

static const struct mg_client_events client_events = {on_free, on_closed};

static void start(const char *method, bool sent)
{
    user.heads = user.interims = user.ends = user.errors = 0;
    mg_buf_free(&user.body);
    mg_arena_reset(&user.arena);
    mg_arena_reset(&user.response_arena);
    mg_message_init(&user.request, &user.arena);
    mg_message_init(&user.in, &user.response_arena);
    user.request.method = mg_str_of(method, strlen(method));
    user.request.method_id = (uint16_t)mg_method_id(user.request.method);
    user.request.path = MG_STR("/a");
    user.request.authority = MG_STR("t");
    user.stream = mg_client_start(client, &user.request, &user.in);
    user.stream->events = &events;
    if (sent)
        user.stream->ops->send_end(user.stream, NULL);
}

static void open_client(void)
{
    mg_arena_free(&user.arena);
    mg_arena_free(&user.response_arena);
    mg_buf_free(&user.body);
    memset(&user, 0, sizeof(user));
    client = mg_client_new(fake_open(), &client_events, &user);
}

static void close_client(void)
{
    if (user.stream != NULL)
        release(false);
    if (client != NULL)
        mg_client_close(client);
    fake_turn();
    CHECK(wire.closed);
}

static bool feed(const char *text)
{
    return fake_feed(text, strlen(text));
}

#define OK "HTTP/1.1 200 OK\r\n"
#define BODY(text)                                                                                 \
    (mg_buf_len(&user.body) == sizeof(text) - 1 &&                                                 \
     (sizeof(text) == 1 || memcmp(mg_buf_bytes(&user.body), text, sizeof(text) - 1) == 0))

static void test_a_small_exchange(void)
{
    open_client();
    start("GET", false);
    CHECK(wire.writes == 0);
    CHECK(user.stream->ops->send_end(user.stream, NULL) == MG_OK);
    CHECK(wire.writes == 1 && strcmp(wire.out, "GET /a HTTP/1.1\r\nHost: t\r\n\r\n") == 0);
    feed(OK "Content-Length: 5\r\n\r\nhello");
    CHECK(user.in.status == 200 && BODY("hello") && user.ends == 1);
    CHECK(user.freed == 1 && user.reusable && wire.reading);
    start("GET", true);
    CHECK(mg_client_requests(client) == 2);
    feed(OK "Content-Length: 0\r\n\r\n");
    CHECK(user.ends == 1 && user.reusable);
    close_client();
}

static void test_requests_with_bodies(void)
{
    open_client();
    start("POST", false);
    user.request.framing = MG_BODY_CHUNKED;
    release(false);
    CHECK(user.freed == 1 && !user.reusable && wire.len == 0);
    open_client();
    mg_message_init(&user.request, &user.arena);
    mg_message_init(&user.in, &user.response_arena);
    user.request.method = MG_STR("POST");
    user.request.path = MG_STR("/a");
    user.request.authority = MG_STR("t");
    user.request.framing = MG_BODY_CHUNKED;
    user.stream = mg_client_start(client, &user.request, &user.in);
    user.stream->events = &events;
    user.stream->ops->send_body(user.stream, MG_STR("hello"));
    CHECK(wire.writes == 1);
    user.stream->ops->send_body(user.stream, MG_STR(""));
    mg_headers_push(&user.request, &user.request.trailers, MG_STR("X-T"), MG_STR("1"));
    user.stream->ops->send_end(user.stream, &user.request.trailers);
    CHECK(strcmp(wire.out, "POST /a HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n") == 0);
    feed(OK "Content-Length: 0\r\n\r\n");
    CHECK(user.reusable);
    close_client();
}

static const struct {
    const char *text;
    const char *body;
    bool reusable;
} answers[] = {
    {OK "Content-Length: 5\r\n\r\nhello", "hello", true},
    {OK "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-T: 1\r\n\r\n", "hello", true},
    {"HTTP/1.1 100 Continue\r\nContent-Length: 9\r\n\r\nHTTP/1.1 103 \r\nLink: x\r\n\r\n" OK
     "Content-Length: 5\r\n\r\nhello",
     "hello", true},
    {OK "Content-Length: 5\r\nConnection: close\r\n\r\nhello", "hello", false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", false},
    {OK "Content-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n\r\nevil", "hello", false},
    {"HTTP/1.1 204 \r\nContent-Length: 4\r\n\r\nevil", "", false},
    {"HTTP/1.1 304 \r\nContent-Length: 4\r\n\r\n", "", true},
};

static void test_every_split_reads_the_same(void)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        size_t len = strlen(answers[i].text);

        for (size_t cut = 0; cut <= len; cut++) {
            open_client();
            start("GET", true);
            fake_feed(answers[i].text, cut);
            fake_feed(answers[i].text + cut, len - cut);
            CHECK(user.heads == 1 && user.ends == 1 && user.errors == 0);
            CHECK(mg_buf_len(&user.body) == strlen(answers[i].body));
            /* A surplus that comes in a read of its own closes the idle connection. */
            CHECK((client != NULL) == answers[i].reusable);
            close_client();
        }
        open_client();
        start("GET", true);
        for (size_t at = 0; at < len; at++)
            fake_feed(answers[i].text + at, 1);
        CHECK(user.ends == 1 && (client != NULL) == answers[i].reusable);
        close_client();
    }
}

static void test_nonsense(void)
{
    static const char *const cases[] = {
        OK "Content-Length: 5\r\nContent-Length: 3\r\n\r\nhello",
        OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        OK "Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
        OK "Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n",
        "HTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 101 \r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "\r\n" OK "\r\n",
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        open_client();
        start("GET", true);
        feed(cases[i]);
        CHECK(user.errors == 1 && user.last_error == MG_EPROTO && user.freed == 1);
        CHECK(!user.reusable && client == NULL);
        close_client();
    }
}

static void test_too_many_interims(void)
{
    open_client();
    start("GET", true);
    for (int i = 0; i < 20 && user.errors == 0; i++)
        feed("HTTP/1.1 100 Continue\r\n\r\n");
    CHECK(user.interims == 8 && user.last_error == MG_ELIMIT);
    close_client();
}

static void test_ends_of_the_connection(void)
{
    open_client();
    start("GET", true);
    fake_eof();
    CHECK(user.last_error == MG_ECLOSED);
    close_client();
    open_client();
    start("GET", true);
    feed("HTTP/1.1 20");
    wire.conn.events->on_error(&wire.conn, UV_ECONNRESET);
    CHECK(user.last_error == MG_ERESET);
    close_client();
    open_client();
    start("GET", true);
    feed(OK "Content-Length: 0\r\n\r\n");
    start("GET", true);
    fake_eof();
    CHECK(user.last_error == MG_ESTALE);
    close_client();
    open_client();
    start("GET", true);
    feed(OK "Content-Length: 5\r\n\r\nhel");
    fake_eof();
    CHECK(user.heads == 1 && user.last_error == MG_ECLOSED);
    close_client();
    open_client();
    start("GET", true);
    feed(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n");
    fake_eof();
    CHECK(user.last_error == MG_ECLOSED);
    close_client();
    open_client();
    start("GET", true);
    feed(OK "\r\nhello");
    CHECK(user.ends == 0);
    fake_eof();
    CHECK(user.ends == 1 && BODY("hello") && !user.reusable);
    close_client();
}

static void test_idle_connections(void)
{
    open_client();
    start("GET", true);
    feed(OK "Content-Length: 0\r\n\r\n");
    feed(OK);
    CHECK(user.closed == 1 && client == NULL);
    close_client();
    open_client();
    start("GET", true);
    feed(OK "Content-Length: 0\r\n\r\n");
    fake_eof();
    CHECK(user.closed == 1 && client == NULL);
    close_client();
}

static void test_surplus_before_release(void)
{
    open_client();
    user.hold = true;
    start("GET", true);
    feed(OK "Content-Length: 0\r\n\r\n");
    feed("x");
    release(true);
    CHECK(!user.reusable);
    close_client();
}

static void test_an_answer_before_the_request_is_sent(void)
{
    open_client();
    user.hold = true;
    mg_message_init(&user.request, &user.arena);
    start("POST", false);
    user.stream->ops->flush(user.stream);
    feed(OK "Content-Length: 0\r\n\r\n");
    CHECK(user.ends == 1);
    release(true);
    CHECK(!user.reusable);
    close_client();
}

static void test_last_words_after_a_failed_write(void)
{
    open_client();
    start("POST", false);
    wire.error = UV_EPIPE;
    CHECK(user.stream->ops->send_end(user.stream, NULL) == MG_OK);
    feed("HTTP/1.1 413 \r\nContent-Length: 5\r\n\r\nlarge");
    CHECK(user.in.status == 413 && user.ends == 1 && !user.reusable);
    close_client();
    open_client();
    start("GET", false);
    wire.error = UV_EPIPE;
    CHECK(user.stream->ops->send_end(user.stream, NULL) == MG_OK);
    for (int i = 0; i < 1000 && user.errors == 0; i++)
        mg_loop_turn(&loop, true);
    CHECK(user.last_error == MG_ERESET);
    close_client();
}

static void test_pause_holds_the_body(void)
{
    open_client();
    user.pause = true;
    start("GET", true);
    feed(OK "Content-Length: 10\r\n\r\nhello");
    CHECK(user.heads == 1 && BODY("") && !wire.reading);
    user.stream->ops->resume(user.stream);
    CHECK(BODY(""));
    fake_turn();
    CHECK(BODY("hello") && wire.reading);
    feed("world");
    CHECK(BODY("helloworld") && user.ends == 1 && user.reusable);
    close_client();
}

static void test_back_pressure(void)
{
    open_client();
    start("GET", false);
    wire.full = true;
    CHECK(user.stream->ops->send_end(user.stream, NULL) == MG_AGAIN);
    fake_drain();
    CHECK(user.drains == 1);
    close_client();
}

static void test_tunnel(void)
{
    open_client();
    user.hold = true;
    start("GET", false);
    user.request.upgrade = MG_STR("x, websocket");
    user.stream->ops->send_end(user.stream, NULL);
    feed("HTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\nearly");
    CHECK(user.heads == 1 && user.in.status == 101 && BODY(""));
    user.stream->ops->tunnel(user.stream);
    fake_turn();
    CHECK(BODY("early"));
    user.stream->ops->send_body(user.stream, MG_STR("raw"));
    CHECK(strcmp(wire.out + wire.len - 3, "raw") == 0);
    fake_eof();
    CHECK(user.ends == 1);
    user.stream->ops->send_end(user.stream, NULL);
    CHECK(wire.shut);
    release(true);
    CHECK(!user.reusable);
    close_client();
}

static void test_head_has_no_body(void)
{
    open_client();
    start("HEAD", true);
    feed(OK "Content-Length: 55\r\n\r\n");
    CHECK(user.ends == 1 && user.in.length == 55 && user.reusable);
    start("HEAD", true);
    feed(OK "Content-Length: 4\r\n\r\nevil");
    CHECK(user.ends == 1 && BODY("") && !user.reusable);
    close_client();
}

static void test_a_body_that_comes_with_its_head(void)
{
    open_client();
    user.at_once = TAKE_AND_RELEASE;
    start("GET", true);
    feed(OK "Content-Length: 5\r\n\r\nhello");
    CHECK(BODY("hello") && user.ends == 0 && user.freed == 1 && user.reusable);
    user.at_once = TAKE;
    start("GET", true);
    feed(OK "Content-Length: 5\r\n\r\nagain");
    CHECK(BODY("again") && user.ends == 0 && user.freed == 1);
    release(true);
    CHECK(user.reusable);
    start("GET", true);
    feed(OK "Content-Length: 5\r\n\r\nhel"); /* not whole: it comes as any other */
    feed("lo");
    CHECK(BODY("hello") && user.ends == 1 && user.reusable);
    user.at_once = TAKE_AND_RELEASE;
    start("GET", true);
    feed(OK "Content-Length: 5\r\n\r\nhello, and more");
    CHECK(BODY("hello") && !user.reusable);
    close_client();
}

TEST_MAIN(TEST(test_a_small_exchange), TEST(test_a_body_that_comes_with_its_head),
          TEST(test_requests_with_bodies), TEST(test_every_split_reads_the_same),
          TEST(test_nonsense), TEST(test_too_many_interims), TEST(test_ends_of_the_connection),
          TEST(test_idle_connections), TEST(test_surplus_before_release),
          TEST(test_an_answer_before_the_request_is_sent),
          TEST(test_last_words_after_a_failed_write), TEST(test_pause_holds_the_body),
          TEST(test_back_pressure), TEST(test_tunnel), TEST(test_head_has_no_body))
