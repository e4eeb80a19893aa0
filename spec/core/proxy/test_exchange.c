#include "one_exchange.h"

static int forward_get(void)
{
    int fd;

    CHECK(mg_exchange_forward(x, ep, 0, false) == MG_AGAIN);
    fd = accept_one();
    receive(fd, "\r\n\r\n");
    return fd;
}

/* One exchange, whose upstream connection is kept. */
static int keep_one(void)
{
    int fd;

    begin("GET", MG_BODY_NONE, 0);
    fd = forward_get();
    answer(fd, whole);
    TURN_UNTIL(wakes == 1 && x->body_out.ended);
    mg_exchange_reply(x, false);
    finish();
    return fd;
}

static void body(const char *text)
{
    down.s.events->on_body(&down.s, mg_str_of(text, strlen(text)));
}

/* ---- the usual way ------------------------------------------------------------------ */

static void passes_an_answer_on(void)
{
    int fd;

    begin("GET", MG_BODY_NONE, 0);
    fd = forward_get();
    answer(fd, whole);
    TURN_UNTIL(wakes == 1);
    CHECK(woken_rc == MG_OK && x->pub.status == 200);
    if (mg_exchange_reply(x, false) == MG_AGAIN)
        TURN_UNTIL(wakes == 2);
    CHECK(down.heads == 1 && down.ends == 1 && strcmp(down.out, "ok") == 0);
    CHECK(x->replied);
    finish();
    CHECK(down.whole && ep->nidle == 1);
    close(fd);
    close_idle();
}

static void a_closed_kept_connection_is_replaced(void)
{
    int fd = keep_one(), second;

    begin("GET", MG_BODY_NONE, 0);
    CHECK(mg_exchange_forward(x, ep, 0, false) == MG_AGAIN);
    receive(fd, "\r\n\r\n");
    close(fd);
    x->pub.running = false; /* the loop finds out, no lane */
    second = accept_one();
    receive(second, "\r\n\r\n");
    answer(second, whole);
    TURN_UNTIL(wakes == 1);
    CHECK(woken_rc == MG_OK);
    finish();
    close(second);
    close_idle();
}

static void a_retry_that_is_sent_again_still_counts(void)
{
    struct mg_breaker_conf conf = {.name = {"a", 1}, .max_retries = 1};
    struct mg_breaker *b = mg_breaker_open(&conf, NULL, 0);
    int fd, second;

    ep->conf.breaker = b;
    fd = keep_one();
    begin("GET", MG_BODY_NONE, 0);
    CHECK(mg_attempt_retry(&x->up, b) && !mg_breaker_may(b, MG_BREAKER_RETRIES));
    CHECK(mg_exchange_forward(x, ep, 0, false) == MG_AGAIN);
    receive(fd, "\r\n\r\n");
    close(fd);
    x->pub.running = false;
    second = accept_one();
    receive(second, "\r\n\r\n");
    CHECK(!mg_breaker_may(b, MG_BREAKER_RETRIES));
    answer(second, whole);
    TURN_UNTIL(wakes == 1);
    CHECK(woken_rc == MG_OK);
    finish();
    CHECK(mg_breaker_may(b, MG_BREAKER_RETRIES));
    close(second);
    close_idle();
    ep->conf.breaker = NULL;
    mg_breaker_unref(b);
}

static void a_kept_connection_to_where_the_name_pointed_is_left(void)
{
    struct sockaddr_in *to = (struct sockaddr_in *)&ep->name->addresses[0];
    char byte;
    int fd = keep_one();

    CHECK(ep->nidle == 1);

    to->sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1); /* where nobody listens */
    ep->name->version++;
    begin("GET", MG_BODY_NONE, 0);
    CHECK(mg_exchange_forward(x, ep, 0, false) == MG_AGAIN && ep->nidle == 0);
    TURN_UNTIL(wakes == 1);
    CHECK(woken_rc == MG_ECONNECT);
    CHECK(read(fd, &byte, 1) == 0);
    finish();
    close(fd);

    to->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ep->name->version++;
    begin("GET", MG_BODY_NONE, 0);
    fd = forward_get();
    ep->name->version++; /* another order, or an address more */
    answer(fd, whole);
    TURN_UNTIL(wakes == 1 && x->body_out.ended);
    mg_exchange_reply(x, false);
    finish();
    CHECK(ep->nidle == 1);
    close(fd);
    close_idle();
}

static void a_short_body_is_sent_again_with_it(void)
{
    int fd = keep_one(), second;

    begin("PUT", MG_BODY_LENGTH, 6);
    body("one");
    CHECK(mg_exchange_forward(x, ep, 0, false) == MG_AGAIN);
    x->pub.running = false;
    receive(fd, "one");
    close(fd);
    second = accept_one();
    body("two");
    down.s.events->on_end(&down.s);
    receive(second, "onetwo");
    answer(second, whole);
    TURN_UNTIL(wakes == 1);
    CHECK(woken_rc == MG_OK);
    finish();
    close(second);
    close_idle();
}

static void what_may_not_repeat_is_not_sent_again(void)
{
    int fd = keep_one();

    begin("POST", MG_BODY_NONE, 0);
    CHECK(mg_exchange_forward(x, ep, 0, false) == MG_AGAIN);
    receive(fd, "\r\n\r\n");
    close(fd);
    TURN_UNTIL(wakes == 1);
    CHECK(woken_rc == MG_ESTALE);
    finish();
    close_idle();
}

/* ---- the upstream fails -------------------------------------------------------------- */

static void a_refused_connection_is_told(void)
{
    struct mg_endpoint *nobody;
    uint16_t port;
    int kept;

    setup();
    kept = listening;
    port = listen_somewhere();
    close(listening);
    listening = kept;
    nobody = endpoint(port);
    begin("GET", MG_BODY_NONE, 0);
    CHECK(mg_exchange_forward(x, nobody, 0, false) == MG_AGAIN);
    TURN_UNTIL(wakes == 1);
    CHECK(woken_rc == MG_ECONNECT && x->reason != NULL);
    finish();
    mg_endpoints_put(nobody);
}

static void no_answer_is_told(void)
{
    int fd;

    begin("GET", MG_BODY_NONE, 0);
    fd = forward_get();
    close(fd);
    TURN_UNTIL(wakes == 1);
    CHECK(woken_rc == MG_ECLOSED || woken_rc == MG_ERESET);
    finish();
    close_idle();
}

static void a_body_cut_off_while_a_policy_sleeps_breaks_the_reply(void)
{
    int fd;

    begin("GET", MG_BODY_NONE, 0);
    fd = forward_get();
    answer(fd, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n");
    TURN_UNTIL(wakes == 1);
    CHECK(mg_exchange_sleep(x, 100) == MG_AGAIN);
    close(fd);
    TURN_UNTIL(x->broken != 0);
    TURN_UNTIL(wakes == 2);
    CHECK(woken_rc == MG_OK);
    CHECK(mg_exchange_reply(x, false) == MG_ECLOSED && down.heads == 0);
    mg_exchange_respond(x, 503, MG_STR("no"));
    CHECK(mg_exchange_reply(x, false) == MG_OK && strcmp(down.out, "no") == 0);
    finish();
    close_idle();
}

static void a_body_that_comes_meanwhile_does_not_prolong_a_sleep(void)
{
    int fd;

    begin("GET", MG_BODY_NONE, 0);
    fd = forward_get();
    answer(fd, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n");
    TURN_UNTIL(wakes == 1);
    CHECK(mg_exchange_sleep(x, 30) == MG_AGAIN);
    answer(fd, "some");
    TURN_UNTIL(mg_buf_len(&x->body_out.kept) == 4);
    TURN_UNTIL(wakes == 2);
    finish();
    CHECK(!down.whole);
    close(fd);
    close_idle();
}

static void a_request_body_that_goes_on_after_the_try_is_dropped(void)
{
    int fd;

    begin("POST", MG_BODY_LENGTH, 9);
    body("one");
    CHECK(mg_exchange_forward(x, ep, 0, false) == MG_AGAIN);
    fd = accept_one();
    receive(fd, "one");
    close(fd);
    TURN_UNTIL(wakes == 1);
    CHECK(woken_rc < 0);
    body("two");
    down.s.events->on_end(&down.s);
    down.s.events->on_drain(&down.s);
    finish();
    close_idle();
}

static void a_kept_body_is_sent_again(void)
{
    int fd;

    begin("POST", MG_BODY_LENGTH, 6);
    mg_relay_keep(&x->body_in, 100);
    body("one");
    CHECK(mg_exchange_forward(x, ep, 0, false) == MG_AGAIN);
    fd = accept_one();
    receive(fd, "one");
    answer(fd, "HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    TURN_UNTIL(wakes == 1);
    body("two");
    down.s.events->on_end(&down.s);
    CHECK(mg_relay_replayable(&x->body_in));
    CHECK(mg_exchange_forward(x, ep, 0, false) == MG_AGAIN);
    close(fd);
    fd = accept_one();
    receive(fd, "onetwo");
    answer(fd, whole);
    TURN_UNTIL(wakes == 2);
    CHECK(woken_rc == MG_OK && x->pub.status == 200);
    finish();
    close(fd);
    close_idle();
}

/* ---- the time is over ---------------------------------------------------------------- */

static void the_deadline_ends_the_wait_for_an_answer(void)
{
    int fd;

    begin("GET", MG_BODY_NONE, 0);
    mg_exchange_deadline(x, 50);
    fd = forward_get();
    TURN_UNTIL(wakes == 1);
    CHECK(woken_rc == MG_ETIMEOUT);
    CHECK(mg_exchange_forward(x, ep, 0, false) == MG_ETIMEOUT);
    mg_exchange_respond(x, 504, MG_STR("late"));
    CHECK(mg_exchange_response_gather(x, 100) == MG_OK);
    CHECK(mg_exchange_reply(x, false) == MG_OK && strcmp(down.out, "late") == 0);
    finish();
    CHECK(down.whole);
    close(fd);
    close_idle();
}

static void the_deadline_in_a_policys_sleep_leaves_no_half_answer(void)
{
    int fd;

    begin("GET", MG_BODY_NONE, 0);
    mg_exchange_deadline(x, 30);
    fd = forward_get();
    answer(fd, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n");
    TURN_UNTIL(wakes == 1);
    if (woken_rc == MG_OK) {
        CHECK(mg_exchange_sleep(x, 60) == MG_AGAIN);
        TURN_UNTIL(wakes == 2);
        CHECK(mg_exchange_reply(x, false) == MG_ETIMEOUT && down.heads == 0);
    }
    finish();
    close(fd);
    close_idle();
}

static void the_trys_limit_ends_it(void)
{
    int fd;

    begin("GET", MG_BODY_NONE, 0);
    CHECK(mg_exchange_forward(x, ep, 30, false) == MG_AGAIN);
    fd = accept_one();
    TURN_UNTIL(wakes == 1);
    CHECK(woken_rc == MG_ETIMEOUT && !x->pub.expired);
    finish();
    close(fd);
    close_idle();
}

/* ---- the client leaves --------------------------------------------------------------- */

static void a_client_that_leaves_ends_the_try(void)
{
    int fd;

    begin("GET", MG_BODY_NONE, 0);
    fd = forward_get();
    down.s.events->on_error(&down.s, MG_EGONE);
    CHECK(wakes == 1 && woken_rc == MG_EGONE && x->pub.gone);
    TURN_UNTIL(readable(fd));
    CHECK(read(fd, got, 1) == 0);
    CHECK(mg_exchange_sleep(x, 1) == MG_EGONE);
    finish();
    close(fd);
    close_idle();
}

static void a_client_that_leaves_while_connecting_cancels_it(void)
{
    begin("GET", MG_BODY_NONE, 0);
    CHECK(mg_exchange_forward(x, ep, 0, false) == MG_AGAIN);
    down.s.events->on_error(&down.s, MG_EGONE);
    CHECK(wakes == 1 && woken_rc == MG_EGONE);
    finish();
    TURN_UNTIL(ep->conns == 0);
    close(accept_one());
}

static void a_write_that_fails_unseen_wakes_the_lane(void)
{
    begin("POST", MG_BODY_LENGTH, 4);
    x->req.expect_continue = true;
    down.rc = MG_EGONE;
    CHECK(mg_exchange_body_gather(x, 100) == MG_AGAIN && down.interims == 1);
    TURN_UNTIL(wakes == 1);
    CHECK(woken_rc == MG_EGONE);
    finish();
}

/* No event tells of it, so nobody would end the tunnel. */
static void a_tunnel_that_has_lost_its_client_is_none(void)
{
    int fd;

    begin("GET", MG_BODY_NONE, 0);
    x->req.upgrade = MG_STR("x");
    fd = forward_get();
    answer(fd, "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    TURN_UNTIL(wakes == 1);
    down.rc = MG_EGONE;
    CHECK(mg_exchange_reply(x, false) == MG_EGONE && x->pub.gone && !down.tunnel);
    finish();
    close(fd);
    close_idle();
}

static void a_log_policy_waits_without_the_client(void)
{
    begin("GET", MG_BODY_NONE, 0);
    mg_exchange_respond(x, 200, MG_STR("hi"));
    CHECK(mg_exchange_reply(x, false) == MG_OK && down.releases == 0);
    CHECK(mg_exchange_sleep(x, 1) == MG_AGAIN);
    CHECK(down.releases == 1 && down.whole);
    TURN_UNTIL(wakes == 1);
    CHECK(woken_rc == MG_OK);
    finish();
}

/* ---- early answers ------------------------------------------------------------------- */

static void an_early_answer_passes_an_unfinished_upload(void)
{
    int fd;

    begin("POST", MG_BODY_LENGTH, 100);
    body("one");
    CHECK(mg_exchange_forward(x, ep, 0, false) == MG_AGAIN);
    fd = accept_one();
    receive(fd, "one");
    answer(fd, "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno");
    TURN_UNTIL(wakes == 1);
    CHECK(x->pub.status == 403);
    if (mg_exchange_reply(x, false) == MG_AGAIN)
        TURN_UNTIL(wakes == 2);
    CHECK(strcmp(down.out, "no") == 0);
    finish();
    CHECK(ep->nidle == 0);
    close(fd);
    close_idle();
}

static int pump_one(void)
{
    mg_str piece;
    int fd;

    begin("POST", MG_BODY_LENGTH, 100);
    CHECK(mg_exchange_forward(x, ep, 0, true) == MG_AGAIN);
    fd = accept_one();
    TURN_UNTIL(wakes == 1);
    CHECK(woken_rc == MG_OK);
    CHECK(mg_exchange_body_next(x, &piece) == MG_AGAIN);
    body("one");
    CHECK(wakes == 2 && mg_exchange_body_next(x, &piece) == MG_OK);
    CHECK(mg_exchange_send(x, piece) == MG_OK);
    receive(fd, "one\r\n");
    CHECK(mg_exchange_body_next(x, &piece) == MG_AGAIN);
    return fd;
}

static void an_early_refusal_stops_a_body_that_policies_read(void)
{
    int fd = pump_one();

    answer(fd, "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno");
    TURN_UNTIL(wakes == 3);
    CHECK(woken_rc == MG_EPHASE && mg_exchange_wait(x) == MG_OK);
    finish();
    close(fd);
    close_idle();
}

static void an_early_success_does_not(void)
{
    int fd = pump_one();
    mg_str piece = {0};

    answer(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    TURN_UNTIL(x->responded);
    CHECK(wakes == 2);
    body("two");
    CHECK(wakes == 3 && mg_exchange_body_next(x, &piece) == MG_OK);
    CHECK(mg_exchange_send(x, piece) == MG_OK);
    down.s.events->on_end(&down.s);
    CHECK(mg_exchange_body_next(x, &piece) == MG_END);
    CHECK(mg_exchange_send_end(x) == MG_OK);
    receive(fd, "two\r\n0\r\n\r\n");
    CHECK(mg_exchange_wait(x) == MG_OK);
    finish();
    close(fd);
    close_idle();
}

static void a_failed_try_wakes_who_reads_the_body(void)
{
    int fd = pump_one();

    close(fd);
    TURN_UNTIL(wakes == 3);
    CHECK(woken_rc < 0);
    finish();
    close_idle();
}

/* ---- what policies may do ------------------------------------------------------------ */

static void a_method_made_head_answers_get_without_waiting_for_a_body(void)
{
    int fd;

    begin("GET", MG_BODY_NONE, 0);
    x->req.method = MG_STR("HEAD");
    x->req.method_id = x->pub.method_id = MG_METHOD_HEAD;
    fd = forward_get();
    answer(fd, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
    TURN_UNTIL(wakes == 1);
    CHECK(mg_exchange_reply(x, false) == MG_OK);
    CHECK(!down.head.bodiless && down.head.framing == MG_BODY_NONE);
    finish();
    close(fd);
    close_idle();
}

/* RFC 9110, 8.6: no length, or that of the 200. */
static void an_empty_304_of_a_policy_has_no_length(void)
{
    begin("GET", MG_BODY_NONE, 0);
    mg_exchange_respond(x, 304, MG_STR(""));
    CHECK(mg_exchange_reply(x, false) == MG_OK && down.head.framing == MG_BODY_NONE);
    finish();
    begin("GET", MG_BODY_NONE, 0);
    mg_exchange_respond(x, 304, MG_STR("abc"));
    CHECK(mg_exchange_reply(x, false) == MG_OK && down.head.framing == MG_BODY_LENGTH);
    finish();
}

static void another_lane_may_not_use_it(void)
{
    mg_str piece;

    begin("POST", MG_BODY_LENGTH, 4);
    mg_exchange_respond(x, 200, MG_STR("hi"));
    x->pub.running = false;
    CHECK(mg_exchange_sleep(x, 1) == MG_EPHASE);
    CHECK(mg_exchange_body_gather(x, 10) == MG_EPHASE);
    CHECK(mg_exchange_body_next(x, &piece) == MG_EPHASE);
    CHECK(mg_exchange_forward(x, ep, 0, false) == MG_EPHASE);
    CHECK(mg_exchange_response_gather(x, 10) == MG_EPHASE);
    CHECK(mg_exchange_reply(x, false) == MG_EPHASE && down.heads == 0);
    CHECK(x->wait == MG_WAIT_NONE);
    x->pub.running = true;
    CHECK(mg_exchange_reply(x, false) == MG_OK);
    finish();
}

TEST_MAIN(TEST(passes_an_answer_on), TEST(a_closed_kept_connection_is_replaced),
          TEST(a_retry_that_is_sent_again_still_counts),
          TEST(a_kept_connection_to_where_the_name_pointed_is_left),
          TEST(a_short_body_is_sent_again_with_it), TEST(what_may_not_repeat_is_not_sent_again),
          TEST(a_refused_connection_is_told), TEST(no_answer_is_told),
          TEST(a_body_cut_off_while_a_policy_sleeps_breaks_the_reply),
          TEST(a_body_that_comes_meanwhile_does_not_prolong_a_sleep),
          TEST(a_request_body_that_goes_on_after_the_try_is_dropped),
          TEST(a_kept_body_is_sent_again), TEST(the_deadline_ends_the_wait_for_an_answer),
          TEST(the_deadline_in_a_policys_sleep_leaves_no_half_answer), TEST(the_trys_limit_ends_it),
          TEST(a_client_that_leaves_ends_the_try),
          TEST(a_client_that_leaves_while_connecting_cancels_it),
          TEST(a_write_that_fails_unseen_wakes_the_lane),
          TEST(a_tunnel_that_has_lost_its_client_is_none),
          TEST(a_log_policy_waits_without_the_client),
          TEST(an_early_answer_passes_an_unfinished_upload),
          TEST(an_early_refusal_stops_a_body_that_policies_read), TEST(an_early_success_does_not),
          TEST(a_failed_try_wakes_who_reads_the_body),
          TEST(a_method_made_head_answers_get_without_waiting_for_a_body),
          TEST(an_empty_304_of_a_policy_has_no_length), TEST(another_lane_may_not_use_it),
          TEST(everything_goes))
