/* grammar.h -- Which bytes may stand where: tokens, field values, targets, authorities.
 *
 * Ownership:  spans in, spans out; nothing is kept or copied.
 * Errors:     false, or MG_EINVAL.
 * Invariant:  what these accept can be written into a head as it is: no CR, LF or NUL gets through.
 */
#ifndef MG_GRAMMAR_H
#define MG_GRAMMAR_H
#include "base/str.h"

/* MG_STR() for a static table: a constant expression. */
#define MG_TEXT(literal)                                                                           \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

enum {
    MG_CH_TOKEN = 1, /* tchar (RFC 9110, 5.6.2) */
    MG_CH_VALUE = 2, /* VCHAR, SP, HTAB, obs-text (RFC 9110, 5.5) */
    MG_CH_PATH = 4,  /* pchar, '/', '[' and ']' (RFC 3986, 3.3); '%' is checked apart */
    MG_CH_QUERY = 8, /* those and '?' (3.4) */
    MG_CH_HOST = 16, /* reg-name (3.2.2); '%' is checked apart */
    MG_CH_DIGIT = 32,
    MG_CH_HEX = 64
};
extern const uint8_t mg_chars[256];

static inline bool mg_is_char(char c, unsigned classes)
{
    return (mg_chars[(unsigned char)c] & classes) != 0;
}
/* How many of the first bytes are of one of these classes. */
static inline uint32_t mg_span_of(mg_str s, unsigned classes)
{
    uint32_t i = 0;

    while (i < s.len && mg_is_char(s.ptr[i], classes))
        i++;
    return i;
}
/* Without the blanks (SP, HTAB) at both ends. */
static inline mg_str mg_str_trim(mg_str s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s.ptr++, s.len--;
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}
/* Takes the next element off a comma-separated list, trimmed, empty ones left out (RFC 9110,
 * 5.6.1); false at the end.  Quoted strings are not looked at: for lists of tokens. */
bool mg_list_next(mg_str *list, mg_str *element);

/* RFC 9110, 5.6.2 and 5.5: the name of a field or method; a value, with blanks at its ends. */
bool mg_is_token(mg_str s);
bool mg_is_field_value(mg_str s);
bool mg_is_path(mg_str s); /* starts with '/', URI characters, no '?' or '#' */
bool mg_is_query(mg_str s);
bool mg_is_authority(mg_str s); /* host [":" port], host not empty */
/* The parts of an authority: the host (brackets kept), the port or 0; MG_EINVAL for what
 * mg_is_authority() refuses: user information, a port past 65535, a bad IPv6 literal. */
int mg_authority_split(mg_str s, mg_str *host, uint16_t *port);
/* MG_METHOD_*; case counts (RFC 9110, 9.1). */
int mg_method_id(mg_str s);
const char *mg_status_reason(int status); /* "Not Found"; "Unknown" when there is none */
#endif
