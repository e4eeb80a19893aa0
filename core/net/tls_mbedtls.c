#include <stdlib.h>
#include <string.h>
#include "net/tls_handshake.h"
#include "net/tls_identity.h"
#include "net/tls_record.h"
#include "net/tls_session.h"

static const struct mg_conn_ops tls_ops;

static struct mg_tls_conn *of_conn(const struct mg_conn *c)
{
    return (struct mg_tls_conn *)c;
}

/* ---- life --------------------------------------------------------------------------- */

static void destroy(struct mg_tls_conn *c)
{
    mbedtls_ssl_free(&c->ssl); /* before the context it points into */
    mg_tls_unref(c->tls);
    mg_buf_free(&c->in);
    mg_buf_free(&c->backlog);
    mg_buf_free(&c->out);
    free(c->identity);
    free(c->name);
    free(c->verify);
    free(c);
}

void mg_tls_mbedtls_release(struct mg_tls_conn *c)
{
    c->holds--;
    if (c->closing && c->holds == 0 && !c->busy)
        destroy(c);
}

static void say_goodbye(struct mg_tls_conn *c)
{
    if (c->state != MG_TLS_OPEN || c->shut)
        return;
    c->shut = true;
    mbedtls_ssl_close_notify(&c->ssl);
    mg_tls_record_flush(c);
}

/* What a thread may be using is freed when its job ends. */
static void let_go(struct mg_tls_conn *c, void (*close_lower)(struct mg_conn *))
{
    c->holds++;
    c->closing = true;
    mg_tls_handshake_cancel(c);
    mg_list_remove(&c->again.link);
    close_lower(c->lower);
    c->lower = NULL;
    mg_tls_mbedtls_release(c);
}

static void tls_close(struct mg_conn *conn)
{
    say_goodbye(of_conn(conn));
    let_go(of_conn(conn), mg_conn_close);
}

static void tls_reset(struct mg_conn *conn)
{
    let_go(of_conn(conn), mg_conn_reset);
}

static void tls_shutdown(struct mg_conn *conn)
{
    say_goodbye(of_conn(conn));
    mg_conn_shutdown(of_conn(conn)->lower);
}

/* ---- reading ------------------------------------------------------------------------ */

static void tell_end(struct mg_tls_conn *c)
{
    c->told_end = true;
    mg_conn_read_stop(c->lower);
    if (c->ended == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
        c->base.events->on_eof(&c->base);
        return;
    }
    c->state = MG_TLS_FAILED;
    c->base.events->on_error(&c->base, c->ended == MG_ECLOSED ? MG_ECLOSED : MG_ETLS);
}

/* Hands the owner what is there.  The caller holds the connection: the owner may close it in any
 * of the events. */
static void pump(struct mg_tls_conn *c)
{
    bool more = true;

    while (more && !c->closing && c->reading && !c->told_end && c->state == MG_TLS_OPEN) {
        const char *bytes;
        size_t len;

        if (c->ended != 0) {
            tell_end(c);
            return;
        }
        more = mg_tls_record_decrypt(c, &bytes, &len);
        mg_tls_record_flush(c); /* an alert, or the answer to one */
        if (len > 0)
            c->base.events->on_read(&c->base, bytes, len);
    }
}

static void on_again(struct mg_deferred *d)
{
    struct mg_tls_conn *c = MG_LIST_OF(d, struct mg_tls_conn, again);

    c->holds++;
    pump(c);
    mg_tls_mbedtls_release(c);
}

static void tls_read_start(struct mg_conn *conn)
{
    struct mg_tls_conn *c = of_conn(conn);

    c->reading = true;
    if (c->state != MG_TLS_OPEN || c->told_end)
        return;
    mg_conn_read_start(c->lower);
    if (mg_buf_len(&c->in) > 0 || c->ended != 0 || c->lower_eof ||
        mbedtls_ssl_check_pending(&c->ssl))
        mg_loop_defer(c->base.loop, &c->again);
}

static void tls_read_stop(struct mg_conn *conn)
{
    struct mg_tls_conn *c = of_conn(conn);

    c->reading = false;
    if (c->state == MG_TLS_OPEN)
        mg_conn_read_stop(c->lower);
}

/* ---- writing ------------------------------------------------------------------------ */

static int tls_write(struct mg_conn *conn, const struct iovec *iov, int n)
{
    struct mg_tls_conn *c = of_conn(conn);
    int rc;

    if (c->shut)
        return UV_EPIPE;
    if (c->state != MG_TLS_OPEN)
        return MG_ETLS;
    c->lower_rc = MG_OK;
    rc = mg_tls_record_encrypt(c, iov, n);
    mg_tls_record_flush(c);
    if (rc == 0)
        rc = c->lower_rc;
    c->owes_drain |= rc == MG_AGAIN;
    return rc;
}

static size_t tls_queued(const struct mg_conn *conn)
{
    return mg_conn_queued(of_conn(conn)->lower);
}

/* ---- events of `lower` -------------------------------------------------------------- */

static void lower_on_connect(struct mg_conn *lower, int err)
{
    struct mg_tls_conn *c = lower->owner;

    if (err == 0)
        return; /* the first step's bytes waited for this */
    c->why = "no connection";
    mg_tls_handshake_cancel(c);
    mg_tls_mbedtls_failed(c, err);
}

static void lower_on_read(struct mg_conn *lower, const char *bytes, size_t len)
{
    struct mg_tls_conn *c = lower->owner;

    c->holds++;
    if (c->state == MG_TLS_SHAKING) {
        mg_tls_handshake_feed(c, bytes, len);
    } else if (c->state == MG_TLS_OPEN && c->ended == 0) {
        c->now = mg_str_of(bytes, len);
        pump(c);
        if (!c->closing && c->ended == 0 && c->now.len > 0)
            mg_buf_append(&c->in, c->now.ptr, c->now.len);
        c->now = mg_str_of(NULL, 0);
    }
    mg_tls_mbedtls_release(c);
}

static void lower_on_eof(struct mg_conn *lower)
{
    struct mg_tls_conn *c = lower->owner;

    c->holds++;
    if (c->state == MG_TLS_SHAKING) {
        mg_tls_handshake_eof(c);
    } else {
        c->lower_eof = true;
        pump(c);
    }
    mg_tls_mbedtls_release(c);
}

static void lower_on_drain(struct mg_conn *lower)
{
    struct mg_tls_conn *c = lower->owner;

    if (!c->owes_drain || c->state != MG_TLS_OPEN)
        return;
    c->owes_drain = false;
    c->base.events->on_drain(&c->base);
}

static void lower_on_error(struct mg_conn *lower, int err)
{
    struct mg_tls_conn *c = lower->owner;

    if (c->state == MG_TLS_SHAKING) {
        c->why = "the connection broke during the handshake";
        mg_tls_handshake_cancel(c);
        mg_tls_mbedtls_failed(c, MG_ETLS);
    } else if (c->state == MG_TLS_OPEN) {
        c->state = MG_TLS_FAILED;
        c->base.events->on_error(&c->base, err);
    }
}

static const struct mg_conn_events lower_events = {.on_connect = lower_on_connect,
                                                   .on_read = lower_on_read,
                                                   .on_eof = lower_on_eof,
                                                   .on_drain = lower_on_drain,
                                                   .on_error = lower_on_error};

/* ---- the end of the handshake ------------------------------------------------------- */

/* The caller holds the connection. */
void mg_tls_mbedtls_opened(struct mg_tls_conn *c)
{
    c->state = MG_TLS_OPEN;
    if (!c->tls->server)
        mg_tls_session_keep(c);
    if (c->base.events->on_connect != NULL)
        c->base.events->on_connect(&c->base, 0);
    if (c->closing)
        return;
    if (!c->reading) {
        mg_conn_read_stop(c->lower);
        return;
    }
    mg_conn_read_start(c->lower);
    pump(c);
}

void mg_tls_mbedtls_failed(struct mg_tls_conn *c, int err)
{
    c->state = MG_TLS_FAILED;
    if (!c->tls->server)
        mg_tls_session_drop(c);
    mg_conn_read_stop(c->lower);
    if (c->base.events->on_connect != NULL)
        c->base.events->on_connect(&c->base, err);
    else
        c->base.events->on_error(&c->base, err);
}

/* ---- making one --------------------------------------------------------------------- */

static const struct mg_peer *tls_peer(const struct mg_conn *c)
{
    return &of_conn(c)->peer;
}

static int tls_address(const struct mg_conn *c, bool local, struct sockaddr_storage *out)
{
    const struct mg_conn *lower = of_conn(c)->lower;

    return lower->ops->address(lower, local, out);
}

static const struct mg_conn_ops tls_ops = {.write = tls_write,
                                           .read_start = tls_read_start,
                                           .read_stop = tls_read_stop,
                                           .shutdown = tls_shutdown,
                                           .close = tls_close,
                                           .reset = tls_reset,
                                           .queued = tls_queued,
                                           .peer = tls_peer,
                                           .address = tls_address};

static struct mg_tls_conn *new_conn(struct mg_tls *t, struct mg_conn *lower,
                                    const struct mg_conn_events *events, void *owner)
{
    struct mg_tls_conn *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->base = (struct mg_conn){&tls_ops, events, owner, lower->loop};
    c->lower = lower;
    c->tls = t;
    mg_tls_ref(t);
    mbedtls_ssl_init(&c->ssl);
    mg_list_init(&c->again.link);
    c->again.fn = on_again;
    return c;
}

static void start(struct mg_tls_conn *c, struct mg_conn **out)
{
    c->lower->events = &lower_events;
    c->lower->owner = c;
    mg_tls_handshake_start(c);
    *out = &c->base;
}

int mg_tls_accept(struct mg_tls *t, struct mg_conn *lower, mg_str pending,
                  const struct mg_conn_events *events, void *owner, struct mg_conn **out)
{
    struct mg_tls_conn *c = new_conn(t, lower, events, owner);

    *out = NULL;
    if (c == NULL) {
        mg_conn_close(lower);
        return MG_ENOMEM;
    }
    /* The library's 33 KB come with the first whole record, on the pool's thread. */
    if (pending.len > 0)
        mg_buf_append(&c->in, pending.ptr, pending.len);
    start(c, out);
    return MG_OK;
}

static int prepare_client(struct mg_tls_conn *c, const char *name, const char *verify)
{
    c->name = strdup(name);
    c->verify = verify != NULL && verify[0] != '\0' ? strdup(verify) : NULL;
    if (mg_tls_record_setup(c) != 0)
        return MG_ENOMEM;
    /* An address is no server name (RFC 6066, 3): it is verified, by the callback, and not sent.  3.6
     * wants to be told that there is no name. */
    if (mbedtls_ssl_set_hostname(&c->ssl, mg_tls_identity_is_address(name) ? NULL : name) != 0)
        return MG_EINVAL;
    mbedtls_ssl_set_verify(&c->ssl, mg_tls_identity_check_server, c);
    mg_tls_session_offer(c);
    return MG_OK;
}

int mg_tls_connect(struct mg_tls *t, struct mg_conn *lower, const char *name, const char *verify,
                   const struct mg_conn_events *events, void *owner, struct mg_conn **out)
{
    struct mg_tls_conn *c;
    int rc = MG_EINVAL;

    *out = NULL;
    if (name == NULL || name[0] == '\0')
        goto fail; /* without a name the library would verify none (CVE-2025-27809) */
    rc = MG_ENOMEM;
    c = new_conn(t, lower, events, owner);
    if (c == NULL)
        goto fail;
    rc = prepare_client(c, name, verify);
    if (rc != MG_OK)
        goto fail_prepare;
    start(c, out);
    return MG_OK;
fail_prepare:
    destroy(c);
fail:
    mg_conn_close(lower);
    return rc;
}

/* ---- for logs ----------------------------------------------------------------------- */

const char *mg_tls_reason(const struct mg_conn *conn)
{
    const struct mg_tls_conn *c = of_conn(conn);

    if (conn->ops != &tls_ops)
        return "";
    if (c->why != NULL)
        return c->why;
    return c->busy ? "" : c->reason;
}

static bool stands(const struct mg_conn *conn)
{
    return conn->ops == &tls_ops && of_conn(conn)->state != MG_TLS_SHAKING && !of_conn(conn)->busy;
}

const char *mg_tls_version(const struct mg_conn *conn)
{
    return stands(conn) ? mbedtls_ssl_get_version(&of_conn(conn)->ssl) : "";
}

const char *mg_tls_cipher(const struct mg_conn *conn)
{
    const char *name = stands(conn) ? mbedtls_ssl_get_ciphersuite(&of_conn(conn)->ssl) : NULL;

    return name != NULL ? name : "";
}

bool mg_tls_resumed(const struct mg_conn *conn)
{
    return stands(conn) && of_conn(conn)->resumed;
}
