#include "http/grammar.h"
#include <arpa/inet.h>

enum {
    T = MG_CH_TOKEN,
    V = MG_CH_VALUE,
    PATH = MG_CH_PATH | MG_CH_QUERY,
    H = MG_CH_HOST,
    NAME = T | V | PATH | H /* unreserved but for '~' and the digits */
};

const uint8_t mg_chars[256] = {
    ['\t'] = V,
    [' '] = V,
    ['!'] = NAME,
    ['"'] = V,
    ['#'] = T | V,
    ['$'] = NAME,
    ['%'] = T | V,
    ['&'] = NAME,
    ['\''] = NAME,
    ['('] = V | PATH | H,
    [')'] = V | PATH | H,
    ['*'] = NAME,
    ['+'] = NAME,
    [','] = V | PATH | H,
    ['-'] = NAME,
    ['.'] = NAME,
    ['/'] = V | PATH,
    ['0' ... '9'] = NAME | MG_CH_DIGIT | MG_CH_HEX,
    [':'] = V | PATH,
    [';'] = V | PATH | H,
    ['<'] = V,
    ['='] = V | PATH | H,
    ['>'] = V,
    ['?'] = V | MG_CH_QUERY,
    ['@'] = V | PATH,
    ['A' ... 'F'] = NAME | MG_CH_HEX,
    ['G' ... 'Z'] = NAME,
    ['['] = V | PATH,
    ['\\'] = V,
    [']'] = V | PATH,
    ['^'] = T | V,
    ['_'] = NAME,
    ['`'] = T | V,
    ['a' ... 'f'] = NAME | MG_CH_HEX,
    ['g' ... 'z'] = NAME,
    ['{'] = V,
    ['|'] = T | V,
    ['}'] = V,
    ['~'] = NAME,
    [0x80 ... 0xff] = V,
};

bool mg_list_next(mg_str *list, mg_str *element)
{
    while (list->len > 0) {
        const char *comma = memchr(list->ptr, ',', list->len);
        uint32_t len = comma != NULL ? (uint32_t)(comma - list->ptr) : list->len;
        uint32_t used = len + (comma != NULL);

        *element = mg_str_trim(mg_str_of(list->ptr, len));
        list->ptr += used;
        list->len -= used;
        if (element->len > 0)
            return true;
    }
    return false;
}

bool mg_is_token(mg_str s)
{
    return s.len > 0 && mg_span_of(s, MG_CH_TOKEN) == s.len;
}

bool mg_is_field_value(mg_str s)
{
    return mg_span_of(s, MG_CH_VALUE) == s.len;
}

/* All of the classes, or '%' and two hex digits. */
static bool is_uri_part(mg_str s, unsigned classes)
{
    for (uint32_t i = 0; i < s.len; i++) {
        if (mg_is_char(s.ptr[i], classes))
            continue;
        if (s.ptr[i] != '%' || s.len - i < 3 || !mg_is_char(s.ptr[i + 1], MG_CH_HEX) ||
            !mg_is_char(s.ptr[i + 2], MG_CH_HEX))
            return false;
        i += 2;
    }
    return true;
}

bool mg_is_path(mg_str s)
{
    return s.len > 0 && s.ptr[0] == '/' && is_uri_part(s, MG_CH_PATH);
}

bool mg_is_query(mg_str s)
{
    return is_uri_part(s, MG_CH_QUERY);
}

/* "v" HEXDIG+ "." and at least one character of a reg-name or ':' (RFC 3986, 3.2.2). */
static bool is_future_address(mg_str s)
{
    uint32_t i;

    if (s.len < 4 || mg_lower(s.ptr[0]) != 'v')
        return false;
    i = 1 + mg_span_of(mg_str_of(s.ptr + 1, s.len - 1), MG_CH_HEX);
    if (i == 1 || i + 1 >= s.len || s.ptr[i] != '.')
        return false;
    for (i++; i < s.len; i++)
        if (s.ptr[i] != ':' && !mg_is_char(s.ptr[i], MG_CH_HOST))
            return false;
    return true;
}

/* What stands between the brackets of an IP literal. */
static bool is_ip_literal(mg_str s)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr out;

    if (is_future_address(s))
        return true;
    if (s.len == 0 || s.len >= sizeof(text) || memchr(s.ptr, '\0', s.len) != NULL)
        return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    return inet_pton(AF_INET6, text, &out) == 1;
}

/* The length of the host at the start of an authority, 0 when there is no valid one. */
static uint32_t host_len(mg_str s)
{
    const char *end;

    if (s.len > 0 && s.ptr[0] == '[') {
        end = memchr(s.ptr, ']', s.len);
        if (end == NULL || !is_ip_literal(mg_str_of(s.ptr + 1, (size_t)(end - s.ptr) - 1)))
            return 0;
        return (uint32_t)(end - s.ptr) + 1;
    }
    end = memchr(s.ptr, ':', s.len);
    if (end != NULL)
        s.len = (uint32_t)(end - s.ptr);
    return is_uri_part(s, MG_CH_HOST) ? s.len : 0;
}

int mg_authority_split(mg_str s, mg_str *host, uint16_t *port)
{
    uint32_t n = s.len > 0 ? host_len(s) : 0, value = 0;

    if (n == 0)
        return MG_EINVAL;
    *host = mg_str_of(s.ptr, n);
    if (n < s.len && s.ptr[n] != ':')
        return MG_EINVAL;
    for (n++; n < s.len; n++) {
        if (!mg_is_char(s.ptr[n], MG_CH_DIGIT))
            return MG_EINVAL;
        value = value * 10 + (uint32_t)(s.ptr[n] - '0');
        if (value > UINT16_MAX)
            return MG_EINVAL;
    }
    *port = (uint16_t)value;
    return MG_OK;
}

bool mg_is_authority(mg_str s)
{
    mg_str host;
    uint16_t port;

    return mg_authority_split(s, &host, &port) == MG_OK;
}

int mg_method_id(mg_str s)
{
    static const struct {
        mg_str name;
        int id;
    } known[] = {
        {MG_TEXT("GET"), MG_METHOD_GET},         {MG_TEXT("POST"), MG_METHOD_POST},
        {MG_TEXT("HEAD"), MG_METHOD_HEAD},       {MG_TEXT("PUT"), MG_METHOD_PUT},
        {MG_TEXT("DELETE"), MG_METHOD_DELETE},   {MG_TEXT("PATCH"), MG_METHOD_PATCH},
        {MG_TEXT("OPTIONS"), MG_METHOD_OPTIONS}, {MG_TEXT("TRACE"), MG_METHOD_TRACE},
        {MG_TEXT("CONNECT"), MG_METHOD_CONNECT},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (mg_str_eq(s, known[i].name))
            return known[i].id;
    return MG_METHOD_OTHER;
}

const char *mg_status_reason(int status)
{
    static const char *const reasons[] = {
        [100] = "Continue",
        [101] = "Switching Protocols",
        [102] = "Processing",
        [103] = "Early Hints",
        [200] = "OK",
        [201] = "Created",
        [202] = "Accepted",
        [203] = "Non-Authoritative Information",
        [204] = "No Content",
        [205] = "Reset Content",
        [206] = "Partial Content",
        [207] = "Multi-Status",
        [208] = "Already Reported",
        [226] = "IM Used",
        [300] = "Multiple Choices",
        [301] = "Moved Permanently",
        [302] = "Found",
        [303] = "See Other",
        [304] = "Not Modified",
        [305] = "Use Proxy",
        [307] = "Temporary Redirect",
        [308] = "Permanent Redirect",
        [400] = "Bad Request",
        [401] = "Unauthorized",
        [402] = "Payment Required",
        [403] = "Forbidden",
        [404] = "Not Found",
        [405] = "Method Not Allowed",
        [406] = "Not Acceptable",
        [407] = "Proxy Authentication Required",
        [408] = "Request Timeout",
        [409] = "Conflict",
        [410] = "Gone",
        [411] = "Length Required",
        [412] = "Precondition Failed",
        [413] = "Payload Too Large",
        [414] = "URI Too Long",
        [415] = "Unsupported Media Type",
        [416] = "Range Not Satisfiable",
        [417] = "Expectation Failed",
        [418] = "I'm a teapot",
        [421] = "Misdirected Request",
        [422] = "Unprocessable Content",
        [423] = "Locked",
        [424] = "Failed Dependency",
        [425] = "Too Early",
        [426] = "Upgrade Required",
        [428] = "Precondition Required",
        [429] = "Too Many Requests",
        [431] = "Request Header Fields Too Large",
        [451] = "Unavailable For Legal Reasons",
        [500] = "Internal Server Error",
        [501] = "Not Implemented",
        [502] = "Bad Gateway",
        [503] = "Service Unavailable",
        [504] = "Gateway Timeout",
        [505] = "HTTP Version Not Supported",
        [506] = "Variant Also Negotiates",
        [507] = "Insufficient Storage",
        [508] = "Loop Detected",
        [510] = "Not Extended",
        [511] = "Network Authentication Required",
    };
    const char *reason = NULL;

    if (status >= 0 && (size_t)status < sizeof(reasons) / sizeof(reasons[0]))
        reason = reasons[status];
    return reason != NULL ? reason : "Unknown";
}
