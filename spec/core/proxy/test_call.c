#include "proxy/call.h"
#include "one_exchange.h"

enum { LIMIT = 100 };

static struct mg_call *make(const char *method, const char *path)
{
    return mg_call_make(x, mg_str_of(method, strlen(method)), mg_str_of(path, strlen(path)),
                        MG_STR("auth.example"));
}

static int start(struct mg_call *c, const char *body)
{
    wakes = 0;
    return mg_call_start(c, ep, mg_str_of(body, strlen(body)), 0, LIMIT);
}

/* The upstream has the request and the loop runs, no lane. */
static int sent(struct mg_call *c, const char *body, const char *tail)
{
    int fd;

    CHECK(start(c, body) == MG_AGAIN);
    x->pub.running = false;
    fd = accept_one();
    receive(fd, tail);
    return fd;
}

static void done(struct mg_call *c, int rc)
{
    TURN_UNTIL(wakes == 1);
    CHECK(woken_rc == rc);
    CHECK((mg_call_response(c) != NULL) == (rc == MG_OK));
    CHECK((mg_call_reason(c) != NULL) == (rc != MG_OK));
    x->pub.running = true;
}

static void end(struct mg_call *c, int fd)
{
    mg_call_end(c);
    finish();
    close(fd);
    close_idle();
}

static void asks_and_is_answered(void)
{
    struct mg_call *c;
    mg_str value;
    int fd;

    begin("GET", MG_BODY_NONE, 0);
    c = make("POST", "/check?user=a");
    CHECK(mg_call_add_header(c, MG_STR("X-A"), MG_STR(" 1 ")) == MG_OK);
    fd = sent(c, "hello", "\r\n\r\nhello");
    CHECK(strcmp(got, "POST /check?user=a HTTP/1.1\r\nHost: auth.example\r\nX-A: 1\r\n"
                      "Content-Length: 5\r\n\r\nhello") == 0);
    answer(fd,
           "HTTP/1.1 103 X\r\n\r\nHTTP/1.1 201 X\r\nX-B: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
           "2\r\nok\r\n1\r\n!\r\n0\r\n\r\n");
    done(c, MG_OK);
    CHECK(mg_call_response(c)->status == 201);
    CHECK(mg_headers_get(&mg_call_response(c)->headers, MG_STR("x-b"), &value) == MG_OK);
    CHECK_STR(value, "2");
    CHECK_STR(mg_call_response_body(c), "ok!");
    CHECK(ep->nidle == 1); /* the connection went back at once */
    CHECK(start(c, "") == MG_EPHASE);
    end(c, fd);
}

static void answers_without_a_body(void)
{
    static const char *const answers[][2] = {
        {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"},
        {"GET", "HTTP/1.1 204 X\r\n\r\n"},
        {"GET", "HTTP/1.1 304 X\r\nContent-Length: 9\r\n\r\n"},
        {"GET", "HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n"},
    };

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct mg_call *c;
        int fd;

        begin("GET", MG_BODY_NONE, 0);
        c = make(answers[i][0], "/");
        fd = sent(c, "", "\r\n\r\n");
        answer(fd, answers[i][1]);
        done(c, MG_OK);
        CHECK(mg_call_response_body(c).len == 0 && ep->nidle == 1);
        end(c, fd);
    }
}

static void what_may_not_be_asked(void)
{
    static const char *const wrong[][2] = {
        {"G T", "/"},    {"", "/"},        {"GET\r\n", "/"}, {"CONNECT", "/"},
        {"GET", "a"},    {"GET", ""},      {"GET", "*"},     {"GET", "/a b"},
        {"GET", "/a#b"}, {"GET", "/?a\n"}, {"GET", "/%4"},
    };

    begin("GET", MG_BODY_NONE, 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CHECK(make(wrong[i][0], wrong[i][1]) == NULL);
    CHECK(mg_call_make(x, MG_STR("GET"), MG_STR("/"), MG_STR("a b")) == NULL);
    CHECK(mg_call_make(x, MG_STR("GET"), MG_STR("/"), MG_STR("u@a")) == NULL);
    CHECK(mg_call_add_header(make("GET", "/"), MG_STR("Host"), MG_STR("b")) == MG_EINVAL);
    CHECK(mg_call_add_header(make("GET", "/"), MG_STR("X"), MG_STR("a\r\nb: c")) == MG_EINVAL);
    finish();
}

static void a_long_body_is_too_much(void)
{
    struct mg_call *c;
    int fd;

    begin("GET", MG_BODY_NONE, 0);
    c = make("GET", "/");
    fd = sent(c, "", "\r\n\r\n");
    answer(fd, "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n"
               "0123456789012345678901234567890123456789012345678901234567890123456789"
               "0123456789012345678901234567890");
    done(c, MG_ELIMIT);
    CHECK(ep->nidle == 0);
    end(c, fd);
}

static void a_kept_connection_that_died_is_replaced(void)
{
    struct mg_call *c;
    int first, fd;

    begin("GET", MG_BODY_NONE, 0);
    c = make("GET", "/1");
    first = sent(c, "", "\r\n\r\n");
    answer(first, whole);
    done(c, MG_OK);
    mg_call_end(c);

    c = make("PUT", "/2");
    CHECK(start(c, "again") == MG_AGAIN);
    x->pub.running = false;
    receive(first, "again");
    close(first);
    fd = accept_one();
    receive(fd, "again");
    answer(fd, whole);
    done(c, MG_OK);
    mg_call_end(c);

    /* But not what may not repeat. */
    c = make("POST", "/3");
    CHECK(start(c, "once") == MG_AGAIN);
    x->pub.running = false;
    receive(fd, "once");
    close(fd);
    done(c, MG_ESTALE);
    end(c, -1);
}

static void failures_are_told(void)
{
    static const struct {
        const char *answer;
        int rc;
    } cases[] = {{"", MG_ECLOSED},
                 {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", MG_ECLOSED},
                 {"nonsense\r\n\r\n", MG_EPROTO},
                 {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx", MG_EPROTO}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mg_call *c;
        int fd;

        begin("GET", MG_BODY_NONE, 0);
        c = make("GET", "/");
        fd = sent(c, "", "\r\n\r\n");
        answer(fd, cases[i].answer);
        shutdown(fd, SHUT_WR);
        done(c, cases[i].rc);
        end(c, fd);
    }
}

static void nobody_listens(void)
{
    struct mg_endpoint *nobody;
    struct mg_call *c;

    begin("GET", MG_BODY_NONE, 0);
    nobody = endpoint(1);
    c = make("GET", "/");
    wakes = 0;
    CHECK(mg_call_start(c, nobody, MG_STR(""), 0, LIMIT) == MG_AGAIN);
    x->pub.running = false;
    done(c, MG_ECONNECT);
    mg_call_end(c);
    finish();
    mg_endpoints_put(nobody);
}

static void its_time_is_limited(void)
{
    struct mg_call *c;
    int fd;

    begin("GET", MG_BODY_NONE, 0);
    c = make("GET", "/");
    wakes = 0;
    CHECK(mg_call_start(c, ep, MG_STR(""), 1, LIMIT) == MG_AGAIN);
    x->pub.running = false;
    done(c, MG_ETIMEOUT);
    fd = accept_one();
    end(c, fd);
}

static void the_exchange_ends_before_it(void)
{
    struct mg_call *c;
    int fd;

    begin("GET", MG_BODY_NONE, 0);
    c = make("GET", "/");
    fd = sent(c, "", "\r\n\r\n");
    wakes = 0;
    mg_call_cancel_all(x);
    CHECK(mg_list_empty(&x->calls) && wakes == 0 && ep->active == 0);
    CHECK(mg_call_reason(c) != NULL && mg_call_response(c) == NULL);
    x->wait = MG_WAIT_NONE;
    finish();
    close(fd);
    close_idle();
}

static void another_lane_may_not_start_it(void)
{
    struct mg_call *c;

    begin("GET", MG_BODY_NONE, 0);
    c = make("GET", "/");
    x->pub.running = false;
    CHECK(start(c, "") == MG_EPHASE && x->wait == MG_WAIT_NONE);
    CHECK(mg_call_reason(c) != NULL);
    x->pub.running = true;
    mg_call_end(c);
    finish();
}

TEST_MAIN(TEST(asks_and_is_answered), TEST(answers_without_a_body), TEST(what_may_not_be_asked),
          TEST(a_long_body_is_too_much), TEST(a_kept_connection_that_died_is_replaced),
          TEST(failures_are_told), TEST(nobody_listens), TEST(its_time_is_limited),
          TEST(the_exchange_ends_before_it), TEST(another_lane_may_not_start_it),
          TEST(everything_goes))
