/* test_tcp.c -- Bytes, back-pressure, ends and closes of a connection over real loopback sockets. */
#include <malloc.h>
#include "side.h"

/* ---- bytes ---------------------------------------------------------------------------- */

static void test_reads_and_writes(void)
{
    char got[16] = "";

    open_side(0);
    CHECK(write(peer, "hello", 5) == 5);
    TURN_UNTIL(a.bytes == 5);
    CHECK(memcmp(a.got, "hello", 5) == 0 && a.reads == 1);
    CHECK(write_text(a.conn, "head", "body") == MG_OK);
    CHECK(mg_conn_queued(a.conn) == 0);
    turn();
    CHECK(read(peer, got, sizeof(got)) == 8 && memcmp(got, "headbody", 8) == 0);
    close_side();
}

/* Byte i of the stream, so that a lost, doubled or swapped part shows. */
static char byte_at(size_t i)
{
    return (char)(i * 31 + i / 251);
}

static size_t read_more(int fd, char *to)
{
    ssize_t n = read(fd, to, 4096);

    return n > 0 ? (size_t)n : 0;
}

/* What is short waits for the end of the turn; what is long does not, and takes it along. */
static void test_short_messages_leave_together(void)
{
    static char large[5000];
    struct iovec iov = {large, sizeof(large)};
    char got[5005 + 4096] = "";
    size_t have = 0;

    open_side(0);
    CHECK(write_text(a.conn, "one", "") == MG_OK && write_text(a.conn, "two", "") == MG_OK);
    CHECK(read(peer, got, sizeof(got)) < 0 && errno == EAGAIN);
    turn();
    CHECK(read(peer, got, sizeof(got)) == 6 && memcmp(got, "onetwo", 6) == 0);
    CHECK(write_text(a.conn, "three", "") == MG_OK);
    CHECK(mg_conn_write(a.conn, &iov, 1) == MG_OK);
    while (have < 5005)
        have += read_more(peer, got + have);
    CHECK(have == 5005 && memcmp(got, "three", 5) == 0);
    turn();
    CHECK(read(peer, got, sizeof(got)) < 0 && a.drains == 0 && a.errors == 0);
    close_side();
}

/* Two connections by turns, with more than can wait for the end of the turn. */
static void test_short_messages_of_two_keep_their_order(void)
{
    char load[40000], got[sizeof(load) + 4096];
    struct side b = {0};
    int fds[2];

    for (size_t i = 0; i < sizeof(load); i++)
        load[i] = byte_at(i);
    open_side(0);
    pair(fds, 0);
    CHECK(mg_tcp_adopt(&loop, fds[0], &b.conn) == 0);
    b.conn->events = &events;
    b.conn->owner = &b;
    for (size_t at = 0; at < sizeof(load); at += 1000) {
        struct iovec iov = {load + at, 1000};

        CHECK(mg_conn_write(a.conn, &iov, 1) == MG_OK && mg_conn_write(b.conn, &iov, 1) == MG_OK);
    }
    for (int i = 0; i < 2; i++) {
        size_t have = 0;

        TURN_UNTIL((have += read_more(i == 0 ? peer : fds[1], got + have)) == sizeof(load));
        CHECK(memcmp(got, load, sizeof(load)) == 0);
    }
    mg_conn_close(b.conn);
    close(fds[1]);
    close_side();
}

static void test_a_short_message_leaves_before_the_end(void)
{
    char got[16];

    open_side(0);
    CHECK(write_text(a.conn, "last", "") == MG_OK);
    mg_conn_shutdown(a.conn);
    CHECK(read(peer, got, sizeof(got)) == 4);
    TURN_UNTIL(read(peer, got, sizeof(got)) == 0);
    close_side();
    open_side(0);
    CHECK(write_text(a.conn, "last", "") == MG_OK);
    mg_conn_close(a.conn);
    a.conn = NULL;
    CHECK(read(peer, got, sizeof(got)) == 4);
    TURN_UNTIL(read(peer, got, sizeof(got)) == 0);
    close_side();
}

static void fill(void)
{
    static char load[65536];
    struct iovec iov = {load, sizeof(load)};

    while (mg_conn_write(a.conn, &iov, 1) == MG_OK)
        ;
}

static size_t read_all(void)
{
    static char chunk[65536];
    size_t all = 0;
    ssize_t n;

    while ((n = read(peer, chunk, sizeof(chunk))) > 0)
        all += (size_t)n;
    return all;
}

/* A socket that has taken all so far may be too full for the next message: that one is queued, too. */
static void test_a_short_message_finds_the_socket_full(void)
{
    char text[2048] = "";
    struct iovec iov = {text, sizeof(text)};
    size_t seen = 0;

    open_side(8192);
    fill();
    TURN_UNTIL((seen += read_all()) > 0 && a.drains == 1);
    for (a.drains = 0; mg_conn_queued(a.conn) == 0; turn())
        CHECK(mg_conn_write(a.conn, &iov, 1) == MG_OK);
    CHECK(mg_conn_write(a.conn, &iov, 1) == MG_AGAIN);
    TURN_UNTIL((seen += read_all()) > 0 && a.drains == 1);
    CHECK(mg_conn_queued(a.conn) == 0 && a.errors == 0);
    close_side();
}

static void test_an_idle_connection_is_small(void)
{
    struct mallinfo2 before, after;
    struct mg_conn *c;
    int fds[2];

    CHECK(mg_loop_init(&loop) == 0);
    pair(fds, 0);
    before = mallinfo2();
    CHECK(mg_tcp_adopt(&loop, fds[0], &c) == 0);
    after = mallinfo2();
    CHECK(after.uordblks - before.uordblks <= 360);
    mg_conn_close(c);
    CHECK(mg_loop_close(&loop) == 0);
    close(fds[1]);
}

static bool next_is_right(size_t *seen)
{
    char chunk[65536];
    ssize_t n = read(peer, chunk, sizeof(chunk));

    for (ssize_t i = 0; i < n; i++)
        if (chunk[i] != byte_at((*seen)++))
            return false;
    return true;
}

static void test_queues_what_does_not_fit(void)
{
    char *load = malloc(LOAD);
    size_t seen = 0;
    struct iovec iov[3] = {{load, 10}, {load + 10, 0}, {load + 10, LOAD / 2 - 10}};
    struct iovec more = {load + LOAD / 2, LOAD / 2};

    for (size_t i = 0; i < LOAD; i++)
        load[i] = byte_at(i);
    open_side(8192);
    CHECK(mg_conn_write(a.conn, iov, 3) == MG_AGAIN);
    CHECK(mg_conn_queued(a.conn) > 0);
    CHECK(mg_conn_write(a.conn, &more, 1) == MG_AGAIN); /* stays behind the first */
    CHECK(mg_conn_queued(a.conn) > LOAD / 2);
    memset(load, 0, LOAD); /* the rest was copied */
    CHECK(a.drains == 0);
    TURN_UNTIL(!next_is_right(&seen) || seen == LOAD);
    CHECK(seen == LOAD);
    TURN_UNTIL(a.drains == 1);
    CHECK(mg_conn_queued(a.conn) == 0 && a.errors == 0);
    free(load);
    close_side();
}

static void test_fin_goes_after_the_queue(void)
{
    char *load = calloc(1, LOAD);
    struct iovec iov = {load, LOAD};
    size_t seen = 0;
    ssize_t n = -1;

    open_side(8192);
    CHECK(mg_conn_write(a.conn, &iov, 1) == MG_AGAIN);
    mg_conn_shutdown(a.conn);
    CHECK(mg_conn_write(a.conn, &iov, 1) == UV_EPIPE);
    while (n != 0 && seen <= LOAD) {
        turn();
        n = read(peer, load, LOAD);
        seen += n > 0 ? (size_t)n : 0;
        CHECK(n >= 0 || errno == EAGAIN);
    }
    CHECK(seen == LOAD && a.drains == 1);
    CHECK(write(peer, "late", 4) == 4); /* half closed: it still hears */
    TURN_UNTIL(a.bytes == 4);
    free(load);
    close_side();
}

/* ---- stopping and starting ---------------------------------------------------------- */

static void test_stop_inside_on_read_and_start_again(void)
{
    open_side(0);
    a.then = "stop";
    CHECK(write(peer, "one", 3) == 3);
    TURN_UNTIL(a.bytes == 3);
    CHECK(write(peer, "two", 3) == 3);
    for (int i = 0; i < 20; i++) {
        turn();
        usleep(500);
    }
    CHECK(a.bytes == 3 && a.reads == 1);
    mg_conn_read_start(a.conn);
    TURN_UNTIL(a.bytes == 6);
    CHECK(memcmp(a.got, "onetwo", 6) == 0);
    close_side();
}

/* A stopped connection hears nothing of the end, and all of it once it is started. */
static void test_end_while_stopped_is_told_later(void)
{
    open_side(0);
    mg_conn_read_stop(a.conn);
    CHECK(write(peer, "bye", 3) == 3);
    close(peer);
    peer = -1;
    for (int i = 0; i < 20; i++) {
        turn();
        usleep(500);
    }
    CHECK(a.bytes == 0 && a.eofs == 0 && a.errors == 0);
    mg_conn_read_start(a.conn);
    TURN_UNTIL(a.eofs == 1);
    CHECK(a.bytes == 3);
    mg_conn_read_start(a.conn);
    for (int i = 0; i < 5; i++)
        turn();
    CHECK(a.eofs == 1);
    close_side();
}

/* The same when both sides are shut: epoll then says so even to those that do not ask. */
static void test_hang_up_while_stopped_is_told_later(void)
{
    open_side(0);
    mg_conn_shutdown(a.conn);
    CHECK(write(peer, "bye", 3) == 3);
    shutdown(peer, SHUT_WR);
    a.then = "stop";
    TURN_UNTIL(a.bytes == 3);
    for (int i = 0; i < 10; i++)
        turn();
    CHECK(a.eofs == 0 && a.errors == 0);
    mg_conn_read_start(a.conn);
    TURN_UNTIL(a.eofs == 1);
    close_side();
}

static void on_read_toggle(struct mg_conn *c, const char *bytes, size_t len)
{
    on_read(c, bytes, len);
    mg_conn_read_stop(c);
    mg_conn_read_start(c);
}

static void test_stop_and_start_at_once_loses_nothing(void)
{
    static const struct mg_conn_events toggling = {on_connect, on_read_toggle, on_eof, on_drain,
                                                   on_error};
    char *load = calloc(1, 200000);
    size_t sent = 0;

    open_side(0);
    a.conn->events = &toggling;
    while (sent < 200000) {
        ssize_t n = write(peer, load, 200000 - sent);

        sent += n > 0 ? (size_t)n : 0;
        turn();
    }
    TURN_UNTIL(a.bytes == 200000);
    free(load);
    close_side();
}

/* ---- ends --------------------------------------------------------------------------- */

static void test_eof(void)
{
    open_side(0);
    shutdown(peer, SHUT_WR);
    TURN_UNTIL(a.eofs == 1);
    CHECK(write_text(a.conn, "still", "here") == MG_OK);
    close_side();
}

static void reset_peer(void)
{
    struct linger hard = {1, 0};

    setsockopt(peer, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(peer);
    peer = -1;
}

static void test_reset_by_peer(void)
{
    open_side(0);
    reset_peer();
    TURN_UNTIL(a.errors == 1);
    CHECK(a.err == UV_ECONNRESET && a.eofs == 0);
    CHECK(write_text(a.conn, "to", "none") < 0);
    close_side();
}

/* libuv calls the hang-up that comes with the last bytes an end; a cut body must not seem whole. */
static void test_reset_behind_bytes_is_no_eof(void)
{
    open_side(0);
    CHECK(write(peer, "half", 4) == 4);
    reset_peer();
    TURN_UNTIL(a.errors + a.eofs == 1);
    CHECK(a.bytes == 4 && a.errors == 1 && a.err == UV_ECONNRESET);
    close_side();
}

/* send() hears of the reset first, and what came before it is read all the same. */
static void test_reset_before_a_short_message(void)
{
    open_side(0);
    CHECK(write(peer, "half", 4) == 4);
    reset_peer();
    CHECK(write_text(a.conn, "to", "none") == MG_OK);
    TURN_UNTIL(a.errors + a.eofs == 1);
    CHECK(a.bytes == 4 && a.errors == 1 && a.err == UV_ECONNRESET);
    CHECK(write_text(a.conn, "to", "none") == UV_ECONNRESET);
    turn();
    CHECK(a.errors + a.eofs == 1);
    close_side();
}

/* Who does not read is told when it does, and not at all once a write has told it. */
static void test_reset_is_told_to_who_does_not_read(void)
{
    open_side(0);
    mg_conn_read_stop(a.conn);
    reset_peer();
    CHECK(write_text(a.conn, "to", "none") == MG_OK);
    for (int i = 0; i < 5; i++)
        turn();
    CHECK(a.errors + a.eofs == 0);
    CHECK(write_text(a.conn, "to", "none") == UV_ECONNRESET);
    mg_conn_read_start(a.conn);
    TURN_UNTIL(a.errors + a.eofs == 1);
    CHECK(a.err == UV_ECONNRESET);
    close_side();
}

static void test_reset_with_a_queue(void)
{
    char *load = calloc(1, LOAD);
    struct iovec iov = {load, LOAD};

    open_side(8192);
    mg_conn_read_stop(a.conn);
    CHECK(mg_conn_write(a.conn, &iov, 1) == MG_AGAIN);
    turn();
    a.then = "close";
    reset_peer();
    TURN_UNTIL(a.errors == 1);
    CHECK(a.drains == 0 && a.conn == NULL);
    free(load);
    close_side();
}

static void test_close_in_every_event(void)
{
    char *load = calloc(1, LOAD);
    struct iovec iov = {load, LOAD};

    open_side(0); /* on_read, of two buffers' worth */
    a.then = "close";
    while (write(peer, load, LOAD) > 0)
        ;
    TURN_UNTIL(a.conn == NULL);
    turn();
    CHECK(a.reads == 1);
    close_side();

    open_side(0);
    a.then = "reset";
    shutdown(peer, SHUT_WR);
    TURN_UNTIL(a.eofs == 1);
    CHECK(a.conn == NULL);
    close_side();

    open_side(8192);
    CHECK(mg_conn_write(a.conn, &iov, 1) == MG_AGAIN);
    a.then = "close";
    while (a.conn != NULL && (read(peer, load, LOAD) > 0 || errno == EAGAIN))
        turn();
    CHECK(a.drains == 1 && a.conn == NULL);
    close_side();
    free(load);
}

static void test_close_with_a_queue_tells_nothing(void)
{
    char *load = calloc(1, LOAD);
    struct iovec iov = {load, LOAD};

    open_side(8192);
    CHECK(mg_conn_write(a.conn, &iov, 1) == MG_AGAIN);
    mg_conn_close(a.conn);
    a.conn = NULL;
    free(load);
    close_side();
    CHECK(a.drains == 0 && a.errors == 0);
}

static void test_reset_is_seen_by_the_peer(void)
{
    char byte;
    ssize_t n = -1;

    open_side(0);
    mg_conn_reset(a.conn);
    a.conn = NULL;
    for (int i = 0; i < 1000 && n < 0; i++) {
        turn();
        n = read(peer, &byte, 1);
        if (n < 0 && errno != EAGAIN)
            break;
    }
    CHECK(n < 0 && errno == ECONNRESET);
    close_side();
}

TEST_MAIN(TEST(test_reads_and_writes), TEST(test_short_messages_leave_together),
          TEST(test_short_messages_of_two_keep_their_order),
          TEST(test_a_short_message_leaves_before_the_end),
          TEST(test_a_short_message_finds_the_socket_full), TEST(test_reset_before_a_short_message),
          TEST(test_reset_is_told_to_who_does_not_read), TEST(test_an_idle_connection_is_small),
          TEST(test_queues_what_does_not_fit), TEST(test_fin_goes_after_the_queue),
          TEST(test_stop_inside_on_read_and_start_again),
          TEST(test_end_while_stopped_is_told_later),
          TEST(test_hang_up_while_stopped_is_told_later), TEST(test_reset_behind_bytes_is_no_eof),
          TEST(test_stop_and_start_at_once_loses_nothing), TEST(test_eof), TEST(test_reset_by_peer),
          TEST(test_reset_with_a_queue), TEST(test_close_in_every_event),
          TEST(test_close_with_a_queue_tells_nothing), TEST(test_reset_is_seen_by_the_peer))
