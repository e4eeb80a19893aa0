/* test_tcp.c -- Connections over real loopback sockets: bytes, back-pressure, ends and closes. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "net/tcp.h"
#include "test.h"

/* ---- one connection under test, and a plain blocking-free socket as its peer ---------- */

struct side {
    struct mg_conn *conn;
    char got[64];
    size_t bytes; /* all that came */
    int connects, reads, eofs, drains, errors;
    int connect_err, err;
    const char *then; /* what to do in the event: "close", "reset", "stop", "linger", "toggle" */
};

static struct mg_loop loop;
static struct side a;
static int peer = -1;

static void act(struct mg_conn *c)
{
    struct side *s = c->owner;

    if (s->then == NULL)
        return;
    if (strcmp(s->then, "close") == 0)
        mg_conn_close(c);
    else if (strcmp(s->then, "reset") == 0)
        mg_conn_reset(c);
    else if (strcmp(s->then, "linger") == 0)
        mg_conn_close_lingering(c, 50);
    else if (strcmp(s->then, "stop") == 0)
        mg_conn_read_stop(c);
    if (strcmp(s->then, "stop") != 0)
        s->conn = NULL;
    s->then = NULL;
}

static void on_connect(struct mg_conn *c, int err)
{
    struct side *s = c->owner;

    s->connects++;
    s->connect_err = err;
    act(c);
}

static void on_read(struct mg_conn *c, const char *bytes, size_t len)
{
    struct side *s = c->owner;
    size_t room = s->bytes < sizeof(s->got) ? sizeof(s->got) - s->bytes : 0;

    memcpy(s->got + s->bytes % sizeof(s->got), bytes, len < room ? len : room);
    s->bytes += len;
    s->reads++;
    act(c);
}

static void on_eof(struct mg_conn *c)
{
    ((struct side *)c->owner)->eofs++;
    act(c);
}

static void on_drain(struct mg_conn *c)
{
    ((struct side *)c->owner)->drains++;
    act(c);
}

static void on_error(struct mg_conn *c, int err)
{
    ((struct side *)c->owner)->errors++;
    ((struct side *)c->owner)->err = err;
    act(c);
}

static const struct mg_conn_events events = {on_connect, on_read, on_eof, on_drain, on_error};

static int bound(struct sockaddr_in *at)
{
    socklen_t len = sizeof(*at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *at = (struct sockaddr_in){.sin_family = AF_INET};
    at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(fd, (struct sockaddr *)at, sizeof(*at)) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)at, &len) == 0);
    return fd;
}

/* A TCP pair: fds[0] for the connection, fds[1] for the test; small buffers fill soon. */
static void pair(int fds[2], int buffer)
{
    struct sockaddr_in at;
    int listener = bound(&at);

    if (buffer != 0)
        setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
    CHECK(listen(listener, 1) == 0);
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (buffer != 0)
        setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
    CHECK(connect(fds[0], (struct sockaddr *)&at, sizeof(at)) == 0);
    fds[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK(fds[1] >= 0);
    close(listener);
}

static void open_side(int buffer)
{
    int fds[2];

    memset(&a, 0, sizeof(a));
    CHECK(mg_loop_init(&loop) == 0);
    pair(fds, buffer);
    peer = fds[1];
    CHECK(mg_tcp_adopt(&loop, fds[0], &a.conn) == 0);
    a.conn->events = &events;
    a.conn->owner = &a;
    mg_conn_read_start(a.conn);
}

static void close_side(void)
{
    if (a.conn != NULL)
        mg_conn_close(a.conn);
    CHECK(mg_loop_close(&loop) == 0);
    if (peer >= 0)
        close(peer);
    peer = -1;
}

static void turn(void)
{
    uv_run(&loop.uv, UV_RUN_NOWAIT);
}

/* Turns until the condition holds; a condition that never does ends after ten seconds. */
#define TURN_UNTIL(condition)                                                                      \
    do {                                                                                           \
        uint64_t limit = mg_clock_ns() + 10 * UINT64_C(1000000000);                                \
        while (!(condition) && mg_clock_ns() < limit) {                                            \
            turn();                                                                                \
            usleep(100);                                                                           \
        }                                                                                          \
        CHECK(condition);                                                                          \
    } while (0)

static int write_text(struct mg_conn *c, const char *one, const char *two)
{
    struct iovec iov[2] = {{(void *)one, strlen(one)}, {(void *)two, strlen(two)}};

    return mg_conn_write(c, iov, 2);
}

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
    CHECK(read(peer, got, sizeof(got)) == 8 && memcmp(got, "headbody", 8) == 0);
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

enum { LOAD = 3000000 };

/* Byte i of the stream, so that a lost, doubled or swapped part shows. */
static char byte_at(size_t i)
{
    return (char)(i * 31 + i / 251);
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

/* ---- lingering ------------------------------------------------------------------------ */

static bool ended(void)
{
    char chunk[65536];
    ssize_t n;

    while ((n = read(peer, chunk, sizeof(chunk))) > 0)
        ;
    return n == 0;
}

static void test_linger_sends_the_queue_then_waits_for_the_peer(void)
{
    char *load = calloc(1, LOAD);
    struct iovec iov = {load, LOAD};

    open_side(8192);
    CHECK(mg_conn_write(a.conn, &iov, 1) == MG_AGAIN);
    mg_conn_close_lingering(a.conn, 60000);
    a.conn = NULL;
    TURN_UNTIL(ended());
    CHECK(write(peer, "ignored", 7) == 7); /* no RST: it is still there */
    turn();
    CHECK(uv_loop_alive(&loop.uv));
    shutdown(peer, SHUT_WR);
    TURN_UNTIL(write(peer, "x", 1) < 0);
    close_side();
    CHECK(a.reads == 0 && a.drains == 0 && a.eofs == 0);
    free(load);
}

/* The loop closes only if the limit closed the connection. */
static void test_linger_is_bounded_in_time(void)
{
    open_side(0);
    mg_conn_close_lingering(a.conn, 20);
    a.conn = NULL;
    mg_loop_run(&loop);
    close_side();
}

static void test_linger_is_bounded_in_bytes(void)
{
    char *load = calloc(1, LOAD);
    bool gone = false;

    open_side(0);
    mg_conn_close_lingering(a.conn, 600000);
    a.conn = NULL;
    for (size_t sent = 0; sent < 64 * (size_t)LOAD && !gone; turn()) {
        ssize_t n = write(peer, load, 65536);

        sent += n > 0 ? (size_t)n : 0;
        gone = n < 0 && errno != EAGAIN;
    }
    CHECK(gone);
    free(load);
    close_side();
}

/* ---- connecting ----------------------------------------------------------------------- */

static int dial(const struct sockaddr_in *to, uint32_t timeout_ms)
{
    memset(&a, 0, sizeof(a));
    return mg_tcp_connect(&loop, (const struct sockaddr *)to, timeout_ms, &events, &a, &a.conn);
}

static void test_connect(void)
{
    struct sockaddr_in at;
    struct sockaddr_storage got;
    int fd = bound(&at);
    char text[16];

    CHECK(mg_loop_init(&loop) == 0);
    CHECK(listen(fd, 8) == 0);
    CHECK(dial(&at, 5000) == 0);
    CHECK(a.connects == 0); /* never inside the call */
    mg_conn_read_start(a.conn);
    CHECK(write_text(a.conn, "early ", "bird") == MG_AGAIN);
    CHECK(mg_conn_queued(a.conn) == 10);
    TURN_UNTIL(a.connects == 1);
    CHECK(a.connect_err == 0);
    peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    TURN_UNTIL(a.drains == 1);
    CHECK(read(peer, text, sizeof(text)) == 10 && memcmp(text, "early bird", 10) == 0);
    CHECK(write(peer, "hi", 2) == 2);
    TURN_UNTIL(a.bytes == 2);
    CHECK(mg_conn_peer_address(a.conn, &got) == 0);
    CHECK(((struct sockaddr_in *)&got)->sin_port == at.sin_port);
    CHECK(mg_conn_local_address(a.conn, &got) == 0 && got.ss_family == AF_INET);
    CHECK(mg_conn_peer(a.conn) == NULL);
    close_side();
    close(fd);
}

static void test_connect_refused(void)
{
    struct sockaddr_in at;
    int fd = bound(&at); /* bound but not listening */

    CHECK(mg_loop_init(&loop) == 0);
    CHECK(dial(&at, 5000) == 0);
    a.then = "close";
    TURN_UNTIL(a.connects == 1);
    CHECK(a.connect_err == UV_ECONNREFUSED && a.conn == NULL);
    CHECK(mg_loop_close(&loop) == 0);
    close(fd);
}

/* A full backlog of one swallows further SYNs, so the connect hangs. */
static void test_connect_timeout(void)
{
    struct sockaddr_in at;
    int fd = bound(&at), fillers[8];

    CHECK(mg_loop_init(&loop) == 0);
    CHECK(listen(fd, 0) == 0);
    for (int i = 0; i < 8; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(fillers[i], (struct sockaddr *)&at, sizeof(at));
    }
    CHECK(dial(&at, 30) == 0);
    TURN_UNTIL(a.connects == 1);
    CHECK(a.connect_err == UV_ETIMEDOUT);
    for (int i = 0; i < 8; i++)
        close(fillers[i]);
    close(fd);
    close_side();
    CHECK(a.connects == 1);
}

static void test_close_while_connecting(void)
{
    struct sockaddr_in at;
    int fd = bound(&at);

    CHECK(mg_loop_init(&loop) == 0);
    CHECK(listen(fd, 8) == 0);
    CHECK(dial(&at, 1000) == 0);
    CHECK(write_text(a.conn, "never", "sent") == MG_AGAIN);
    close_side();
    CHECK(a.connects == 0 && a.errors == 0);
    close(fd);
}

static void test_connect_fails_at_once(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};

    at.sin_addr.s_addr = htonl(0xffffffff); /* broadcast: EACCES or ENETUNREACH */
    CHECK(mg_loop_init(&loop) == 0);
    CHECK(dial(&at, 1000) < 0 && a.conn == NULL);
    CHECK(mg_loop_close(&loop) == 0);
    CHECK(a.connects == 0);
}

static void test_a_mapped_address_is_ipv4(void)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr_storage got;
    socklen_t len = sizeof(six);
    int off = 0, fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET};

    if (fd < 0)
        return; /* no IPv6 here */
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    CHECK(bind(fd, (struct sockaddr *)&six, len) == 0 && listen(fd, 1) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&six, &len) == 0);
    to.sin_port = six.sin6_port;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(connect(peer, (struct sockaddr *)&to, sizeof(to)) == 0);
    CHECK(mg_loop_init(&loop) == 0);
    memset(&a, 0, sizeof(a));
    CHECK(mg_tcp_adopt(&loop, accept4(fd, NULL, NULL, SOCK_CLOEXEC), &a.conn) == 0);
    CHECK(mg_conn_peer_address(a.conn, &got) == 0 && got.ss_family == AF_INET);
    CHECK(((struct sockaddr_in *)&got)->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    close_side();
    close(fd);
}

TEST_MAIN(TEST(test_reads_and_writes), TEST(test_an_idle_connection_is_small),
          TEST(test_queues_what_does_not_fit), TEST(test_fin_goes_after_the_queue),
          TEST(test_stop_inside_on_read_and_start_again),
          TEST(test_end_while_stopped_is_told_later),
          TEST(test_hang_up_while_stopped_is_told_later), TEST(test_reset_behind_bytes_is_no_eof),
          TEST(test_stop_and_start_at_once_loses_nothing), TEST(test_eof), TEST(test_reset_by_peer),
          TEST(test_reset_with_a_queue), TEST(test_close_in_every_event),
          TEST(test_close_with_a_queue_tells_nothing), TEST(test_reset_is_seen_by_the_peer),
          TEST(test_linger_sends_the_queue_then_waits_for_the_peer),
          TEST(test_linger_is_bounded_in_time), TEST(test_linger_is_bounded_in_bytes),
          TEST(test_connect), TEST(test_connect_refused), TEST(test_connect_timeout),
          TEST(test_close_while_connecting), TEST(test_connect_fails_at_once),
          TEST(test_a_mapped_address_is_ipv4))
