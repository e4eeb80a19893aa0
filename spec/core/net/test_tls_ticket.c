/* test_tls_ticket.c -- Sessions resumed by ticket: whose, where, and what they still say. */
#include "net/tls_ticket.h"
#include "net/tls_handshake.h"
#include "tls_peers.h"

/* Where a saved session lacks the client's certificate, clients with one are not resumed. */
enum { RESUMES_CLIENTS = MBEDTLS_VERSION_NUMBER < 0x03000000 };

static struct mg_tls_ticket_keys *new_keys(void)
{
    struct mg_tls_ticket_keys *keys = calloc(1, mg_tls_ticket_keys_size());

    CHECK(mg_tls_ticket_keys_init(keys) == 0);
    return keys;
}

/* One worker's context; workers share the keys. */
static struct mg_tls *worker(struct mg_tls_ticket_keys *keys, enum mg_tls_auth auth)
{
    return server_with(
        (struct mg_tls_server_opts){.auth = auth, .tickets = true, .ticket_keys = keys});
}

/* Connects and tells whether both sides say the session was resumed. */
static bool resumes(struct mg_tls *st, struct mg_tls *ct, const char *name, const char *verify)
{
    bool resumed;

    shake(st, ct, name, verify);
    CHECK(server.opened == 0 && client.opened == 0);
    CHECK(write_text(&client, "data") >= 0);
    TURN_UNTIL(has_got(&server, "data"));
    resumed = mg_tls_resumed(server.conn);
    CHECK(mg_tls_resumed(client.conn) == resumed);
    return resumed;
}

static void test_a_session_is_resumed_by_another_worker(void)
{
    struct mg_tls_ticket_keys *keys = new_keys();
    struct mg_tls *one = worker(keys, MG_TLS_AUTH_NONE), *two = worker(keys, MG_TLS_AUTH_NONE);
    struct mg_tls *ct = client_with((struct mg_tls_client_opts){0});

    CHECK(!resumes(one, ct, "shop.example", NULL));
    close_pair();
    CHECK(resumes(two, ct, "shop.example", NULL));
    close_pair();
    CHECK(resumes(one, ct, "shop.example", NULL)); /* the ticket serves more than once */
    close_pair();
    mg_tls_unref(one);
    mg_tls_unref(two);
    mg_tls_unref(ct);
    free(keys);
}

static void test_a_resumed_client_is_the_same_client(void)
{
    struct mg_tls_ticket_keys *keys = new_keys();
    struct mg_tls *one = worker(keys, MG_TLS_AUTH_REQUIRE);
    struct mg_tls *two = worker(keys, MG_TLS_AUTH_REQUIRE), *ct = client_as("sleep");
    char fingerprint[65];

    CHECK(!resumes(one, ct, "shop.example", NULL));
    snprintf(fingerprint, sizeof(fingerprint), "%s", mg_conn_peer(server.conn)->fingerprint);
    close_pair();
    CHECK(resumes(two, ct, "shop.example", NULL) == RESUMES_CLIENTS);
    CHECK(mg_conn_peer(server.conn)->certified);
    CHECK_STR(mg_conn_peer(server.conn)->principal, "spiffe://cluster.local/ns/default/sa/sleep");
    CHECK_STR(mg_conn_peer(server.conn)->sni, "shop.example");
    CHECK(strcmp(fingerprint, mg_conn_peer(server.conn)->fingerprint) == 0);
    close_pair();
    mg_tls_unref(one);
    mg_tls_unref(two);
    mg_tls_unref(ct);
    free(keys);
}

static void test_a_client_without_a_certificate_stays_without(void)
{
    struct mg_tls_ticket_keys *keys = new_keys();
    struct mg_tls *st = worker(keys, MG_TLS_AUTH_REQUEST);
    struct mg_tls *ct = client_with((struct mg_tls_client_opts){0});

    CHECK(!resumes(st, ct, "shop.example", NULL));
    close_pair();
    CHECK(resumes(st, ct, "shop.example", NULL) == RESUMES_CLIENTS);
    CHECK(!mg_conn_peer(server.conn)->certified);
    close_pair();
    mg_tls_unref(st);
    mg_tls_unref(ct);
    free(keys);
}

/* A ticket of a listener that asks for nothing must not open one that requires a certificate. */
static void test_a_ticket_is_good_in_its_own_context_only(void)
{
    struct mg_tls_ticket_keys *keys = new_keys();
    struct mg_tls_cert shop = cert_of("shop");
    struct mg_tls *open = worker(keys, MG_TLS_AUTH_NONE);
    struct mg_tls *closed = worker(keys, MG_TLS_AUTH_REQUIRE);
    struct mg_tls *ct = client_with((struct mg_tls_client_opts){0}), *mt = client_as("sleep");
    struct mg_tls *elsewhere =
        server_with((struct mg_tls_server_opts){.certs = &shop,
                                                .ncerts = 1,
                                                .auth = MG_TLS_AUTH_REQUEST,
                                                .client_ca = pem("other.crt"),
                                                .tickets = true,
                                                .ticket_keys = keys});

    CHECK(!resumes(open, ct, "shop.example", NULL));
    close_pair();
    shake(closed, ct, "shop.example", NULL);
    CHECK(server.opened == MG_ETLS);
    close_pair();
    CHECK(!resumes(closed, mt, "shop.example", NULL));
    close_pair();
    shake(elsewhere, mt, "shop.example", NULL); /* another CA rules there */
    CHECK(server.opened == MG_ETLS);
    close_pair();
    mg_tls_unref(open);
    mg_tls_unref(closed);
    mg_tls_unref(elsewhere);
    mg_tls_unref(ct);
    mg_tls_unref(mt);
    free(keys);
}

static void test_other_keys_mean_a_full_handshake(void)
{
    struct mg_tls_ticket_keys *keys = new_keys(), *others = new_keys();
    struct mg_tls *one = worker(keys, MG_TLS_AUTH_NONE), *two = worker(others, MG_TLS_AUTH_NONE);
    struct mg_tls *ct = client_with((struct mg_tls_client_opts){0});

    CHECK(!resumes(one, ct, "shop.example", NULL));
    close_pair();
    CHECK(!resumes(two, ct, "shop.example", NULL));
    close_pair();
    mg_tls_unref(one);
    mg_tls_unref(two);
    mg_tls_unref(ct);
    free(keys);
    free(others);
}

/* The session verified for one name says nothing of another. */
static void test_a_session_is_offered_under_its_name_only(void)
{
    struct mg_tls_ticket_keys *keys = new_keys();
    struct mg_tls *st = worker(keys, MG_TLS_AUTH_NONE);
    struct mg_tls *ct = client_with((struct mg_tls_client_opts){0});

    CHECK(!resumes(st, ct, "shop.example", NULL));
    close_pair();
    CHECK(!resumes(st, ct, "127.0.0.1", NULL));
    close_pair();
    CHECK(!resumes(st, ct, "shop.example", "spiffe://cluster.local/ns/d/sa/shop"));
    close_pair();
    start_pair(st, ct, "shop.example", "spiffe://cluster.local/else", 4096);
    TURN_UNTIL(client.opened == MG_ETLS);
    close_pair();
    mg_tls_unref(st);
    mg_tls_unref(ct);
    free(keys);
}

static void test_more_servers_than_sessions_are_kept(void)
{
    struct mg_tls_ticket_keys *keys = new_keys();
    struct mg_tls *st = worker(keys, MG_TLS_AUTH_NONE);
    struct mg_tls *ct = client_with((struct mg_tls_client_opts){0});
    char name[32];

    for (int i = 0; i <= 64; i++) {
        snprintf(name, sizeof(name), "h%d.example", i);
        CHECK(!resumes(st, ct, name, "shop.example"));
        close_pair();
    }
    CHECK(!resumes(st, ct, "h0.example", "shop.example")); /* the oldest had to go */
    close_pair();
    CHECK(resumes(st, ct, "h64.example", "shop.example"));
    close_pair();
    mg_tls_unref(st);
    mg_tls_unref(ct);
    free(keys);
}

/* ---- one ticket, bit by bit ------------------------------------------------------------------- */

static void test_a_ticket_that_was_touched_does_not_open(void)
{
    struct mg_tls_ticket_keys *keys = new_keys();
    struct mg_tls *st = worker(keys, MG_TLS_AUTH_NONE);
    struct mg_tls_conn *c = calloc(1, sizeof(*c));
    unsigned char ticket[2048], copy[2048];
    mbedtls_ssl_session session;
    uint32_t lifetime = 7;
    size_t len = 7;

    mbedtls_ssl_session_init(&session);
    CHECK(mg_tls_ticket_write(st, &session, ticket, ticket + 20, &len, &lifetime) != 0);
    CHECK(len == 0 && lifetime == 0); /* both are sent even then */
    if (mg_tls_ticket_write(st, &session, ticket, ticket + sizeof(ticket), &len, &lifetime) != 0) {
        CHECK(!RESUMES_CLIENTS); /* 3.x saves no session without a version */
        goto done;
    }
    CHECK(lifetime == MG_TLS_TICKET_S && len > 0 && len < sizeof(ticket));
    mg_tls_handshake_enter(c);
    for (size_t i = 0; i < len; i++) {
        memcpy(copy, ticket, len);
        copy[i] ^= 1;
        CHECK(mg_tls_ticket_parse(st, &session, copy, len) != 0);
        memcpy(copy, ticket, len);
        CHECK(mg_tls_ticket_parse(st, &session, copy, i) != 0);
    }
    CHECK(!c->resumed);
    memcpy(copy, ticket, len);
    CHECK(mg_tls_ticket_parse(st, &session, copy, len) == 0 && c->resumed);
    mg_tls_handshake_enter(NULL);
done:
    mbedtls_ssl_session_free(&session);
    mg_tls_unref(st);
    free(c);
    free(keys);
}

TLS_TEST_MAIN(TEST(test_a_session_is_resumed_by_another_worker),
              TEST(test_a_resumed_client_is_the_same_client),
              TEST(test_a_client_without_a_certificate_stays_without),
              TEST(test_a_ticket_is_good_in_its_own_context_only),
              TEST(test_other_keys_mean_a_full_handshake),
              TEST(test_a_session_is_offered_under_its_name_only),
              TEST(test_more_servers_than_sessions_are_kept),
              TEST(test_a_ticket_that_was_touched_does_not_open))
