/* load.c -- The load generator of the bench: keep-alive clients in a closed loop, or at a rate.
 *
 * usage: load [-c CONNECTIONS] [-t SECONDS] [-n REQUESTS] [-r RATE] [-x HEADER] [-H] PORT REQUESTS
 *
 * Sends the requests of the file REQUESTS (requests.h) in turn to 127.0.0.1:PORT, one at a time on
 * each connection, until SECONDS have passed or so many were sent, and waits for the answers still
 * due; SIGTERM ends it as if its time had passed.  With -r so many requests a second leave, evenly
 * spaced and on each connection in turn, and a latency counts from the moment its request was due:
 * one that had to wait for a free connection is not flattered.  With -x every answer must bear that
 * header.  With -H each connection sends one request and is then held open until standard input
 * ends.
 *
 * Prints one JSON object.  An answer of another status or length than expected, a connection that
 * breaks and an answer that never comes are errors.  "closed" counts all connections that ended
 * before the run did, also those that ended well.  Answers need a Content-Length.
 * Exit: 0 when the run took place, whatever was answered; 1 when it could not; 2 for bad usage.
 *
 * Invariant:  a connection is either in flight or in the ring of idle ones, never both (held ones
 *             are in neither).
 */
#include "hist.h"
#include "requests.h"
#include "sock.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 256,
    HEAD_MAX = 4096,
    INPUT_SIZE = 256 * 1024,
    HOLD_WINDOW = 64, /* so that holding many does not measure a peak of many at work */
    ERRORS_MAX = 1000,
    STATUS_MAX = 600,
    NAMES_MAX = 8,
};
static const uint64_t second = 1000000000, stall = 10 * second;

struct conn {
    int fd; /* -1: to be opened at the next request */
    bool in_flight, in_body, last;
    const struct request *request;
    const char *wrong; /* the answer is to be counted as an error */
    size_t sent, have, body_left;
    uint64_t due;
    char head[HEAD_MAX]; /* a head that came in pieces */
};

struct name {
    char text[32];
    uint64_t count;
};

static struct {
    uint16_t port;
    size_t connections, window;
    uint64_t duration, limit, interval; /* 0: none */
    const char *required;
    bool hold;
} opt = {.connections = 64};

static int epoll;
static struct requests requests;
static struct conn **idle;
static size_t idle_first, idle_count, in_flight;
static volatile sig_atomic_t stopping;
static uint64_t issued, answered, errors, closed, next_due, begun, ended, last_answer;
static uint64_t statuses[STATUS_MAX];
static struct name names[NAMES_MAX];
static const char *first_error;
static struct hist latency;
static char input[INPUT_SIZE];

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * second + (uint64_t)t.tv_nsec;
}

static void count_error(const char *why)
{
    errors++;
    if (first_error == NULL)
        first_error = why;
}

static void drop(struct conn *c)
{
    closed += c->fd >= 0;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static void settle(struct conn *c)
{
    c->in_flight = false;
    in_flight--;
    last_answer = now_ns();
    if (!opt.hold)
        idle[(idle_first + idle_count++) % opt.connections] = c;
}

static struct conn *take_idle(void)
{
    struct conn *c = idle[idle_first];

    idle_first = (idle_first + 1) % opt.connections;
    idle_count--;
    return c;
}

static void fail(struct conn *c, const char *why)
{
    count_error(why);
    drop(c);
    settle(c);
}

static void watch(struct conn *c, int op, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};

    (void)epoll_ctl(epoll, op, c->fd, &event);
}

static void send_request(struct conn *c)
{
    const struct request *r = c->request;
    ssize_t n = write(c->fd, r->bytes + c->sent, r->len - c->sent);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        fail(c, "the connection broke while sending");
        return;
    }
    if (n < 0 || c->sent + (size_t)n < r->len)
        watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    else if (c->sent > 0 || n == 0)
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
    c->sent += n > 0 ? (size_t)n : 0;
}

static void start(struct conn *c, uint64_t due)
{
    c->request = &requests.items[issued++ % requests.count];
    c->due = due;
    c->in_flight = true;
    c->in_body = c->last = false;
    c->wrong = NULL;
    c->sent = c->have = 0;
    in_flight++;
    if (c->fd < 0) {
        c->fd = sock_connect(opt.port);
        if (c->fd < 0) {
            fail(c, "cannot connect");
            return;
        }
        watch(c, EPOLL_CTL_ADD, EPOLLIN);
    }
    send_request(c);
}

static bool may_issue(uint64_t now)
{
    return !stopping && (opt.duration == 0 || now < begun + opt.duration) &&
           (opt.limit == 0 || issued < opt.limit) && errors < ERRORS_MAX;
}

/* Starts what is due on the connections that are free. */
static void pump(uint64_t now)
{
    while (idle_count > 0 && in_flight < opt.window && may_issue(now)) {
        uint64_t due = opt.interval == 0 ? now : next_due;

        if (due > now)
            return;
        next_due += opt.interval;
        start(take_idle(), due);
    }
}

static void finish(struct conn *c)
{
    uint64_t now = now_ns();

    answered++;
    ended = now;
    hist_add(&latency, now - c->due);
    if (c->wrong != NULL)
        count_error(c->wrong);
    if (c->last)
        drop(c);
    settle(c);
    pump(now);
}

static void consume_body(struct conn *c, size_t len)
{
    if (len > c->body_left) {
        fail(c, "more bytes than Content-Length says");
        return;
    }
    c->body_left -= len;
    if (c->body_left == 0)
        finish(c);
}

static void count_name(const char *text, size_t len)
{
    for (int i = 0; i < NAMES_MAX && len < sizeof(names[0].text); i++) {
        if (names[i].text[0] == '\0')
            memcpy(names[i].text, text, len);
        if (strncmp(names[i].text, text, len) == 0 && names[i].text[len] == '\0') {
            names[i].count++;
            return;
        }
    }
}

/* The value of `line` when it is the field `name`, else NULL. */
static const char *value_of(const char *line, const char *name)
{
    size_t len = strlen(name);

    if (strncasecmp(line, name, len) != 0 || line[len] != ':')
        return NULL;
    return line + len + 1 + strspn(line + len + 1, " ");
}

/* Takes one field line; true when it is the required one. */
static bool read_field(struct conn *c, const char *line, const char *end, long *length)
{
    const char *value;

    if ((value = value_of(line, "content-length")) != NULL)
        *length = atol(value);
    else if ((value = value_of(line, "connection")) != NULL)
        c->last = strncasecmp(value, "close", 5) == 0;
    else if ((value = value_of(line, "x-backend")) != NULL)
        count_name(value, (size_t)(end - value));
    return opt.required != NULL && value_of(line, opt.required) != NULL;
}

/* Judges the head between `at` and `end` (its last CRLF); false when its length is unknown. */
static bool read_head(struct conn *c, const char *at, const char *end)
{
    int status = end - at > 12 ? atoi(at + 9) : 0;
    bool required = opt.required == NULL;
    long length = -1;

    while ((at = memmem(at, (size_t)(end - at), "\r\n", 2)) != NULL && at < end) {
        const char *line = at + 2;

        at = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
        required = read_field(c, line, at, &length) || required;
    }
    if (status > 0 && status < STATUS_MAX)
        statuses[status]++;
    if (status != c->request->status)
        c->wrong = "another status than expected";
    else if (c->request->length >= 0 && c->request->length != length)
        c->wrong = "another length than expected";
    else if (!required)
        c->wrong = "an answer without the required header";
    c->body_left = c->request->bodiless_answer || length < 0 ? 0 : (size_t)length;
    return length >= 0 || c->request->bodiless_answer;
}

static void on_head_bytes(struct conn *c, char *bytes, size_t len)
{
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);

    if (end == NULL && len >= HEAD_MAX) {
        fail(c, "a head too long");
    } else if (end == NULL) {
        if (bytes != c->head)
            memcpy(c->head, bytes, len);
        c->have = len;
    } else if (!read_head(c, bytes, end)) {
        fail(c, "an answer without Content-Length");
    } else {
        c->in_body = true;
        consume_body(c, len - (size_t)(end + 4 - bytes));
    }
}

static void on_readable(struct conn *c)
{
    bool continued = !c->in_body && c->have > 0;
    ssize_t n = continued ? read(c->fd, c->head + c->have, HEAD_MAX - c->have)
                          : read(c->fd, input, sizeof(input));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (!c->in_flight)
        drop(c); /* an idle connection that the peer gave up */
    else if (n <= 0)
        fail(c, "the connection broke before the answer was whole");
    else if (c->in_body)
        consume_body(c, (size_t)n);
    else
        on_head_bytes(c, continued ? c->head : input, c->have + (size_t)n);
}

static void on_event(struct conn *c, uint32_t events)
{
    if (c->fd >= 0 && c->in_flight && c->sent < c->request->len && (events & EPOLLOUT))
        send_request(c);
    if (c->fd >= 0 && (events & ~(uint32_t)EPOLLOUT))
        on_readable(c);
}

/* Waits for events, at most until the next request is due. */
static int wait_events(struct epoll_event *events, uint64_t now)
{
    uint64_t wait = opt.interval > 0 && idle_count > 0 && next_due > now ? next_due - now : second;
    struct timespec limit = {(time_t)(wait / second), (long)(wait % second)};

    return epoll_pwait2(epoll, events, BATCH, &limit, NULL);
}

static void run(void)
{
    struct epoll_event events[BATCH];

    begun = last_answer = next_due = now_ns();
    pump(begun);
    for (uint64_t now = begun; in_flight > 0 || (idle_count > 0 && may_issue(now));
         now = now_ns()) {
        int count;

        pump(now);
        count = wait_events(events, now);
        for (int i = 0; i < count; i++)
            on_event(events[i].data.ptr, events[i].events);
        if (in_flight > 0 && now > last_answer + stall) {
            errors += in_flight - 1;
            count_error("no answer for 10 s");
            return;
        }
    }
}

static double us(double share)
{
    return (double)hist_at(&latency, share) / 1e3;
}

static void print_counts(void)
{
    const char *comma = "";

    printf("\"statuses\":{");
    for (int i = 0; i < STATUS_MAX; i++) {
        if (statuses[i] == 0)
            continue;
        printf("%s\"%d\":%llu", comma, i, (unsigned long long)statuses[i]);
        comma = ",";
    }
    printf("},\"backends\":{");
    for (int i = 0; i < NAMES_MAX && names[i].count > 0; i++)
        printf("%s\"%s\":%llu", i > 0 ? "," : "", names[i].text,
               (unsigned long long)names[i].count);
    printf("}");
}

static void report(void)
{
    printf("{\"requests\":%llu,\"errors\":%llu,\"closed\":%llu,", (unsigned long long)answered,
           (unsigned long long)errors, (unsigned long long)closed);
    printf("\"first_error\":\"%s\",\"seconds\":%.6f,", first_error == NULL ? "" : first_error,
           ended > begun ? (double)(ended - begun) / 1e9 : 0.0);
    printf("\"latency_us\":{\"p50\":%.1f,\"p99\":%.1f,\"p99.9\":%.1f,\"max\":%.1f},", us(0.5),
           us(0.99), us(0.999), (double)latency.max / 1e3);
    print_counts();
    printf("}\n");
    fflush(stdout);
}

static void on_term(int signal)
{
    (void)signal;
    stopping = 1;
}

static int usage(void)
{
    fprintf(stderr, "usage: load [-c CONNECTIONS] [-t SECONDS] [-n REQUESTS] [-r RATE] [-x HEADER] "
                    "[-H] PORT REQUESTS\n");
    return 2;
}

static bool read_options(int argc, char **argv)
{
    int o;

    while ((o = getopt(argc, argv, "c:t:n:r:x:H")) != -1) {
        switch (o) {
        case 'c':
            opt.connections = strtoul(optarg, NULL, 10);
            break;
        case 't':
            opt.duration = (uint64_t)(atof(optarg) * 1e9);
            break;
        case 'n':
            opt.limit = strtoul(optarg, NULL, 10);
            break;
        case 'r':
            opt.interval = (uint64_t)(1e9 / atof(optarg));
            break;
        case 'x':
            opt.required = optarg;
            break;
        case 'H':
            opt.hold = true;
            break;
        default:
            return false;
        }
    }
    opt.window = opt.hold ? HOLD_WINDOW : opt.connections;
    return argc - optind == 2 && opt.connections > 0 && (opt.duration | opt.limit | opt.hold) != 0;
}

static bool prepare(void)
{
    struct conn *conns = calloc(opt.connections, sizeof(*conns));

    idle = calloc(opt.connections, sizeof(*idle));
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (conns == NULL || idle == NULL || epoll < 0)
        return false;
    for (size_t i = 0; i < opt.connections; i++) {
        conns[i].fd = -1;
        idle[idle_count++] = &conns[i];
    }
    return true;
}

int main(int argc, char **argv)
{
    char rest[64];

    if (!read_options(argc, argv))
        return usage();
    opt.port = sock_port(argv[optind]);
    requests = requests_load(argv[optind + 1]);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, on_term);
    sock_raise_limit();
    if (!prepare()) {
        perror("load");
        return 1;
    }
    run();
    report();
    while (opt.hold && read(STDIN_FILENO, rest, sizeof(rest)) > 0)
        ;
    return 0;
}
