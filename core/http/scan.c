#include "http/parse.h"
#include <endian.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { LEADING_LINES = 8 };

static int refuse(struct mg_refusal *why, bool request, int status, const char *text)
{
    why->status = request ? status : 502;
    why->why = text;
    return -1;
}

#ifdef __SSE2__
/* Bit n: byte n is a control byte or DEL (TAB too: the caller looks). */
static unsigned specials(const char *bytes)
{
    __m128i v = _mm_loadu_si128((const __m128i *)bytes), most = _mm_set1_epi8(0x1f);
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, most), v);

    return (unsigned)_mm_movemask_epi8(
        _mm_or_si128(control, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f))));
}
#endif

/* The first byte at or after i that may not stand in a line, many at a time; len: none. */
static size_t next_special(const char *bytes, size_t i, size_t len)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;

#ifdef __SSE2__
    while (i + 16 <= len) {
        unsigned found = specials(bytes + i);

        if (found == 0) {
            i += 16;
            continue;
        }
        i += (unsigned)__builtin_ctz(found);
        if (bytes[i] != '\t')
            return i;
        i++;
    }
#endif
    while (i + 8 <= len) {
        uint64_t v, del, special;

        memcpy(&v, bytes + i, 8);
        v = le64toh(v);
        del = v ^ (ones * 0x7f);
        special = (((v - ones * 0x20) & ~v) | ((del - ones) & ~del)) & high;
        if (special == 0) {
            i += 8;
            continue;
        }
        /* Borrows make false hits only above a true one, so the lowest is true. */
        i += (size_t)__builtin_ctzll(special) / 8;
        if (bytes[i] != '\t')
            return i;
        i++;
    }
    while (i < len && mg_is_char(bytes[i], MG_CH_VALUE))
        i++;
    return i;
}

/* The line [s->line, end) is whole.  Returns 1 when it ends the head, 0 to go on, or -1. */
static int end_line(struct mg_scan *s, const char *bytes, uint32_t end,
                    const struct mg_limits *limits, bool request, struct mg_refusal *why)
{
    bool empty = end == s->line;

    if (empty && s->count > 0)
        return 1;
    if (empty && (!request || end >= LEADING_LINES * 2))
        return refuse(why, request, 400, "empty lines before the start line");
    if (s->count == 0 && end - s->line > limits->request_line_bytes)
        return refuse(why, request, 414, "start line too long");
    if (!empty && s->count > 0 && (bytes[s->line] == ' ' || bytes[s->line] == '\t'))
        return refuse(why, request, 400, "folded or indented field line");
    if (!empty && s->count++ > limits->header_count)
        return refuse(why, request, 431, "too many fields");
    s->at = s->line = end + 2;
    return 0;
}

/* An upstream that speaks another protocol may never send the end of a head. */
static bool is_http(const char *bytes, size_t len)
{
    return memcmp(bytes, "HTTP/", len < 5 ? len : 5) == 0;
}

int mg_scan_head(struct mg_scan *s, const char *bytes, size_t len, const struct mg_limits *limits,
                 bool request, struct mg_refusal *why)
{
    int rc = 0;

    if (!request && !is_http(bytes, len))
        return refuse(why, request, 502, "not HTTP");
    while (rc == 0) {
        size_t i = next_special(bytes, s->at, len);

        s->at = (uint32_t)i;
        if (i == len || (bytes[i] == '\r' && i + 1 == len))
            break;
        if (bytes[i] != '\r')
            return refuse(why, request, 400, bytes[i] == '\n' ? "bare LF" : "control byte in head");
        if (bytes[i + 1] != '\n')
            return refuse(why, request, 400, "bare CR");
        rc = end_line(s, bytes, (uint32_t)i, limits, request, why);
    }
    if (rc < 0)
        return -1;
    if (rc == 0 && s->count == 0 && s->at - s->line > limits->request_line_bytes)
        return refuse(why, request, 414, "start line too long");
    if (s->at + 2 > limits->header_bytes)
        return refuse(why, request, 431, "head too long");
    return rc == 1 ? (int)s->at + 2 : 0;
}
