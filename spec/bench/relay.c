/* relay.c -- The floor of the bench: passes bytes both ways and reads none of them.
 *
 * usage: relay PORT UPSTREAM_PORT
 *
 * What any proxy must do for a request, and nothing else: one thread, epoll, one
 * upstream connection per client, hence two reads and two writes a request when
 * each message fits the buffer.  No splice(): a proxy has to see what it passes.
 *
 * Ownership:  a pair owns both descriptors; it is freed after the batch of events
 *             in which it closed, since later events of that batch may name it.
 * Errors:     any error of a side closes both sides.
 * Invariant:  a side is read only while all it sent before has been passed on, so
 *             a pair holds at most one buffer each way.  Events are edge-triggered:
 *             `readable` remembers one until a read comes back short.
 */
#include "sock.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BUFFER_SIZE = 64 * 1024, BATCH = 256 };

/* What a side did not accept yet; a free one is in `spare`. */
struct buffer {
    struct buffer *next;
    size_t offset, len;
    char bytes[BUFFER_SIZE];
};

struct side {
    int fd;
    bool readable;
    struct side *other;
    struct pair *pair;
    struct buffer *unsent; /* NULL: nothing */
};

struct pair {
    struct side client, server;
    bool closed;
    struct pair *next_closed;
};

static int epoll;
static int listener;
static uint16_t upstream_port;
static struct pair *closed_pairs;
static struct buffer *spare;

static struct buffer *take_buffer(void)
{
    struct buffer *b = spare;

    if (b == NULL)
        return malloc(sizeof(*b));
    spare = b->next;
    return b;
}

static void give_buffer(struct buffer *b)
{
    b->next = spare;
    spare = b;
}

static int watch(struct side *side)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = side};

    return epoll_ctl(epoll, EPOLL_CTL_ADD, side->fd, &event);
}

static void close_pair(struct pair *pair)
{
    if (pair->closed)
        return;
    pair->closed = true;
    close(pair->client.fd);
    close(pair->server.fd);
    pair->next_closed = closed_pairs;
    closed_pairs = pair;
}

static void free_closed_pairs(void)
{
    while (closed_pairs != NULL) {
        struct pair *pair = closed_pairs;

        closed_pairs = pair->next_closed;
        if (pair->client.unsent != NULL)
            give_buffer(pair->client.unsent);
        if (pair->server.unsent != NULL)
            give_buffer(pair->server.unsent);
        free(pair);
    }
}

static void open_pair(int client_fd)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    int server_fd = sock_connect(upstream_port);

    if (pair == NULL || server_fd < 0) {
        free(pair);
        close(client_fd);
        if (server_fd >= 0)
            close(server_fd);
        return;
    }
    pair->client = (struct side){.fd = client_fd, .other = &pair->server, .pair = pair};
    pair->server = (struct side){.fd = server_fd, .other = &pair->client, .pair = pair};
    if (watch(&pair->client) != 0 || watch(&pair->server) != 0)
        close_pair(pair);
}

static void accept_all(void)
{
    int fd;

    while ((fd = sock_accept(listener)) >= 0)
        open_pair(fd);
}

/* Sends what it can now; 0 also when that is not all (a socket that still connects takes none). */
static int send_some(struct side *to, struct buffer *b)
{
    ssize_t n = write(to->fd, b->bytes + b->offset, b->len - b->offset);

    if (n < 0)
        return errno == EAGAIN ? 0 : -1;
    b->offset += (size_t)n;
    return 0;
}

/* Takes ownership of a full buffer: it is sent, or waits in `to`. */
static int deliver(struct side *to, struct buffer *b)
{
    int rc = send_some(to, b);

    to->unsent = NULL;
    if (rc == 0 && b->offset < b->len)
        to->unsent = b;
    else
        give_buffer(b);
    return rc;
}

/* Reads once; 1 when there was something, 0 when not, -1 at the end. */
static int fill(struct side *from, struct buffer *b)
{
    ssize_t n = read(from->fd, b->bytes, BUFFER_SIZE);

    from->readable = n == BUFFER_SIZE;
    if (n < 0 && errno == EAGAIN)
        return 0;
    b->offset = 0;
    b->len = n > 0 ? (size_t)n : 0;
    return n > 0 ? 1 : -1;
}

static int pass(struct side *from)
{
    int rc = 0;

    while (rc == 0 && from->readable && from->other->unsent == NULL) {
        struct buffer *b = take_buffer();

        if (b == NULL)
            return -1;
        rc = fill(from, b);
        if (rc == 1)
            rc = deliver(from->other, b);
        else
            give_buffer(b);
    }
    return rc;
}

static void on_event(struct side *side, uint32_t events)
{
    int rc = 0;

    if (side->pair->closed)
        return;
    side->readable = side->readable || (events & ~(uint32_t)EPOLLOUT) != 0;
    if (side->unsent != NULL)
        rc = deliver(side, side->unsent);
    if (rc == 0)
        rc = pass(side->other);
    if (rc == 0)
        rc = pass(side);
    if (rc != 0)
        close_pair(side->pair);
}

int main(int argc, char **argv)
{
    struct epoll_event events[BATCH];
    struct epoll_event accepting = {.events = EPOLLIN, .data.ptr = NULL};

    if (argc != 3) {
        fprintf(stderr, "usage: relay PORT UPSTREAM_PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    sock_raise_limit();
    upstream_port = sock_port(argv[2]);
    listener = sock_listen(sock_port(argv[1]));
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (listener < 0 || epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &accepting) != 0) {
        perror("relay");
        return 1;
    }
    for (;;) {
        int count = epoll_wait(epoll, events, BATCH, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                accept_all();
            else
                on_event(events[i].data.ptr, events[i].events);
        }
        free_closed_pairs();
    }
}
