#include "one_exchange.h"
#include "proxy/shadow.h"

static const char *header(const struct mg_message *m, const char *name)
{
    static char text[64];
    mg_str value;

    if (mg_headers_get(&m->headers, mg_str_of(name, strlen(name)), &value) != MG_OK)
        return "none";
    snprintf(text, sizeof(text), "%.*s", (int)value.len, value.ptr);
    return text;
}

static void undoes_what_was_edited(void)
{
    begin("GET", MG_BODY_NONE, 0);
    mg_headers_add(&x->req, &x->req.headers, MG_STR("x-a"), MG_STR("1"));
    mg_headers_add(&x->req, &x->req.headers, MG_STR("x-b"), MG_STR("2"));
    x->pub.path = x->req.path = MG_STR("/then");

    mg_shadow_begin(&x->pub);
    mg_headers_remove(&x->req.headers, MG_STR("x-a"));
    mg_headers_set(&x->req, &x->req.headers, MG_STR("x-b"), MG_STR("3"));
    mg_headers_add(&x->req, &x->req.headers, MG_STR("x-c"), MG_STR("4"));
    x->pub.path = x->req.path = MG_STR("/now");
    CHECK(mg_shadow_end(&x->pub) == MG_SHADOW_REQUEST);

    CHECK(strcmp(header(&x->req, "x-a"), "1") == 0 && strcmp(header(&x->req, "x-b"), "2") == 0);
    CHECK(strcmp(header(&x->req, "x-c"), "none") == 0);
    CHECK(mg_str_ieq(x->pub.path, MG_STR("/then")) && mg_str_ieq(x->req.path, MG_STR("/then")));
    CHECK(x->shadow == NULL);
    finish();
}

static void sees_no_change_in_equal_values(void)
{
    begin("GET", MG_BODY_NONE, 0);
    mg_headers_add(&x->req, &x->req.headers, MG_STR("x-a"), MG_STR("1"));
    mg_shadow_begin(&x->pub);
    mg_headers_set(&x->req, &x->req.headers, MG_STR("x-a"), MG_STR("1"));
    CHECK(mg_shadow_end(&x->pub) == 0);
    finish();
}

static void an_answer_leaves_no_response(void)
{
    begin("GET", MG_BODY_NONE, 0);
    mg_shadow_begin(&x->pub);
    mg_shadow_respond(x, 403);
    mg_headers_add(&x->res, &x->res.headers, MG_STR("x-why"), MG_STR("no"));
    CHECK(x->pub.status == 403 && x->responded);
    CHECK(mg_shadow_end(&x->pub) == MG_SHADOW_ANSWER);
    CHECK(x->pub.status == 0 && !x->responded);
    finish();
}

static void an_upstreams_response_outlives_an_answer(void)
{
    int fd;

    begin("GET", MG_BODY_NONE, 0);
    CHECK(mg_exchange_forward(x, ep, 0, false) == MG_AGAIN);
    fd = accept_one();
    receive(fd, "\r\n\r\n");
    answer(fd, "HTTP/1.1 200 OK\r\nx-up: 1\r\ncontent-length: 2\r\n\r\n");
    TURN_UNTIL(wakes == 1);
    mg_shadow_begin(&x->pub);
    mg_shadow_respond(x, 503);
    CHECK(strcmp(header(&x->res, "x-up"), "none") == 0);
    CHECK(mg_shadow_end(&x->pub) == MG_SHADOW_ANSWER);
    CHECK(x->pub.status == 200 && strcmp(header(&x->res, "x-up"), "1") == 0);

    mg_shadow_begin(&x->pub);
    mg_headers_set(&x->res, &x->res.headers, MG_STR("x-up"), MG_STR("2"));
    CHECK(mg_shadow_end(&x->pub) == MG_SHADOW_RESPONSE);
    CHECK(mg_exchange_reply(x, false) == MG_AGAIN);
    answer(fd, "ok");
    TURN_UNTIL(wakes == 2);
    CHECK(woken_rc == MG_OK && strcmp(down.out, "ok") == 0);
    finish();
    close(fd);
    close_idle();
}

TEST_MAIN(TEST(undoes_what_was_edited), TEST(sees_no_change_in_equal_values),
          TEST(an_answer_leaves_no_response), TEST(an_upstreams_response_outlives_an_answer),
          TEST(everything_goes))
