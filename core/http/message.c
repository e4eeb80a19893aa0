#include "http/message.h"

enum { HEADERS_AT_FIRST = 24 };

void mg_message_init(struct mg_message *m, struct mg_arena *arena)
{
    memset(m, 0, sizeof(*m));
    m->arena = arena;
    m->minor = 1;
}

/* Is the token `name` this one, in any case?  Eight bytes at a time: in what is known there are only
 * letters, '-' and '2', and no token has a byte that this bit turns into one of the latter. */
static bool is_known(mg_str name, const char *lower)
{
    const uint64_t bit = UINT64_C(0x2020202020202020);
    uint32_t at = 0;

    if ((name.ptr[0] | 0x20) != lower[0])
        return false;
    for (; at + 8 <= name.len; at += 8) {
        uint64_t a, b;

        memcpy(&a, name.ptr + at, 8);
        memcpy(&b, lower + at, 8);
        if ((a | bit) != b)
            return false;
    }
    for (; at < name.len; at++)
        if ((name.ptr[at] | 0x20) != lower[at])
            return false;
    return true;
}

enum mg_field mg_field_of(mg_str name)
{
    static const struct {
        mg_str name;
        enum mg_field field;
    } by_len[18][2] = {
        [2] = {{MG_TEXT("te"), MG_FIELD_TE}},
        [4] = {{MG_TEXT("host"), MG_FIELD_HOST}, {MG_TEXT("date"), MG_FIELD_DATE}},
        [6] = {{MG_TEXT("expect"), MG_FIELD_EXPECT}},
        [7] = {{MG_TEXT("upgrade"), MG_FIELD_UPGRADE}, {MG_TEXT("trailer"), MG_FIELD_TRAILER}},
        [10] = {{MG_TEXT("connection"), MG_FIELD_CONNECTION},
                {MG_TEXT("keep-alive"), MG_FIELD_KEEP_ALIVE}},
        [12] = {{MG_TEXT("max-forwards"), MG_FIELD_MAX_FORWARDS}},
        [14] = {{MG_TEXT("content-length"), MG_FIELD_CONTENT_LENGTH},
                {MG_TEXT("http2-settings"), MG_FIELD_HTTP2_SETTINGS}},
        [16] = {{MG_TEXT("proxy-connection"), MG_FIELD_PROXY_CONNECTION}},
        [17] = {{MG_TEXT("transfer-encoding"), MG_FIELD_TRANSFER_ENCODING}},
    };

    if (name.len >= sizeof(by_len) / sizeof(by_len[0]))
        return MG_FIELD_OTHER;
    for (int i = 0; i < 2 && by_len[name.len][i].field != MG_FIELD_OTHER; i++)
        if (is_known(name, by_len[name.len][i].name.ptr))
            return by_len[name.len][i].field;
    return MG_FIELD_OTHER;
}

bool mg_is_trailer(mg_str name)
{
    static const mg_str never[] = {
        MG_TEXT("accept"),
        MG_TEXT("age"),
        MG_TEXT("authentication-info"),
        MG_TEXT("authorization"),
        MG_TEXT("cache-control"),
        MG_TEXT("content-encoding"),
        MG_TEXT("content-range"),
        MG_TEXT("content-type"),
        MG_TEXT("cookie"),
        MG_TEXT("expires"),
        MG_TEXT("forwarded"),
        MG_TEXT("if-match"),
        MG_TEXT("if-modified-since"),
        MG_TEXT("if-none-match"),
        MG_TEXT("if-range"),
        MG_TEXT("if-unmodified-since"),
        MG_TEXT("location"),
        MG_TEXT("pragma"),
        MG_TEXT("proxy-authenticate"),
        MG_TEXT("proxy-authentication-info"),
        MG_TEXT("proxy-authorization"),
        MG_TEXT("range"),
        MG_TEXT("retry-after"),
        MG_TEXT("set-cookie"),
        MG_TEXT("vary"),
        MG_TEXT("warning"),
        MG_TEXT("www-authenticate"),
        MG_TEXT("x-request-id"),
    };

    if (mg_field_of(name) != MG_FIELD_OTHER)
        return false;
    if (name.len > 12 && mg_str_ieq(mg_str_of(name.ptr, 12), MG_STR("x-forwarded-")))
        return false;
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        if (mg_str_ieq(name, never[i]))
            return false;
    return true;
}

int mg_headers_next(const struct mg_headers *h, uint32_t *pos, mg_str *name, mg_str *value)
{
    while (*pos < h->n) {
        const struct mg_header *e = &h->v[(*pos)++];

        if (e->name.len == 0)
            continue;
        *name = e->name;
        *value = e->value;
        return MG_OK;
    }
    return MG_ENOENT;
}

int mg_headers_next_of(const struct mg_headers *h, mg_str name, uint32_t *pos, mg_str *value)
{
    while (*pos < h->n) {
        const struct mg_header *e = &h->v[(*pos)++];

        if (e->name.len == 0 || !mg_str_ieq(e->name, name))
            continue;
        *value = e->value;
        return MG_OK;
    }
    return MG_ENOENT;
}

int mg_headers_get(const struct mg_headers *h, mg_str name, mg_str *value)
{
    uint32_t pos = 0;

    return mg_headers_next_of(h, name, &pos, value);
}

void mg_headers_push(struct mg_message *m, struct mg_headers *h, mg_str name, mg_str value)
{
    if (h->n == h->cap) {
        uint32_t cap = h->cap == 0 ? HEADERS_AT_FIRST : h->cap * 2;
        struct mg_header *v = mg_arena_alloc(m->arena, cap * sizeof(*v));

        if (h->n > 0)
            memcpy(v, h->v, h->n * sizeof(*v));
        h->v = v;
        h->cap = cap;
    }
    h->v[h->n++] = (struct mg_header){name, value};
}

/* Max-Forwards and Date alone of the wire's fields are ordinary ones to a policy. */
static bool may_set(mg_str name, mg_str value)
{
    enum mg_field field = mg_field_of(name);

    return (field == MG_FIELD_OTHER || field == MG_FIELD_MAX_FORWARDS || field == MG_FIELD_DATE) &&
           mg_is_token(name) && mg_is_field_value(value);
}

int mg_headers_add(struct mg_message *m, struct mg_headers *h, mg_str name, mg_str value)
{
    value = mg_str_trim(value);
    if (!may_set(name, value))
        return MG_EINVAL;
    mg_headers_push(m, h, mg_arena_copy(m->arena, name.ptr, name.len),
                    mg_arena_copy(m->arena, value.ptr, value.len));
    return MG_OK;
}

int mg_headers_set(struct mg_message *m, struct mg_headers *h, mg_str name, mg_str value)
{
    bool placed = false;

    value = mg_str_trim(value);
    if (!may_set(name, value))
        return MG_EINVAL;
    /* `value` may be a span of the field it replaces. */
    value = mg_arena_copy(m->arena, value.ptr, value.len);
    for (uint32_t i = 0; i < h->n; i++) {
        if (h->v[i].name.len == 0 || !mg_str_ieq(h->v[i].name, name))
            continue;
        if (placed)
            h->v[i].name.len = 0;
        h->v[i].value = value;
        placed = true;
    }
    if (!placed)
        mg_headers_push(m, h, mg_arena_copy(m->arena, name.ptr, name.len), value);
    return MG_OK;
}

int mg_headers_remove(struct mg_headers *h, mg_str name)
{
    int rc = MG_ENOENT;

    for (uint32_t i = 0; i < h->n; i++) {
        if (h->v[i].name.len == 0 || !mg_str_ieq(h->v[i].name, name))
            continue;
        h->v[i].name.len = 0;
        rc = MG_OK;
    }
    return rc;
}

/* The span itself when it has no capitals, else a copy without. */
static mg_str lowered(struct mg_arena *arena, mg_str s)
{
    uint32_t i = 0;
    char *copy;

    while (i < s.len && (s.ptr[i] < 'A' || s.ptr[i] > 'Z'))
        i++;
    if (i == s.len)
        return s;
    copy = mg_arena_alloc(arena, s.len);
    for (i = 0; i < s.len; i++)
        copy[i] = mg_lower(s.ptr[i]);
    return mg_str_of(copy, s.len);
}

int mg_message_set_authority(struct mg_message *m, mg_str authority)
{
    mg_str host;
    uint16_t port;

    if (mg_authority_split(authority, &host, &port) != MG_OK)
        return MG_EINVAL;
    m->authority = authority;
    m->host = lowered(m->arena, host);
    m->host_port = port;
    return MG_OK;
}
