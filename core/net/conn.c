#include "net/conn.h"
#include <stdlib.h>
#include <string.h>

/* What owns a connection that lingers. */
struct lingering {
    struct mg_timer timer;
    struct mg_conn *conn;
    void (*ended)(void *owner);
    void *owner;
    size_t discarded;
    bool last; /* the peer will send no more */
};

static void linger_end(struct lingering *g)
{
    struct mg_conn *c = g->conn;
    void (*ended)(void *owner) = g->ended;
    void *owner = g->owner;

    mg_timer_clear(&g->timer);
    free(g);
    c->loop->lingering--;
    mg_conn_close(c);
    ended(owner);
}

static void linger_on_timer(struct mg_timer *t)
{
    linger_end(MG_LIST_OF(t, struct lingering, timer));
}

static void linger_on_read(struct mg_conn *c, const char *bytes, size_t len)
{
    struct lingering *g = c->owner;

    (void)bytes;
    g->discarded += len;
    if (g->discarded > MG_LINGER_BYTES)
        linger_end(g);
}

static void linger_on_eof(struct mg_conn *c)
{
    struct lingering *g = c->owner;

    g->last = true;
    if (mg_conn_queued(c) == 0)
        linger_end(g);
}

static void linger_on_drain(struct mg_conn *c)
{
    struct lingering *g = c->owner;

    if (g->last)
        linger_end(g);
}

static void linger_on_error(struct mg_conn *c, int err)
{
    (void)err;
    linger_end(c->owner);
}

static const struct mg_conn_events linger_events = {.on_read = linger_on_read,
                                                    .on_eof = linger_on_eof,
                                                    .on_drain = linger_on_drain,
                                                    .on_error = linger_on_error};

bool mg_conn_close_lingering(struct mg_conn *c, uint32_t ms, void (*ended)(void *owner))
{
    struct lingering *g = calloc(1, sizeof(*g));

    if (g == NULL) {
        mg_conn_close(c);
        return false;
    }
    g->conn = c;
    g->ended = ended;
    g->owner = c->owner;
    c->loop->lingering++;
    mg_timer_init(&g->timer, linger_on_timer);
    mg_timer_set(c->loop, &g->timer, ms);
    c->events = &linger_events;
    c->owner = g;
    mg_conn_shutdown(c);
    mg_conn_read_start(c);
    return true;
}

const struct mg_peer *mg_conn_peer(const struct mg_conn *c)
{
    return c->ops->peer(c);
}

/* ::ffff:192.0.2.1 is what a dual-stack socket calls 192.0.2.1 (RFC 4291, 2.5.5.2). */
static void unmap(struct sockaddr_storage *address)
{
    struct sockaddr_in6 six;
    struct sockaddr_in four = {.sin_family = AF_INET};

    if (address->ss_family != AF_INET6)
        return;
    memcpy(&six, address, sizeof(six));
    if (!IN6_IS_ADDR_V4MAPPED(&six.sin6_addr))
        return;
    four.sin_port = six.sin6_port;
    memcpy(&four.sin_addr, &six.sin6_addr.s6_addr[12], 4);
    memset(address, 0, sizeof(*address));
    memcpy(address, &four, sizeof(four));
}

static int address_of(const struct mg_conn *c, bool local, struct sockaddr_storage *out)
{
    int rc = c->ops->address(c, local, out);

    if (rc == 0)
        unmap(out);
    return rc;
}

int mg_conn_peer_address(const struct mg_conn *c, struct sockaddr_storage *out)
{
    return address_of(c, false, out);
}

int mg_conn_local_address(const struct mg_conn *c, struct sockaddr_storage *out)
{
    return address_of(c, true, out);
}
