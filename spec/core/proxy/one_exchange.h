/* one_exchange.h -- One exchange: a client's stream in memory, an upstream that is a socket read and written by the test. */
#ifndef MG_ONE_EXCHANGE_H
#define MG_ONE_EXCHANGE_H
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "proxy/downstream.h"
#include "fake_stream.h"
#include "turn.h"

static struct mg_loop loop;
static struct mg_proxy *proxy;
static struct mg_endpoint *ep;
static struct mg_x *x;
static struct fake_stream down;
static int listening, woken_rc, wakes;
static char got[8192];

static void serve(struct mg_x *served)
{
    (void)served;
}

static void wake(struct mg_x *who, int rc)
{
    CHECK(who == x);
    woken_rc = rc;
    wakes++;
}

static uint16_t listen_somewhere(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);

    listening = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(listening, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(listening, 16) == 0);
    getsockname(listening, (struct sockaddr *)&a, &len);
    return ntohs(a.sin_port);
}

static struct mg_endpoint *endpoint(uint16_t port)
{
    struct mg_endpoint_conf conf = {
        .connect_timeout_ms = 5000, .idle_timeout_ms = 60000, .max_idle = 8};
    char address[32];
    const char *why;

    snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    conf.address = mg_str_of(address, strlen(address));
    return mg_endpoints_get(proxy->endpoints, &conf, &why);
}

static void setup(void)
{
    struct mg_exchange_hooks hooks = {.serve = serve, .wake = wake};

    if (proxy != NULL)
        return;
    mg_loop_init(&loop);
    proxy = mg_proxy_new(&loop, &hooks);
    ep = endpoint(listen_somewhere());
}

static inline void begin(const char *method, enum mg_framing framing, uint64_t length)
{
    setup();
    x = mg_proxy_background(proxy);
    proxy->background--;
    x->server =
        (struct mg_server *)&down; /* never used: only told from a timer's by not being NULL */
    x->req.method = mg_str_of(method, strlen(method));
    x->req.method_id = x->pub.method_id = (uint16_t)mg_method_id(x->req.method);
    x->req.path = MG_STR("/");
    x->req.authority = MG_STR("a");
    x->req.minor = x->pub.minor = 1;
    x->req.keep_alive = true;
    x->req.framing = framing;
    x->req.length = length;
    wakes = 0;
    fake_stream_init(&down);
    down.s.in = &x->req;
    mg_exchange_begin(x, &down.s);
    x->pub.running = true; /* as lane.c does while the lane runs */
}

static inline void finish(void)
{
    mg_exchange_finish(x);
    CHECK(down.releases == 1);
    CHECK(proxy->active == 0 && ep->active == 0);
}

/* Closes what the tests before left open. */
static inline void close_idle(void)
{
    mg_pool_clear(ep);
    TURN_UNTIL(ep->conns == 0);
}

static inline bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

/* What the upstream has received once it ends in `tail`. */
static inline void receive(int fd, const char *tail)
{
    size_t len = 0;

    got[0] = '\0';
    do {
        ssize_t n;

        TURN_UNTIL(readable(fd));
        n = read(fd, got + len, sizeof(got) - 1 - len);
        if (n <= 0)
            break;
        got[len += (size_t)n] = '\0';
    } while (len < strlen(tail) || strcmp(got + len - strlen(tail), tail) != 0);
    CHECK(strstr(got, tail) != NULL);
}

static inline void answer(int fd, const char *text)
{
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static inline int accept_one(void)
{
    TURN_UNTIL(readable(listening));
    return accept(listening, NULL, NULL);
}

static const char whole[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/* Last: nothing may be left over. */
static inline void everything_goes(void)
{
    mg_endpoints_put(ep);
    mg_proxy_free(proxy);
    close(listening);
    CHECK(mg_loop_close(&loop) == 0);
}
#endif
