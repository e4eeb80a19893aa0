#include "net/tls_handshake.h"
#include <stdio.h>
#include <mbedtls/error.h>
#include "net/tls_identity.h"
#include "net/tls_record.h"

enum { RECORD_HEADER = 5, RECORD_MAX = 16384 + 2048 };

/* Touched on the loop only. */
static struct {
    struct mg_list waiting;
    unsigned running;
} pool = {{&pool.waiting, &pool.waiting}, 0};

static _Thread_local struct mg_tls_conn *current;

struct mg_tls_conn *mg_tls_handshake_current(void)
{
    return current;
}

void mg_tls_handshake_enter(struct mg_tls_conn *c)
{
    current = c;
}

/* ---- one step, on a thread ----------------------------------------------------- */

/* Refuses what the library's own check let pass: REQUEST must not mean "any certificate will do",
 * and a resumed session's certificate may have run out since. */
static int check_client(struct mg_tls_conn *c)
{
    const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&c->ssl);
    uint32_t flags = mbedtls_ssl_get_verify_result(&c->ssl);

    if (c->tls->auth == MG_TLS_AUTH_NONE)
        return 0;
    if (crt == NULL)
        return c->tls->auth != MG_TLS_AUTH_REQUIRE ? 0 : MBEDTLS_ERR_X509_CERT_VERIFY_FAILED;
    if (c->tls->auth == MG_TLS_AUTH_ANY &&
        (flags != 0 || mbedtls_x509_time_is_past(&crt->valid_to)))
        return 0; /* without a name */
    if (flags != 0)
        return MBEDTLS_ERR_X509_CERT_VERIFY_FAILED;
    if (mbedtls_x509_time_is_past(&crt->valid_to)) {
        snprintf(c->reason, sizeof(c->reason),
                 "the certificate of the resumed session has expired");
        return MBEDTLS_ERR_X509_CERT_VERIFY_FAILED;
    }
    return mg_tls_identity_fill(&c->peer, &c->identity, crt) == 0
               ? 0
               : MBEDTLS_ERR_X509_INVALID_EXTENSIONS;
}

/* RFC 6066, 3: a session is not resumed under another name than it began with. */
static int check_resumed(struct mg_tls_conn *c)
{
    if (!c->resumed || strcmp(c->sni, c->ticket_sni) == 0)
        return 0;
    snprintf(c->reason, sizeof(c->reason), "session of another server name");
    return MBEDTLS_ERR_X509_FATAL_ERROR;
}

static int finish(struct mg_tls_conn *c)
{
    const char *alpn = mbedtls_ssl_get_alpn_protocol(&c->ssl);
    int rc = 0;

    if (c->tls->server)
        rc = check_resumed(c);
    if (rc == 0 && c->tls->server)
        rc = check_client(c);
    if (rc != 0) {
        mbedtls_ssl_send_alert_message(&c->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                       MBEDTLS_SSL_ALERT_MSG_BAD_CERT);
        return rc;
    }
    if (!c->tls->server && c->tls->auth != MG_TLS_AUTH_NONE)
        c->resumed = !c->verified;
    if (alpn != NULL)
        c->peer.alpn = mg_str_of(alpn, strlen(alpn));
    c->peer.sni = mg_str_of(c->sni, strlen(c->sni));
    return 0;
}

static void explain(struct mg_tls_conn *c)
{
    uint32_t flags = c->set_up ? mbedtls_ssl_get_verify_result(&c->ssl) : 0;

    if (c->reason[0] != '\0')
        return;
    if (c->rc == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED && flags != 0 && flags != UINT32_MAX)
        mbedtls_x509_crt_verify_info(c->reason, sizeof(c->reason), "", flags);
    else
        mbedtls_strerror(c->rc, c->reason, sizeof(c->reason));
    c->reason[strcspn(c->reason, "\n")] = '\0';
}

static void step(struct mg_job *job)
{
    struct mg_tls_conn *c = MG_LIST_OF(job, struct mg_tls_conn, job);

    mg_tls_handshake_enter(c);
    c->rc = c->set_up ? 0 : mg_tls_record_setup(c);
    if (c->rc == 0)
        c->rc = mbedtls_ssl_handshake(&c->ssl);
    if (c->rc == 0)
        c->rc = finish(c);
    /* The one failure the library says nothing of to the peer. */
    if (c->rc == MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE)
        mbedtls_ssl_send_alert_message(&c->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                       MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE);
    if (c->rc != 0 && c->rc != MBEDTLS_ERR_SSL_WANT_READ)
        explain(c);
    mg_tls_handshake_enter(NULL);
}

/* ---- the queue, on the loop --------------------------------------------------------- */

/* Bytes of `in` that make whole records; all of them when they cannot be records at all, for the
 * library to refuse. */
static size_t whole_records(const struct mg_buf *in)
{
    const unsigned char *p = (const unsigned char *)(mg_buf_len(in) > 0 ? mg_buf_bytes(in) : NULL);
    size_t len = mg_buf_len(in), at = 0;

    while (len - at >= 1) {
        size_t record;

        if (p[at] < 20 || p[at] > 24)
            return len;
        if (len - at < RECORD_HEADER)
            break;
        record = RECORD_HEADER + (size_t)(p[at + 3] << 8 | p[at + 4]);
        if (record > RECORD_HEADER + RECORD_MAX)
            return len;
        if (record > len - at)
            break;
        at += record;
    }
    return at;
}

static void stepped(struct mg_job *job);

static void run(struct mg_tls_conn *c)
{
    c->busy = true;
    c->ready = whole_records(&c->in);
    c->fed += c->ready;
    c->job.work = step;
    c->job.done = stepped;
    pool.running++;
    mg_loop_submit(c->base.loop, &c->job);
}

static void run_next(void)
{
    while (pool.running < MG_TLS_HANDSHAKES && !mg_list_empty(&pool.waiting)) {
        struct mg_tls_conn *c = MG_LIST_OF(pool.waiting.next, struct mg_tls_conn, waiting);

        mg_list_remove(&c->waiting);
        run(c);
    }
}

static void enqueue(struct mg_tls_conn *c)
{
    mg_list_append(&pool.waiting, &c->waiting);
    run_next();
}

static void fail(struct mg_tls_conn *c, const char *why)
{
    c->why = why;
    mg_tls_handshake_cancel(c);
    mg_tls_mbedtls_failed(c, MG_ETLS);
}

static void go_on(struct mg_tls_conn *c)
{
    if (c->fed > MG_TLS_HANDSHAKE_BYTES) {
        fail(c, "the handshake is too large");
    } else if (whole_records(&c->in) > 0) {
        enqueue(c);
    } else if (c->lower_eof) {
        fail(c, "closed during the handshake");
    } else {
        mg_conn_read_start(c->lower);
    }
}

/* Sends what the step wrote, an alert too. */
static void send_out(struct mg_tls_conn *c)
{
    struct iovec iov;
    int rc;

    if (mg_buf_len(&c->out) == 0)
        return;
    iov.iov_base = (void *)mg_buf_bytes(&c->out);
    iov.iov_len = mg_buf_len(&c->out);
    rc = mg_conn_write(c->lower, &iov, 1);
    mg_buf_free(&c->out);
    if (rc < 0 && c->state == MG_TLS_SHAKING && c->rc == MBEDTLS_ERR_SSL_WANT_READ)
        c->lower_eof = true; /* nothing will answer what could not be sent */
}

static void take_backlog(struct mg_tls_conn *c)
{
    if (mg_buf_len(&c->backlog) == 0)
        return;
    mg_buf_append(&c->in, mg_buf_bytes(&c->backlog), mg_buf_len(&c->backlog));
    mg_buf_free(&c->backlog);
}

static void stepped(struct mg_job *job)
{
    struct mg_tls_conn *c = MG_LIST_OF(job, struct mg_tls_conn, job);

    c->busy = false;
    pool.running--;
    run_next();
    c->holds++;
    if (!c->closing) {
        send_out(c);
        take_backlog(c);
        if (c->state != MG_TLS_SHAKING) {
            /* its time was up while the step ran */
        } else if (c->rc == MBEDTLS_ERR_SSL_WANT_READ) {
            go_on(c);
        } else if (c->rc == 0) {
            mg_timer_clear(&c->timer);
            mg_tls_mbedtls_opened(c);
        } else {
            fail(c, NULL);
        }
    }
    mg_tls_mbedtls_release(c);
}

static void on_timer(struct mg_timer *t)
{
    struct mg_tls_conn *c = MG_LIST_OF(t, struct mg_tls_conn, timer);

    fail(c, "the handshake took too long");
}

void mg_tls_handshake_start(struct mg_tls_conn *c)
{
    mg_timer_init(&c->timer, on_timer);
    mg_timer_set(c->base.loop, &c->timer, MG_TLS_HANDSHAKE_MS);
    mg_list_init(&c->waiting);
    if (!c->tls->server || whole_records(&c->in) > 0)
        enqueue(c);
    mg_conn_read_start(c->lower);
}

void mg_tls_handshake_feed(struct mg_tls_conn *c, const char *bytes, size_t len)
{
    struct mg_buf *to = c->busy ? &c->backlog : &c->in;

    mg_buf_append(to, bytes, len);
    if (!c->busy && mg_list_empty(&c->waiting))
        go_on(c);
    else if (mg_buf_len(to) >= MG_TLS_HANDSHAKE_BYTES)
        mg_conn_read_stop(c->lower);
}

void mg_tls_handshake_eof(struct mg_tls_conn *c)
{
    c->lower_eof = true;
    if (!c->busy && mg_list_empty(&c->waiting))
        go_on(c);
}

void mg_tls_handshake_cancel(struct mg_tls_conn *c)
{
    mg_timer_clear(&c->timer);
    mg_list_remove(&c->waiting);
}
