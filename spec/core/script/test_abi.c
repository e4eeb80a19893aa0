/* The functions of moongate.h on one exchange, called as Lua calls them. */
#include <stdlib.h>
#include "script/abi.h"
#include "../proxy/one_exchange.h"

#define S(text) (text), (uint32_t)strlen(text)

static struct mg_env env;

static mg_exchange *start(const char *method, enum mg_framing framing, uint64_t length)
{
    begin(method, framing, length);
    if (env.proxy == NULL) {
        env.proxy = proxy;
        mg_abi_setup(&env);
    }
    return &x->pub;
}

/* Header `name` of a side; "(none)". */
static mg_str header(mg_exchange *e, int side, const char *name)
{
    mg_str value;

    return mg_header_get(e, side, S(name), &value) == MG_OK ? value : MG_STR("(none)");
}

static void test_headers(void)
{
    mg_exchange *e = start("GET", MG_BODY_NONE, 0);
    uint32_t pos = 0;
    mg_str name, value;

    CHECK(mg_header_set(e, MG_REQUEST, S("X-A"), S(" 1 ")) == MG_OK);
    CHECK(mg_header_add(e, MG_REQUEST, S("x-a"), S("2")) == MG_OK);
    CHECK_STR(header(e, MG_REQUEST, "x-A"), "1");
    CHECK(mg_header_next_of(e, MG_REQUEST, S("X-a"), &pos, &value) == MG_OK);
    CHECK(mg_header_next_of(e, MG_REQUEST, S("X-a"), &pos, &value) == MG_OK);
    CHECK_STR(value, "2");
    CHECK(mg_header_next_of(e, MG_REQUEST, S("X-a"), &pos, &value) == MG_ENOENT);
    CHECK(mg_header_set(e, MG_REQUEST, S("X-A"), S("3")) == MG_OK);
    pos = 0;
    CHECK(mg_header_next(e, MG_REQUEST, &pos, &name, &value) == MG_OK);
    CHECK_STR(value, "3");
    CHECK(mg_header_next(e, MG_REQUEST, &pos, &name, &value) == MG_ENOENT);
    CHECK(mg_header_remove(e, MG_REQUEST, S("X-A")) == MG_OK);
    CHECK(mg_header_remove(e, MG_REQUEST, S("X-A")) == MG_ENOENT);
    finish();
}

static void test_what_no_header_may_be(void)
{
    static const char *const framing[] = {"Content-Length", "transfer-encoding", "Connection",
                                          "Keep-Alive",     "Proxy-Connection",  "TE",
                                          "Trailer",        "Upgrade",           "Expect",
                                          "HTTP2-Settings"};
    mg_exchange *e = start("GET", MG_BODY_NONE, 0);

    for (size_t i = 0; i < sizeof(framing) / sizeof(framing[0]); i++) {
        CHECK(mg_header_set(e, MG_REQUEST, S(framing[i]), S("1")) == MG_EINVAL);
        CHECK(mg_header_add(e, MG_REQUEST, S(framing[i]), S("1")) == MG_EINVAL);
    }
    for (int c = 0; c < 256; c++) {
        char name[] = {'X', (char)c, 'Y'}, value[] = {'a', (char)c, 'b'};
        bool token = c != 0 && (mg_chars[c] & MG_CH_TOKEN) != 0;
        bool visible = c == '\t' || (c >= ' ' && c != 127);

        CHECK((mg_header_set(e, MG_REQUEST, name, 3, S("1")) == MG_OK) == token);
        CHECK((mg_header_set(e, MG_REQUEST, S("X"), value, 3) == MG_OK) == visible);
    }
    CHECK(mg_header_set(e, MG_REQUEST, S(""), S("1")) == MG_EINVAL);
    finish();
}

static void test_host_is_the_authority(void)
{
    mg_exchange *e = start("GET", MG_BODY_NONE, 0);

    CHECK(mg_header_set(e, MG_REQUEST, S("hOst"), S("Shop.example:81")) == MG_OK);
    CHECK_STR(e->authority, "Shop.example:81");
    CHECK_STR(e->host, "shop.example");
    CHECK_STR(header(e, MG_REQUEST, "Host"), "Shop.example:81");
    CHECK(mg_header_set(e, MG_REQUEST, S("Host"), S("a b")) == MG_EINVAL);
    CHECK(mg_header_add(e, MG_REQUEST, S("Host"), S("b")) == MG_EINVAL);
    CHECK_STR(header(e, MG_REQUEST, "Host"), "Shop.example:81");
    finish();
}

static void test_paths_of_one_spelling(void)
{
    static const char *const plain[] = {"/", "/a", "/a/b.c/", "/a..b/c"};
    static const char *const others[] = {"/a%20", "/a/%2e", "//",    "/a//b",
                                         "/.",    "/a/..",  "/a/.b", "/a\\b"};
    mg_exchange *e = start("GET", MG_BODY_NONE, 0);

    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        e->path = mg_str_of(plain[i], strlen(plain[i]));
        CHECK(mg_path_is_plain(e));
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        e->path = mg_str_of(others[i], strlen(others[i]));
        CHECK(!mg_path_is_plain(e));
    }
    e->path = MG_STR("*");
    CHECK(!mg_path_is_plain(e));
    finish();
}

static void test_the_request_line(void)
{
    mg_exchange *e = start("GET", MG_BODY_NONE, 0);

    CHECK(mg_set_method(e, S("POST")) == MG_OK && e->method_id == MG_METHOD_POST);
    CHECK(mg_set_method(e, S("PO ST")) == MG_EINVAL && mg_set_method(e, S("CONNECT")) == MG_EINVAL);
    CHECK_STR(e->method, "POST");
    CHECK(mg_set_path(e, S("/a/%20")) == MG_OK && mg_set_query(e, S("b=c")) == MG_OK);
    CHECK(e->has_query);
    CHECK(mg_set_path(e, S("a")) == MG_EINVAL && mg_set_path(e, S("/a?b")) == MG_EINVAL);
    CHECK(mg_set_path(e, S("/a\r\nb")) == MG_EINVAL && mg_set_path(e, S("")) == MG_EINVAL);
    CHECK(mg_set_query(e, S("a b")) == MG_EINVAL && mg_set_query(e, S("a#b")) == MG_EINVAL);
    CHECK_STR(e->path, "/a/%20");
    CHECK(mg_set_query(e, S("")) == MG_OK && !e->has_query);
    CHECK(mg_set_authority(e, S("a")) == MG_OK && mg_set_authority(e, S("")) == MG_EINVAL);
    finish();
}

static void test_what_is_on_its_way_stays(void)
{
    mg_exchange *e = start("POST", MG_BODY_LENGTH, 2);
    mg_str out;
    int fd;

    CHECK(mg_upstream_address(e, &out) == MG_ENOENT && mg_upstream_reason(e, &out) == MG_ENOENT);
    CHECK(mg_request_body(e, &out) == MG_EPHASE);
    CHECK(mg_request_body_set(e, S("instead")) == MG_OK && e->has_body);
    CHECK(mg_request_body(e, &out) == MG_OK);
    CHECK_STR(out, "instead");
    CHECK(mg_forward(e, ep, 0, false) == MG_AGAIN && e->attempts == 1);
    CHECK(mg_set_method(e, S("GET")) == MG_EPHASE);
    CHECK(mg_request_body_set(e, S("late")) == MG_EPHASE);
    fd = accept_one();
    receive(fd, "instead");
    CHECK(mg_upstream_address(e, &out) == MG_OK);
    CHECK(mg_set_status(e, 201) == MG_EPHASE); /* there is none yet */
    answer(fd, whole);
    TURN_UNTIL(wakes == 1);
    CHECK(e->status == 200);
    CHECK_STR(header(e, MG_RESPONSE, "date").len == 29 ? MG_STR("dated") : MG_STR("no"), "dated");
    CHECK(mg_set_status(e, 201) == MG_OK && e->status == 201);
    finish();
    close(fd);
    close_idle();
}

static void test_a_local_response(void)
{
    mg_exchange *e = start("GET", MG_BODY_NONE, 0);
    mg_str out;

    CHECK_STR(header(e, MG_RESPONSE, "x"), "(none)");
    CHECK(mg_header_set(e, MG_RESPONSE, S("X"), S("1")) == MG_EPHASE);
    CHECK(mg_response_body_set(e, S("x")) == MG_EPHASE);
    CHECK(mg_respond(e, 199, S("")) == MG_EINVAL && mg_respond(e, 600, S("")) == MG_EINVAL);
    CHECK(mg_respond(e, 200, NULL, (uint64_t)UINT32_MAX + 1) == MG_ELIMIT);
    CHECK(mg_respond(e, 403, S("no")) == MG_OK && e->status == 403);
    CHECK(mg_header_set(e, MG_RESPONSE, S("X"), S("1")) == MG_OK);
    CHECK(mg_set_status(e, 100) == MG_EINVAL && mg_set_status(e, 404) == MG_OK);
    CHECK(mg_response_body(e, &out) == MG_OK);
    CHECK_STR(out, "no");
    CHECK(mg_response_body_set(e, S("nothing here")) == MG_OK);
    CHECK(mg_reply(e, false) == MG_OK && down.head.status == 404);
    CHECK(strcmp(down.out, "nothing here") == 0);
    CHECK(mg_header_set(e, MG_RESPONSE, S("X"), S("2")) == MG_EPHASE);
    CHECK(mg_set_status(e, 200) == MG_EPHASE && mg_respond(e, 200, S("")) == MG_EPHASE);
    CHECK(mg_response_body_set(e, S("late")) == MG_EPHASE);
    finish();
}

static void test_calls(void)
{
    mg_exchange *e = start("GET", MG_BODY_NONE, 0);
    struct mg_call *c = mg_call_new(e, MG_STR("GET"), MG_STR("/"), MG_STR("a"));
    uint32_t pos = 0;
    mg_str name, value;

    CHECK(mg_call_new(e, MG_STR("G T"), MG_STR("/"), MG_STR("a")) == NULL);
    CHECK(mg_call_header(c, S("X"), S("a\nb")) == MG_EINVAL);
    CHECK(mg_call_send(c, ep, NULL, (uint64_t)UINT32_MAX + 1, 0, 10) == MG_ELIMIT);
    CHECK(mg_call_status(c) == 0);
    CHECK(mg_call_header_next(c, &pos, &name, &value) == MG_ENOENT);
    mg_call_body(c, &value);
    CHECK(value.len == 0);
    mg_call_free(c);
    finish();
}

static void test_timers_are_bounded(void)
{
    uint32_t id = 0;

    start("GET", MG_BODY_NONE, 0);
    while (mg_timer_start(id, 60000) == MG_OK)
        id++;
    CHECK(id == MG_ABI_TIMERS && mg_timer_start(id, 1) == MG_EFULL);
    mg_timer_stop(5);
    mg_timer_stop(5);
    CHECK(mg_timer_start(5, 60000) == MG_OK && mg_timer_start(id, 1) == MG_EFULL);
    mg_abi_cleanup();
    CHECK(mg_timer_start(1, 60000) == MG_OK);
    mg_abi_cleanup();
    finish();
}

static void test_listeners_are_bounded(void)
{
    struct mg_listener_conf conf = {.port = 80};

    CHECK(mg_listener_configure(MG_PROXY_LISTENERS - 1, &conf) == MG_OK);
    CHECK(proxy->listeners[MG_PROXY_LISTENERS - 1].port == 80);
    CHECK(mg_listener_configure(MG_PROXY_LISTENERS, &conf) == MG_ELIMIT);
}

static void test_sinks_are_found_again(void)
{
    char path[] = "/tmp/moongate-sink-XXXXXX";
    int fd = mkstemp(path), first;

    close(fd);
    first = mg_sink_get(S(path));
    CHECK(first >= 0 && mg_sink_get(S(path)) == first);
    CHECK(mg_sink_get(S("/nowhere/at/all")) < 0);
    mg_sink_write(first, S("line"));
    mg_sink_write(first + 1000, S("nowhere"));
    mg_sink_write(-1, S("nowhere"));
    mg_abi_cleanup();
    unlink(path);
}

TEST_MAIN(TEST(test_headers), TEST(test_what_no_header_may_be), TEST(test_host_is_the_authority),
          TEST(test_paths_of_one_spelling), TEST(test_the_request_line),
          TEST(test_what_is_on_its_way_stays), TEST(test_a_local_response), TEST(test_calls),
          TEST(test_timers_are_bounded), TEST(test_listeners_are_bounded),
          TEST(test_sinks_are_found_again), TEST(everything_goes))
