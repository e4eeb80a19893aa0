/* test_write.c -- Heads as they go out: framing made anew, nothing of one hop but our own. */
#include "http/write.h"
#include "test.h"

static struct mg_arena arena;
static struct mg_message m;
static char text[2048];

static void fresh(void)
{
    mg_arena_reset(&arena);
    mg_message_init(&m, &arena);
    m.method = MG_STR("GET");
    m.method_id = MG_METHOD_GET;
    m.path = MG_STR("/a");
    m.authority = MG_STR("t.example:81");
    m.status = 200;
}

static const char *request(unsigned flags)
{
    size_t n = mg_write_request(&m, flags, text);

    CHECK(n <= mg_write_request_size(&m));
    text[n] = '\0';
    return text;
}

static const char *response(enum mg_framing framing, unsigned flags)
{
    size_t n = mg_write_response(&m, framing, flags, text);

    CHECK(n <= mg_write_response_size(&m));
    text[n] = '\0';
    return text;
}

#define CHECK_TEXT(got, expected) CHECK(strcmp(got, expected) == 0)

static void test_requests(void)
{
    fresh();
    mg_headers_push(&m, &m.headers, MG_STR("X-A"), MG_STR("1"));
    mg_headers_push(&m, &m.headers, MG_STR("X-Gone"), MG_STR("1"));
    mg_headers_remove(&m.headers, MG_STR("x-gone"));
    CHECK_TEXT(request(0), "GET /a HTTP/1.1\r\nHost: t.example:81\r\nX-A: 1\r\n\r\n");
    fresh();
    m.has_query = true;
    m.query = MG_STR("x=1");
    m.accepts_trailers = true;
    CHECK_TEXT(request(MG_WRITE_CLOSE), "GET /a?x=1 HTTP/1.1\r\nHost: t.example:81\r\n"
                                        "Connection: close, te\r\nTE: trailers\r\n\r\n");
    fresh();
    m.has_query = true;
    m.upgrade = MG_STR("websocket");
    CHECK_TEXT(request(0), "GET /a? HTTP/1.1\r\nHost: t.example:81\r\nConnection: upgrade\r\n"
                           "Upgrade: websocket\r\n\r\n");
}

static void test_request_framing(void)
{
    fresh();
    m.method = MG_STR("POST");
    m.method_id = MG_METHOD_POST;
    CHECK(strstr(request(0), "Content-Length: 0\r\n") != NULL);
    m.framing = MG_BODY_LENGTH;
    m.length = UINT64_C(18446744073709551615);
    CHECK(strstr(request(0), "Content-Length: 18446744073709551615\r\n") != NULL);
    m.framing = MG_BODY_CHUNKED;
    CHECK(strstr(request(0), "Transfer-Encoding: chunked\r\n") != NULL);
    CHECK(strstr(text, "Content-Length") == NULL);
}

static void test_responses(void)
{
    fresh();
    CHECK_TEXT(response(MG_BODY_NONE, 0), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    m.length = 12;
    CHECK_TEXT(response(MG_BODY_LENGTH, MG_WRITE_CLOSE),
               "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\n");
    CHECK_TEXT(response(MG_BODY_CLOSE, MG_WRITE_KEEP_ALIVE),
               "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n");
    m.reason = MG_STR("Fine");
    CHECK_TEXT(response(MG_BODY_CHUNKED, 0),
               "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n");
}

static void test_bodiless_responses(void)
{
    fresh();
    m.status = 204;
    m.length = 5;
    CHECK_TEXT(response(MG_BODY_LENGTH, 0), "HTTP/1.1 204 No Content\r\n\r\n");
    m.status = 304;
    CHECK_TEXT(response(MG_BODY_NONE, 0), "HTTP/1.1 304 Not Modified\r\n\r\n");
    m.status = 200;
    m.bodiless = true;
    CHECK_TEXT(response(MG_BODY_NONE, 0), "HTTP/1.1 200 OK\r\n\r\n");
    CHECK_TEXT(response(MG_BODY_LENGTH, 0), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    m.status = 101;
    m.upgrade = MG_STR("websocket");
    CHECK_TEXT(response(MG_BODY_NONE, 0),
               "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
               "Upgrade: websocket\r\n\r\n");
}

static void test_chunk_lines_and_trailers(void)
{
    char line[MG_CHUNK_LINE];
    size_t n;

    CHECK(mg_write_chunk_line(0x1a2b, line) == 6 && memcmp(line, "1a2b\r\n", 6) == 0);
    CHECK(mg_write_chunk_line(UINT64_MAX, line) == 18);
    CHECK(mg_write_chunk_line(0, line) == 3 && memcmp(line, "0\r\n", 3) == 0);
    fresh();
    mg_headers_push(&m, &m.trailers, MG_STR("X-T"), MG_STR("1"));
    mg_headers_push(&m, &m.trailers, MG_STR("Content-Length"), MG_STR("1"));
    n = mg_write_trailers(&m.trailers, text);
    CHECK(n <= mg_write_trailers_size(&m.trailers));
    CHECK(n == 10 && memcmp(text, "X-T: 1\r\n\r\n", 10) == 0);
}

TEST_MAIN(TEST(test_requests), TEST(test_request_framing), TEST(test_responses),
          TEST(test_bodiless_responses), TEST(test_chunk_lines_and_trailers))
