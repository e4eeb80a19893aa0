/* A libFuzzer target: whatever records come in, at the start or in the middle of a session, a connection gives bytes
 * that the peer sent, or ends, and leaves nothing behind.
 *
 * Input: who gets the bytes and when ("stage"), an offset (two bytes), how many bytes are left out there (one), and
 * the bytes that come instead.  Between client and server everything else passes as it is.  A session that is resumed
 * by its ticket costs a twentieth of a full handshake, so most inputs should be of that kind. */
#include "fuzz.h"

#include <unistd.h>

#include "net/memory.h"
#include "net/tls_session.h"

/* RESUMED: any of these in a stage, beside who gets the bytes. */
enum { HEADER = 4, ROUNDS = 64, RESUMED = 0x1c };

/* Of a server and a client; the second two have tickets. */
struct pair {
    struct mg_tls *server, *client;
};

static struct mg_loop loop;
static struct pair full, ticketed;
static struct mg_tls_ticket_keys *keys;

/* ---- certificates, made anew by each run ------------------------------------------------- */

static mg_str file_of(const char *folder, const char *name)
{
    static char texts[2][8192];
    static int n;
    char path[128], *text = texts[n++];
    FILE *file;
    size_t len;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "r");
    FUZZ_HOLDS(file != NULL);
    len = fread(text, 1, sizeof(texts[0]), file);
    fclose(file);
    return mg_str_of(text, len);
}

static void start(void)
{
    char folder[] = "/tmp/moongate-fuzz-XXXXXX", command[512], err[256];
    struct mg_tls_cert cert = {.name = "fuzz"};
    struct mg_tls_server_opts server = {.certs = &cert, .ncerts = 1, .min_version = 12};
    struct mg_tls_client_opts client = {0};

    FUZZ_HOLDS(mg_loop_init(&loop) == 0 && mg_tls_init() == 0 && mkdtemp(folder) != NULL);
    snprintf(command, sizeof(command),
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30"
             " -keyout %s/key -out %s/crt -subj /CN=t -addext subjectAltName=DNS:t 2>%s/log",
             folder, folder, folder);
    FUZZ_HOLDS(system(command) == 0);
    cert.cert = file_of(folder, "crt");
    cert.key = file_of(folder, "key");
    snprintf(command, sizeof(command), "rm -r %s", folder);
    FUZZ_HOLDS(system(command) == 0);
    server.client_ca = client.ca = cert.cert;
    server.auth = MG_TLS_AUTH_REQUEST;
    client.cert = cert;
    full.server = mg_tls_server_new(&server, err, sizeof(err));
    full.client = mg_tls_client_new(&client, err, sizeof(err));
    server.tickets = true;
    server.ticket_keys = keys = calloc(1, mg_tls_ticket_keys_size());
    FUZZ_HOLDS(keys != NULL && mg_tls_ticket_keys_init(keys) == 0);
    ticketed.server = mg_tls_server_new(&server, err, sizeof(err));
    ticketed.client = mg_tls_client_new(&client, err, sizeof(err));
    FUZZ_HOLDS(full.server != NULL && full.client != NULL);
    FUZZ_HOLDS(ticketed.server != NULL && ticketed.client != NULL);
}

/* ---- one end ------------------------------------------------------------------------------- */

struct end {
    struct mg_memory *lower;
    struct mg_conn *conn; /* NULL: closed */
    size_t taken;         /* of what the lower side wrote, already carried over */
    size_t sent;          /* to this end, so far */
    bool stands;
};

static void close_end(struct end *e)
{
    if (e->conn != NULL)
        mg_conn_close(e->conn);
    e->conn = NULL;
}

static void on_connect(struct mg_conn *c, int err)
{
    static const struct iovec hello = {(void *)"hello, other end", 16};
    struct end *e = c->owner;

    e->stands = err == 0;
    if (err != 0) {
        FUZZ_HOLDS(mg_tls_reason(c) != NULL);
        close_end(e);
        return;
    }
    mg_conn_read_start(c);
    if (mg_conn_write(c, &hello, 1) < 0)
        close_end(e);
}

/* Nothing but the other end's own words is ever believed. */
static void on_read(struct mg_conn *c, const char *bytes, size_t len)
{
    (void)c;
    FUZZ_HOLDS(len == 16 && memcmp(bytes, "hello, other end", 16) == 0);
}

static void on_eof(struct mg_conn *c)
{
    close_end(c->owner);
}

static void on_error(struct mg_conn *c, int err)
{
    FUZZ_HOLDS(err < 0);
    close_end(c->owner);
}

static void on_drain(struct mg_conn *c)
{
    (void)c;
}

static const struct mg_conn_events events = {on_connect, on_read, on_eof, on_drain, on_error};

static struct mg_conn *lower_of(struct end *e)
{
    static const struct mg_memory_peer nobody;

    *e = (struct end){.lower = mg_memory_new(&loop, &nobody)};
    return mg_memory_conn(e->lower);
}

static void free_end(struct end *e)
{
    close_end(e);
    while (mg_loop_busy(&loop))
        mg_loop_turn(&loop, true);
    mg_loop_turn(&loop, false);
    mg_loop_turn(&loop, false);
    FUZZ_HOLDS(mg_memory_closed(e->lower, NULL));
    mg_memory_free(e->lower);
}

/* ---- what passes between ------------------------------------------------------------------- */

struct change {
    size_t at, skip; /* in the bytes to one end */
    mg_str instead;
    bool done;
};

static void feed(struct end *to, mg_str bytes)
{
    mg_memory_feed(to->lower, bytes, false);
    to->sent += bytes.len;
}

/* Carries over what `from` wrote, with the change where its place has come. */
static bool carry(struct end *from, struct end *to, struct change *change)
{
    mg_str all = mg_memory_written(from->lower);
    mg_str bytes = mg_str_of(all.ptr + from->taken, all.len - from->taken);

    from->taken = all.len;
    if (change != NULL && !change->done && to->sent + bytes.len > change->at) {
        size_t before = change->at - to->sent, skip = change->skip;

        change->done = true;
        feed(to, mg_str_of(bytes.ptr, before));
        feed(to, change->instead);
        if (skip > bytes.len - before)
            skip = bytes.len - before;
        bytes = mg_str_of(bytes.ptr + before + skip, bytes.len - before - skip);
    }
    if (bytes.len > 0)
        feed(to, bytes);
    while (mg_memory_deliver(to->lower) || mg_loop_busy(&loop))
        mg_loop_turn(&loop, mg_loop_busy(&loop));
    return bytes.len > 0;
}

static void end_of_bytes(struct end *e)
{
    mg_memory_feed(e->lower, (mg_str){"", 0}, true);
    while (mg_memory_deliver(e->lower) || mg_loop_busy(&loop))
        mg_loop_turn(&loop, mg_loop_busy(&loop));
}

static void connect_ends(const struct pair *p, struct end *server, struct end *client)
{
    FUZZ_HOLDS(mg_tls_accept(p->server, lower_of(server), (mg_str){"", 0}, &events, server,
                             &server->conn) == 0);
    FUZZ_HOLDS(
        mg_tls_connect(p->client, lower_of(client), "t", "", &events, client, &client->conn) == 0);
    while (mg_loop_busy(&loop))
        mg_loop_turn(&loop, true);
}

static void converse(struct end *server, struct end *client, struct change *change, bool to_server)
{
    bool more = true;

    for (int i = 0; i < ROUNDS && more; i++) {
        more = carry(client, server, to_server ? change : NULL);
        more = carry(server, client, to_server ? NULL : change) || more;
    }
}

/* The session whose ticket the others offer.  It stays open, as one that fails makes its client forget it. */
static struct end first_server, first_client;

static void meet(void)
{
    connect_ends(&ticketed, &first_server, &first_client);
    converse(&first_server, &first_client, NULL, false);
    FUZZ_HOLDS(first_server.stands && first_client.stands);
}

/* A session between both, some bytes of which are changed on their way to one of them. */
static void interfere(struct change *change, bool to_server, bool resumed)
{
    struct end server, client;

    if (resumed)
        mg_tls_session_keep((struct mg_tls_conn *)first_client.conn);
    connect_ends(resumed ? &ticketed : &full, &server, &client);
    converse(&server, &client, change, to_server);
    end_of_bytes(&server);
    end_of_bytes(&client);
    free_end(&server);
    free_end(&client);
}

/* Nothing but these bytes: a client that speaks something else. */
static void alone(mg_str bytes)
{
    struct end server;

    FUZZ_HOLDS(mg_tls_accept(full.server, lower_of(&server), (mg_str){"", 0}, &events, &server,
                             &server.conn) == 0);
    feed(&server, bytes);
    end_of_bytes(&server);
    FUZZ_HOLDS(!server.stands && server.conn == NULL);
    free_end(&server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct change change;

    if (size < HEADER)
        return 0;
    if (loop.scratch == NULL) {
        start();
        meet();
    }
    change = (struct change){.at = (size_t)(data[1] << 8 | data[2]) % 4096,
                             .skip = data[3],
                             .instead = mg_str_of((const char *)data + HEADER, size - HEADER)};
    if (data[0] % 4 < 2)
        alone(change.instead);
    else
        interfere(&change, data[0] % 4 == 2, data[0] & RESUMED);
    return 0;
}

void fuzz_end(void)
{
    if (loop.scratch == NULL)
        return;
    free_end(&first_server);
    free_end(&first_client);
    mg_tls_unref(full.server);
    mg_tls_unref(full.client);
    mg_tls_unref(ticketed.server);
    mg_tls_unref(ticketed.client);
    free(keys);
    mg_loop_close(&loop);
}
