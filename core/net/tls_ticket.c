#include "net/tls_ticket.h"
#include <mbedtls/gcm.h>
#include <mbedtls/platform_util.h>
#include "base/shm.h"
#include "net/crypto.h"
#include "net/tls_handshake.h"

enum { KEY_NAME = 16, NONCE = 12, TAG = 16, HEAD = KEY_NAME + NONCE, STAMP = 8 };

struct ticket_key {
    uint8_t name[KEY_NAME], secret[32];
    uint64_t born; /* seconds of the monotonic clock, which all processes share */
};

struct mg_tls_ticket_keys {
    pthread_mutex_t lock;
    struct ticket_key keys[2]; /* the first seals; both open */
};

static uint64_t now_s(void)
{
    return mg_clock_ns() / 1000000000;
}

/* ---- keys --------------------------------------------------------------------------- */

static void renew(struct ticket_key *key)
{
    mg_crypto_random(key->name, sizeof(key->name));
    mg_crypto_random(key->secret, sizeof(key->secret));
    key->born = now_s();
}

size_t mg_tls_ticket_keys_size(void)
{
    return sizeof(struct mg_tls_ticket_keys);
}

int mg_tls_ticket_keys_init(struct mg_tls_ticket_keys *at)
{
    int rc = mg_shm_lock_init(&at->lock);

    if (rc != 0)
        return rc;
    renew(&at->keys[0]);
    renew(&at->keys[1]);
    return 0;
}

static void rotate_if_due(struct mg_tls_ticket_keys *shared)
{
    if (now_s() - shared->keys[0].born < MG_TLS_TICKET_S)
        return;
    shared->keys[1] = shared->keys[0];
    renew(&shared->keys[0]);
}

/* Copies the key called `name` (NULL: the one that seals); false: there is none any more. */
static bool copy_key(struct mg_tls_ticket_keys *shared, const unsigned char *name,
                     struct ticket_key *out)
{
    bool found = false;

    mg_shm_lock(&shared->lock);
    rotate_if_due(shared);
    for (int i = 0; i < 2 && !found; i++) {
        *out = shared->keys[i];
        found = name == NULL || memcmp(out->name, name, KEY_NAME) == 0;
    }
    mg_shm_unlock(&shared->lock);
    return found;
}

/* ---- sealing ------------------------------------------------------------------------ */

/* The ticket is name, nonce, sealed text, tag; the context's id and the name are bound too. */
static int seal(const struct ticket_key *key, const uint8_t id[32], unsigned char *ticket,
                size_t textlen)
{
    unsigned char bound[KEY_NAME + 32], *text = ticket + HEAD;
    mbedtls_gcm_context gcm;
    int rc;

    memcpy(ticket, key->name, KEY_NAME);
    mg_crypto_random(ticket + KEY_NAME, NONCE);
    memcpy(bound, key->name, KEY_NAME);
    memcpy(bound + KEY_NAME, id, 32);
    mbedtls_gcm_init(&gcm);
    rc = mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key->secret, 256);
    if (rc == 0)
        rc = mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, textlen, ticket + KEY_NAME, NONCE,
                                       bound, sizeof(bound), text, text, TAG, text + textlen);
    mbedtls_gcm_free(&gcm);
    return rc;
}

static int unseal(const struct ticket_key *key, const uint8_t id[32], unsigned char *ticket,
                  size_t textlen)
{
    unsigned char bound[KEY_NAME + 32], *text = ticket + HEAD;
    mbedtls_gcm_context gcm;
    int rc;

    memcpy(bound, key->name, KEY_NAME);
    memcpy(bound + KEY_NAME, id, 32);
    mbedtls_gcm_init(&gcm);
    rc = mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key->secret, 256);
    if (rc == 0)
        rc = mbedtls_gcm_auth_decrypt(&gcm, textlen, ticket + KEY_NAME, NONCE, bound, sizeof(bound),
                                      text + textlen, TAG, text, text);
    mbedtls_gcm_free(&gcm);
    return rc;
}

/* ---- the sealed text: when, under which name, the session --------------------------- */

static void put_stamp(unsigned char *p, uint64_t when)
{
    for (int i = 0; i < STAMP; i++)
        p[i] = (unsigned char)(when >> (8 * i));
}

static uint64_t get_stamp(const unsigned char *p)
{
    uint64_t when = 0;

    for (int i = 0; i < STAMP; i++)
        when |= (uint64_t)p[i] << (8 * i);
    return when;
}

int mg_tls_ticket_write(void *context, const mbedtls_ssl_session *session, unsigned char *start,
                        const unsigned char *end, size_t *len, uint32_t *lifetime)
{
    struct mg_tls *t = context;
    const struct mg_tls_conn *c = mg_tls_handshake_current();
    size_t namelen = c != NULL ? strlen(c->sni) : 0, fixed = HEAD + STAMP + 1 + namelen, saved;
    unsigned char *text = start + HEAD;
    struct ticket_key key;
    int rc;

    /* 2.28 sends both even when this fails (CVE-2026-50586). */
    *len = 0;
    *lifetime = 0;
    if ((size_t)(end - start) < fixed + TAG)
        return MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL;
    put_stamp(text, now_s());
    text[STAMP] = (unsigned char)namelen;
    if (namelen > 0)
        memcpy(text + STAMP + 1, c->sni, namelen);
    rc = mbedtls_ssl_session_save(session, start + fixed, (size_t)(end - start) - fixed - TAG,
                                  &saved);
    if (rc != 0)
        return rc;
    copy_key(t->ticket_keys, NULL, &key);
    rc = seal(&key, t->id, start, fixed - HEAD + saved);
    mbedtls_platform_zeroize(&key, sizeof(key));
    if (rc != 0)
        return rc;
    *len = fixed + saved + TAG;
    *lifetime = MG_TLS_TICKET_S;
    return 0;
}

static int read_text(struct mg_tls_conn *c, mbedtls_ssl_session *session, const unsigned char *text,
                     size_t len)
{
    size_t namelen;

    if (len < STAMP + 1 || len < STAMP + 1 + (size_t)text[STAMP])
        return MBEDTLS_ERR_SSL_BAD_INPUT_DATA;
    if (now_s() - get_stamp(text) >= MG_TLS_TICKET_S)
        return MBEDTLS_ERR_SSL_SESSION_TICKET_EXPIRED;
    namelen = text[STAMP];
    memcpy(c->ticket_sni, text + STAMP + 1, namelen);
    c->ticket_sni[namelen] = '\0';
    /* The name may come after the ticket, then the handshake's end compares. */
    if (c->sni[0] != '\0' && strcmp(c->sni, c->ticket_sni) != 0)
        return MBEDTLS_ERR_SSL_SESSION_TICKET_EXPIRED;
    return mbedtls_ssl_session_load(session, text + STAMP + 1 + namelen, len - STAMP - 1 - namelen);
}

int mg_tls_ticket_parse(void *context, mbedtls_ssl_session *session, unsigned char *ticket,
                        size_t len)
{
    struct mg_tls *t = context;
    struct mg_tls_conn *c = mg_tls_handshake_current();
    struct ticket_key key;
    size_t textlen;
    int rc;

    if (c == NULL || len < HEAD + TAG || !copy_key(t->ticket_keys, ticket, &key))
        return MBEDTLS_ERR_SSL_INVALID_MAC;
    textlen = len - HEAD - TAG;
    rc = unseal(&key, t->id, ticket, textlen);
    mbedtls_platform_zeroize(&key, sizeof(key));
    if (rc != 0)
        return MBEDTLS_ERR_SSL_INVALID_MAC;
    rc = read_text(c, session, ticket + HEAD, textlen);
    mbedtls_platform_zeroize(ticket + HEAD, textlen);
    c->resumed = rc == 0;
    return rc;
}
