#include "proxy/forwarded.h"

#include "net/crypto.h"

enum { CLIENT_CERT_REMOVE, CLIENT_CERT_SET, CLIENT_CERT_TRUST };

/* The n-th entry from the right of a comma-separated list, n from 1; empty: too short. */
static mg_str from_right(mg_str list, uint32_t n)
{
    while (list.len > 0) {
        const char *comma = memrchr(list.ptr, ',', list.len);
        const char *start = comma == NULL ? list.ptr : comma + 1;

        if (--n == 0)
            return mg_str_trim(mg_str_of(start, (size_t)(list.ptr + list.len - start)));
        list.len = comma == NULL ? 0 : (uint32_t)(comma - list.ptr);
    }
    return (mg_str){0};
}

static char *put(char *at, mg_str s)
{
    if (s.len > 0)
        memcpy(at, s.ptr, s.len);
    return at + s.len;
}

/* All X-Forwarded-For fields as one list (RFC 9110, 5.3), and `last` (may be empty) behind them. */
static mg_str joined(struct mg_x *x, mg_str name, mg_str last)
{
    size_t size = last.len;
    uint32_t at = 0;
    char *text, *end;
    mg_str value;

    while (mg_headers_next_of(&x->req.headers, name, &at, &value) == MG_OK)
        size += value.len + 2;
    text = end = mg_arena_alloc(&x->arena, size);
    for (at = 0; mg_headers_next_of(&x->req.headers, name, &at, &value) == MG_OK;)
        if (value.len > 0)
            end = put(put(end, value), MG_STR(", "));
    if (last.len > 0)
        end = put(end, last);
    else if (end > text)
        end -= 2;
    return mg_str_of(text, (size_t)(end - text));
}

/* The trusted client address: `hops` proxies stand before us, so the client is that entry counted
 * from the right, and the peer itself where the list is too short (Envoy's numTrustedProxies). An inner
 * hop that appends nothing believes the rightmost entry. */
static void forwarded_for(struct mg_x *x, const struct mg_listener_conf *conf)
{
    static const mg_str name = {"x-forwarded-for", 15};
    uint32_t hops = conf->append_forwarded_for ? conf->trusted_hops : 1;
    mg_str list, client = {0};

    if (mg_headers_get(&x->req.headers, name, &list) != MG_OK) {
        x->pub.client_address = x->pub.peer_address;
        if (conf->append_forwarded_for)
            mg_headers_push(&x->req, &x->req.headers, name, x->pub.peer_address);
        return;
    }
    if (conf->append_forwarded_for) {
        list = joined(x, name, x->pub.peer_address);
        mg_headers_remove(&x->req.headers, name);
        mg_headers_push(&x->req, &x->req.headers, name, list);
        hops += hops > 0; /* the last entry is the peer's by now */
    } else {
        list = joined(x, name, MG_STR(""));
    }
    if (hops > 0)
        client = from_right(list, hops);
    x->pub.client_address = client.len > 0 ? client : x->pub.peer_address;
}

static void forwarded_proto(struct mg_x *x, const struct mg_listener_conf *conf)
{
    static const mg_str name = {"x-forwarded-proto", 17};
    mg_str sent;
    bool trusted = !conf->append_forwarded_for || conf->trusted_hops > 0;

    if (mg_headers_get(&x->req.headers, name, &sent) == MG_OK) {
        if (trusted)
            return;
        mg_headers_remove(&x->req.headers, name);
    }
    mg_headers_push(&x->req, &x->req.headers, name, x->pub.tls ? MG_STR("https") : MG_STR("http"));
}

/* xorshift128+ (Vigna, 2014), seeded once: an id must be unique, not secret. */
static uint64_t next_bits(void)
{
    static uint64_t state[2];
    uint64_t a, b;

    if (state[0] == 0)
        mg_crypto_random(state, sizeof(state));
    a = state[0];
    b = state[1];
    state[0] = b;
    a ^= a << 23;
    state[1] = a ^ b ^ (a >> 18) ^ (b >> 5);
    return state[1] + b;
}

/* A version 4 UUID (RFC 9562, 5.4). */
static mg_str new_id(struct mg_x *x)
{
    static const char hex[] = "0123456789abcdef";
    static const uint8_t at[] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};
    char *out = mg_arena_alloc(&x->arena, 36);
    uint64_t bits[2] = {next_bits(), next_bits()};
    const uint8_t *b = (const uint8_t *)bits;

    for (int i = 0; i < 16; i++) {
        out[at[i]] = hex[b[i] >> 4];
        out[at[i] + 1] = hex[b[i] & 15];
    }
    out[8] = out[13] = out[18] = out[23] = '-';
    out[14] = '4';
    out[19] = hex[8 | (b[8] & 3)];
    return mg_str_of(out, 36);
}

static void request_id(struct mg_x *x, const struct mg_listener_conf *conf)
{
    static const mg_str name = {"x-request-id", 12};
    mg_str sent;

    if (mg_headers_get(&x->req.headers, name, &sent) == MG_OK) {
        if (conf->trust_request_id && sent.len > 0) {
            x->pub.request_id = sent;
            return;
        }
        mg_headers_remove(&x->req.headers, name);
    }
    x->pub.request_id = new_id(x);
    mg_headers_push(&x->req, &x->req.headers, name, x->pub.request_id);
}

/* `name` and the value, in quotes where it could pass for more than one (Envoy's rule for this field). */
static mg_str pair(struct mg_x *x, const char *name, mg_str value)
{
    char *out, *at;

    if (value.len == 0)
        return (mg_str){"", 0};
    for (uint32_t i = 0; i < value.len; i++) {
        if (strchr(",;=\"\\", value.ptr[i]) == NULL)
            continue;
        out = at = mg_arena_alloc(&x->arena, 2 * (size_t)value.len + 2);
        *at++ = '"';
        for (uint32_t j = 0; j < value.len; j++) {
            if (value.ptr[j] == '"' || value.ptr[j] == '\\')
                *at++ = '\\';
            *at++ = value.ptr[j];
        }
        *at++ = '"';
        value = mg_str_of(out, (size_t)(at - out));
        break;
    }
    return mg_arena_printf(&x->arena, "%s%.*s", name, (int)value.len, value.ptr);
}

/* Envoy's form: By is left out (the gateway may have many names), Hash and URI or DNS are given,
 * Subject in quotes. */
static void client_cert(struct mg_x *x, const struct mg_listener_conf *conf)
{
    static const mg_str name = {"x-forwarded-client-cert", 23};
    const struct mg_peer *peer = mg_conn_peer(mg_server_conn(x->server));
    mg_str uri, dns;

    if (conf->client_cert_header == CLIENT_CERT_TRUST && peer != NULL && peer->certified)
        return;
    mg_headers_remove(&x->req.headers, name);
    if (conf->client_cert_header != CLIENT_CERT_SET || peer == NULL || !peer->certified)
        return;
    uri = pair(x, ";URI=", peer->principal);
    dns = pair(x, ";DNS=", peer->dns);
    mg_headers_push(&x->req, &x->req.headers, name,
                    mg_arena_printf(&x->arena, "Hash=%s;Subject=\"%.*s\"%.*s%.*s",
                                    peer->fingerprint, (int)peer->subject.len, peer->subject.ptr,
                                    (int)uri.len, uri.ptr, (int)dns.len, dns.ptr));
}

static bool looks_like(mg_str name, mg_str ours)
{
    for (uint32_t i = 0; i < name.len && name.len == ours.len; i++)
        if (mg_lower(name.ptr[i] == '_' ? '-' : name.ptr[i]) != ours.ptr[i])
            return false;
    return name.len == ours.len;
}

/* CGI (RFC 3875, 4.1.18) and its heirs read '_' and '-' as one: what they would take for a field of ours
 * is not passed on, whoever sent it. */
static void drop_lookalikes(struct mg_x *x)
{
    static const mg_str ours[] = {MG_TEXT("x-forwarded-for"), MG_TEXT("x-forwarded-proto"),
                                  MG_TEXT("x-request-id"), MG_TEXT("x-forwarded-client-cert")};
    struct mg_headers *h = &x->req.headers;

    for (uint32_t i = 0; i < h->n; i++) {
        mg_str name = h->v[i].name;

        if (name.len == 0 || mg_lower(name.ptr[0]) != 'x' ||
            memchr(name.ptr, '_', name.len) == NULL)
            continue;
        for (size_t j = 0; j < sizeof(ours) / sizeof(ours[0]); j++)
            if (looks_like(name, ours[j]))
                h->v[i].name.len = 0;
    }
}

void mg_forwarded_add(struct mg_x *x, const struct mg_listener_conf *conf)
{
    drop_lookalikes(x);
    forwarded_for(x, conf);
    forwarded_proto(x, conf);
    request_id(x, conf);
    client_cert(x, conf);
}
