/* tls_peers.h -- A TLS server and client joined by a pipe, and certificates made with openssl. */
#ifndef MG_TLS_PEERS_H
#define MG_TLS_PEERS_H
#include <sys/stat.h>
#include <unistd.h>
#include "net/tls.h"
#include "pipe.h"
#include "turn.h"

static struct mg_loop loop;
static char certs_dir[] = "/tmp/moongate-tls-XXXXXX";

/* ---- certificates --------------------------------------------------------------------- */

static const char make_certs[] =
    "set -e; EC='-pkeyopt ec_paramgen_curve:P-256'\n"
    "ca() { openssl req -x509 -newkey ec $EC -nodes -keyout $1.key -out $1.crt -days 30"
    "  -subj /CN=$1; }\n"
    "issue() { openssl req -newkey $5 -nodes -keyout $1.key -out $1.csr -subj \"$2\"\n"
    "  printf \"subjectAltName=$3\\n\" >ext; [ -n \"$3\" ] || : >ext\n"
    "  openssl x509 -req -in $1.csr -CA $4.crt -CAkey $4.key -CAcreateserial -days ${6:-30}"
    "   -extfile ext -out $1.crt; }\n"
    "ca ca; ca other\n"
    "issue shop /CN=shop 'DNS:shop.example,IP:127.0.0.1,URI:spiffe://cluster.local/ns/d/sa/shop'"
    " ca \"ec $EC\"\n"
    "issue wild /CN=wild DNS:*.wild.example ca rsa:2048\n"
    "issue cn /CN=shop.example '' ca \"ec $EC\"\n"
    "issue sleep '/O=moon, inc/CN=sleep' "
    "'DNS:sleep.example,URI:spiffe://cluster.local/ns/default/sa/sleep' ca \"ec $EC\"\n"
    "issue plain /CN=plain DNS:plain.example ca \"ec $EC\"\n"
    "issue old /CN=old URI:spiffe://cluster.local/old ca \"ec $EC\" -1\n"
    "issue foreign /CN=sleep URI:spiffe://cluster.local/ns/default/sa/sleep other \"ec $EC\"\n"
    "openssl ec -aes128 -passout pass:x -in shop.key -out locked.key\n";

static inline int run_in_certs_dir(const char *script, const char *tail)
{
    char path[64], command[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/script", certs_dir);
    f = fopen(path, "w");
    fputs(script, f);
    fclose(f);
    snprintf(command, sizeof(command), "cd %s && sh ./script %s", certs_dir, tail);
    return system(command);
}

static void certs_make(void)
{
    CHECK(mkdtemp(certs_dir) != NULL);
    CHECK(run_in_certs_dir(make_certs, ">log 2>&1") == 0);
}

static void certs_remove(void)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -r %s", certs_dir);
    CHECK(system(command) == 0);
}

/* A file's text; kept until the program ends. */
static mg_str pem(const char *file)
{
    static char kept[32][8192], names[32][32];
    char path[64];
    size_t len;
    FILE *f;
    int i = 0;

    while (i < 31 && names[i][0] != '\0' && strcmp(names[i], file) != 0)
        i++;
    snprintf(names[i], sizeof(names[i]), "%s", file);
    snprintf(path, sizeof(path), "%s/%s", certs_dir, file);
    f = fopen(path, "r");
    len = f != NULL ? fread(kept[i], 1, sizeof(kept[i]), f) : 0;
    if (f != NULL)
        fclose(f);
    return mg_str_of(kept[i], len);
}

static struct mg_tls_cert cert_of(const char *name)
{
    char file[32];
    struct mg_tls_cert cert = {.name = name};

    snprintf(file, sizeof(file), "%s.crt", name);
    cert.cert = pem(file);
    snprintf(file, sizeof(file), "%s.key", name);
    cert.key = pem(file);
    return cert;
}

/* ---- contexts ------------------------------------------------------------------------- */

static struct mg_tls *server_with(struct mg_tls_server_opts o)
{
    struct mg_tls_cert cert = cert_of("shop");
    struct mg_tls *t;
    char err[256] = "";

    if (o.certs == NULL) {
        o.certs = &cert;
        o.ncerts = 1;
    }
    o.min_version = 12;
    if (o.auth != MG_TLS_AUTH_NONE && o.client_ca.len == 0)
        o.client_ca = pem("ca.crt");
    t = mg_tls_server_new(&o, err, sizeof(err));
    if (t == NULL)
        fprintf(stderr, "server: %s\n", err);
    CHECK(t != NULL);
    return t;
}

static struct mg_tls *client_with(struct mg_tls_client_opts o)
{
    struct mg_tls *t;
    char err[256] = "";

    if (o.ca.len == 0)
        o.ca = pem("ca.crt");
    t = mg_tls_client_new(&o, err, sizeof(err));
    if (t == NULL)
        fprintf(stderr, "client: %s\n", err);
    CHECK(t != NULL);
    return t;
}

static inline struct mg_tls *client_as(const char *name)
{
    return client_with((struct mg_tls_client_opts){.cert = cert_of(name)});
}

/* ---- the two sides -------------------------------------------------------------------- */

enum { NOTHING_YET = 12345 };

struct side {
    struct mg_conn *conn;
    int opened, error; /* what the events told, NOTHING_YET before */
    int eofs, drains, reads;
    struct mg_buf got;
    bool close_on_read, stop_on_read, read_on_open;
};

static struct side server, client;

static void close_end(struct side *s)
{
    if (s->conn != NULL)
        mg_conn_close(s->conn);
    s->conn = NULL;
}

static void on_connect(struct mg_conn *c, int err)
{
    struct side *s = c->owner;

    CHECK(s->opened == NOTHING_YET);
    s->opened = err;
    if (err == 0 && s->read_on_open)
        mg_conn_read_start(c);
}

static void on_read(struct mg_conn *c, const char *bytes, size_t len)
{
    struct side *s = c->owner;

    CHECK(len > 0 && s->conn == c && s->eofs == 0 && s->error == NOTHING_YET);
    s->reads++;
    mg_buf_append(&s->got, bytes, len);
    if (s->stop_on_read)
        mg_conn_read_stop(c);
    if (s->close_on_read)
        close_end(s);
}

static void on_eof(struct mg_conn *c)
{
    ((struct side *)c->owner)->eofs++;
}

static void on_drain(struct mg_conn *c)
{
    ((struct side *)c->owner)->drains++;
}

static void on_error(struct mg_conn *c, int err)
{
    CHECK(((struct side *)c->owner)->error == NOTHING_YET);
    ((struct side *)c->owner)->error = err;
}

static const struct mg_conn_events side_events = {.on_connect = on_connect,
                                                  .on_read = on_read,
                                                  .on_eof = on_eof,
                                                  .on_drain = on_drain,
                                                  .on_error = on_error};

static void side_reset(struct side *s)
{
    memset(s, 0, sizeof(*s));
    s->opened = s->error = NOTHING_YET;
    s->read_on_open = true;
}

static void open_server(struct mg_tls *t, struct mg_conn *lower)
{
    side_reset(&server);
    CHECK(mg_tls_accept(t, lower, mg_str_of(NULL, 0), &side_events, &server, &server.conn) == 0);
}

/* Starts both handshakes; `part` bytes arrive at a time.  The contexts stay the caller's.  Returns the client's end of
 * the pipe. */
static struct pipe_end *start_pair(struct mg_tls *st, struct mg_tls *ct, const char *name,
                                   const char *verify, size_t part)
{
    struct pipe_end *ends[2];

    pipe_new(&loop, part, ends);
    open_server(st, &ends[0]->conn);
    side_reset(&client);
    CHECK(mg_tls_connect(ct, &ends[1]->conn, name, verify, &side_events, &client, &client.conn) ==
          0);
    return ends[1];
}

static void close_pair(void)
{
    close_end(&server);
    close_end(&client);
    mg_buf_free(&server.got);
    mg_buf_free(&client.got);
    TURN_UNTIL(true);
}

/* A pair whose handshake is over on both sides, well or not. */
static inline void shake(struct mg_tls *st, struct mg_tls *ct, const char *name, const char *verify)
{
    start_pair(st, ct, name, verify, 4096);
    TURN_UNTIL(server.opened != NOTHING_YET &&
               (client.opened != NOTHING_YET || server.opened == 0));
    if (server.opened == 0)
        TURN_UNTIL(client.opened != NOTHING_YET);
}

static inline int write_text(struct side *s, const char *text)
{
    struct iovec iov = {(void *)text, strlen(text)};

    return mg_conn_write(s->conn, &iov, 1);
}

static inline bool has_got(const struct side *s, const char *text)
{
    return mg_buf_len(&s->got) == strlen(text) &&
           memcmp(mg_buf_bytes(&s->got), text, strlen(text)) == 0;
}

#define TLS_TEST_MAIN(...)                                                                         \
    int main(void)                                                                                 \
    {                                                                                              \
        static const struct test_case cases[] = {__VA_ARGS__};                                     \
        int failed;                                                                                \
        CHECK(mg_tls_init() == 0 && mg_loop_init(&loop) == 0);                                     \
        certs_make();                                                                              \
        failed = test_run(cases, sizeof(cases) / sizeof(cases[0]));                                \
        certs_remove();                                                                            \
        CHECK(mg_loop_close(&loop) == 0);                                                          \
        return failed || test_failures > 0;                                                        \
    }
#endif
