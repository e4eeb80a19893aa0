#include "net/tls_record.h"
#include <string.h>
#include "net/tls_session.h"

enum {
    RECORD = 16384, /* plain bytes of one record at most */
    WIRE = 4 * (RECORD + 512),
    PLAIN = 4 * RECORD
};

/* Of the loop's thread; nothing lies in them between two of its callbacks.  Three, and none is
 * loop->scratch: while an owner is given `plain` it may write to a second connection, which gathers
 * in `record` and encrypts to `wire`, and what is being decrypted lies in loop->scratch. */
static char wire[WIRE], plain[PLAIN], record[RECORD];
static size_t wire_len;

/* ---- between the library and `lower` ------------------------------------------------ */

/* One write for all records gathered; the outcome stays in lower_rc, the worst one wins. */
void mg_tls_record_flush(struct mg_tls_conn *c)
{
    struct iovec iov = {wire, wire_len};
    int rc;

    if (wire_len == 0)
        return;
    wire_len = 0;
    rc = c->lower_rc < 0 ? c->lower_rc : mg_conn_write(c->lower, &iov, 1);
    if (rc < 0 || c->lower_rc == MG_OK)
        c->lower_rc = rc;
}

static int on_send(void *bio, const unsigned char *bytes, size_t len)
{
    struct mg_tls_conn *c = bio;

    if (len > WIRE)
        len = WIRE; /* the library sends the rest next */
    if (c->busy) {
        mg_buf_append(&c->out, (const char *)bytes, len);
        return (int)len;
    }
    if (wire_len + len > WIRE)
        mg_tls_record_flush(c);
    memcpy(wire + wire_len, bytes, len);
    wire_len += len;
    return (int)len;
}

static size_t take_in(struct mg_tls_conn *c, unsigned char *to, size_t len)
{
    size_t there = c->busy ? c->ready : mg_buf_len(&c->in);

    if (len > there)
        len = there;
    if (len == 0)
        return 0;
    memcpy(to, mg_buf_bytes(&c->in), len);
    mg_buf_consume(&c->in, len);
    if (c->busy)
        c->ready -= len;
    return len;
}

static int on_recv(void *bio, unsigned char *to, size_t len)
{
    struct mg_tls_conn *c = bio;
    size_t taken = take_in(c, to, len);

    if (taken == 0 && !c->busy && c->now.len > 0) {
        taken = len < c->now.len ? len : c->now.len;
        memcpy(to, c->now.ptr, taken);
        c->now.ptr += taken;
        c->now.len -= (uint32_t)taken;
    }
    return taken > 0 ? (int)taken : MBEDTLS_ERR_SSL_WANT_READ;
}

int mg_tls_record_setup(struct mg_tls_conn *c)
{
    int rc = mbedtls_ssl_setup(&c->ssl, &c->tls->conf);

    if (rc != 0)
        return rc;
    c->set_up = true;
    mbedtls_ssl_set_bio(&c->ssl, c, on_send, on_recv, NULL);
    return 0;
}

/* ---- reading ------------------------------------------------------------------------ */

/* TLS 1.3 sends tickets after the handshake.  3.x stops for each twice: with WANT_READ when it has
 * the message, and when it has read it.  True: read on. */
static bool took_ticket(struct mg_tls_conn *c, int rc)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    if (rc == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
        mg_tls_session_keep(c);
        return true;
    }
    return rc == MBEDTLS_ERR_SSL_WANT_READ && mbedtls_ssl_check_pending(&c->ssl);
#else
    (void)c, (void)rc;
    return false;
#endif
}

bool mg_tls_record_decrypt(struct mg_tls_conn *c, const char **bytes, size_t *len)
{
    *bytes = plain;
    *len = 0;
    while (*len + RECORD <= PLAIN) {
        int rc = mbedtls_ssl_read(&c->ssl, (unsigned char *)plain + *len, PLAIN - *len);

        if (rc > 0) {
            *len += (size_t)rc;
        } else if (took_ticket(c, rc)) {
            continue;
        } else if (rc == MBEDTLS_ERR_SSL_WANT_READ) {
            if (c->lower_eof)
                c->ended = MG_ECLOSED; /* no close_notify: it may have been cut off */
            return c->lower_eof;
        } else {
            c->ended = rc;
            return true;
        }
    }
    return true;
}

/* ---- writing ------------------------------------------------------------------------ */

static int encrypt_span(struct mg_tls_conn *c, const char *bytes, size_t len)
{
    while (len > 0) {
        int rc = mbedtls_ssl_write(&c->ssl, (const unsigned char *)bytes, len);

        if (rc <= 0)
            return MG_ETLS; /* on_send() never says WANT_WRITE */
        bytes += rc;
        len -= (size_t)rc;
    }
    return 0;
}

/* Copies spans into `record` until it is full; returns how many bytes that were.  *at and
 * *from are the place reached. */
static size_t gather(const struct iovec *iov, int n, int *at, size_t *from)
{
    size_t len = 0;

    while (*at < n && len < RECORD) {
        size_t left = iov[*at].iov_len - *from, part = RECORD - len;

        if (part > left)
            part = left;
        memcpy(record + len, (const char *)iov[*at].iov_base + *from, part);
        len += part;
        *from += part;
        if (*from == iov[*at].iov_len) {
            ++*at;
            *from = 0;
        }
    }
    return len;
}

int mg_tls_record_encrypt(struct mg_tls_conn *c, const struct iovec *iov, int n)
{
    size_t from = 0;
    int at = 0, rc = 0;

    while (rc == 0 && at < n) {
        size_t left = iov[at].iov_len - from;

        if (left >= RECORD) {
            rc = encrypt_span(c, (const char *)iov[at].iov_base + from, RECORD);
            from += RECORD;
        } else {
            size_t len = gather(iov, n, &at, &from);

            rc = encrypt_span(c, record, len);
        }
    }
    return rc;
}
