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
 *             a pair holds at most one buffer each way.
 */
#include "sock.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BUFFER_SIZE = 64 * 1024, BATCH = 256 };

struct side {
    int fd;
    struct side *other;
    struct pair *pair;
    char *unsent; /* what this side did not accept yet; NULL: nothing */
    size_t offset, len;
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
static char buffer[BUFFER_SIZE];

/* Asks for what the invariant allows now; a dead side shows at its next read. */
static void watch(struct side *side, int op)
{
    struct epoll_event event = {.data.ptr = side};

    event.events = (side->other->unsent == NULL ? EPOLLIN : 0) | (side->unsent != NULL ? EPOLLOUT : 0);
    (void)epoll_ctl(epoll, op, side->fd, &event);
}

static void watch_again(struct side *side)
{
    watch(side, EPOLL_CTL_MOD);
    watch(side->other, EPOLL_CTL_MOD);
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
        free(pair->client.unsent);
        free(pair->server.unsent);
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
    watch(&pair->client, EPOLL_CTL_ADD);
    watch(&pair->server, EPOLL_CTL_ADD);
}

static void accept_all(void)
{
    int fd;

    while ((fd = sock_accept(listener)) >= 0)
        open_pair(fd);
}

/* Sends what it can now: the count of bytes taken, 0 when full, -1 when dead. */
static ssize_t send_some(struct side *to, const char *bytes, size_t len)
{
    ssize_t n = write(to->fd, bytes, len);

    /* A socket that still connects says EAGAIN too. */
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return n;
}

/* Keeps the rest for later and stops reading the side that it came from. */
static int keep(struct side *to, const char *bytes, size_t len)
{
    to->unsent = malloc(len);
    if (to->unsent == NULL)
        return -1;
    memcpy(to->unsent, bytes, len);
    to->offset = 0;
    to->len = len;
    watch_again(to);
    return 0;
}

static int flush(struct side *to)
{
    ssize_t n = send_some(to, to->unsent + to->offset, to->len - to->offset);

    if (n < 0)
        return -1;
    to->offset += (size_t)n;
    if (to->offset < to->len)
        return 0;
    free(to->unsent);
    to->unsent = NULL;
    watch_again(to);
    return 0;
}

static int pass(struct side *from)
{
    ssize_t got = read(from->fd, buffer, sizeof(buffer));
    ssize_t sent;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0)
        return -1;
    sent = send_some(from->other, buffer, (size_t)got);
    if (sent < 0)
        return -1;
    return sent < got ? keep(from->other, buffer + sent, (size_t)(got - sent)) : 0;
}

static void on_event(struct side *side, uint32_t events)
{
    int rc = 0;

    if (side->pair->closed)
        return;
    if (side->unsent != NULL && (events & EPOLLOUT))
        rc = flush(side);
    if (rc == 0 && (events & EPOLLIN) && side->other->unsent == NULL)
        rc = pass(side);
    if (rc != 0 || ((events & (EPOLLHUP | EPOLLERR)) && !(events & EPOLLIN)))
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
