#include "http/write.h"

/* Room for the start line's fixed parts, Host, framing, Connection and TE, but for their spans. */
enum { FIXED = 320 };

static char *put(char *out, mg_str s)
{
    if (s.len > 0)
        memcpy(out, s.ptr, s.len);
    return out + s.len;
}

static char *put_number(char *out, uint64_t n)
{
    char digits[20];
    size_t i = sizeof(digits);

    do
        digits[--i] = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    return put(out, mg_str_of(digits + i, sizeof(digits) - i));
}

static char *put_field(char *out, mg_str name, mg_str value)
{
    out = put(out, name);
    out = put(out, MG_STR(": "));
    out = put(out, value);
    return put(out, MG_STR("\r\n"));
}

static char *put_headers(char *out, const struct mg_headers *h)
{
    for (uint32_t i = 0; i < h->n; i++)
        if (h->v[i].name.len > 0)
            out = put_field(out, h->v[i].name, h->v[i].value);
    return out;
}

static size_t headers_size(const struct mg_headers *h)
{
    size_t size = 0;

    for (uint32_t i = 0; i < h->n; i++)
        size += h->v[i].name.len + h->v[i].value.len + 4;
    return size;
}

static char *put_length(char *out, uint64_t length)
{
    out = put(out, MG_STR("Content-Length: "));
    out = put_number(out, length);
    return put(out, MG_STR("\r\n"));
}

/* Connection names what stands for this hop only, so that a 1.1 proxy behind us drops it too. */
static char *put_connection(char *out, unsigned flags, mg_str upgrade, bool trailers)
{
    if ((flags & MG_WRITE_CLOSE) != 0)
        out = put(out,
                  trailers ? MG_STR("Connection: close, te\r\n") : MG_STR("Connection: close\r\n"));
    else if (upgrade.len > 0)
        out = put(out, trailers ? MG_STR("Connection: upgrade, te\r\n")
                                : MG_STR("Connection: upgrade\r\n"));
    else if (trailers)
        out = put(out, MG_STR("Connection: te\r\n"));
    else if ((flags & MG_WRITE_KEEP_ALIVE) != 0)
        out = put(out, MG_STR("Connection: keep-alive\r\n"));
    if (upgrade.len > 0 && (flags & MG_WRITE_CLOSE) == 0)
        out = put_field(out, MG_STR("Upgrade"), upgrade);
    return trailers ? put(out, MG_STR("TE: trailers\r\n")) : out;
}

size_t mg_write_request_size(const struct mg_message *m)
{
    return FIXED + m->method.len + m->path.len + m->query.len + m->authority.len + m->upgrade.len +
           headers_size(&m->headers);
}

size_t mg_write_request(const struct mg_message *m, unsigned flags, char *out)
{
    char *start = out;
    bool expects_body = m->method_id == MG_METHOD_POST || m->method_id == MG_METHOD_PUT ||
                        m->method_id == MG_METHOD_PATCH;

    out = put(out, m->method);
    *out++ = ' ';
    out = put(out, m->path);
    if (m->has_query)
        *out++ = '?';
    out = put(out, m->query);
    out = put(out, MG_STR(" HTTP/1.1\r\n"));
    out = put_field(out, MG_STR("Host"), m->authority);
    out = put_headers(out, &m->headers);
    if (m->framing == MG_BODY_CHUNKED)
        out = put(out, MG_STR("Transfer-Encoding: chunked\r\n"));
    else if (m->framing == MG_BODY_LENGTH || expects_body)
        out = put_length(out, m->length);
    out = put_connection(out, flags, m->upgrade, m->accepts_trailers);
    return (size_t)(put(out, MG_STR("\r\n")) - start);
}

size_t mg_write_response_size(const struct mg_message *m)
{
    return FIXED + m->reason.len + m->upgrade.len + headers_size(&m->headers);
}

static char *put_response_framing(char *out, const struct mg_message *m, enum mg_framing framing)
{
    if (m->status < 200 || m->status == 204)
        return out;
    if (framing == MG_BODY_CHUNKED)
        return put(out, MG_STR("Transfer-Encoding: chunked\r\n"));
    if (framing == MG_BODY_LENGTH || (framing == MG_BODY_NONE && !m->bodiless && m->status != 304))
        return put_length(out, framing == MG_BODY_LENGTH ? m->length : 0);
    return out;
}

size_t mg_write_response(const struct mg_message *m, enum mg_framing framing, unsigned flags,
                         char *out)
{
    const char *reason = mg_status_reason(m->status);
    bool upgrade = m->status == 101 || m->status == 426;
    char *start = out;

    out = put(out, MG_STR("HTTP/1.1 "));
    out = put_number(out, m->status);
    *out++ = ' ';
    out = put(out, m->reason.len > 0 ? m->reason : mg_str_of(reason, strlen(reason)));
    out = put(out, MG_STR("\r\n"));
    out = put_headers(out, &m->headers);
    out = put_response_framing(out, m, framing);
    out = put_connection(out, flags, upgrade ? m->upgrade : (mg_str){NULL, 0}, false);
    return (size_t)(put(out, MG_STR("\r\n")) - start);
}

size_t mg_write_trailers_size(const struct mg_headers *h)
{
    return headers_size(h) + 2;
}

size_t mg_write_trailers(const struct mg_headers *h, char *out)
{
    char *start = out;

    for (uint32_t i = 0; i < h->n; i++)
        if (h->v[i].name.len > 0 && mg_is_trailer(h->v[i].name))
            out = put_field(out, h->v[i].name, h->v[i].value);
    return (size_t)(put(out, MG_STR("\r\n")) - start);
}

size_t mg_write_chunk_line(uint64_t len, char out[MG_CHUNK_LINE])
{
    static const char hex[] = "0123456789abcdef";
    char digits[16];
    size_t i = sizeof(digits), n;

    do
        digits[--i] = hex[len % 16];
    while ((len /= 16) != 0);
    n = sizeof(digits) - i;
    memcpy(out, digits + i, n);
    memcpy(out + n, "\r\n", 2);
    return n + 2;
}
