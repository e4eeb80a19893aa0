/* test_listener.c -- Accepting up to a bound, TLS or clear by the first byte, closing at any time.
 *
 * TLS is a stand-in here: a handshake is one read, of which an 'F' makes a failure. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "fire.h"
#include "net/bind.h"
#include "net/listener.h"
#include "turn.h"

/* ---- the stand-in --------------------------------------------------------------------- */

struct mg_tls {
    int refs;
};

struct fake {
    struct mg_conn conn;
    struct mg_conn *lower;
};

static struct mg_tls context;

void mg_tls_ref(struct mg_tls *t)
{
    t->refs++;
}

void mg_tls_unref(struct mg_tls *t)
{
    t->refs--;
}

const char *mg_tls_reason(const struct mg_conn *c)
{
    (void)c;
    return "as the test wished";
}

static void fake_read(struct mg_conn *lower, const char *bytes, size_t len)
{
    struct fake *f = lower->owner;

    CHECK(bytes[0] == 0x16); /* what was sniffed is still there */
    f->conn.events->on_connect(&f->conn, memchr(bytes, 'F', len) != NULL ? MG_ETLS : 0);
}

static void fake_end(struct mg_conn *lower)
{
    struct fake *f = lower->owner;

    f->conn.events->on_connect(&f->conn, MG_ETLS);
}

static void fake_error(struct mg_conn *lower, int err)
{
    (void)err;
    fake_end(lower);
}

static const struct mg_conn_events fake_events = {
    .on_read = fake_read, .on_eof = fake_end, .on_error = fake_error};

static void fake_close(struct mg_conn *c)
{
    mg_conn_close(((struct fake *)c)->lower);
    free(c);
}

static const struct mg_conn_ops fake_ops = {.close = fake_close};

int mg_tls_accept(struct mg_tls *t, struct mg_conn *lower, mg_str pending,
                  const struct mg_conn_events *events, void *owner, struct mg_conn **out)
{
    struct fake *f = calloc(1, sizeof(*f));

    CHECK(t == &context && pending.len == 0);
    f->conn = (struct mg_conn){&fake_ops, events, owner, lower->loop};
    f->lower = lower;
    lower->events = &fake_events;
    lower->owner = f;
    mg_conn_read_start(lower);
    *out = &f->conn;
    return 0;
}

/* ---- the listener under test ---------------------------------------------------------- */

enum { CLIENTS = 128 };

static struct mg_loop loop;
static struct mg_listener *listener;
static struct mg_listener_budget budget;
static int listen_fd, port;
static struct mg_conn *accepted[CLIENTS];
static uint64_t client_of[CLIENTS]; /* as it is counted */
static int naccepted, nrefused, nfailed, clients[CLIENTS], nclients;
static bool close_on_accept;

static void on_accept(struct mg_listener *l, struct mg_conn *conn, uint64_t client)
{
    CHECK(mg_listener_owner(l) == &naccepted);
    client_of[naccepted] = client;
    accepted[naccepted++] = conn;
    if (close_on_accept)
        mg_listener_close(l);
}

static void on_refused(struct mg_listener *l, enum mg_listener_refusal why)
{
    CHECK(mg_listener_owner(l) == &naccepted);
    nrefused += why == MG_REFUSED_CLIENT;
    nfailed += why == MG_REFUSED_TLS;
}

static int port_of(int fd)
{
    struct sockaddr_in at = {0}; /* IPv6 has the port at the same place */
    socklen_t len = sizeof(at);

    CHECK(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
    return ntohs(at.sin_port);
}

static void open_listener(uint32_t max, bool secure, bool permissive)
{
    struct mg_listener_opts o = {.tls = secure ? &context : NULL,
                                 .permissive = permissive,
                                 .max_conns = max,
                                 .budget = &budget,
                                 .on_accept = on_accept,
                                 .on_refused = on_refused,
                                 .owner = &naccepted};

    naccepted = nrefused = nfailed = nclients = 0;
    close_on_accept = false;
    mg_listener_budget_init(&budget, CLIENTS);
    CHECK(mg_loop_init(&loop) == 0);
    o.fd = listen_fd = mg_bind_open("127.0.0.1:0", 128, 0);
    CHECK(listen_fd >= 0);
    port = port_of(listen_fd);
    CHECK(mg_listener_open(&loop, &o, &listener) == 0);
}

static void end_accepted(int i)
{
    mg_conn_close(accepted[i]);
    accepted[i] = NULL;
    mg_listener_release(listener, client_of[i]);
}

static void close_listener(void)
{
    if (!close_on_accept)
        mg_listener_close(listener);
    for (int i = 0; i < naccepted; i++)
        if (accepted[i] != NULL)
            end_accepted(i);
    CHECK(mg_loop_close(&loop) == 0);
    CHECK(context.refs == 0);
    CHECK(budget.used == 0 && mg_list_empty(&budget.listeners));
    for (int i = 0; i < nclients; i++)
        close(clients[i]);
    CHECK(fcntl(listen_fd, F_GETFD) >= 0); /* stays the caller's */
    close(listen_fd);
}

static int client(const char *text)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    clients[nclients++] = fd;
    return fd;
}

static void turn(void)
{
    mg_loop_turn(&loop, false);
}

static void turns(int n)
{
    for (; n > 0; n--) {
        turn();
        usleep(200);
    }
}

/* ---- accepting ------------------------------------------------------------------------ */

static void test_accepts_in_batches(void)
{
    int most = 0;

    open_listener(1000, false, false);
    for (int i = 0; i < 100; i++)
        client("");
    for (int before = 0; naccepted < 100 && before < 1000; before++) {
        int had = naccepted;

        turn();
        most = naccepted - had > most ? naccepted - had : most;
    }
    CHECK(naccepted == 100 && mg_listener_conns(listener) == 100);
    CHECK(most <= 32);
    close_listener();
}

static void test_stops_at_the_bound(void)
{
    open_listener(2, false, false);
    for (int i = 0; i < 4; i++)
        client("");
    TURN_UNTIL(naccepted == 2);
    turns(20);
    CHECK(naccepted == 2 && mg_listener_conns(listener) == 2);
    end_accepted(0);
    TURN_UNTIL(naccepted == 3);
    turns(20);
    CHECK(naccepted == 3);
    mg_listener_set_max(listener, 10, 0);
    TURN_UNTIL(naccepted == 4);
    mg_listener_set_max(listener, 1, 0); /* fewer than are open: they live on */
    client("");
    end_accepted(1);
    end_accepted(2);
    turns(20);
    CHECK(naccepted == 4 && mg_listener_conns(listener) == 1);
    end_accepted(3);
    TURN_UNTIL(naccepted == 5);
    close_listener();
}

static bool stopped;

static void test_stops_at_the_bound_of_all(void)
{
    open_listener(10, false, false);
    budget.max = 2;
    for (int i = 0; i < 4; i++)
        client("");
    TURN_UNTIL(naccepted == 2);
    turns(20);
    CHECK(naccepted == 2 && budget.used == 2);
    CHECK(mg_listener_is_full(listener, true) && !mg_listener_is_full(listener, false));
    end_accepted(0);
    TURN_UNTIL(naccepted == 3);
    end_accepted(1);
    TURN_UNTIL(naccepted == 4);
    CHECK(!mg_listener_is_full(listener, true)); /* nobody waits */
    close_listener();
}

static void on_stop(struct mg_timer *t)
{
    (void)t;
    stopped = true;
}

/* Without a free descriptor: no spinning, and on it goes when there is one. */
static void test_no_descriptors_left(void)
{
    struct rlimit limit, low;
    struct mg_timer stop;
    unsigned wakes = 0;
    int spare;

    open_listener(10, false, false);
    turn();
    client("");
    spare = dup(0);
    close(spare); /* the lowest free number: the limit below it leaves none */
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    low = limit;
    low.rlim_cur = (rlim_t)spare;
    CHECK(setrlimit(RLIMIT_NOFILE, &low) == 0);
    mg_timer_init(&stop, on_stop);
    mg_timer_set(&loop, &stop, 350);
    for (stopped = false; !stopped; wakes++)
        mg_loop_turn(&loop, true);
    CHECK(naccepted == 0 && mg_listener_conns(listener) == 0);
    CHECK(wakes < 30);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    TURN_UNTIL(naccepted == 1);
    close_listener();
}

static void test_close_inside_on_accept(void)
{
    open_listener(10, false, false);
    close_on_accept = true;
    client("");
    client("");
    TURN_UNTIL(naccepted == 1);
    turns(10);
    CHECK(naccepted == 1 && mg_listener_conns(listener) == 1);
    close_listener();
}

/* ---- TLS or not ----------------------------------------------------------------------- */

static void test_handed_over_after_the_handshake(void)
{
    open_listener(2, true, false);
    CHECK(context.refs == 1);
    client("");
    TURN_UNTIL(mg_listener_conns(listener) == 1);
    CHECK(naccepted == 0); /* its handshake counts in the bound */
    CHECK(write(clients[0], "\x16", 1) == 1);
    TURN_UNTIL(naccepted == 1);
    client("\x16 F");
    client("\x16 F"); /* waits for the one before it to fail */
    TURN_UNTIL(mg_listener_conns(listener) == 2);
    client("\x16");
    TURN_UNTIL(naccepted == 2);
    CHECK(mg_listener_conns(listener) == 2 && nfailed == 2);
    close_listener();
}

/* Counted from accept on: whoever never ends a handshake has a connection, too. */
static void bound_of_a_client(bool permissive)
{
    open_listener(10, true, permissive);
    mg_listener_set_max(listener, 10, 2);
    client("\x16");
    TURN_UNTIL(naccepted == 1);
    client("");
    TURN_UNTIL(mg_listener_conns(listener) == 2);
    client("\x16");
    TURN_UNTIL(nrefused == 1);
    CHECK(mg_listener_conns(listener) == 2);
    shutdown(clients[1], SHUT_WR); /* while it is greeted: that makes room */
    TURN_UNTIL(mg_listener_conns(listener) == 1);
    client("\x16");
    TURN_UNTIL(naccepted == 2);
    client("\x16");
    TURN_UNTIL(nrefused == 2);
    end_accepted(0);
    client("\x16");
    TURN_UNTIL(naccepted == 3);
    CHECK(nrefused == 2);
    mg_listener_set_max(listener, 10, 0); /* those that were counted are, to their end */
    client("\x16");
    TURN_UNTIL(naccepted == 4);
    end_accepted(1);
    close_listener();
}

static void test_bounds_a_client_in_its_handshake(void)
{
    bound_of_a_client(false);
}

static void test_bounds_a_client_before_its_first_byte(void)
{
    bound_of_a_client(true);
}

static char got[16];

static void on_clear_read(struct mg_conn *c, const char *bytes, size_t len)
{
    (void)c;
    memcpy(got + strlen(got), bytes, len);
}

static void test_permissive(void)
{
    static const struct mg_conn_events reading = {.on_read = on_clear_read};

    open_listener(10, true, true);
    client("GET /");
    TURN_UNTIL(naccepted == 1);
    memset(got, 0, sizeof(got));
    accepted[0]->events = &reading;
    mg_conn_read_start(accepted[0]);
    TURN_UNTIL(strlen(got) == 5);
    CHECK(strcmp(got, "GET /") == 0); /* the first byte is not lost */
    client("\x16 hello");
    TURN_UNTIL(naccepted == 2);
    client(""); /* says nothing, then leaves */
    TURN_UNTIL(mg_listener_conns(listener) == 3);
    shutdown(clients[2], SHUT_WR);
    TURN_UNTIL(mg_listener_conns(listener) == 2);
    CHECK(naccepted == 2);
    close_listener();
}

static void test_silence_is_bounded(void)
{
    open_listener(10, true, true);
    client("");
    TURN_UNTIL(mg_listener_conns(listener) == 1);
    fire_timers(&loop); /* due in MG_TLS_HANDSHAKE_MS */
    CHECK(mg_listener_conns(listener) == 0 && naccepted == 0);
    close_listener();
}

static void test_close_at_every_stage(void)
{
    open_listener(10, true, true);
    client("GET /");
    client("\x16");
    TURN_UNTIL(naccepted == 2);
    client(""); /* awaits its first byte */
    TURN_UNTIL(mg_listener_conns(listener) == 3);
    mg_listener_set_tls(listener, &context, false);
    client(""); /* in its handshake */
    TURN_UNTIL(mg_listener_conns(listener) == 4);
    mg_listener_close(listener);
    CHECK(mg_listener_conns(listener) == 2);
    turns(5);
    CHECK(mg_listener_conns(listener) == 2); /* those that stand live on */
    end_accepted(0);
    turns(5);
    end_accepted(1);
    close_on_accept = true; /* it is closed already */
    close_listener();
}

static void test_set_tls(void)
{
    open_listener(10, false, false);
    client("");
    TURN_UNTIL(naccepted == 1);
    mg_listener_set_tls(listener, &context, false);
    CHECK(context.refs == 1);
    client("\x16");
    TURN_UNTIL(naccepted == 2);
    mg_listener_set_tls(listener, NULL, false);
    CHECK(context.refs == 0);
    close_listener();
}

TEST_MAIN(TEST(test_accepts_in_batches), TEST(test_stops_at_the_bound),
          TEST(test_stops_at_the_bound_of_all), TEST(test_no_descriptors_left),
          TEST(test_close_inside_on_accept), TEST(test_handed_over_after_the_handshake),
          TEST(test_bounds_a_client_in_its_handshake),
          TEST(test_bounds_a_client_before_its_first_byte), TEST(test_permissive),
          TEST(test_silence_is_bounded), TEST(test_close_at_every_stage), TEST(test_set_tls))
