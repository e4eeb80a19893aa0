/* test_message.c -- Headers edited in place, and the grammar of what may stand in them. */
#include "http/message.h"
#include "test.h"

static struct mg_arena arena;
static struct mg_message m;

static void fresh(void)
{
    mg_arena_reset(&arena);
    mg_message_init(&m, &arena);
    mg_headers_push(&m, &m.headers, MG_STR("X-A"), MG_STR("1"));
    mg_headers_push(&m, &m.headers, MG_STR("X-B"), MG_STR("9"));
    mg_headers_push(&m, &m.headers, MG_STR("x-a"), MG_STR("2"));
}

static void test_get_is_case_blind_and_first(void)
{
    mg_str v;

    fresh();
    CHECK(mg_headers_get(&m.headers, MG_STR("x-A"), &v) == MG_OK);
    CHECK_STR(v, "1");
    CHECK(mg_headers_get(&m.headers, MG_STR("x-c"), &v) == MG_ENOENT);
}

static void test_iteration_stands_editing(void)
{
    mg_str name, v;
    uint32_t pos = 0;

    fresh();
    CHECK(mg_headers_next(&m.headers, &pos, &name, &v) == MG_OK);
    CHECK(mg_headers_remove(&m.headers, MG_STR("x-a")) == MG_OK);
    CHECK(mg_headers_next(&m.headers, &pos, &name, &v) == MG_OK);
    CHECK_STR(name, "X-B");
    CHECK(mg_headers_next(&m.headers, &pos, &name, &v) == MG_ENOENT);
    CHECK(mg_headers_remove(&m.headers, MG_STR("x-a")) == MG_ENOENT);
}

static void test_set_replaces_all_by_one(void)
{
    uint32_t pos = 0;
    mg_str v;

    fresh();
    CHECK(mg_headers_set(&m, &m.headers, MG_STR("X-A"), MG_STR(" new\t")) == MG_OK);
    CHECK(mg_headers_next_of(&m.headers, MG_STR("x-a"), &pos, &v) == MG_OK);
    CHECK_STR(v, "new");
    CHECK(mg_headers_next_of(&m.headers, MG_STR("x-a"), &pos, &v) == MG_ENOENT);
    CHECK(mg_headers_set(&m, &m.headers, MG_STR("X-C"), MG_STR("")) == MG_OK);
    CHECK(mg_headers_get(&m.headers, MG_STR("x-c"), &v) == MG_OK && v.len == 0);
    CHECK(m.headers.n == 4);
}

static void test_many_headers_keep_their_order(void)
{
    mg_str v;

    fresh();
    for (int i = 0; i < 200; i++) {
        mg_str name = mg_arena_printf(&arena, "X-%d", i);

        CHECK(mg_headers_add(&m, &m.headers, name, name) == MG_OK);
    }
    CHECK(m.headers.n == 203);
    CHECK(mg_headers_get(&m.headers, MG_STR("X-199"), &v) == MG_OK);
    CHECK_STR(v, "X-199");
    CHECK_STR(m.headers.v[1].name, "X-B");
}

static void test_policies_cannot_split_or_frame(void)
{
    static const char *const names[] = {"",           "a b",     "a:",   "Content-Length",
                                        "connection", "TE",      "host", "transfer-ENCODING",
                                        "upgrade",    "trailer", "a\r",  "proxy-connection",
                                        "Keep-Alive", "expect"};

    fresh();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        mg_str name = mg_str_of(names[i], strlen(names[i]));

        CHECK(mg_headers_set(&m, &m.headers, name, MG_STR("1")) == MG_EINVAL);
        CHECK(mg_headers_add(&m, &m.headers, name, MG_STR("1")) == MG_EINVAL);
    }
    for (int c = 0; c < 256; c++) {
        char text[] = {'a', (char)c, 'b'};
        bool allowed = c == '\t' || (c >= 0x20 && c != 0x7f);
        int rc = mg_headers_add(&m, &m.headers, MG_STR("X"), mg_str_of(text, 3));

        CHECK(rc == (allowed ? MG_OK : MG_EINVAL));
    }
}

static void test_paths_and_queries(void)
{
    CHECK(mg_is_path(MG_STR("/a/%20%2F;x=1,[b]:@!$&'()*+~._-")));
    CHECK(!mg_is_path(MG_STR("a")) && !mg_is_path(MG_STR("")) && !mg_is_path(MG_STR("/a?b")));
    CHECK(!mg_is_path(MG_STR("/a#b")) && !mg_is_path(MG_STR("/%2")) && !mg_is_path(MG_STR("/%zz")));
    CHECK(!mg_is_path(MG_STR("/a b")) && !mg_is_path(MG_STR("/\xc3\xa9")));
    CHECK(mg_is_query(MG_STR("")) && mg_is_query(MG_STR("a[]=1&b=?/%00")));
    CHECK(!mg_is_query(MG_STR("a#b")) && !mg_is_query(MG_STR("a\"b")));
}

static void test_authorities(void)
{
    static const struct {
        const char *text, *host;
        int port;
    } good[] = {{"t.example", "t.example", 0},       {"t.example:8080", "t.example", 8080},
                {"t.example:", "t.example", 0},      {"[::1]:80", "[::1]", 80},
                {"[fe80::1]", "[fe80::1]", 0},       {"127.0.0.1:1", "127.0.0.1", 1},
                {"a_b-c~.x", "a_b-c~.x", 0},         {"t%2eexample", "t%2eexample", 0},
                {"t.example:00080", "t.example", 80}};
    static const char *const bad[] = {
        "",        ":80",   "a b",       "a/x",      "a?x",    "a#x",      "u@a",  "a:b",
        "a:80:80", "a:-1",  "[::1",      "[::1]x",   "x[::1]", "[::zz]",   "[]",   "a:65536",
        "a\\x",    "\"a\"", "<t>",       "http://a", "a{}",    "a%2",      "a%zz", "[::1]:80:80",
        "a\x7f",   "a\xc3", "[1.2.3.4]", "[v1.]",    "[v.a]",  "[::1%25a]"};
    mg_str host;
    uint16_t port;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        mg_str text = mg_str_of(good[i].text, strlen(good[i].text));

        CHECK(mg_authority_split(text, &host, &port) == MG_OK);
        CHECK_STR(host, good[i].host);
        CHECK(port == good[i].port);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(!mg_is_authority(mg_str_of(bad[i], strlen(bad[i]))));
    CHECK(!mg_is_authority(mg_str_of("a\0b", 3)));
    CHECK(mg_is_authority(MG_STR("[v1.a:b]")));
}

static void test_host_is_lowered(void)
{
    fresh();
    CHECK(mg_message_set_authority(&m, MG_STR("T.Example:8080")) == MG_OK);
    CHECK_STR(m.authority, "T.Example:8080");
    CHECK_STR(m.host, "t.example");
    CHECK(m.host_port == 8080);
    CHECK(mg_message_set_authority(&m, MG_STR("u@x")) == MG_EINVAL);
    CHECK_STR(m.host, "t.example");
}

static void test_trailers_that_may_pass(void)
{
    CHECK(mg_is_trailer(MG_STR("X-Checksum")) && mg_is_trailer(MG_STR("grpc-status")));
    CHECK(!mg_is_trailer(MG_STR("Content-Length")) && !mg_is_trailer(MG_STR("HOST")));
    CHECK(!mg_is_trailer(MG_STR("Authorization")) && !mg_is_trailer(MG_STR("X-Forwarded-For")));
}

static void test_reasons(void)
{
    CHECK(strcmp(mg_status_reason(404), "Not Found") == 0);
    CHECK(strcmp(mg_status_reason(299), "Unknown") == 0);
    CHECK(strcmp(mg_status_reason(-1), "Unknown") == 0 &&
          strcmp(mg_status_reason(9999), "Unknown") == 0);
}

TEST_MAIN(TEST(test_get_is_case_blind_and_first), TEST(test_iteration_stands_editing),
          TEST(test_set_replaces_all_by_one), TEST(test_many_headers_keep_their_order),
          TEST(test_policies_cannot_split_or_frame), TEST(test_paths_and_queries),
          TEST(test_authorities), TEST(test_host_is_lowered), TEST(test_trailers_that_may_pass),
          TEST(test_reasons))
