/* side.h -- One connection under test that notes its events, and a plain socket as its peer. */
#ifndef MG_TEST_SIDE_H
#define MG_TEST_SIDE_H
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "net/tcp.h"
#include "turn.h"

enum { LOAD = 3000000 }; /* bytes that no socket here takes at once */

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

static int lingered; /* connections that were told to have ended */

static void on_lingered(void *owner)
{
    CHECK(owner != NULL);
    lingered++;
}

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
        CHECK(mg_conn_close_lingering(c, 50, on_lingered));
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

static inline int bound(struct sockaddr_in *at)
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
static inline void pair(int fds[2], int buffer)
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

static inline void open_side(int buffer)
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

static inline void close_side(void)
{
    if (a.conn != NULL)
        mg_conn_close(a.conn);
    CHECK(mg_loop_close(&loop) == 0);
    if (peer >= 0)
        close(peer);
    peer = -1;
}

static inline void turn(void)
{
    mg_loop_turn(&loop, false);
}

static inline int write_text(struct mg_conn *c, const char *one, const char *two)
{
    struct iovec iov[2] = {{(void *)one, strlen(one)}, {(void *)two, strlen(two)}};

    return mg_conn_write(c, iov, 2);
}
#endif
