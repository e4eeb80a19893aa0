/* test_parse.c -- Heads and bodies: what is refused, how the rest is read, at every split. */
#include <assert.h>
#include <stdlib.h>
#include "http/body.h"
#include "test.h"

#define HOST "Host: t.example\r\n"
#define GET "GET /a HTTP/1.1\r\n" HOST
#define POST "POST /a HTTP/1.1\r\n" HOST
#define OK "HTTP/1.1 200 OK\r\n"

static struct mg_arena arena;
static struct mg_message m;
static struct mg_limits limits;
static struct mg_refusal why;

static void fresh(void)
{
    mg_arena_reset(&arena);
    mg_message_init(&m, &arena);
    mg_limits_default(&limits);
    why = (struct mg_refusal){0, NULL};
}

/* Scans byte by byte (step 1) or at once (step len), then parses; the status of the refusal, 0 when
 * it was accepted, -1 when the head never ended. */
static int parse(const char *text, size_t len, size_t step, bool request, int method)
{
    struct mg_scan scan = {0};
    int n = 0;

    for (size_t have = step; n == 0 && have <= len; have += step) {
        /* A copy of the exact size: a read past the end is an error of the sanitizer. */
        char *seen = malloc(have);

        memcpy(seen, text, have);
        n = mg_scan_head(&scan, seen, have, &limits, request, &why);
        free(seen);
    }
    if (n <= 0)
        return n == 0 ? -1 : why.status;
    n = request ? mg_parse_request(&m, mg_arena_copy(&arena, text, (size_t)n), &limits, &why)
                : mg_parse_response(&m, mg_arena_copy(&arena, text, (size_t)n), method, &why);
    return n == 0 ? 0 : why.status;
}

static int request(const char *text, size_t len)
{
    int slow, fast;

    fresh();
    slow = parse(text, len, 1, true, 0);
    fresh();
    fast = parse(text, len, len, true, 0);
    CHECK(slow == fast);
    return fast;
}

static int response(const char *text, size_t len, int method)
{
    int slow, fast;

    fresh();
    slow = parse(text, len, 1, false, method);
    fresh();
    fast = parse(text, len, len, false, method);
    CHECK(slow == fast);
    return fast;
}

#define REQUEST(text) request(text, sizeof(text) - 1)
#define RESPONSE(text) response(text, sizeof(text) - 1, MG_METHOD_GET)

static void test_a_plain_get(void)
{
    CHECK(
        REQUEST("GET /a/b?x=1 HTTP/1.1\r\nHost: T.example:81\r\nX-A: \t a b \t \r\nX-E:\r\n\r\n") ==
        0);
    CHECK_STR(m.method, "GET");
    CHECK(m.method_id == MG_METHOD_GET && m.minor == 1 && m.keep_alive);
    CHECK_STR(m.path, "/a/b");
    CHECK_STR(m.query, "x=1");
    CHECK_STR(m.authority, "T.example:81");
    CHECK_STR(m.host, "t.example");
    CHECK(m.host_port == 81 && m.framing == MG_BODY_NONE && m.headers.n == 2);
    CHECK_STR(m.headers.v[0].name, "X-A");
    CHECK_STR(m.headers.v[0].value, "a b");
    CHECK(m.headers.v[1].value.len == 0);
}

static void test_refused_requests(void)
{
    static const struct {
        mg_str head;
        int status;
    } cases[] = {
#define R(status, text) {MG_TEXT(text), status}
        R(400, "GET  /a HTTP/1.1\r\n" HOST "\r\n"),
        R(400, "GET /a  HTTP/1.1\r\n" HOST "\r\n"),
        R(400, "GET /a HTTP/1.1 \r\n" HOST "\r\n"),
        R(400, " GET /a HTTP/1.1\r\n" HOST "\r\n"),
        R(400, "GET\t/a\tHTTP/1.1\r\n" HOST "\r\n"),
        R(400, "GET /a\r\n" HOST "\r\n"),
        R(400, "GET\r\n\r\n"),
        R(400, "/a HTTP/1.1\r\n" HOST "\r\n"),
        R(400, " /a HTTP/1.1\r\n" HOST "\r\n"),
        R(400, "G(T /a HTTP/1.1\r\n" HOST "\r\n"),
        R(400, "GE\xff /a HTTP/1.1\r\n" HOST "\r\n"),
        R(400, "\0GET /a HTTP/1.1\r\n" HOST "\r\n"),
        R(400, "GET /a HTTP/1.1\n" HOST "\r\n"),
        R(400, "GET /a HTTP/1.1\r" HOST "\r\n"),
        R(400, "GET /a\rb HTTP/1.1\r\n" HOST "\r\n"),
        R(400, "GET a HTTP/1.1\r\n" HOST "\r\n"),
        R(400, "GET t.example:80 HTTP/1.1\r\n" HOST "\r\n"),
        R(400, "GET * HTTP/1.1\r\n" HOST "\r\n"),
        R(400, "OPTIONS */x HTTP/1.1\r\n" HOST "\r\n"),
        R(400, "GET /a#b HTTP/1.1\r\n" HOST "\r\n"),
        R(400, "GET /a\\b HTTP/1.1\r\n" HOST "\r\n"),
        R(400, "GET /a%z HTTP/1.1\r\n" HOST "\r\n"),
        R(400, "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n"),
        R(400, "GET http:///x HTTP/1.1\r\n" HOST "\r\n"),
        R(400, "GET http://u@t.example/x HTTP/1.1\r\n" HOST "\r\n"),
        R(400, "GET http://t.example\\@e/x HTTP/1.1\r\n" HOST "\r\n"),
        R(400, "GET ftp://t.example/x HTTP/1.1\r\n" HOST "\r\n"),
        R(400, "GET http://t.example/x HTTP/1.1\r\n\r\n"),
        R(501, "CONNECT t.example:80 HTTP/1.1\r\n" HOST "\r\n"),
        R(400, "GET /a http/1.1\r\n" HOST "\r\n"),
        R(400, "GET /a RTSP/1.0\r\n" HOST "\r\n"),
        R(400, "SOURCE /a ICE/1.0\r\n" HOST "\r\n"),
        R(400, "GET /a HTTP/01.1\r\n" HOST "\r\n"),
        R(400, "GET /a HTTP/1\r\n" HOST "\r\n"),
        R(400, "GET /a HTTP/1.1x\r\n" HOST "\r\n"),
        R(505, "GET /a HTTP/1.2\r\n" HOST "\r\n"),
        R(505, "GET /a HTTP/0.9\r\n" HOST "\r\n"),
        R(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        R(400, "GET /a HTTP/1.1\r\n\r\n"),
        R(400, GET "hOST: evil\r\n\r\n"),
        R(400, "GET /a HTTP/1.0\r\n" HOST HOST "\r\n"),
        R(400, "GET /a HTTP/1.1\r\nHost:\r\n\r\n"),
        R(400, "GET /a HTTP/1.1\r\nHost: a b\r\n\r\n"),
        R(400, "GET /a HTTP/1.1\r\nHost : a\r\n\r\n"),
        R(400, "GET /a HTTP/1.1\r\n " HOST "\r\n"),
        R(400, GET " folded\r\n\r\n"),
        R(400, GET "X-A: a\r\n\tb\r\n\r\n"),
        R(400, GET "X-A:\r\n \r\n\r\n"),
        R(400, GET "X-A : 1\r\n\r\n"),
        R(400, GET "X A: 1\r\n\r\n"),
        R(400, GET ": 1\r\n\r\n"),
        R(400, GET "X-A\r\n\r\n"),
        R(400, GET "X(A: 1\r\n\r\n"),
        R(400, GET "X\x85: 1\r\n\r\n"),
        R(400, GET "X-A: a\0b\r\n\r\n"),
        R(400, GET "X-A: a\x01\r\n\r\n"),
        R(400, GET "X-A: a\x7f\r\n\r\n"),
        R(400, GET "X-A: a\rb\r\n\r\n"),
        R(400, GET "X-A: a\nX-B: b\r\n\r\n"),
        R(400, GET "X-A: 1\r\n\n"),
        R(400, GET "X-A: 1\r\r\n\r\n"),
        R(400, POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"),
        R(400, POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
        R(400, POST "Content-Length: 5, 5\r\n\r\n"),
        R(400, POST "Content-Length: +5\r\n\r\n"),
        R(400, POST "Content-Length: 0x5\r\n\r\n"),
        R(400, POST "Content-Length: 5 5\r\n\r\n"),
        R(400, POST "Content-Length:\r\n\r\n"),
        R(400, POST "Content-Length: 5\xa0\r\n\r\n"),
        R(400, POST "Content-Length: 00000000000000000005\r\n\r\n"),
        R(400, POST "Content-Length: 18446744073709551621\r\n\r\n"),
        R(400, POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
        R(400, POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
        R(501, POST "Transfer-Encoding: gzip\r\n\r\n"),
        R(501, POST "Transfer-Encoding: identity\r\n\r\n"),
        R(501, POST "Transfer-Encoding: xchunked\r\n\r\n"),
        R(400, POST "Transfer-Encoding: gzip, chunked\r\n\r\n"),
        R(400, POST "Transfer-Encoding: chunked, chunked\r\n\r\n"),
        R(400, POST "Transfer-Encoding: ,chunked\r\n\r\n"),
        R(400, POST "Transfer-Encoding:\r\n\r\n"),
        R(400, POST "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n\r\n"),
        R(400, POST "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n"),
        R(400, POST "Transfer-Encoding:\r\n chunked\r\n\r\n"),
        R(400, "POST /a HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"),
        R(417, POST "Expect: magic\r\nContent-Length: 5\r\n\r\n"),
        R(417, POST "Expect: 100-continue, x\r\nContent-Length: 5\r\n\r\n"),
        R(200, "OPTIONS /a HTTP/1.1\r\n" HOST "Max-Forwards: 0\r\n\r\n"),
        R(405, "TRACE /a HTTP/1.1\r\n" HOST "Max-Forwards: 0\r\n\r\n"),
        R(400, "TRACE /a HTTP/1.1\r\n" HOST "Max-Forwards: -1\r\n\r\n"),
        R(400, "TRACE /a HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n"),
        R(400, "TRACE /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"),
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int status = request(cases[i].head.ptr, cases[i].head.len);

        if (status != cases[i].status)
            fprintf(stderr, "%d (%s) for %.*s\n", status, why.why, (int)cases[i].head.len,
                    cases[i].head.ptr);
        CHECK(status == cases[i].status);
    }
}

static void test_targets(void)
{
    CHECK(REQUEST("GET http://T.example:82 HTTP/1.1\r\nHost: other\r\n\r\n") == 0);
    CHECK_STR(m.path, "/");
    CHECK_STR(m.host, "t.example");
    CHECK(m.host_port == 82 && !m.has_query);
    CHECK(REQUEST("GET HTTPS://t.example?q HTTP/1.1\r\nHost: other\r\n\r\n") == 0);
    CHECK_STR(m.path, "/");
    CHECK_STR(m.query, "q");
    CHECK(REQUEST("OPTIONS http://t.example HTTP/1.1\r\nHost: other\r\n\r\n") == 0);
    CHECK_STR(m.path, "*");
    CHECK(REQUEST("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n") == 0);
    CHECK(REQUEST("GET /a? HTTP/1.1\r\nHost: a\r\n\r\n") == 0);
    CHECK(m.has_query && m.query.len == 0);
    CHECK(REQUEST("FROB //x/../y HTTP/1.1\r\nHost: a\r\n\r\n") == 0);
    CHECK(m.method_id == MG_METHOD_OTHER);
    CHECK_STR(m.path, "//x/../y");
    CHECK(REQUEST("\r\n\r\nGET /a HTTP/1.0\r\n\r\n") == 0);
    CHECK(!m.keep_alive && m.authority.len == 0);
}

static void test_framing(void)
{
    CHECK(REQUEST(POST "Content-Length:\t010\t\r\n\r\n") == 0);
    CHECK(m.framing == MG_BODY_LENGTH && m.length == 10 && m.headers.n == 0);
    CHECK(REQUEST(POST "Content-Length: 9223372036854775807\r\n\r\n") == 0);
    CHECK(m.length == INT64_MAX);
    CHECK(REQUEST(POST "Content-Length: 9223372036854775808\r\n\r\n") == 400);
    CHECK(REQUEST(POST "Transfer-Encoding: \t CHUNKED \t\r\n\r\n") == 0);
    CHECK(m.framing == MG_BODY_CHUNKED && m.headers.n == 0);
    CHECK(REQUEST(POST "Transfer-Encoding: chunked\r\nConnection: transfer-encoding\r\n\r\n") == 0);
    CHECK(m.framing == MG_BODY_CHUNKED);
    CHECK(REQUEST(POST "Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n") == 400);
    CHECK(REQUEST(POST "content_length: 5\r\n\r\n") == 400);
    CHECK(REQUEST(POST "Content_Type: 5\r\n\r\n") == 0 && m.headers.n == 1);
    CHECK(REQUEST(POST "\r\n") == 0);
    CHECK(m.framing == MG_BODY_NONE);
}

static void test_hop_by_hop_fields_go(void)
{
    CHECK(REQUEST(GET "Connection: X-Drop , close,, host\r\nX-Drop: 1\r\nKeep-Alive: 5\r\n"
                      "x-drop: 2\r\nProxy-Connection: keep-alive\r\nTrailer: X\r\nX-Stay: 1\r\n"
                      "TE: gzip, trailers\r\nUpgrade: websocket\r\n\r\n") == 0);
    uint32_t pos = 0;
    mg_str name, value;

    CHECK(mg_headers_next(&m.headers, &pos, &name, &value) == MG_OK);
    CHECK_STR(name, "X-Stay");
    CHECK(mg_headers_next(&m.headers, &pos, &name, &value) == MG_ENOENT);
    CHECK(!m.keep_alive && m.accepts_trailers && m.upgrade.len == 0);
    CHECK_STR(m.host, "t.example");
    CHECK(REQUEST(GET "Connection: close\t\r\n\r\n") == 0 && !m.keep_alive);
    CHECK(REQUEST("GET / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n") == 0 && m.keep_alive);
}

static void test_upgrades(void)
{
    CHECK(REQUEST(GET "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n") == 0);
    CHECK_STR(m.upgrade, "websocket");
    CHECK(REQUEST(GET "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                      "HTTP2-Settings: AA\r\n\r\n") == 0);
    CHECK(m.upgrade.len == 0 && m.headers.n == 0);
    CHECK(REQUEST(POST "Connection: Upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\n") == 0);
    CHECK(m.upgrade.len == 0);
    CHECK(REQUEST("GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n") == 0);
    CHECK(m.upgrade.len == 0);
    CHECK(REQUEST(GET "Connection: Upgrade\r\nUpgrade: a b\r\n\r\n") == 0 && m.upgrade.len == 0);
    CHECK(REQUEST(GET "Connection: Upgrade\r\nUpgrade: a/\r\n\r\n") == 0 && m.upgrade.len == 0);
    CHECK(REQUEST(POST "Connection: Upgrade\r\nUpgrade: a/1, b\r\nContent-Length: 0\r\n\r\n") == 0);
    CHECK_STR(m.upgrade, "a/1, b");
}

static void test_expect_and_max_forwards(void)
{
    mg_str v;

    CHECK(REQUEST(POST "Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n") == 0);
    CHECK(m.expect_continue && m.headers.n == 0);
    CHECK(REQUEST(GET "Expect: 100-continue\r\n\r\n") == 0 && !m.expect_continue);
    CHECK(REQUEST("POST / HTTP/1.0\r\nExpect: x\r\nContent-Length: 5\r\n\r\n") == 0);
    CHECK(!m.expect_continue);
    CHECK(REQUEST("OPTIONS /a HTTP/1.1\r\n" HOST "Max-Forwards: 10\r\n\r\n") == 0);
    CHECK(mg_headers_get(&m.headers, MG_STR("max-forwards"), &v) == MG_OK);
    CHECK_STR(v, "9");
    CHECK(REQUEST(GET "Max-Forwards: 0\r\n\r\n") == 0);
    CHECK(REQUEST("TRACE / HTTP/1.1\r\n" HOST "Max-Forwards: 99999999999999999999\r\n\r\n") == 0);
    CHECK(mg_headers_get(&m.headers, MG_STR("max-forwards"), &v) == MG_OK);
    CHECK_STR(v, "18446744073709551614");
    CHECK(REQUEST(POST "Expect: , 100-continue\r\nExpect: 100-continue\r\n"
                       "Content-Length: 5\r\n\r\n") == 0);
    CHECK(m.expect_continue);
    CHECK(REQUEST(POST "Expect:\r\nContent-Length: 5\r\n\r\n") == 0 && !m.expect_continue);
    CHECK(REQUEST("GET / HTTP/1.0\r\nTE: trailers\r\n\r\n") == 0 && !m.accepts_trailers);
}

static void test_limits(void)
{
    static char text[70000];
    size_t n;

    n = (size_t)sprintf(text, "GET /");
    memset(text + n, 'a', 60000);
    fresh();
    CHECK(parse(text, 60005, 60005, true, 0) == 414);
    n = (size_t)sprintf(text, GET "X: ");
    memset(text + n, 'a', 60000);
    fresh();
    CHECK(parse(text, 60000, 60000, true, 0) == 431);
    fresh();
    CHECK(parse(text, 60000, 1000, false, 0) == 502);
    n = (size_t)sprintf(text, GET);
    for (int i = 0; i < 100; i++)
        n += (size_t)sprintf(text + n, "X: 1\r\n");
    memcpy(text + n, "\r\n", 2);
    fresh();
    CHECK(parse(text, n + 2, n + 2, true, 0) == 431);
    memcpy(text + n - 6, "\r\n", 2);
    fresh();
    CHECK(parse(text, n - 4, n - 4, true, 0) == 0);
    CHECK(m.headers.n == 99);
    fresh();
    limits.body_bytes = 10;
    CHECK(parse(POST "Content-Length: 11\r\n\r\n", sizeof(POST "Content-Length: 11\r\n\r\n") - 1, 1,
                true, 0) == 413);
    CHECK(REQUEST("\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n" GET "\r\n") == 400);
}

static void test_responses(void)
{
    CHECK(RESPONSE(OK "Content-Length: 5\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n") == 0);
    CHECK(m.status == 200 && m.framing == MG_BODY_LENGTH && m.length == 5 && m.keep_alive);
    CHECK(m.headers.n == 2 && m.reason.len == 0 && !m.bodiless);
    CHECK(RESPONSE("HTTP/1.1 200\r\n\r\n") == 0);
    CHECK(m.framing == MG_BODY_CLOSE && !m.keep_alive);
    CHECK(RESPONSE("HTTP/1.0 200 \r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n") == 0);
    CHECK(m.minor == 0 && m.keep_alive);
    CHECK(RESPONSE(OK "Transfer-Encoding: chunked\r\n\r\n") == 0 && m.framing == MG_BODY_CHUNKED);
    CHECK(RESPONSE("HTTP/1.1 204 \r\nContent-Length: 5\r\n\r\n") == 0);
    CHECK(m.bodiless && m.framing == MG_BODY_NONE);
    CHECK(RESPONSE("HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n") == 0);
    CHECK(m.bodiless && m.framing == MG_BODY_LENGTH && m.keep_alive);
    CHECK(RESPONSE("HTTP/1.1 100 \r\nContent-Length: 5\r\n\r\n") == 0 && m.bodiless);
    CHECK(response(OK "\r\n", sizeof(OK "\r\n") - 1, MG_METHOD_HEAD) == 0);
    CHECK(m.bodiless && m.framing == MG_BODY_NONE && m.keep_alive);
    CHECK(RESPONSE("HTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n") == 0);
    CHECK_STR(m.upgrade, "websocket");
}

static void test_refused_responses(void)
{
    static const mg_str cases[] = {
        MG_TEXT("HTTP/1.1 20\r\n\r\n"),
        MG_TEXT("HTTP/1.1 2000\r\n\r\n"),
        MG_TEXT("HTTP/1.1 099 a\r\n\r\n"),
        MG_TEXT("HTTP/1.1 600 a\r\n\r\n"),
        MG_TEXT("HTTP/1.1  200 a\r\n\r\n"),
        MG_TEXT("HTTP/1.1\t200 a\r\n\r\n"),
        MG_TEXT("HTTP/1.1 -20 a\r\n\r\n"),
        MG_TEXT("HTTP/2.0 200 a\r\n\r\n"),
        MG_TEXT("HTTP/11.1 200 a\r\n\r\n"),
        MG_TEXT("http/1.1 200 a\r\n\r\n"),
        MG_TEXT("\r\nHTTP/1.1 200 a\r\n\r\n"),
        MG_TEXT("HTTP/1.1 200 a\nX: b\r\n\r\n"),
        MG_TEXT("HTTP/1.1 200 a\0b\r\n\r\n"),
        MG_TEXT(OK " X: a\r\n\r\n"),
        MG_TEXT(OK "X: a\r\n b\r\n\r\n"),
        MG_TEXT(OK ": a\r\n\r\n"),
        MG_TEXT(OK "Content-Length : 5\r\n\r\n"),
        MG_TEXT(OK "Content-Length: 5\r\nContent-Length: 3\r\n\r\n"),
        MG_TEXT(OK "Content-Length: 5, 3\r\n\r\n"),
        MG_TEXT(OK "Content-Length: 18446744073709551615\r\n\r\n"),
        MG_TEXT(OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
        MG_TEXT(OK "Transfer-Encoding: identity\r\n\r\n"),
        MG_TEXT(OK "Transfer-Encoding:\r\n\r\n"),
        MG_TEXT(OK "Transfer-Encoding: chunked, gzip\r\n\r\n"),
        MG_TEXT("HTTP/1.0 200 a\r\nTransfer-Encoding: chunked\r\n\r\n"),
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int status = response(cases[i].ptr, cases[i].len, MG_METHOD_GET);

        if (status != 502)
            fprintf(stderr, "%d for %.*s\n", status, (int)cases[i].len, cases[i].ptr);
        CHECK(status == 502);
    }
}

/* ---- bodies ------------------------------------------------------------------------- */

static char got[8192];
static size_t got_len, body_used;

/* Feeds `text` in pieces of `step`; the last return of mg_body_next(). */
static int feed(const char *text, size_t len, size_t step)
{
    struct mg_body b;
    int rc = MG_OK;

    mg_body_init(&b, &m, &limits);
    got_len = body_used = 0;
    for (size_t at = 0; rc == MG_OK && at < len;) {
        size_t n = len - at < step ? len - at : step, used;
        char *piece;
        mg_str data;

        assert(n > 0);
        piece = malloc(n);
        memcpy(piece, text + at, n);
        rc = mg_body_next(&b, piece, n, &used, &data);
        if (data.len > 0 && got_len + data.len <= sizeof(got))
            memcpy(got + got_len, data.ptr, data.len);
        got_len += data.len;
        at += used;
        body_used = at;
        free(piece);
    }
    CHECK(mg_body_done(&b) || rc != MG_END);
    CHECK(rc != MG_OK || mg_body_eof(&b) == (m.framing == MG_BODY_CLOSE ? MG_END : MG_ECLOSED));
    return rc;
}

static int chunked(const char *text, size_t len, size_t step)
{
    fresh();
    m.framing = MG_BODY_CHUNKED;
    return feed(text, len, step);
}

static void test_chunks_at_every_split(void)
{
    static const char text[] = "5 ; a = b\r\nhello\r\n0A;x=\"y\\\"z;\"\r\n0123456789\r\n000\r\n"
                               "X-T: 1\r\nContent-Length: 9\r\nX-U:\r\n\r\nGET";

    for (size_t step = 1; step < sizeof(text); step++) {
        CHECK(chunked(text, sizeof(text) - 1, step) == MG_END);
        CHECK(got_len == 15 && memcmp(got, "hello0123456789", 15) == 0);
        CHECK(body_used == sizeof(text) - 4);
        CHECK(m.trailers.n == 2);
        CHECK_STR(m.trailers.v[0].name, "X-T");
        CHECK_STR(m.trailers.v[1].name, "X-U");
    }
    CHECK(chunked("0\r\n\r\n", 5, 5) == MG_END && got_len == 0 && m.trailers.n == 0);
}

/* Between two pieces of a body a reload may change the limits, in place: its buffer is as large as they were. */
static void test_limits_that_change_meanwhile(void)
{
    static const struct {
        uint32_t trailer_bytes;
        uint64_t body_bytes;
    } after[] = {{8, 1}, {1 << 20, 1 << 20}};
    static const char first[] = "5\r\nhello\r\n0\r\nX-T: 0123456789\r\n",
                      rest[] = "X-U: 0123456789\r\n\r\n";
    struct mg_body b;
    size_t used, at = 0;
    mg_str data;

    for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++, at = 0) {
        fresh();
        m.framing = MG_BODY_CHUNKED;
        limits.trailer_bytes = 24;
        limits.body_bytes = 5;
        mg_body_init(&b, &m, &limits);
        for (; at < sizeof(first) - 1; at += used)
            CHECK(mg_body_next(&b, first + at, sizeof(first) - 1 - at, &used, &data) == MG_OK);
        limits.trailer_bytes = after[i].trailer_bytes;
        limits.body_bytes = after[i].body_bytes;
        CHECK(mg_body_next(&b, rest, sizeof(rest) - 1, &used, &data) == MG_ELIMIT);
        CHECK(b.trailer_len == 24);
    }
}

static void test_broken_chunks(void)
{
    static const mg_str cases[] = {
        MG_TEXT("\r\n"),
        MG_TEXT("g\r\n"),
        MG_TEXT("0x5\r\n"),
        MG_TEXT("+5\r\n"),
        MG_TEXT("-0\r\n"),
        MG_TEXT(" 5\r\n"),
        MG_TEXT("5 \r\n"),
        MG_TEXT("5\n"),
        MG_TEXT("5\r\r\n"),
        MG_TEXT("5\0\r\n"),
        MG_TEXT("5,\r\n"),
        MG_TEXT("5_\r\n"),
        MG_TEXT("5 5\r\n"),
        MG_TEXT("5;\ra\r\n"),
        MG_TEXT("5;a\0\r\n"),
        MG_TEXT("5;a\nb\r\n"),
        MG_TEXT("5\v\r\n"),
        MG_TEXT("\xa0"
                "5\r\n"),
        MG_TEXT("FFFFFFFFFFFFFFFFF\r\n"),
        MG_TEXT("FFFFFFFFFFFFFFFF0\r\n"),
        MG_TEXT("5\r\nhello\n0"),
        MG_TEXT("5\r\nhello\r0"),
        MG_TEXT("5\r\nhello!\r\n"),
        MG_TEXT("5\r\nhello\r\r"),
        MG_TEXT("5\r\nhello\r\n\r\n"),
        MG_TEXT("0\r\nXX\r\n\r\n"),
        MG_TEXT("0\r\n\rX"),
        MG_TEXT("0\n"),
        MG_TEXT("0\r\n\n"),
        MG_TEXT("0\r\nnocolon\r\n\r\n"),
        MG_TEXT("0\r\nX : 1\r\n\r\n"),
        MG_TEXT("0\r\nX: 1\n\r\n"),
        MG_TEXT("0\r\n X: 1\r\n\r\n"),
        MG_TEXT("0\r\nX: 1\r\n b\r\n\r\n"),
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int slow = chunked(cases[i].ptr, cases[i].len, 1);
        int fast = chunked(cases[i].ptr, cases[i].len, cases[i].len);

        if (fast != MG_EPROTO)
            fprintf(stderr, "%d for %.*s\n", fast, (int)cases[i].len, cases[i].ptr);
        CHECK(fast == MG_EPROTO && slow == MG_EPROTO);
    }
    CHECK(chunked("5\r\nhel", 6, 6) == MG_OK);
    CHECK(chunked("5\r\nhello\r\n0\r\n", 13, 13) == MG_OK);
}

static void test_chunk_limits(void)
{
    static char text[400000];
    size_t n = 0;

    memset(text, '0', 300);
    CHECK(chunked(text, 300, 300) == MG_ELIMIT);
    n = (size_t)sprintf(text, "1;");
    memset(text + n, 'e', 300);
    CHECK(chunked(text, 300, 7) == MG_ELIMIT);
    for (n = 0; n < 300000;)
        n += (size_t)sprintf(text + n, "1;%0100d\r\nx\r\n", 0);
    CHECK(chunked(text, n, n) == MG_ELIMIT);
    n = (size_t)sprintf(text, "0\r\n");
    while (n < 300000)
        n += (size_t)sprintf(text + n, "X: %050d\r\n", 0);
    CHECK(chunked(text, n, n) == MG_ELIMIT);
    CHECK(chunked(text, n, 1) == MG_ELIMIT);
    fresh();
    m.framing = MG_BODY_CHUNKED;
    limits.body_bytes = 6;
    CHECK(feed("5\r\nhello\r\n2\r\n", 13, 13) == MG_ELIMIT);
    CHECK(feed("5\r\nhello\r\n1\r\nx\r\n0\r\n\r\n", 22, 22) == MG_END);
}

static void test_lengths_and_closes(void)
{
    fresh();
    m.framing = MG_BODY_LENGTH;
    m.length = 5;
    CHECK(feed("helloGET", 8, 8) == MG_END && got_len == 5 && body_used == 5);
    CHECK(feed("hell", 4, 1) == MG_OK && got_len == 4);
    m.framing = MG_BODY_CLOSE;
    CHECK(feed("hello", 5, 2) == MG_OK && got_len == 5);
    m.bodiless = true;
    CHECK(feed("hello", 5, 2) == MG_END && got_len == 0);
}

static void test_llhttp_is_strict(void)
{
    CHECK(mg_parse_self_test() == 0);
    CHECK(strncmp(mg_parse_library(), "llhttp ", 7) == 0);
}

TEST_MAIN(TEST(test_a_plain_get), TEST(test_refused_requests), TEST(test_targets),
          TEST(test_framing), TEST(test_hop_by_hop_fields_go), TEST(test_upgrades),
          TEST(test_expect_and_max_forwards), TEST(test_limits), TEST(test_responses),
          TEST(test_refused_responses), TEST(test_chunks_at_every_split),
          TEST(test_limits_that_change_meanwhile), TEST(test_broken_chunks),
          TEST(test_chunk_limits), TEST(test_lengths_and_closes), TEST(test_llhttp_is_strict))
