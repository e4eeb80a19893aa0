/* test_conn.c -- Connecting, lingering at the end, and the addresses of a connection. */
#include <errno.h>
#include "side.h"

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
    lingered = 0;
    CHECK(mg_conn_close_lingering(a.conn, 60000, on_lingered));
    a.conn = NULL;
    TURN_UNTIL(ended());
    CHECK(write(peer, "ignored", 7) == 7); /* no RST: it is still there */
    turn();
    CHECK(mg_loop_turn(&loop, false) && lingered == 0);
    shutdown(peer, SHUT_WR);
    TURN_UNTIL(write(peer, "x", 1) < 0);
    close_side();
    CHECK(lingered == 1 && a.reads == 0 && a.drains == 0 && a.eofs == 0);
    free(load);
}

/* The loop closes only if the limit closed the connection. */
static void test_linger_is_bounded_in_time(void)
{
    open_side(0);
    CHECK(mg_conn_close_lingering(a.conn, 20, on_lingered));
    a.conn = NULL;
    mg_loop_run(&loop);
    close_side();
}

static void test_linger_is_bounded_in_bytes(void)
{
    char *load = calloc(1, LOAD);
    bool gone = false;

    open_side(0);
    CHECK(mg_conn_close_lingering(a.conn, 600000, on_lingered));
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
        (void)connect(fillers[i], (struct sockaddr *)&at, sizeof(at));
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
    CHECK(dial(&at, 1000) == 0);
    CHECK(a.connects == 0); /* told from the loop, as any failure */
    TURN_UNTIL(a.connects == 1);
    CHECK(a.connect_err == -EACCES || a.connect_err == -ENETUNREACH);
    close_side();
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

TEST_MAIN(TEST(test_linger_sends_the_queue_then_waits_for_the_peer),
          TEST(test_linger_is_bounded_in_time), TEST(test_linger_is_bounded_in_bytes),
          TEST(test_connect), TEST(test_connect_refused), TEST(test_connect_timeout),
          TEST(test_close_while_connecting), TEST(test_connect_fails_at_once),
          TEST(test_a_mapped_address_is_ipv4))
