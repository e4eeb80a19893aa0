#include "proxy/forwarded.h"

#include <arpa/inet.h>

#include "net/crypto.h"

enum { CLIENT_CERT_REMOVE, CLIENT_CERT_SET, CLIENT_CERT_TRUST };

/* The fields that speak of the client; a set of them is so many bits. */
enum { FORWARDED_FOR, FORWARDED_PROTO, REQUEST_ID, CLIENT_CERT, FIELDS };
static const mg_str ours[FIELDS] = {[FORWARDED_FOR] = MG_TEXT("x-forwarded-for"),
                                    [FORWARDED_PROTO] = MG_TEXT("x-forwarded-proto"),
                                    [REQUEST_ID] = MG_TEXT("x-request-id"),
                                    [CLIENT_CERT] = MG_TEXT("x-forwarded-client-cert")};

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

static bool is_address(mg_str s)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[sizeof(struct in6_addr)];

    if (s.len == 0 || s.len >= sizeof(text))
        return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
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
 * from the right, and the peer itself where the list is too short, or that entry is no address (Envoy's
 * numTrustedProxies). An inner hop that appends nothing believes the rightmost entry.  A peer at a Unix
 * socket has no address, and no entry. */
static void forwarded_for(struct mg_x *x, const struct mg_listener_conf *conf, bool sent)
{
    uint32_t hops = conf->append_forwarded_for ? conf->trusted_hops : 1;
    mg_str name = ours[FORWARDED_FOR], list, client = {0};

    if (!sent) {
        x->pub.client_address = x->pub.peer_address;
        if (conf->append_forwarded_for && x->pub.peer_address.len > 0)
            mg_headers_push(&x->req, &x->req.headers, name, x->pub.peer_address);
        return;
    }
    if (conf->append_forwarded_for) {
        list = joined(x, name, x->pub.peer_address);
        mg_headers_remove(&x->req.headers, name);
        mg_headers_push(&x->req, &x->req.headers, name, list);
        hops += hops > 0 && x->pub.peer_address.len > 0; /* the last entry is the peer's by now */
    } else {
        list = joined(x, name, MG_STR(""));
    }
    if (hops > 0)
        client = from_right(list, hops);
    x->pub.client_address = is_address(client) ? client : x->pub.peer_address;
}

static void forwarded_proto(struct mg_x *x, const struct mg_listener_conf *conf, bool sent)
{
    mg_str name = ours[FORWARDED_PROTO];
    bool trusted = !conf->append_forwarded_for || conf->trusted_hops > 0;

    if (sent && trusted)
        return;
    if (sent)
        mg_headers_remove(&x->req.headers, name);
    mg_headers_push(&x->req, &x->req.headers, name, x->pub.tls ? MG_STR("https") : MG_STR("http"));
}

static uint64_t state[2]; /* of next_bits() */

void mg_forwarded_seed(uint64_t seed)
{
    state[0] = state[1] = seed * UINT64_C(0x9e3779b97f4a7c15) + 1; /* of small seeds, all bits */
}

/* xorshift128+ (Vigna, 2014), seeded once: an id must be unique, not secret. */
static uint64_t next_bits(void)
{
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

/* Eight hex digits, one for each four bits, all at once; their order does not count. */
static void put_hex(char *out, uint32_t bits)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t v = bits;

    v = (v | v << 16) & UINT64_C(0x0000ffff0000ffff);
    v = (v | v << 8) & UINT64_C(0x00ff00ff00ff00ff);
    v = (v | v << 4) & (ones * 0x0f);
    v += ones * '0' + ((v + ones * 6) >> 4 & ones) * ('a' - '0' - 10);
    memcpy(out, &v, sizeof(v));
}

/* A version 4 UUID (RFC 9562, 5.4). */
static mg_str new_id(struct mg_x *x)
{
    char digits[32], *out = mg_arena_alloc(&x->arena, 36);
    uint64_t a = next_bits(), b = next_bits();

    put_hex(digits, (uint32_t)a);
    put_hex(digits + 8, (uint32_t)(a >> 32));
    put_hex(digits + 16, (uint32_t)b);
    put_hex(digits + 24, (uint32_t)(b >> 32));
    digits[12] = '4';
    digits[16] = "89ab"[a >> 60 & 3];
    memcpy(out, digits, 8);
    memcpy(out + 9, digits + 8, 4);
    memcpy(out + 14, digits + 12, 4);
    memcpy(out + 19, digits + 16, 4);
    memcpy(out + 24, digits + 20, 12);
    out[8] = out[13] = out[18] = out[23] = '-';
    return mg_str_of(out, 36);
}

static void request_id(struct mg_x *x, const struct mg_listener_conf *conf, bool sent)
{
    mg_str name = ours[REQUEST_ID], id;

    if (sent && mg_headers_get(&x->req.headers, name, &id) == MG_OK) {
        if (conf->trust_request_id && id.len > 0) {
            x->pub.request_id = id;
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
static void client_cert(struct mg_x *x, const struct mg_listener_conf *conf, bool sent)
{
    mg_str name = ours[CLIENT_CERT];
    const struct mg_peer *peer = mg_conn_peer(mg_server_conn(x->server));
    mg_str uri, dns;

    if (conf->client_cert_header == CLIENT_CERT_TRUST && peer != NULL && peer->certified)
        return;
    if (sent)
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

/* Is `name` one of ours, in any case, or (`*alike`) what CGI (RFC 3875, 4.1.18) and its heirs, who read
 * '_' and '-' as one, would take for it? */
static bool names(mg_str name, mg_str one, bool *alike)
{
    bool same = true;

    if (name.len != one.len)
        return false;
    for (uint32_t i = 0; i < name.len; i++) {
        char c = mg_lower(name.ptr[i]);

        if (c == one.ptr[i])
            continue;
        if (c != '_' || one.ptr[i] != '-')
            return false;
        same = false;
    }
    *alike = !same;
    return true;
}

/* Which of ours the client sent.  What CGI would take for one is not passed on, whoever sent it. */
static unsigned take_stock(struct mg_x *x)
{
    struct mg_headers *h = &x->req.headers;
    unsigned sent = 0;
    bool alike;

    for (uint32_t i = 0; i < h->n; i++) {
        mg_str name = h->v[i].name;

        if (name.len < ours[REQUEST_ID].len || mg_lower(name.ptr[0]) != 'x')
            continue;
        for (unsigned j = 0; j < FIELDS; j++) {
            if (!names(name, ours[j], &alike))
                continue;
            if (alike)
                h->v[i].name.len = 0;
            else
                sent |= 1U << j;
        }
    }
    return sent;
}

void mg_forwarded_add(struct mg_x *x, const struct mg_listener_conf *conf)
{
    unsigned sent = take_stock(x);

    forwarded_for(x, conf, sent & 1U << FORWARDED_FOR);
    forwarded_proto(x, conf, sent & 1U << FORWARDED_PROTO);
    request_id(x, conf, sent & 1U << REQUEST_ID);
    client_cert(x, conf, sent & 1U << CLIENT_CERT);
}
