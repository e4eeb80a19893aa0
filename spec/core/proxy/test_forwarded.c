#include <stdlib.h>
#include "http/server_state.h"
#include "proxy/forwarded.h"
#include "test.h"

enum { REMOVE, SET, TRUST };

static struct mg_x x;
static struct mg_peer peer;
static bool clear_text;

static const struct mg_peer *peer_of(const struct mg_conn *c)
{
    (void)c;
    return clear_text ? NULL : &peer;
}

static void begin(void)
{
    static const struct mg_conn_ops ops = {.peer = peer_of};
    static struct mg_conn conn = {.ops = &ops};
    static struct mg_server server = {.conn = &conn};

    CHECK(mg_tls_init() == 0);
    mg_arena_free(&x.arena);
    memset(&x, 0, sizeof(x));
    memset(&peer, 0, sizeof(peer));
    mg_arena_init(&x.arena);
    mg_message_init(&x.req, &x.arena);
    x.server = &server;
    x.pub.peer_address = MG_STR("192.0.2.1");
    clear_text = true;
}

static void say(const char *name, const char *value)
{
    mg_headers_push(&x.req, &x.req.headers, mg_str_of(name, strlen(name)),
                    mg_str_of(value, strlen(value)));
}

/* The field's only value; "(none)", or "(many)". */
static mg_str said(const char *name)
{
    uint32_t at = 0;
    mg_str value, more;

    if (mg_headers_next_of(&x.req.headers, mg_str_of(name, strlen(name)), &at, &value) != MG_OK)
        return MG_STR("(none)");
    if (mg_headers_next_of(&x.req.headers, mg_str_of(name, strlen(name)), &at, &more) == MG_OK)
        return MG_STR("(many)");
    return value;
}

static struct mg_listener_conf outer(uint32_t hops)
{
    return (struct mg_listener_conf){.append_forwarded_for = true, .trusted_hops = hops};
}

static void add(struct mg_listener_conf conf)
{
    mg_forwarded_add(&x, &conf);
}

static void test_a_client_that_says_nothing(void)
{
    begin();
    add(outer(0));
    CHECK_STR(said("X-Forwarded-For"), "192.0.2.1");
    CHECK_STR(said("X-Forwarded-Proto"), "http");
    CHECK_STR(x.pub.client_address, "192.0.2.1");
    CHECK_STR(said("X-Forwarded-Client-Cert"), "(none)");
}

static void test_the_client_is_counted_from_the_right(void)
{
    static const struct {
        uint32_t hops;
        const char *first, *second, *list, *client;
    } cases[] = {
        {0, "1.1.1.1", NULL, "1.1.1.1, 192.0.2.1", "192.0.2.1"},
        {1, "1.1.1.1", NULL, "1.1.1.1, 192.0.2.1", "1.1.1.1"},
        {1, "9.9.9.9, 1.1.1.1", NULL, "9.9.9.9, 1.1.1.1, 192.0.2.1", "1.1.1.1"},
        {2, "9.9.9.9 ,\t1.1.1.1", "2.2.2.2", "9.9.9.9 ,\t1.1.1.1, 2.2.2.2, 192.0.2.1", "1.1.1.1"},
        {3, "1.1.1.1", NULL, "1.1.1.1, 192.0.2.1", "192.0.2.1"}, /* too short: nobody is believed */
        {1, "", NULL, "192.0.2.1", "192.0.2.1"},
        {1, "", "1.1.1.1", "1.1.1.1, 192.0.2.1", "1.1.1.1"},
        {1, "1.1.1.1", "", "1.1.1.1, 192.0.2.1", "1.1.1.1"},
        {1, "1.1.1.1,", NULL, "1.1.1.1,, 192.0.2.1", "192.0.2.1"},
        {1, "2001:db8::1", NULL, "2001:db8::1, 192.0.2.1", "2001:db8::1"},
        {1, "unknown", NULL, "unknown, 192.0.2.1", "192.0.2.1"}, /* no address: the same */
        {1, "1.1.1.1:80", NULL, "1.1.1.1:80, 192.0.2.1", "192.0.2.1"},
        {2, "1.1.1.1, 0x1", NULL, "1.1.1.1, 0x1, 192.0.2.1", "1.1.1.1"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin();
        say("X-Forwarded-For", cases[i].first);
        if (cases[i].second != NULL)
            say("x-forwarded-for", cases[i].second);
        add(outer(cases[i].hops));
        CHECK_STR(said("X-Forwarded-For"), cases[i].list);
        CHECK_STR(x.pub.client_address, cases[i].client);
    }
}

static void test_a_long_list_takes_no_more_than_it_needs(void)
{
    static char value[301];

    begin();
    memset(value, '1', sizeof(value) - 1);
    for (int i = 0; i < 100; i++)
        say("X-Forwarded-For", value);
    add(outer(0));
    CHECK(said("X-Forwarded-For").len == 100 * 302 + 9);
    CHECK(x.arena.total < (size_t)3 * 100 * 302);
}

static void test_an_inner_hop_passes_the_list_on(void)
{
    begin();
    say("X-Forwarded-For", "9.9.9.9, 1.1.1.1");
    say("X-Forwarded-Proto", "https");
    add((struct mg_listener_conf){.append_forwarded_for = false});
    CHECK_STR(said("X-Forwarded-For"), "9.9.9.9, 1.1.1.1");
    CHECK_STR(x.pub.client_address, "1.1.1.1");
    CHECK_STR(said("X-Forwarded-Proto"), "https");
    begin();
    add((struct mg_listener_conf){.append_forwarded_for = false});
    CHECK_STR(said("X-Forwarded-For"), "(none)");
    CHECK_STR(x.pub.client_address, "192.0.2.1");
}

static void test_the_scheme(void)
{
    begin();
    x.pub.tls = true;
    say("X-Forwarded-Proto", "http");
    say("x-forwarded-proto", "ftp");
    add(outer(0));
    CHECK_STR(said("X-Forwarded-Proto"), "https");
    begin();
    say("X-Forwarded-Proto", "https");
    add(outer(1));
    CHECK_STR(said("X-Forwarded-Proto"), "https");
}

static bool is_uuid(mg_str s)
{
    for (uint32_t i = 0; i < s.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? s.ptr[i] != '-' : strchr("0123456789abcdef", s.ptr[i]) == NULL)
            return false;
    }
    return s.len == 36 && s.ptr[14] == '4' && strchr("89ab", s.ptr[19]) != NULL;
}

static void test_the_id(void)
{
    struct mg_listener_conf trusting = outer(0);
    char first[36];

    trusting.trust_request_id = true;
    begin();
    say("X-Request-Id", "mine");
    add(outer(0));
    CHECK(is_uuid(said("X-Request-Id")) && x.pub.request_id.ptr == said("X-Request-Id").ptr);
    memcpy(first, x.pub.request_id.ptr, 36);
    begin();
    say("X-Request-Id", "");
    add(trusting);
    CHECK(is_uuid(said("X-Request-Id")) && memcmp(first, x.pub.request_id.ptr, 36) != 0);
    begin();
    say("X-Request-Id", "mine");
    add(trusting);
    CHECK_STR(said("X-Request-Id"), "mine");
    CHECK_STR(x.pub.request_id, "mine");
}

static void certified(int mode)
{
    begin();
    clear_text = false;
    peer.certified = true;
    peer.principal = MG_STR("spiffe://a/b");
    peer.dns = MG_STR("a.example");
    peer.subject = MG_STR("CN=a\\\"b,O=c");
    strcpy(peer.fingerprint, "00ff");
    say("X-Forwarded-Client-Cert", "Hash=1");
    add((struct mg_listener_conf){.client_cert_header = (uint8_t)mode});
}

static void test_the_certificate(void)
{
    certified(REMOVE);
    CHECK_STR(said("X-Forwarded-Client-Cert"), "(none)");
    certified(TRUST);
    CHECK_STR(said("X-Forwarded-Client-Cert"), "Hash=1");
    certified(SET);
    CHECK_STR(said("X-Forwarded-Client-Cert"),
              "Hash=00ff;Subject=\"CN=a\\\"b,O=c\";URI=spiffe://a/b;DNS=a.example");
}

static void test_only_a_certified_peer_is_trusted(void)
{
    for (int mode = REMOVE; mode <= TRUST; mode++) {
        for (int tls = 0; tls < 2; tls++) {
            begin();
            clear_text = tls == 0;
            say("X-Forwarded-Client-Cert", "Hash=1");
            add((struct mg_listener_conf){.client_cert_header = (uint8_t)mode});
            CHECK_STR(said("X-Forwarded-Client-Cert"), "(none)");
        }
    }
}

static void test_names_that_cgi_takes_for_ours(void)
{
    struct mg_listener_conf trusting = outer(1);

    trusting.trust_request_id = true;
    begin();
    say("X_Forwarded_For", "1.1.1.1");
    say("x-forwarded_proto", "https");
    say("X_REQUEST_ID", "mine");
    say("X-Forwarded-Client_Cert", "Hash=1");
    say("X_Forwarded_Fox", "1");
    say("X_", "2");
    say("Y_Forwarded_For", "3");
    add(trusting);
    CHECK_STR(said("X_Forwarded_For"), "(none)");
    CHECK_STR(said("X-Forwarded_Proto"), "(none)");
    CHECK_STR(said("X_Request_Id"), "(none)");
    CHECK_STR(said("X-Forwarded-Client_Cert"), "(none)");
    CHECK_STR(said("X_Forwarded_Fox"), "1");
    CHECK_STR(said("X_"), "2");
    CHECK_STR(said("Y_Forwarded_For"), "3");
    CHECK_STR(said("X-Forwarded-For"), "192.0.2.1");
    CHECK_STR(said("X-Forwarded-Proto"), "http");
}

static void test_a_name_cannot_pass_for_two(void)
{
    begin();
    clear_text = false;
    peer.certified = true;
    peer.principal = MG_STR("spiffe://a/b;Hash=1,\"c\"");
    peer.subject = MG_STR("CN=a");
    add((struct mg_listener_conf){.client_cert_header = SET});
    CHECK_STR(said("X-Forwarded-Client-Cert"),
              "Hash=;Subject=\"CN=a\";URI=\"spiffe://a/b;Hash=1,\\\"c\\\"\"");
}

TEST_MAIN(TEST(test_a_client_that_says_nothing), TEST(test_the_client_is_counted_from_the_right),
          TEST(test_a_long_list_takes_no_more_than_it_needs),
          TEST(test_an_inner_hop_passes_the_list_on), TEST(test_the_scheme), TEST(test_the_id),
          TEST(test_the_certificate), TEST(test_only_a_certified_peer_is_trusted),
          TEST(test_names_that_cgi_takes_for_ours), TEST(test_a_name_cannot_pass_for_two))
