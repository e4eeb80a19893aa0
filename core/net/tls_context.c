#include <stdio.h>
#include <stdlib.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/error.h>
#include <mbedtls/platform_util.h>
#include "net/crypto.h"
#include "net/tls_handshake.h"
#include "net/tls_identity.h"
#include "net/tls_session.h"
#include "net/tls_settings.h"
#include "net/tls_ticket.h"
#include "net/tls_trust.h"

struct failure {
    char *text;
    size_t len;
};

/* "server.crt: what is wrong"; false, for the caller to return. */
static bool failed(struct failure *f, const char *name, const char *what)
{
    snprintf(f->text, f->len, "%s: %s", name, what);
    return false;
}

static bool failed_code(struct failure *f, const char *name, int code)
{
    char text[128];

    mbedtls_strerror(code, text, sizeof(text));
    return failed(f, name, text);
}

/* ---- certificates and keys ---------------------------------------------------------- */

static bool load_chain(mbedtls_x509_crt *crt, mg_str pem, const char *name, struct failure *f)
{
    int rc;

    if (!mg_tls_trust_has(pem, "-----BEGIN"))
        return failed(f, name, "no PEM block");
    rc = mg_tls_trust_parse(crt, pem);
    if (rc < 0)
        return failed_code(f, name, rc);
    /* Half a chain or half a bundle would trust, or be trusted by, fewer than its author thinks. */
    return rc == 0 || failed(f, name, "holds a certificate that cannot be read");
}

static int parse_key(mbedtls_pk_context *key, const unsigned char *pem, size_t size)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    return mbedtls_pk_parse_key(key, pem, size, NULL, 0, mg_crypto_rng, NULL);
#else
    return mbedtls_pk_parse_key(key, pem, size, NULL, 0);
#endif
}

static int check_pair(const struct mg_tls_pair *pair)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    return mbedtls_pk_check_pair(&pair->crt.pk, &pair->key, mg_crypto_rng, NULL);
#else
    return mbedtls_pk_check_pair(&pair->crt.pk, &pair->key);
#endif
}

#if MBEDTLS_VERSION_NUMBER < 0x03000000
/* Of an EC key 2.28 takes a copy for each signature, and computes the multiples of the curve's base point for it anew,
 * which takes longer than the rest.  One of the type ECDSA it uses as it is, with those multiples once they are there: a
 * first signature leaves them, and afterwards nothing is written there. */
static int prepare_key(mbedtls_pk_context *key)
{
    static const unsigned char digest[32];
    unsigned char signature[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
    size_t len;
    mbedtls_pk_context own;
    int rc;

    if (mbedtls_pk_get_type(key) != MBEDTLS_PK_ECKEY)
        return 0;
    mbedtls_pk_init(&own);
    rc = mbedtls_pk_setup(&own, mbedtls_pk_info_from_type(MBEDTLS_PK_ECDSA));
    if (rc == 0)
        rc = mbedtls_ecdsa_from_keypair(mbedtls_pk_ec(own), mbedtls_pk_ec(*key));
    if (rc == 0)
        rc = mbedtls_pk_sign(&own, MBEDTLS_MD_SHA256, digest, sizeof(digest), signature, &len,
                             mg_crypto_rng, NULL);
    if (rc != 0) {
        mbedtls_pk_free(&own);
        return rc;
    }
    mbedtls_pk_free(key);
    *key = own;
    return 0;
}
#else
static int prepare_key(mbedtls_pk_context *key)
{
    (void)key; /* the multiples are in the library */
    return 0;
}
#endif

static bool load_key(mbedtls_pk_context *key, mg_str pem, const char *name, struct failure *f)
{
    char *copy;
    int rc;

    if (!mg_tls_trust_has(pem, "-----BEGIN"))
        return failed(f, name, "the key has no PEM block");
    /* No password is asked for, and 2.28 reads before such a text's start (CVE-2025-52497). */
    if (mg_tls_trust_has(pem, "ENCRYPTED"))
        return failed(f, name, "the key is encrypted; give it in clear");
    copy = strndup(pem.ptr, pem.len);
    if (copy == NULL)
        return failed(f, name, "out of memory");
    rc = parse_key(key, (const unsigned char *)copy, strlen(copy) + 1);
    mbedtls_platform_zeroize(copy, strlen(copy));
    free(copy);
    return rc == 0 || failed_code(f, name, rc);
}

static bool load_pair(struct mg_tls_pair *pair, const struct mg_tls_cert *from, struct failure *f)
{
    const char *name = from->name != NULL ? from->name : "certificate";
    int rc;

    if (!load_chain(&pair->crt, from->cert, name, f) || !load_key(&pair->key, from->key, name, f))
        return false;
    if (check_pair(pair) != 0)
        return failed(f, name, "the key does not match the certificate");
    rc = prepare_key(&pair->key);
    return rc == 0 || failed_code(f, name, rc);
}

static bool load_pairs(struct mg_tls *t, const struct mg_tls_cert *certs, size_t n,
                       struct failure *f)
{
    t->pairs = calloc(n, sizeof(*t->pairs));
    if (t->pairs == NULL)
        return failed(f, "certificate", "out of memory");
    for (t->npairs = 0; t->npairs < n; t->npairs++) {
        mbedtls_x509_crt_init(&t->pairs[t->npairs].crt);
        mbedtls_pk_init(&t->pairs[t->npairs].key);
    }
    for (size_t i = 0; i < n; i++)
        if (!load_pair(&t->pairs[i], &certs[i], f))
            return false;
    return mbedtls_ssl_conf_own_cert(&t->conf, &t->pairs[0].crt, &t->pairs[0].key) == 0 ||
           failed(f, "certificate", "out of memory");
}

/* ---- SNI ---------------------------------------------------------------------------- */

/* Offers every certificate whose SANs match as well as `best`, so that an RSA and an EC one may
 * serve the same name. */
static int offer(const struct mg_tls *t, mbedtls_ssl_context *ssl, const char *name,
                 enum mg_tls_match best)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < t->npairs; i++)
        if (mg_tls_identity_match(&t->pairs[i].crt, name) == best)
            rc = mbedtls_ssl_set_hs_own_cert(ssl, &t->pairs[i].crt, &t->pairs[i].key);
    return rc;
}

/* A name of letters, digits, '-', '_' and '.', in lower case; false when it is none. */
static bool copy_name(char *out, size_t cap, const unsigned char *name, size_t len)
{
    if (len == 0 || len >= cap)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = mg_lower((char)name[i]);

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
            return false;
        out[i] = c;
    }
    out[len] = '\0';
    return true;
}

static int on_sni(void *context, mbedtls_ssl_context *ssl, const unsigned char *name, size_t len)
{
    const struct mg_tls *t = context;
    struct mg_tls_conn *c = mg_tls_handshake_current();
    enum mg_tls_match best = MG_TLS_MATCH_NONE;

    if (!copy_name(c->sni, sizeof(c->sni), name, len)) {
        c->sni[0] = '\0';
        snprintf(c->reason, sizeof(c->reason), "the server name is malformed");
        return -1;
    }
    for (size_t i = 0; i < t->npairs; i++) {
        enum mg_tls_match match = mg_tls_identity_match(&t->pairs[i].crt, c->sni);

        if (match > best)
            best = match;
    }
    return best == MG_TLS_MATCH_NONE ? 0 : offer(t, ssl, c->sni, best);
}

/* ---- what binds a ticket ------------------------------------------------------------ */

static void add_to_id(struct mg_buf *text, const void *bytes, uint32_t len)
{
    mg_buf_append(text, (const char *)&len, sizeof(len)); /* so that no two lists read the same */
    mg_buf_append(text, bytes, len);
}

static void make_id(struct mg_tls *t, const struct mg_tls_server_opts *o)
{
    int numbers[2] = {o->auth, o->min_version};
    uint8_t digest[MG_DIGEST_MAX];
    struct mg_buf text = {0};
    uint32_t len;

    add_to_id(&text, numbers, sizeof(numbers));
    add_to_id(&text, o->client_ca.ptr, o->client_ca.len);
    for (size_t i = 0; i < o->ncerts; i++)
        add_to_id(&text, o->certs[i].cert.ptr, o->certs[i].cert.len);
    mg_crypto_digest(MG_SHA256, mg_buf_bytes(&text), mg_buf_len(&text), digest, &len);
    memcpy(t->id, digest, sizeof(t->id));
    mg_buf_free(&text);
}

/* ---- contexts ----------------------------------------------------------------------- */

static struct mg_tls *new_context(bool server)
{
    struct mg_tls *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    t->refs = 1;
    t->server = server;
    mg_list_init(&t->sessions);
    mbedtls_ssl_config_init(&t->conf);
    mbedtls_x509_crt_init(&t->ca);
    return t;
}

static bool copy_alpn(struct mg_tls *t, const char *const *alpn, struct failure *f)
{
    size_t n = 0;

    while (alpn != NULL && alpn[n] != NULL)
        n++;
    if (n == 0)
        return true;
    t->alpn = calloc(n + 1, sizeof(*t->alpn));
    for (size_t i = 0; t->alpn != NULL && i < n; i++)
        if ((t->alpn[i] = strdup(alpn[i])) == NULL)
            return failed(f, "alpn", "out of memory");
    return (t->alpn != NULL &&
            mbedtls_ssl_conf_alpn_protocols(&t->conf, (const char **)t->alpn) == 0) ||
           failed(f, "alpn", "a name is empty or too long");
}

static bool set_client_auth(struct mg_tls *t, const struct mg_tls_server_opts *o, struct failure *f)
{
    static const int modes[] = {[MG_TLS_AUTH_NONE] = MBEDTLS_SSL_VERIFY_NONE,
                                [MG_TLS_AUTH_REQUEST] = MBEDTLS_SSL_VERIFY_OPTIONAL,
                                [MG_TLS_AUTH_REQUIRE] = MBEDTLS_SSL_VERIFY_REQUIRED,
                                [MG_TLS_AUTH_ANY] = MBEDTLS_SSL_VERIFY_OPTIONAL};

    t->auth = o->auth;
    mbedtls_ssl_conf_authmode(&t->conf, modes[o->auth]);
    if (o->auth == MG_TLS_AUTH_NONE)
        return true;
    if (o->client_ca.len == 0)
        return failed(f, "client_ca", "is needed to check client certificates");
    if (!load_chain(&t->ca, o->client_ca, "client_ca", f))
        return false;
    mbedtls_ssl_conf_ca_chain(&t->conf, &t->ca, NULL);
    return true;
}

static bool set_tickets(struct mg_tls *t, const struct mg_tls_server_opts *o, struct failure *f)
{
    if (!o->tickets)
        return true;
    if (o->ticket_keys == NULL)
        return failed(f, "tickets", "no keys");
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    /* A saved 1.3 session lacks the client's certificate: resumed, it would have lost its name. */
    if (o->auth != MG_TLS_AUTH_NONE)
        mbedtls_ssl_conf_new_session_tickets(&t->conf, 0);
#endif
    t->ticket_keys = o->ticket_keys;
    mbedtls_ssl_conf_session_tickets_cb(&t->conf, mg_tls_ticket_write, mg_tls_ticket_parse, t);
    return true;
}

static bool set_up_server(struct mg_tls *t, const struct mg_tls_server_opts *o, struct failure *f)
{
    if (!mg_tls_settings_apply(&t->conf, MBEDTLS_SSL_IS_SERVER, o->min_version))
        return failed(f, "min_version", "not offered by this TLS library");
    if (o->ncerts == 0)
        return failed(f, "cert", "is needed");
    make_id(t, o);
    mbedtls_ssl_conf_sni(&t->conf, on_sni, t);
    return load_pairs(t, o->certs, o->ncerts, f) && set_client_auth(t, o, f) &&
           copy_alpn(t, o->alpn, f) && set_tickets(t, o, f);
}

struct mg_tls *mg_tls_server_new(const struct mg_tls_server_opts *o, char *err, size_t errlen)
{
    struct failure f = {err, errlen};
    struct mg_tls *t = new_context(true);

    if (t == NULL) {
        failed(&f, "tls", "out of memory");
        return NULL;
    }
    if (set_up_server(t, o, &f))
        return t;
    mg_tls_unref(t);
    return NULL;
}

static bool set_trust(struct mg_tls *t, const struct mg_tls_client_opts *o, struct failure *f)
{
    mbedtls_x509_crt *roots = &t->ca;

    t->auth = o->insecure ? MG_TLS_AUTH_NONE : MG_TLS_AUTH_REQUIRE;
    mbedtls_ssl_conf_authmode(&t->conf,
                              o->insecure ? MBEDTLS_SSL_VERIFY_NONE : MBEDTLS_SSL_VERIFY_REQUIRED);
    if (o->insecure)
        return true;
    if (o->ca.len > 0 && !load_chain(&t->ca, o->ca, "ca", f))
        return false;
    if (o->ca.len == 0) {
        roots = mg_tls_trust_system();
        if (roots == NULL)
            return failed(f, MG_TLS_TRUST_FILE, "holds no certificates that can be read");
        t->system_roots = true;
    }
    mbedtls_ssl_conf_ca_chain(&t->conf, roots, NULL);
    return true;
}

static bool set_up_client(struct mg_tls *t, const struct mg_tls_client_opts *o, struct failure *f)
{
    if (!mg_tls_settings_apply(&t->conf, MBEDTLS_SSL_IS_CLIENT, 12))
        return failed(f, "tls", "out of memory");
    return set_trust(t, o, f) &&
           ((o->cert.cert.len == 0 && o->cert.key.len == 0) || load_pairs(t, &o->cert, 1, f)) &&
           copy_alpn(t, o->alpn, f);
}

struct mg_tls *mg_tls_client_new(const struct mg_tls_client_opts *o, char *err, size_t errlen)
{
    struct failure f = {err, errlen};
    struct mg_tls *t = new_context(false);

    if (t == NULL) {
        failed(&f, "tls", "out of memory");
        return NULL;
    }
    if (set_up_client(t, o, &f))
        return t;
    mg_tls_unref(t);
    return NULL;
}

static time_t seconds_of(const mbedtls_x509_time *t)
{
    struct tm tm = {.tm_year = t->year - 1900,
                    .tm_mon = t->mon - 1,
                    .tm_mday = t->day,
                    .tm_hour = t->hour,
                    .tm_min = t->min,
                    .tm_sec = t->sec};

    return timegm(&tm);
}

int mg_tls_validity(mg_str pem, time_t *from, time_t *until)
{
    mbedtls_x509_crt crt;
    int rc;

    mbedtls_x509_crt_init(&crt);
    rc = mg_tls_trust_parse(&crt, pem);
    if (rc >= 0) {
        *from = seconds_of(&crt.valid_from);
        *until = seconds_of(&crt.valid_to);
    }
    mbedtls_x509_crt_free(&crt);
    return rc < 0 ? MG_EINVAL : MG_OK;
}

void mg_tls_ref(struct mg_tls *t)
{
    t->refs++;
}

void mg_tls_unref(struct mg_tls *t)
{
    if (--t->refs > 0)
        return;
    mg_tls_session_free_all(t);
    mbedtls_ssl_config_free(&t->conf);
    for (size_t i = 0; i < t->npairs; i++) {
        mbedtls_x509_crt_free(&t->pairs[i].crt);
        mbedtls_pk_free(&t->pairs[i].key);
    }
    free(t->pairs);
    mbedtls_x509_crt_free(&t->ca);
    if (t->system_roots)
        mg_tls_trust_release();
    for (char **p = t->alpn; p != NULL && *p != NULL; p++)
        free(*p);
    free(t->alpn);
    free(t);
}
