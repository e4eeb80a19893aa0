#include "http/body.h"

enum { CHUNK_LINE = 256, EXTENSIONS = 16384, SPAN_MAX = 1 << 30 };

enum state {
    LENGTH,
    UNTIL_CLOSE,
    SIZE_FIRST, /* at least one hex digit */
    SIZE,
    BLANK, /* between size and ';' (BWS) */
    EXTENSION,
    SIZE_LF,
    CHUNK,
    CHUNK_CR,
    CHUNK_LF,
    LAST, /* after the last chunk's line: CRLF or trailers */
    LAST_LF,
    TRAILERS,
    DONE
};

void mg_body_init(struct mg_body *b, struct mg_message *m, const struct mg_limits *limits)
{
    *b = (struct mg_body){.m = m,
                          .limits = limits,
                          .most = limits->body_bytes,
                          .scan = {.count = 1},
                          .trailer_most = limits->trailer_bytes,
                          .state = DONE};
    if (m->bodiless)
        return;
    if (m->framing == MG_BODY_LENGTH && m->length > 0) {
        b->state = LENGTH;
        b->left = m->length;
    } else if (m->framing == MG_BODY_CHUNKED) {
        b->state = SIZE_FIRST;
    } else if (m->framing == MG_BODY_CLOSE) {
        b->state = UNTIL_CLOSE;
    }
}

bool mg_body_done(const struct mg_body *b)
{
    return b->state == DONE;
}

uint64_t mg_body_left(const struct mg_body *b)
{
    return b->state == DONE ? 0 : b->state == LENGTH ? b->left : UINT64_MAX;
}

int mg_body_eof(struct mg_body *b)
{
    if (b->state == UNTIL_CLOSE)
        b->state = DONE;
    return b->state == DONE ? MG_END : MG_ECLOSED;
}

/* Gives the content at the front of `bytes`, up to b->left of it. */
static size_t take_content(struct mg_body *b, const char *bytes, size_t len, mg_str *data)
{
    size_t n = len < SPAN_MAX ? len : SPAN_MAX;

    if (b->state != UNTIL_CLOSE && n > b->left)
        n = (size_t)b->left;
    if (b->state != UNTIL_CLOSE)
        b->left -= n;
    b->total += n;
    *data = mg_str_of(bytes, n);
    return n;
}

static int hex_value(char c)
{
    if (!mg_is_char(c, MG_CH_HEX))
        return -1;
    return c <= '9' ? c - '0' : mg_lower(c) - 'a' + 10;
}

static int take_digit(struct mg_body *b, char c)
{
    if (b->left >> 59 != 0)
        return MG_EPROTO;
    b->left = b->left * 16 + (uint64_t)hex_value(c);
    b->state = SIZE;
    return MG_OK;
}

/* The chunk's line has ended and b->left is its size. */
static int start_chunk(struct mg_body *b)
{
    if (b->most != 0 && b->left > b->most - b->total)
        return MG_ELIMIT;
    b->state = b->left > 0 ? CHUNK : LAST;
    b->line = 0;
    return MG_OK;
}

/* Blanks before ';' are part of an extension too, and counted. */
static int take_extension(struct mg_body *b, char c)
{
    if (!mg_is_char(c, MG_CH_VALUE))
        return MG_EPROTO;
    return ++b->extensions > EXTENSIONS ? MG_ELIMIT : MG_OK;
}

/* chunk-size [ chunk-ext ] CRLF, one byte; which extension it is matters to nobody, so all that is
 * asked of one is that it holds no control byte. */
static int take_line_byte(struct mg_body *b, char c)
{
    bool sized = b->state != SIZE_FIRST;

    if (++b->line > CHUNK_LINE)
        return MG_ELIMIT;
    if (b->state == SIZE_LF)
        return c == '\n' ? start_chunk(b) : MG_EPROTO;
    if (b->state != EXTENSION && b->state != BLANK && hex_value(c) >= 0)
        return take_digit(b, c);
    if (c == '\r' && sized && b->state != BLANK) {
        b->state = SIZE_LF;
        return MG_OK;
    }
    if (b->state == EXTENSION)
        return take_extension(b, c);
    if (!sized || (c != ';' && c != ' ' && c != '\t'))
        return MG_EPROTO;
    b->state = c == ';' ? EXTENSION : BLANK;
    return take_extension(b, c);
}

/* One byte that has one value only. */
static int take_fixed(struct mg_body *b, char c, char expected, enum state next)
{
    if (c != expected)
        return MG_EPROTO;
    b->state = next;
    return next == DONE ? MG_END : MG_OK;
}

/* Gathers the trailer section; *used may fall short of `len` only at its end. */
static int take_trailers(struct mg_body *b, const char *bytes, size_t len, size_t *used)
{
    uint32_t before = b->trailer_len, room = b->trailer_most - before;
    size_t n = len < room ? len : room;
    struct mg_refusal why;
    int end;

    if (b->trailers == NULL)
        b->trailers = mg_arena_alloc(b->m->arena, b->trailer_most);
    memcpy(b->trailers + before, bytes, n);
    b->trailer_len += (uint32_t)n;
    end = mg_scan_head(&b->scan, b->trailers, b->trailer_len, b->limits, true, &why);
    if (end < 0)
        return why.status == 431 ? MG_ELIMIT : MG_EPROTO;
    *used = end > 0 ? (size_t)end - before : n;
    if (end == 0)
        return n < len ? MG_ELIMIT : MG_OK;
    b->state = DONE;
    return mg_parse_trailers(b->m, mg_str_of(b->trailers, (size_t)end)) == MG_OK ? MG_END
                                                                                 : MG_EPROTO;
}

static int take_byte(struct mg_body *b, char c)
{
    switch (b->state) {
    case CHUNK_CR:
        return take_fixed(b, c, '\r', CHUNK_LF);
    case CHUNK_LF:
        return take_fixed(b, c, '\n', SIZE_FIRST);
    case LAST:
        return take_fixed(b, c, '\r', LAST_LF);
    case LAST_LF:
        return take_fixed(b, c, '\n', DONE);
    default:
        return take_line_byte(b, c);
    }
}

int mg_body_next(struct mg_body *b, const char *bytes, size_t len, size_t *used, mg_str *data)
{
    int rc = b->state == DONE ? MG_END : MG_OK;

    *data = mg_str_of(bytes, 0);
    for (*used = 0; rc == MG_OK && *used < len && data->len == 0;) {
        size_t n = 1;

        if (b->state == LAST && bytes[*used] != '\r')
            b->state = TRAILERS;
        if (b->state == LENGTH || b->state == UNTIL_CLOSE || b->state == CHUNK) {
            n = take_content(b, bytes + *used, len - *used, data);
            if (b->state == CHUNK && b->left == 0)
                b->state = CHUNK_CR;
            if (b->state == LENGTH && b->left == 0)
                b->state = DONE;
        } else if (b->state == TRAILERS) {
            rc = take_trailers(b, bytes + *used, len - *used, &n);
        } else {
            rc = take_byte(b, bytes[*used]);
        }
        *used += n;
    }
    return rc == MG_OK && b->state == DONE ? MG_END : rc;
}
