#include "http/outgoing.h"

static int add(struct iovec *iov, int n, mg_str s)
{
    if (s.len == 0)
        return n;
    iov[n].iov_base = (char *)s.ptr;
    iov[n].iov_len = s.len;
    return n + 1;
}

int mg_outgoing_flush(struct mg_outgoing *o, struct iovec *iov)
{
    int n = add(iov, 0, o->head);

    o->head.len = 0;
    return n;
}

int mg_outgoing_body(struct mg_outgoing *o, mg_str bytes, struct iovec *iov)
{
    int n;

    if (o->bodiless || o->framing == MG_BODY_NONE || o->ended)
        bytes.len = 0;
    if (o->framing == MG_BODY_LENGTH && bytes.len > o->left)
        bytes.len = (uint32_t)o->left;
    if (bytes.len == 0)
        return 0;
    n = mg_outgoing_flush(o, iov);
    if (o->framing == MG_BODY_LENGTH)
        o->left -= bytes.len;
    if (o->framing != MG_BODY_CHUNKED)
        return add(iov, n, bytes);
    n = add(iov, n, mg_str_of(o->line, mg_write_chunk_line(bytes.len, o->line)));
    n = add(iov, n, bytes);
    return add(iov, n, MG_STR("\r\n"));
}

int mg_outgoing_end(struct mg_outgoing *o, const struct mg_headers *trailers,
                    struct mg_arena *arena, struct iovec *iov)
{
    int n = mg_outgoing_flush(o, iov);
    char *text;

    if (o->ended)
        return n;
    o->ended = o->bodiless || o->framing != MG_BODY_LENGTH || o->left == 0;
    if (o->bodiless || o->framing != MG_BODY_CHUNKED)
        return n;
    if (trailers == NULL || trailers->n == 0)
        return add(iov, n, MG_STR("0\r\n\r\n"));
    text = mg_arena_alloc(arena, mg_write_trailers_size(trailers));
    n = add(iov, n, MG_STR("0\r\n"));
    return add(iov, n, mg_str_of(text, mg_write_trailers(trailers, text)));
}
