/* test_tls_identity.c -- Who is on the other side: certificates, trust, SNI, ALPN, principals. */
#include "tls_peers.h"

static void end(struct mg_tls *st, struct mg_tls *ct)
{
    close_pair();
    mg_tls_unref(st);
    mg_tls_unref(ct);
}

static struct mg_tls *asking(enum mg_tls_auth auth)
{
    return server_with((struct mg_tls_server_opts){.auth = auth});
}

static struct mg_tls *anonymous(void)
{
    return client_with((struct mg_tls_client_opts){0});
}

/* ---- clients ------------------------------------------------------------------------------ */

static void test_the_principal_of_a_client(void)
{
    struct mg_tls *st = asking(MG_TLS_AUTH_REQUIRE), *ct = client_as("sleep");
    const struct mg_peer *peer;

    shake(st, ct, "Shop.Example", NULL);
    CHECK(server.opened == 0 && client.opened == 0);
    peer = mg_conn_peer(server.conn);
    CHECK(peer->certified);
    CHECK_STR(peer->principal, "spiffe://cluster.local/ns/default/sa/sleep");
    CHECK_STR(peer->dns, "sleep.example");
    CHECK_STR(peer->subject, "CN=sleep,O=moon\\, inc");
    CHECK_STR(peer->sni, "shop.example");
    CHECK(peer->serial.len == 40 && strlen(peer->fingerprint) == 64);
    end(st, ct);
}

/* Compares with what openssl says of the same file. */
static void test_fingerprint_and_serial(void)
{
    struct mg_tls *st = asking(MG_TLS_AUTH_REQUEST), *ct = client_as("sleep");
    char text[512] = "";
    FILE *f;

    CHECK(run_in_certs_dir("openssl x509 -in sleep.crt -noout -serial -fingerprint -sha256 |"
                           "sed 's/.*=//; s/://g' | tr A-F a-f | tr -d '\\n'",
                           ">seen") == 0);
    shake(st, ct, "shop.example", NULL);
    CHECK(server.opened == 0);
    snprintf(text, sizeof(text), "%s/seen", certs_dir);
    f = fopen(text, "r");
    CHECK(f != NULL && fgets(text, sizeof(text), f) != NULL);
    if (f != NULL)
        fclose(f);
    CHECK(strncmp(text, mg_conn_peer(server.conn)->serial.ptr, 40) == 0);
    CHECK(strcmp(text + 40, mg_conn_peer(server.conn)->fingerprint) == 0);
    end(st, ct);
}

static void test_no_certificate_when_asked_for(void)
{
    struct mg_tls *st = asking(MG_TLS_AUTH_REQUEST), *ct = anonymous();

    shake(st, ct, "shop.example", NULL);
    CHECK(server.opened == 0 && client.opened == 0);
    CHECK(!mg_conn_peer(server.conn)->certified);
    CHECK(mg_conn_peer(server.conn)->principal.len == 0);
    end(st, ct);
}

static void test_no_certificate_when_required(void)
{
    struct mg_tls *st = asking(MG_TLS_AUTH_REQUIRE), *ct = anonymous();

    shake(st, ct, "shop.example", NULL);
    CHECK(server.opened == MG_ETLS);
    CHECK(write_text(&server, "secret") < 0);
    TURN_UNTIL(client.opened == MG_ETLS || client.error == MG_ETLS);
    end(st, ct);
}

static void test_a_certificate_nobody_asked_for_proves_nothing(void)
{
    struct mg_tls *st = asking(MG_TLS_AUTH_NONE), *ct = client_as("sleep");

    shake(st, ct, "shop.example", NULL);
    CHECK(server.opened == 0 && !mg_conn_peer(server.conn)->certified);
    CHECK(mg_conn_peer(server.conn)->principal.len == 0);
    end(st, ct);
}

static void refuses(enum mg_tls_auth auth, const char *who, const char *reason)
{
    struct mg_tls *st = asking(auth), *ct = client_as(who);

    shake(st, ct, "shop.example", NULL);
    CHECK(server.opened == MG_ETLS);
    CHECK(!mg_conn_peer(server.conn)->certified && mg_conn_peer(server.conn)->principal.len == 0);
    if (strstr(mg_tls_reason(server.conn), reason) == NULL)
        fprintf(stderr, "reason: %s\n", mg_tls_reason(server.conn));
    CHECK(strstr(mg_tls_reason(server.conn), reason) != NULL);
    TURN_UNTIL(client.opened == MG_ETLS || client.error == MG_ETLS);
    end(st, ct);
}

static void test_a_bad_certificate_is_refused_even_when_optional(void)
{
    refuses(MG_TLS_AUTH_REQUIRE, "foreign", "not correctly signed by the trusted CA");
    refuses(MG_TLS_AUTH_REQUEST, "foreign", "not correctly signed by the trusted CA");
    refuses(MG_TLS_AUTH_REQUIRE, "old", "expired");
    refuses(MG_TLS_AUTH_REQUEST, "old", "expired");
}

static void test_any_certificate_is_taken_and_proves_nothing_when_bad(void)
{
    static const char *const bad[] = {"foreign", "old"};

    for (size_t i = 0; i < 2; i++) {
        struct mg_tls *st = asking(MG_TLS_AUTH_ANY), *ct = client_as(bad[i]);

        shake(st, ct, "shop.example", NULL);
        CHECK(server.opened == 0 && client.opened == 0);
        CHECK(!mg_conn_peer(server.conn)->certified);
        CHECK(mg_conn_peer(server.conn)->principal.len == 0);
        end(st, ct);
    }
}

static void test_a_client_without_a_uri_has_no_principal(void)
{
    struct mg_tls *st = asking(MG_TLS_AUTH_REQUIRE), *ct = client_as("plain");

    shake(st, ct, "shop.example", NULL);
    CHECK(server.opened == 0 && mg_conn_peer(server.conn)->certified);
    CHECK(mg_conn_peer(server.conn)->principal.len == 0);
    CHECK_STR(mg_conn_peer(server.conn)->dns, "plain.example");
    end(st, ct);
}

/* ---- servers ------------------------------------------------------------------------------ */

/* The outcome at the client that connects to `name` of a server with one certificate. */
static int reaches(const char *cert, const char *name, const char *verify,
                   struct mg_tls_client_opts o)
{
    struct mg_tls_cert own = cert_of(cert);
    struct mg_tls *st = server_with((struct mg_tls_server_opts){.certs = &own, .ncerts = 1});
    struct mg_tls *ct = client_with(o);
    int outcome;

    start_pair(st, ct, name, verify, 4096);
    TURN_UNTIL(client.opened != NOTHING_YET);
    outcome = client.opened;
    end(st, ct);
    return outcome;
}

static void test_the_name_must_match(void)
{
    struct mg_tls_client_opts o = {0};

    CHECK(reaches("shop", "shop.example", NULL, o) == 0);
    CHECK(reaches("shop", "SHOP.example", "", o) == 0);
    CHECK(reaches("shop", "127.0.0.1", NULL, o) == 0);
    CHECK(reaches("shop", "127.0.0.2", NULL, o) == MG_ETLS);
    CHECK(reaches("shop", "evil.example", NULL, o) == MG_ETLS);
    CHECK(reaches("wild", "a.wild.example", NULL, o) == 0);
    CHECK(reaches("wild", "a.b.wild.example", NULL, o) == MG_ETLS);
    CHECK(reaches("wild", "wild.example", NULL, o) == MG_ETLS);
    CHECK(reaches("cn", "shop.example", NULL, o) == MG_ETLS); /* a CN is no name */
}

static void test_verify_stands_in_for_the_name(void)
{
    static const char id[] = "spiffe://cluster.local/ns/d/sa/shop";
    struct mg_tls_client_opts o = {0};

    CHECK(reaches("shop", "10.0.0.1", id, o) == 0);
    CHECK(reaches("shop", "cluster", "shop.example", o) == 0);
    CHECK(reaches("shop", "shop.example", "spiffe://cluster.local/ns/d/sa/sho", o) == MG_ETLS);
    CHECK(reaches("shop", "shop.example", "other.example", o) == MG_ETLS);
    CHECK(reaches("sleep", "shop.example", id, o) == MG_ETLS);
    CHECK(reaches("shop", "cluster", "other.example  shop.example", o) == 0);
    CHECK(reaches("shop", "cluster", "other.example spiffe://cluster.local/ns/d/sa/sho", o) ==
          MG_ETLS);
}

static void test_trust(void)
{
    struct mg_tls_client_opts other = {.ca = pem("other.crt")}, insecure = {.insecure = true};

    CHECK(reaches("shop", "shop.example", NULL, other) == MG_ETLS);
    CHECK(reaches("foreign", "spiffe", "spiffe://cluster.local/ns/default/sa/sleep", other) == 0);
    CHECK(reaches("old", "x", "spiffe://cluster.local/old", (struct mg_tls_client_opts){0}) ==
          MG_ETLS);
    CHECK(reaches("shop", "evil.example", NULL, insecure) == 0);
}

static void test_a_name_is_needed(void)
{
    struct mg_tls *ct = anonymous();
    struct pipe_end *ends[2];
    struct mg_conn *c;

    pipe_new(&loop, 1, ends);
    CHECK(mg_tls_connect(ct, &ends[0]->conn, "", NULL, &side_events, &client, &c) == MG_EINVAL);
    CHECK(c == NULL);
    pipe_close(&ends[1]->conn);
    mg_tls_unref(ct);
}

/* ---- SNI and ALPN --------------------------------------------------------------------------- */

static void test_sni_chooses_the_certificate(void)
{
    struct mg_tls_cert certs[] = {cert_of("shop"), cert_of("wild"), cert_of("sleep")};
    struct mg_tls *st = server_with((struct mg_tls_server_opts){.certs = certs, .ncerts = 3});
    struct mg_tls *ct = anonymous();
    static const char *const names[] = {"shop.example", "x.wild.example", "sleep.example"};

    for (int i = 0; i < 3; i++) {
        shake(st, ct, names[i], NULL);
        CHECK(server.opened == 0 && client.opened == 0);
        CHECK_STR(mg_conn_peer(server.conn)->sni, names[i]);
        close_pair();
    }
    /* An unknown name gets the first. */
    shake(st, ct, "unknown.example", "shop.example");
    CHECK(server.opened == 0 && client.opened == 0);
    end(st, ct);
}

static void test_an_address_is_no_server_name(void)
{
    struct mg_tls *st = server_with((struct mg_tls_server_opts){0}), *ct = anonymous();

    /* RFC 6066, 3; whether the certificate is good for the address is still looked at. */
    shake(st, ct, "127.0.0.1", NULL);
    CHECK(server.opened == 0 && client.opened == 0);
    CHECK_STR(mg_conn_peer(server.conn)->sni, "");
    close_pair();
    shake(st, ct, "::1", "shop.example");
    CHECK(server.opened == 0 && client.opened == 0);
    CHECK_STR(mg_conn_peer(server.conn)->sni, "");
    close_pair();
    shake(st, ct, "::1", NULL);
    CHECK(client.opened == MG_ETLS);
    end(st, ct);
}

static void test_alpn(void)
{
    static const char *const ours[] = {"h2", "http/1.1", NULL}, *const theirs[] = {"http/1.1",
                                                                                   NULL};
    struct mg_tls *st = server_with((struct mg_tls_server_opts){.alpn = ours});
    struct mg_tls *ct = client_with((struct mg_tls_client_opts){.alpn = theirs});

    shake(st, ct, "shop.example", NULL);
    CHECK(server.opened == 0 && client.opened == 0);
    CHECK_STR(mg_conn_peer(server.conn)->alpn, "http/1.1");
    CHECK_STR(mg_conn_peer(client.conn)->alpn, "http/1.1");
    end(st, ct);
}

/* ---- what a context refuses ------------------------------------------------------------------- */

static void refuses_context(struct mg_tls_server_opts o, const char *why)
{
    char err[256] = "";

    o.min_version = o.min_version != 0 ? o.min_version : 12;
    CHECK(mg_tls_server_new(&o, err, sizeof(err)) == NULL);
    if (strcmp(err, why) != 0)
        fprintf(stderr, "said: %s\n", err);
    CHECK(strcmp(err, why) == 0);
}

static void refuses_cert(const char *cert, const char *key, const char *why)
{
    struct mg_tls_cert c = {pem(cert), pem(key), "server.crt"};

    refuses_context((struct mg_tls_server_opts){.certs = &c, .ncerts = 1}, why);
}

static void test_what_a_context_refuses(void)
{
    struct mg_tls_cert shop = cert_of("shop");
    struct mg_tls_server_opts o = {.certs = &shop, .ncerts = 1};

    refuses_cert("log", "shop.key", "server.crt: no PEM block");
    refuses_cert("shop.crt", "log", "server.crt: the key has no PEM block");
    refuses_cert("shop.crt", "sleep.key", "server.crt: the key does not match the certificate");
    refuses_cert("shop.crt", "locked.key", "server.crt: the key is encrypted; give it in clear");
    refuses_context((struct mg_tls_server_opts){0}, "cert: is needed");
    o.auth = MG_TLS_AUTH_REQUIRE;
    refuses_context(o, "client_ca: is needed to check client certificates");
    o.client_ca = pem("log");
    refuses_context(o, "client_ca: no PEM block");
}

static void test_when_a_certificate_is_good(void)
{
    time_t now = time(NULL), from, until;

    CHECK(mg_tls_validity(pem("shop.crt"), &from, &until) == MG_OK);
    CHECK(from <= now && until - now > 29L * 86400 && until - now <= 30L * 86400);
    CHECK(mg_tls_validity(pem("old.crt"), &from, &until) == MG_OK);
    CHECK(until < now);
    CHECK(mg_tls_validity(pem("log"), &from, &until) == MG_EINVAL);
}

static void test_the_system_roots(void)
{
    struct mg_tls_client_opts o = {0};
    char err[256] = "";
    struct mg_tls *one = mg_tls_client_new(&o, err, sizeof(err));
    struct mg_tls *two = mg_tls_client_new(&o, err, sizeof(err));

    CHECK((one == NULL) == (two == NULL));
    CHECK(one != NULL || strstr(err, "ca-certificates.crt") != NULL);
    if (one != NULL)
        mg_tls_unref(one);
    if (two != NULL)
        mg_tls_unref(two);
}

TLS_TEST_MAIN(TEST(test_the_principal_of_a_client), TEST(test_fingerprint_and_serial),
              TEST(test_no_certificate_when_asked_for), TEST(test_no_certificate_when_required),
              TEST(test_a_certificate_nobody_asked_for_proves_nothing),
              TEST(test_a_bad_certificate_is_refused_even_when_optional),
              TEST(test_any_certificate_is_taken_and_proves_nothing_when_bad),
              TEST(test_a_client_without_a_uri_has_no_principal), TEST(test_the_name_must_match),
              TEST(test_verify_stands_in_for_the_name), TEST(test_trust),
              TEST(test_a_name_is_needed), TEST(test_sni_chooses_the_certificate),
              TEST(test_an_address_is_no_server_name), TEST(test_alpn),
              TEST(test_what_a_context_refuses), TEST(test_when_a_certificate_is_good),
              TEST(test_the_system_roots))
