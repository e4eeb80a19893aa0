/* backend.c -- The upstream of the bench: answers GET /…/b/SIZE with SIZE bytes.
 *
 * usage: backend PORT NAME
 *
 * Every answer is 200, keep-alive, with a Content-Length and "X-Backend: NAME", so
 * that a split can be counted.  A path without /b/SIZE gets an empty body.  Requests
 * have no body; pipelining is not expected of a proxy and not answered.
 *
 * Ownership:  answers are made once for each size and live for ever; a connection
 *             points into one while it is being sent.
 * Errors:     any error closes the connection.
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

enum { REQUEST_MAX = 8192, BATCH = 256, SIZES_MAX = 16, BODY_MAX = 64 << 20 };

struct answer {
    size_t body, head, len; /* len = head + body; a HEAD request gets the head alone */
    char *bytes;
};

struct conn {
    int fd;
    size_t have;
    const char *out; /* what is still to be sent; NULL: waiting for a request */
    size_t out_len;
    char request[REQUEST_MAX + 1];
};

static int epoll;
static int listener;
static const char *name;
static struct answer answers[SIZES_MAX];
static int answer_count;

static struct answer *make_answer(size_t size)
{
    struct answer *a = &answers[answer_count];
    char head[256];
    int n = snprintf(head, sizeof(head),
                     "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                     "X-Backend: %s\r\nContent-Length: %zu\r\n\r\n",
                     name, size);

    a->bytes = malloc((size_t)n + size);
    if (a->bytes == NULL)
        return NULL;
    a->body = size;
    a->head = (size_t)n;
    a->len = a->head + size;
    memcpy(a->bytes, head, a->head);
    memset(a->bytes + a->head, 'x', size);
    answer_count++;
    return a;
}

static struct answer *find_answer(size_t size)
{
    for (int i = 0; i < answer_count; i++)
        if (answers[i].body == size)
            return &answers[i];
    return answer_count < SIZES_MAX && size <= BODY_MAX ? make_answer(size) : NULL;
}

static size_t wanted_size(const char *request)
{
    const char *path = strchr(request, ' ');
    const char *end = path == NULL ? NULL : strchr(path + 1, ' ');
    const char *mark = path == NULL ? NULL : strstr(path, "/b/");

    return mark != NULL && mark < end ? strtoul(mark + 3, NULL, 10) : 0;
}

static void watch(struct conn *c, int op, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};

    (void)epoll_ctl(epoll, op, c->fd, &event);
}

static int send_out(struct conn *c)
{
    ssize_t n = write(c->fd, c->out, c->out_len);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    c->out += n;
    c->out_len -= (size_t)n;
    if (c->out_len == 0)
        c->out = NULL;
    return 0;
}

static int answer_request(struct conn *c)
{
    struct answer *a = find_answer(wanted_size(c->request));

    if (a == NULL)
        return -1;
    c->have = 0;
    c->out = a->bytes;
    c->out_len = strncmp(c->request, "HEAD ", 5) == 0 ? a->head : a->len;
    if (send_out(c) != 0)
        return -1;
    if (c->out != NULL)
        watch(c, EPOLL_CTL_MOD, EPOLLOUT);
    return 0;
}

static int on_readable(struct conn *c)
{
    ssize_t n = read(c->fd, c->request + c->have, REQUEST_MAX - c->have);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return -1;
    c->have += (size_t)n;
    c->request[c->have] = '\0';
    if (strstr(c->request, "\r\n\r\n") != NULL)
        return answer_request(c);
    return c->have < REQUEST_MAX ? 0 : -1;
}

static int on_writable(struct conn *c)
{
    if (send_out(c) != 0)
        return -1;
    if (c->out == NULL)
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
    return 0;
}

static void accept_all(void)
{
    int fd;

    while ((fd = sock_accept(listener)) >= 0) {
        struct conn *c = calloc(1, sizeof(*c));

        if (c == NULL) {
            close(fd);
            continue;
        }
        c->fd = fd;
        watch(c, EPOLL_CTL_ADD, EPOLLIN);
    }
}

/* One descriptor has at most one event a batch, so freeing here is safe. */
static void on_event(struct conn *c)
{
    if ((c->out == NULL ? on_readable(c) : on_writable(c)) == 0)
        return;
    close(c->fd);
    free(c);
}

int main(int argc, char **argv)
{
    struct epoll_event events[BATCH];
    struct epoll_event accepting = {.events = EPOLLIN, .data.ptr = NULL};

    if (argc != 3) {
        fprintf(stderr, "usage: backend PORT NAME\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    sock_raise_limit();
    name = argv[2];
    listener = sock_listen(sock_port(argv[1]));
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (listener < 0 || epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &accepting) != 0) {
        perror("backend");
        return 1;
    }
    for (;;) {
        int count = epoll_wait(epoll, events, BATCH, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                accept_all();
            else
                on_event(events[i].data.ptr);
        }
    }
}
