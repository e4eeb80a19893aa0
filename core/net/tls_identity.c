#include "net/tls_identity.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <mbedtls/oid.h>
#include "net/crypto.h"
#include "net/tls_mbedtls.h"

enum { MAX_NAME = 2048 }; /* a SPIFFE id has at most so many bytes */

/* ---- subject alternative names ------------------------------------------------------ */

static bool is_type(const mbedtls_x509_sequence *san, int type)
{
    return san->buf.tag == (MBEDTLS_ASN1_CONTEXT_SPECIFIC | type);
}

static mg_str span_of(const mbedtls_x509_sequence *san)
{
    return mg_str_of((const char *)san->buf.p, san->buf.len);
}

/* A NUL would end the name early for whoever reads it as a C string. */
static bool is_graphic(mg_str s)
{
    for (uint32_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] >= 0x7f)
            return false;
    return s.len > 0;
}

mg_str mg_tls_identity_san(const mbedtls_x509_crt *crt, int type)
{
    /* Without the extension the head of the list is all zeros, which is no type's tag. */
    for (const mbedtls_x509_sequence *san = &crt->subject_alt_names; san != NULL; san = san->next)
        if (is_type(san, type))
            return span_of(san);
    return mg_str_of(NULL, 0);
}

static enum mg_tls_match match_dns(mg_str pattern, mg_str name)
{
    const char *dot;
    uint32_t label;

    if (!is_graphic(pattern))
        return MG_TLS_MATCH_NONE;
    if (mg_str_ieq(pattern, name))
        return MG_TLS_MATCH_EXACT;
    dot = memchr(name.ptr, '.', name.len);
    if (pattern.len < 3 || memcmp(pattern.ptr, "*.", 2) != 0 || dot == NULL || dot == name.ptr)
        return MG_TLS_MATCH_NONE;
    label = (uint32_t)(dot - name.ptr);
    return mg_str_ieq(mg_str_of(pattern.ptr + 1, pattern.len - 1), mg_str_of(dot, name.len - label))
               ? MG_TLS_MATCH_WILDCARD
               : MG_TLS_MATCH_NONE;
}

/* `name` as the bytes of an iPAddress SAN; 0 when it is no address. */
static size_t parse_ip(const char *name, unsigned char out[16])
{
    if (inet_pton(AF_INET, name, out) == 1)
        return 4;
    return inet_pton(AF_INET6, name, out) == 1 ? 16 : 0;
}

bool mg_tls_identity_is_address(const char *name)
{
    unsigned char ip[16];

    return parse_ip(name, ip) > 0;
}

enum mg_tls_match mg_tls_identity_match(const mbedtls_x509_crt *crt, const char *name)
{
    unsigned char ip[16];
    mg_str address = {(const char *)ip, (uint32_t)parse_ip(name, ip)}, text = {name, 0};
    enum mg_tls_match best = MG_TLS_MATCH_NONE;

    text.len = (uint32_t)strlen(name);
    for (const mbedtls_x509_sequence *san = &crt->subject_alt_names; san != NULL; san = san->next) {
        enum mg_tls_match match = MG_TLS_MATCH_NONE;
        bool exact = false;

        if (address.len > 0)
            exact = is_type(san, MG_TLS_SAN_IP) && mg_str_eq(span_of(san), address);
        else if (is_type(san, MG_TLS_SAN_URI))
            exact = is_graphic(span_of(san)) && mg_str_eq(span_of(san), text);
        else if (is_type(san, MG_TLS_SAN_DNS))
            match = match_dns(span_of(san), text);
        if (exact)
            match = MG_TLS_MATCH_EXACT;
        if (match > best)
            best = match;
    }
    return best;
}

/* Whether one of `names`, apart by blanks, is among the SANs. */
static bool is_wanted(const mbedtls_x509_crt *crt, const char *names)
{
    char name[MAX_NAME + 1];
    bool found = false;

    while (*names != '\0' && !found) {
        size_t len = strcspn(names, " ");

        if (len > 0 && len <= MAX_NAME) {
            memcpy(name, names, len);
            name[len] = '\0';
            found = mg_tls_identity_match(crt, name) != MG_TLS_MATCH_NONE;
        }
        names += len + strspn(names + len, " ");
    }
    return found;
}

int mg_tls_identity_check_server(void *conn, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
    struct mg_tls_conn *c = conn;
    if (depth != 0)
        return 0;
    /* Ours instead of the library's, which knows no URI, in 2.28 no address, and reads the CN. */
    c->verified = true;
    *flags &= ~(uint32_t)MBEDTLS_X509_BADCERT_CN_MISMATCH;
    if (!is_wanted(crt, c->verify != NULL ? c->verify : c->name))
        *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
    return 0;
}

/* ---- the peer's texts --------------------------------------------------------------- */

static void append(struct mg_buf *out, const char *text)
{
    mg_buf_append(out, text, strlen(text));
}

/* A value of a distinguished name, escaped so that it cannot pass for two (RFC 4514, 2.4). */
static void append_value(struct mg_buf *out, const mbedtls_x509_buf *value)
{
    for (size_t i = 0; i < value->len; i++) {
        unsigned char c = value->p[i];
        bool edge = (i == 0 && (c == ' ' || c == '#')) || (i + 1 == value->len && c == ' ');
        char hex[4];

        if (c < ' ' || c == 0x7f) {
            snprintf(hex, sizeof(hex), "\\%02X", c);
            append(out, hex);
            continue;
        }
        if (edge || strchr("\"+,;<>\\=", c) != NULL)
            append(out, "\\");
        mg_buf_append(out, (const char *)&c, 1);
    }
}

/* "CN=sleep,OU=team,O=example": the last attribute first (RFC 4514, 2.1). */
static void append_name(struct mg_buf *out, const mbedtls_x509_name *first)
{
    enum { MOST = 32 };
    const mbedtls_x509_name *names[MOST];
    int n = 0;

    for (; first != NULL && first->oid.p != NULL && n < MOST; first = first->next)
        names[n++] = first;
    while (n-- > 0) {
        const char *type;

        if (mbedtls_oid_get_attr_short_name(&names[n]->oid, &type) != 0)
            type = "OID";
        append(out, type);
        append(out, "=");
        append_value(out, &names[n]->val);
        if (n > 0)
            append(out, ",");
    }
}

static void append_hex(struct mg_buf *out, const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char hex[3];

        snprintf(hex, sizeof(hex), "%02x", bytes[i]);
        append(out, hex);
    }
}

static void fingerprint(struct mg_peer *peer, const mbedtls_x509_crt *crt)
{
    uint8_t digest[MG_DIGEST_MAX];
    uint32_t len;

    mg_crypto_digest(MG_SHA256, crt->raw.p, crt->raw.len, digest, &len);
    for (uint32_t i = 0; i < len; i++)
        snprintf(peer->fingerprint + (size_t)2 * i, 3, "%02x", digest[i]);
}

int mg_tls_identity_fill(struct mg_peer *peer, char **memory, const mbedtls_x509_crt *crt)
{
    mg_str uri = mg_tls_identity_san(crt, MG_TLS_SAN_URI);
    mg_str dns = mg_tls_identity_san(crt, MG_TLS_SAN_DNS);
    struct mg_buf text = {0};
    size_t subject, serial;
    const char *at;

    if ((uri.len > 0 && !is_graphic(uri)) || (dns.len > 0 && !is_graphic(dns)))
        return MG_EINVAL;
    append_name(&text, &crt->subject);
    subject = mg_buf_len(&text);
    append_hex(&text, crt->serial.p, crt->serial.len);
    serial = mg_buf_len(&text) - subject;
    mg_buf_append(&text, uri.ptr, uri.len);
    mg_buf_append(&text, dns.ptr, dns.len);

    *memory = text.data;
    at = mg_buf_bytes(&text);
    peer->subject = mg_str_of(at, subject);
    peer->serial = mg_str_of(at + subject, serial);
    peer->principal = mg_str_of(at + subject + serial, uri.len);
    peer->dns = mg_str_of(at + subject + serial + uri.len, dns.len);
    fingerprint(peer, crt);
    peer->certified = true;
    return MG_OK;
}
