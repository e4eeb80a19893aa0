#include "net/memory.h"

#include <stdlib.h>

struct mg_memory {
    struct mg_conn conn; /* first */
    struct mg_memory_peer given;
    struct mg_peer peer;
    struct mg_buf in, out;
    char principal[MG_MEMORY_NAME], sni[MG_MEMORY_NAME];
    bool reading, end, ended, closed, reset;
    enum { STANDS, DIALED, ANSWERED } state;
    int answer, broken; /* MG_* or 0 */
};

static struct mg_memory *of_conn(const struct mg_conn *c)
{
    return (struct mg_memory *)c;
}

static int memory_write(struct mg_conn *c, const struct iovec *iov, int n)
{
    for (int i = 0; i < n; i++)
        mg_buf_append(&of_conn(c)->out, iov[i].iov_base, iov[i].iov_len);
    return MG_OK;
}

static void memory_read_start(struct mg_conn *c)
{
    of_conn(c)->reading = true;
}

static void memory_read_stop(struct mg_conn *c)
{
    of_conn(c)->reading = false;
}

static void memory_shutdown(struct mg_conn *c)
{
    (void)c; /* nobody waits for the end of what was written */
}

static void memory_close(struct mg_conn *c)
{
    of_conn(c)->closed = true;
}

static void memory_reset(struct mg_conn *c)
{
    of_conn(c)->closed = of_conn(c)->reset = true;
}

static size_t memory_queued(const struct mg_conn *c)
{
    (void)c;
    return 0;
}

static const struct mg_peer *memory_peer(const struct mg_conn *c)
{
    return of_conn(c)->given.tls ? &of_conn(c)->peer : NULL;
}

static int memory_address(const struct mg_conn *c, bool local, struct sockaddr_storage *out)
{
    *out = local ? of_conn(c)->given.local : of_conn(c)->given.remote;
    return MG_OK;
}

static const struct mg_conn_ops memory_ops = {.write = memory_write,
                                              .read_start = memory_read_start,
                                              .read_stop = memory_read_stop,
                                              .shutdown = memory_shutdown,
                                              .close = memory_close,
                                              .reset = memory_reset,
                                              .queued = memory_queued,
                                              .peer = memory_peer,
                                              .address = memory_address};

static mg_str copy(char into[MG_MEMORY_NAME], mg_str from)
{
    if (from.len > 0)
        memcpy(into, from.ptr, from.len);
    return mg_str_of(into, from.len);
}

struct mg_memory *mg_memory_new(struct mg_loop *loop, const struct mg_memory_peer *peer)
{
    struct mg_memory *m;

    if (peer->principal.len > MG_MEMORY_NAME || peer->sni.len > MG_MEMORY_NAME)
        return NULL;
    m = calloc(1, sizeof(*m));
    if (m == NULL)
        return NULL;
    m->conn.ops = &memory_ops;
    m->conn.loop = loop;
    m->given = *peer;
    m->peer.principal = copy(m->principal, peer->principal);
    m->peer.sni = copy(m->sni, peer->sni);
    m->given.principal = m->given.sni = (mg_str){0};
    m->peer.certified = peer->principal.len > 0;
    return m;
}

struct mg_memory *mg_memory_dial(struct mg_loop *loop)
{
    struct mg_memory_peer nobody = {0};
    struct mg_memory *m = mg_memory_new(loop, &nobody);

    if (m != NULL)
        m->state = DIALED;
    return m;
}

void mg_memory_answer(struct mg_memory *m, int err)
{
    m->state = ANSWERED;
    m->answer = err;
}

void mg_memory_break(struct mg_memory *m, int err)
{
    m->broken = err;
}

struct mg_conn *mg_memory_conn(struct mg_memory *m)
{
    return &m->conn;
}

void mg_memory_feed(struct mg_memory *m, mg_str bytes, bool end)
{
    mg_buf_append(&m->in, bytes.ptr, bytes.len);
    m->end = m->end || end;
}

/* As much as one read of a socket gives; the owner may stop reading, or close, in the middle. */
static void deliver_piece(struct mg_memory *m)
{
    size_t len = mg_buf_len(&m->in);

    if (len > MG_SCRATCH)
        len = MG_SCRATCH;
    memcpy(m->conn.loop->scratch, mg_buf_bytes(&m->in), len);
    mg_buf_consume(&m->in, len);
    m->conn.events->on_read(&m->conn, m->conn.loop->scratch, len);
}

bool mg_memory_deliver(struct mg_memory *m)
{
    bool some = false;

    if (m->closed || m->state == DIALED)
        return false;
    if (m->state == ANSWERED) {
        m->state = STANDS;
        some = true;
        m->conn.events->on_connect(&m->conn, m->answer);
    }
    while (!m->closed && m->reading && mg_buf_len(&m->in) > 0) {
        deliver_piece(m);
        some = true;
    }
    if (!m->closed && m->reading && m->end && !m->ended) {
        m->ended = some = true;
        m->conn.events->on_eof(&m->conn);
    }
    if (!m->closed && m->broken != 0 && !m->ended && mg_buf_len(&m->in) == 0) {
        m->ended = some = true;
        m->conn.events->on_error(&m->conn, m->broken);
    }
    return some;
}

mg_str mg_memory_written(const struct mg_memory *m)
{
    size_t len = mg_buf_len(&m->out);

    return len > 0 ? mg_str_of(mg_buf_bytes(&m->out), len) : (mg_str){"", 0};
}

bool mg_memory_closed(const struct mg_memory *m, bool *reset)
{
    if (reset != NULL)
        *reset = m->reset;
    return m->closed;
}

void mg_memory_free(struct mg_memory *m)
{
    mg_buf_free(&m->in);
    mg_buf_free(&m->out);
    free(m);
}
