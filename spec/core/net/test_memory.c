/* test_memory.c -- A connection without a socket: what is fed arrives as the owner reads, what is written stays. */
#include <stdlib.h>
#include <arpa/inet.h>
#include "net/memory.h"
#include "test.h"

static struct mg_loop loop;
static struct mg_buf got;
static int eofs, connects, last_error;

static void on_read(struct mg_conn *c, const char *bytes, size_t len)
{
    mg_buf_append(&got, bytes, len);
    if (mg_buf_len(&got) == 1)
        mg_conn_read_stop(c);
}

static void on_eof(struct mg_conn *c)
{
    eofs++;
    mg_conn_close(c);
}

static void on_connect(struct mg_conn *c, int err)
{
    connects++;
    last_error = err;
    mg_conn_read_start(c);
}

static void on_error(struct mg_conn *c, int err)
{
    last_error = err;
    mg_conn_reset(c);
}

static const struct mg_conn_events events = {
    .on_connect = on_connect, .on_read = on_read, .on_eof = on_eof, .on_error = on_error};

static struct mg_memory *open_one(const struct mg_memory_peer *peer)
{
    struct mg_memory *m = mg_memory_new(&loop, peer);

    if (loop.scratch == NULL)
        mg_loop_init(&loop);
    mg_buf_free(&got);
    eofs = 0;
    mg_memory_conn(m)->events = &events;
    return m;
}

static void hands_on_what_is_fed(void)
{
    struct mg_memory_peer peer = {0};
    struct mg_memory *m = open_one(&peer);
    struct mg_conn *c = mg_memory_conn(m);
    struct iovec iov[2] = {{"ab", 2}, {"c", 1}};

    mg_memory_feed(m, MG_STR("x"), false);
    CHECK(!mg_memory_deliver(m)); /* nobody reads */
    mg_conn_read_start(c);
    CHECK(mg_memory_deliver(m) && mg_buf_len(&got) == 1);
    mg_memory_feed(m, MG_STR("yz"), true);
    CHECK(!mg_memory_deliver(m) && eofs == 0); /* the owner has stopped */
    mg_conn_read_start(c);
    CHECK(mg_memory_deliver(m) && mg_buf_len(&got) == 3 && eofs == 1);
    CHECK(mg_conn_write(c, iov, 2) == MG_OK && mg_str_eq(mg_memory_written(m), MG_STR("abc")));
    CHECK(mg_memory_closed(m, NULL) && !mg_memory_deliver(m));
    mg_memory_free(m);
    mg_buf_free(&got);
}

static void feeds_a_read_at_a_time(void)
{
    struct mg_memory_peer peer = {0};
    struct mg_memory *m = open_one(&peer);
    char *many = calloc(1, MG_SCRATCH * 2 + 1);

    mg_conn_read_start(mg_memory_conn(m));
    mg_memory_feed(m, mg_str_of(many, MG_SCRATCH * 2 + 1), false);
    CHECK(mg_memory_deliver(m) && mg_buf_len(&got) == MG_SCRATCH * 2 + 1);
    free(many);
    mg_memory_free(m);
    mg_buf_free(&got);
}

static void stands_for_what_a_client_connects_to(void)
{
    struct mg_memory *m;
    bool reset = false;

    mg_buf_free(&got);
    m = mg_memory_dial(&loop);
    mg_memory_conn(m)->events = &events;
    mg_memory_feed(m, MG_STR("a"), false);
    CHECK(!mg_memory_deliver(m) && connects == 0);
    mg_memory_answer(m, MG_OK);
    CHECK(mg_memory_deliver(m) && connects == 1 && mg_buf_len(&got) == 1); /* it stopped reading */
    CHECK(last_error == MG_OK && !mg_memory_closed(m, &reset) && !reset);
    mg_memory_feed(m, MG_STR("bc"), false);
    mg_memory_break(m, MG_ERESET);
    CHECK(!mg_memory_deliver(m)); /* first what was fed has to be read */
    mg_conn_read_start(mg_memory_conn(m));
    CHECK(mg_memory_deliver(m) && mg_buf_len(&got) == 3 && last_error == MG_ERESET);
    CHECK(mg_memory_closed(m, &reset) && reset && !mg_memory_deliver(m));
    mg_memory_free(m);
    m = mg_memory_dial(&loop);
    mg_memory_conn(m)->events = &events;
    mg_memory_answer(m, MG_ECONNECT);
    CHECK(mg_memory_deliver(m) && connects == 2 && last_error == MG_ECONNECT);
    mg_memory_free(m);
    mg_buf_free(&got);
}

static void says_who_is_there(void)
{
    struct mg_memory_peer peer = {.principal = MG_STR("spiffe://a/ns/b/sa/c"), .sni = MG_STR("d")};
    struct sockaddr_in *in = (struct sockaddr_in *)&peer.remote;
    struct sockaddr_storage seen;
    char name[MG_MEMORY_NAME + 1] = {0};
    struct mg_memory *m;

    in->sin_family = AF_INET;
    in->sin_port = htons(7);
    m = open_one(&peer);
    CHECK(mg_conn_peer(mg_memory_conn(m)) == NULL);
    CHECK(mg_conn_peer_address(mg_memory_conn(m), &seen) == 0 &&
          ((struct sockaddr_in *)&seen)->sin_port == htons(7));
    mg_memory_free(m);
    peer.tls = true;
    m = open_one(&peer);
    CHECK(mg_str_eq(mg_conn_peer(mg_memory_conn(m))->principal, peer.principal));
    CHECK(mg_str_eq(mg_conn_peer(mg_memory_conn(m))->sni, MG_STR("d")));
    mg_memory_free(m);
    peer.sni = mg_str_of(name, sizeof(name));
    CHECK(mg_memory_new(&loop, &peer) == NULL);
}

TEST_MAIN(TEST(hands_on_what_is_fed), TEST(feeds_a_read_at_a_time),
          TEST(stands_for_what_a_client_connects_to), TEST(says_who_is_there))
