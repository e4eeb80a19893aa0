/* test_tls.c -- Bytes over TLS: handshakes, data, back-pressure, ends and closes. */
#include "net/tcp.h"
#include "net/tls_mbedtls.h"
#include "tls_peers.h"

static struct mg_tls *st, *ct;

/* The client's end of the pipe, when both are open. */
static struct pipe_end *open_pair(size_t part)
{
    struct pipe_end *end;

    st = server_with((struct mg_tls_server_opts){0});
    ct = client_with((struct mg_tls_client_opts){0});
    end = start_pair(st, ct, "shop.example", NULL, part);
    TURN_UNTIL(server.opened != NOTHING_YET && client.opened != NOTHING_YET);
    CHECK(server.opened == 0 && client.opened == 0);
    return end;
}

static void end_pair(void)
{
    close_pair();
    mg_tls_unref(st);
    mg_tls_unref(ct);
}

/* ---- handshake and data ----------------------------------------------------------------- */

static void test_talks_both_ways(void)
{
    open_pair(65536);
    CHECK(strncmp(mg_tls_version(server.conn), "TLSv1.", 6) == 0);
    CHECK(strstr(mg_tls_cipher(client.conn), "CHACHA20-POLY1305") != NULL);
    CHECK(write_text(&client, "ping") == MG_OK);
    TURN_UNTIL(has_got(&server, "ping"));
    CHECK(write_text(&server, "pong") == MG_OK);
    TURN_UNTIL(has_got(&client, "pong"));
    end_pair();
}

static void test_takes_records_byte_by_byte(void)
{
    open_pair(1);
    CHECK(write_text(&client, "every byte alone") == MG_OK);
    TURN_UNTIL(has_got(&server, "every byte alone"));
    mg_conn_shutdown(client.conn);
    TURN_UNTIL(server.eofs == 1);
    end_pair();
}

static char byte_at(size_t i)
{
    return (char)(i * 31 + i / 251);
}

static void send_and_compare(size_t len)
{
    char *load = malloc(len);
    /* A small head, a body and a tail, as HTTP writes them. */
    size_t head = len / 100, tail = len > 2 ? 1 : 0;
    struct iovec iov[4] = {{load, head},
                           {load + head, 0},
                           {load + head, len - head - tail},
                           {load + len - tail, tail}};

    for (size_t i = 0; i < len; i++)
        load[i] = byte_at(i);
    CHECK(mg_conn_write(client.conn, iov, 4) >= 0);
    TURN_UNTIL(mg_buf_len(&server.got) >= len);
    CHECK(mg_buf_len(&server.got) == len && memcmp(mg_buf_bytes(&server.got), load, len) == 0);
    mg_buf_free(&server.got);
    free(load);
}

static void test_sends_any_size(void)
{
    static const size_t sizes[] = {1, 2, 100, 16383, 16384, 16385, 65536, 65537, 1 << 20};

    open_pair(5000);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        send_and_compare(sizes[i]);
    end_pair();
}

static void test_small_spans_share_a_record(void)
{
    struct iovec iov[3] = {{"a", 1}, {"b", 1}, {"c", 1}};

    open_pair(65536);
    CHECK(mg_conn_write(client.conn, iov, 3) == MG_OK);
    TURN_UNTIL(has_got(&server, "abc"));
    CHECK(server.reads == 1);
    end_pair();
}

static void test_gathers_records_for_one_read(void)
{
    char *load = calloc(1, 60000);
    struct iovec iov = {load, 60000};

    open_pair(65536);
    CHECK(mg_conn_write(client.conn, &iov, 1) == MG_OK);
    TURN_UNTIL(mg_buf_len(&server.got) == 60000);
    CHECK(server.reads <= 2);
    free(load);
    end_pair();
}

/* An event may write to any connection with the span it was given. */
static void echo(struct mg_conn *c, const char *bytes, size_t len)
{
    struct iovec iov[2] = {{"<", 1}, {(void *)bytes, len}};

    mg_conn_write(c, iov, 2);
}

static void test_a_span_may_be_written_while_it_is_read(void)
{
    struct mg_conn_events echoing = side_events;

    echoing.on_read = echo;
    open_pair(65536);
    server.conn->events = &echoing;
    CHECK(write_text(&client, "hello") == MG_OK);
    TURN_UNTIL(has_got(&client, "<hello"));
    end_pair();
}

/* ---- back-pressure ---------------------------------------------------------------------- */

static void test_write_says_again_and_drains(void)
{
    char *load = calloc(1, 100000);
    struct iovec iov = {load, 100000};
    struct pipe_end *end = open_pair(65536);

    end->limit = 50000;
    mg_conn_read_stop(server.conn);
    CHECK(mg_conn_write(client.conn, &iov, 1) == MG_AGAIN);
    CHECK(mg_conn_queued(client.conn) > 100000);
    CHECK(client.drains == 0 && server.reads == 0);
    mg_conn_read_start(server.conn);
    TURN_UNTIL(client.drains == 1 && mg_buf_len(&server.got) == 100000);
    free(load);
    end_pair();
}

static void test_a_stopped_reader_is_told_nothing(void)
{
    char *load = calloc(1, 200000);
    struct iovec iov = {load, 200000};
    int turns = 0;

    open_pair(65536);
    server.stop_on_read = true;
    CHECK(mg_conn_write(client.conn, &iov, 1) == MG_OK);
    mg_conn_shutdown(client.conn);
    while (server.eofs == 0 && turns++ < 1000) {
        int before = server.reads;

        mg_loop_turn(&loop, false);
        CHECK(server.reads <= before + 1);
        mg_conn_read_start(server.conn);
        CHECK(server.reads <= before + 1); /* not from inside the call */
    }
    CHECK(server.eofs == 1 && mg_buf_len(&server.got) == 200000 && server.reads >= 4);
    free(load);
    end_pair();
}

static void test_bytes_behind_the_handshake_wait_for_the_reader(void)
{
    st = server_with((struct mg_tls_server_opts){0});
    ct = client_with((struct mg_tls_client_opts){0});
    start_pair(st, ct, "shop.example", NULL, 65536);
    server.read_on_open = false;
    TURN_UNTIL(server.opened == 0 && client.opened == 0);
    CHECK(write_text(&client, "early") == MG_OK);
    mg_loop_turn(&loop, false);
    CHECK(server.reads == 0);
    mg_conn_read_start(server.conn);
    CHECK(server.reads == 0);
    TURN_UNTIL(has_got(&server, "early"));
    end_pair();
}

/* ---- ends ------------------------------------------------------------------------------- */

static void test_close_notify_is_an_end(void)
{
    open_pair(65536);
    CHECK(write_text(&client, "bye") == MG_OK);
    close_end(&client);
    TURN_UNTIL(server.eofs == 1);
    CHECK(has_got(&server, "bye") && server.error == NOTHING_YET);
    end_pair();
}

static void test_half_closed_still_answers(void)
{
    open_pair(65536);
    mg_conn_shutdown(client.conn);
    CHECK(write_text(&client, "no more") < 0);
    TURN_UNTIL(server.eofs == 1);
    CHECK(write_text(&server, "answer") == MG_OK);
    TURN_UNTIL(has_got(&client, "answer"));
    end_pair();
}

static void test_a_fin_without_close_notify_is_truncation(void)
{
    struct pipe_end *end = open_pair(65536);

    CHECK(write_text(&client, "half a mess") == MG_OK);
    pipe_shutdown(&end->conn);
    TURN_UNTIL(server.error != NOTHING_YET);
    CHECK(server.error == MG_ECLOSED && server.eofs == 0 && has_got(&server, "half a mess"));
    end_pair();
}

static void test_a_forged_record_is_an_error(void)
{
    struct iovec forged = {"\x17\x03\x03\x00\x20................................", 37};
    struct pipe_end *end = open_pair(65536);

    pipe_write(&end->conn, &forged, 1);
    TURN_UNTIL(server.error == MG_ETLS);
    CHECK(server.reads == 0);
    TURN_UNTIL(client.error == MG_ETLS); /* the alert came */
    CHECK(write_text(&server, "x") < 0);
    end_pair();
}

static void test_reset_is_passed_on(void)
{
    open_pair(65536);
    mg_conn_reset(client.conn);
    client.conn = NULL;
    TURN_UNTIL(server.error == UV_ECONNRESET);
    end_pair();
}

static void test_closing_in_an_event(void)
{
    open_pair(65536);
    server.close_on_read = true;
    CHECK(write_text(&client, "close, please") == MG_OK);
    TURN_UNTIL(client.eofs == 1);
    CHECK(server.reads == 1 && server.conn == NULL);
    end_pair();
}

/* ---- handshakes that do not end well ------------------------------------------------------ */

/* A server at ends[0]; what comes to it the test writes at ends[1]. */
static void begin_raw(struct pipe_end *ends[2])
{
    st = server_with((struct mg_tls_server_opts){0});
    pipe_new(&loop, 65536, ends);
    open_server(st, &ends[0]->conn);
}

static void end_raw(struct pipe_end *ends[2])
{
    pipe_close(&ends[1]->conn);
    close_pair();
    mg_tls_unref(st);
}

static void test_garbage_instead_of_a_hello(void)
{
    struct iovec garbage = {"GET / HTTP/1.1\r\n\r\n", 18};
    struct pipe_end *ends[2];

    begin_raw(ends);
    pipe_write(&ends[1]->conn, &garbage, 1);
    TURN_UNTIL(server.opened != NOTHING_YET);
    CHECK(server.opened == MG_ETLS && mg_tls_reason(server.conn)[0] != '\0');
    end_raw(ends);
}

static void test_pending_bytes_come_first(void)
{
    struct pipe_end *ends[2];

    st = server_with((struct mg_tls_server_opts){0});
    pipe_new(&loop, 65536, ends);
    side_reset(&server);
    CHECK(mg_tls_accept(st, &ends[0]->conn, MG_STR("\x16\x03\x01\x00\x01\x02"), &side_events,
                        &server, &server.conn) == 0);
    CHECK(server.opened == NOTHING_YET); /* never from inside the call */
    TURN_UNTIL(server.opened == MG_ETLS);
    end_raw(ends);
}

static void test_a_client_that_leaves_early(void)
{
    struct iovec begun = {"\x16\x03\x01\x01\x00\x01", 6};
    struct pipe_end *ends[2];

    begin_raw(ends);
    pipe_write(&ends[1]->conn, &begun, 1);
    pipe_close(&ends[1]->conn);
    TURN_UNTIL(server.opened == MG_ETLS);
    CHECK(strcmp(mg_tls_reason(server.conn), "closed during the handshake") == 0);
    close_pair();
    mg_tls_unref(st);
}

static void test_an_endless_handshake_is_cut_off(void)
{
    /* Empty handshake records: 2.28 allows a few, then refuses; either bound will do. */
    struct iovec record = {"\x16\x03\x01\x00\x04\x01\xff\xff\xff", 9};
    struct pipe_end *ends[2];

    begin_raw(ends);
    for (int i = 0; i < 8000; i++)
        pipe_write(&ends[1]->conn, &record, 1);
    TURN_UNTIL(server.opened == MG_ETLS);
    end_raw(ends);
}

static void test_a_silent_client_is_given_up(void)
{
    struct pipe_end *ends[2];

    begin_raw(ends);
    mg_timer_set(&loop, &((struct mg_tls_conn *)server.conn)->timer, 1); /* not the ten seconds */
    TURN_UNTIL(server.opened == MG_ETLS);
    CHECK(strcmp(mg_tls_reason(server.conn), "the handshake took too long") == 0);
    end_raw(ends);
}

/* `lower` need not stand yet. */
static void test_a_refused_connection_is_told(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(to);
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound and not listening: refuses */
    struct mg_conn *lower;

    CHECK(bind(fd, (struct sockaddr *)&to, len) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&to, &len) == 0);
    ct = client_with((struct mg_tls_client_opts){0});
    side_reset(&server);
    side_reset(&client);
    CHECK(mg_tcp_connect(&loop, (struct sockaddr *)&to, 0, &side_events, &client, &lower) == 0);
    CHECK(mg_tls_connect(ct, lower, "shop.example", NULL, &side_events, &client, &client.conn) ==
          0);
    TURN_UNTIL(client.opened != NOTHING_YET);
    CHECK(client.opened < 0 && client.opened != MG_ETLS);
    close_pair();
    close(fd);
    mg_tls_unref(ct);
}

/* Closes both sides after `turns` turns of the loop, wherever the handshake is then. */
static void close_after(int turns)
{
    start_pair(st, ct, "shop.example", NULL, 100);
    for (int i = 0; i < turns; i++) {
        mg_loop_turn(&loop, false);
        usleep(200);
    }
    close_pair();
}

static void test_closing_during_the_handshake(void)
{
    st = server_with((struct mg_tls_server_opts){0});
    ct = client_with((struct mg_tls_client_opts){0});
    for (int turns = 0; turns < 60; turns++)
        close_after(turns);
    mg_tls_unref(st); /* the last jobs hold references of their own */
    mg_tls_unref(ct);
    TURN_UNTIL(!mg_loop_busy(&loop));
}

enum { MANY = 260 };

/* More than may run at once: the rest waits its turn. */
static void test_many_handshakes_at_once(void)
{
    static struct side sides[2][MANY];
    struct pipe_end *ends[2];
    int open = 0;

    st = server_with((struct mg_tls_server_opts){0});
    ct = client_with((struct mg_tls_client_opts){0});
    for (int i = 0; i < MANY; i++) {
        pipe_new(&loop, 65536, ends);
        side_reset(&sides[0][i]);
        side_reset(&sides[1][i]);
        CHECK(mg_tls_accept(st, &ends[0]->conn, mg_str_of(NULL, 0), &side_events, &sides[0][i],
                            &sides[0][i].conn) == 0);
        CHECK(mg_tls_connect(ct, &ends[1]->conn, "shop.example", NULL, &side_events, &sides[1][i],
                             &sides[1][i].conn) == 0);
    }
    for (int i = 0; i < MANY; i++) { /* a slow machine must not fail this */
        mg_timer_set(&loop, &((struct mg_tls_conn *)sides[0][i].conn)->timer, 60000);
        mg_timer_set(&loop, &((struct mg_tls_conn *)sides[1][i].conn)->timer, 60000);
    }
    for (int i = 0; i < MANY; i++) {
        TURN_UNTIL(sides[0][i].opened != NOTHING_YET && sides[1][i].opened != NOTHING_YET);
        open += sides[0][i].opened == 0 && sides[1][i].opened == 0;
        close_end(&sides[0][i]);
        close_end(&sides[1][i]);
    }
    CHECK(open == MANY);
    TURN_UNTIL(true);
    mg_tls_unref(st);
    mg_tls_unref(ct);
}

TLS_TEST_MAIN(TEST(test_talks_both_ways), TEST(test_takes_records_byte_by_byte),
              TEST(test_sends_any_size), TEST(test_small_spans_share_a_record),
              TEST(test_gathers_records_for_one_read),
              TEST(test_a_span_may_be_written_while_it_is_read),
              TEST(test_write_says_again_and_drains), TEST(test_a_stopped_reader_is_told_nothing),
              TEST(test_bytes_behind_the_handshake_wait_for_the_reader),
              TEST(test_close_notify_is_an_end), TEST(test_half_closed_still_answers),
              TEST(test_a_fin_without_close_notify_is_truncation),
              TEST(test_a_forged_record_is_an_error), TEST(test_reset_is_passed_on),
              TEST(test_closing_in_an_event), TEST(test_garbage_instead_of_a_hello),
              TEST(test_pending_bytes_come_first), TEST(test_a_client_that_leaves_early),
              TEST(test_an_endless_handshake_is_cut_off), TEST(test_a_silent_client_is_given_up),
              TEST(test_a_refused_connection_is_told), TEST(test_closing_during_the_handshake),
              TEST(test_many_handshakes_at_once))
