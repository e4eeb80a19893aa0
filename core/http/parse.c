#include "http/fields.h"
#include <llhttp.h>

static int refuse(struct mg_refusal *why, int status, const char *text)
{
    why->status = status;
    why->why = text;
    return -1;
}

/* ---- requests ----------------------------------------------------------------------- */

static int split_path(struct mg_message *m, mg_str s)
{
    const char *mark = memchr(s.ptr, '?', s.len);

    m->has_query = mark != NULL;
    m->path = s;
    if (mark != NULL) {
        m->path.len = (uint32_t)(mark - s.ptr);
        m->query = mg_str_of(mark + 1, s.len - m->path.len - 1);
    }
    if (m->path.len == 0)
        m->path = MG_STR("/");
    return mg_is_path(m->path) && mg_is_query(m->query) ? 0 : -1;
}

static bool starts_with(mg_str s, mg_str prefix)
{
    return s.len >= prefix.len && mg_str_ieq(mg_str_of(s.ptr, prefix.len), prefix);
}

/* absolute-form (RFC 9112, 3.2.2): what it says of the authority goes over Host. */
static int parse_absolute(struct mg_message *m, mg_str target)
{
    uint32_t skip = starts_with(target, MG_STR("http://"))    ? 7
                    : starts_with(target, MG_STR("https://")) ? 8
                                                              : 0;
    uint32_t len = 0;
    mg_str rest = mg_str_of(target.ptr + skip, target.len - skip);

    if (skip == 0)
        return -1;
    while (len < rest.len && rest.ptr[len] != '/' && rest.ptr[len] != '?')
        len++;
    if (mg_message_set_authority(m, mg_str_of(rest.ptr, len)) != MG_OK)
        return -1;
    if (len == rest.len && m->method_id == MG_METHOD_OPTIONS) {
        m->path = MG_STR("*"); /* RFC 9112, 3.2.4 */
        return 0;
    }
    return split_path(m, mg_str_of(rest.ptr + len, rest.len - len));
}

static int parse_target(struct mg_message *m, mg_str target, struct mg_refusal *why)
{
    int rc;

    if (m->method_id == MG_METHOD_CONNECT)
        return refuse(why, 501, "CONNECT");
    if (target.len == 1 && target.ptr[0] == '*' && m->method_id == MG_METHOD_OPTIONS) {
        m->path = target;
        return 0;
    }
    rc = target.len > 0 && target.ptr[0] == '/' ? split_path(m, target) : parse_absolute(m, target);
    return rc == 0 ? 0 : refuse(why, 400, "invalid request target");
}

/* "HTTP/" DIGIT "." DIGIT; 0 and the minor for 1.0 and 1.1. */
static int parse_version(mg_str s, uint8_t *minor, struct mg_refusal *why)
{
    if (s.len != 8 || memcmp(s.ptr, "HTTP/", 5) != 0 || !mg_is_char(s.ptr[5], MG_CH_DIGIT) ||
        s.ptr[6] != '.' || !mg_is_char(s.ptr[7], MG_CH_DIGIT))
        return refuse(why, 400, "invalid protocol version");
    if (s.ptr[5] != '1' || s.ptr[7] > '1')
        return refuse(why, 505, "unsupported protocol version");
    *minor = (uint8_t)(s.ptr[7] - '0');
    return 0;
}

/* method SP request-target SP HTTP-version, one space each (RFC 9112, 3). */
static int parse_request_line(struct mg_message *m, mg_str line, struct mg_refusal *why)
{
    const char *first = memchr(line.ptr, ' ', line.len);
    const char *last = memrchr(line.ptr, ' ', line.len), *end = line.ptr + line.len;

    if (first == NULL || first == last)
        return refuse(why, 400, "malformed request line");
    m->method = mg_str_of(line.ptr, (size_t)(first - line.ptr));
    if (!mg_is_token(m->method))
        return refuse(why, 400, "invalid method");
    m->method_id = (uint16_t)mg_method_id(m->method);
    if (parse_version(mg_str_of(last + 1, (size_t)(end - last - 1)), &m->minor, why) != 0)
        return -1;
    return parse_target(m, mg_str_of(first + 1, (size_t)(last - first - 1)), why);
}

/* Exactly one valid Host (RFC 9112, 3.2), which only HTTP/1.0 may leave out. */
static int take_host(struct mg_message *m, const struct mg_hop *hop, struct mg_refusal *why)
{
    mg_str host;
    uint16_t port;

    if (hop->hosts > 1)
        return refuse(why, 400, "two Host fields");
    if (hop->hosts == 0)
        return m->minor == 0 ? 0 : refuse(why, 400, "no Host field");
    if (mg_authority_split(hop->host, &host, &port) != MG_OK)
        return refuse(why, 400, "invalid Host");
    return m->authority.len > 0 || mg_message_set_authority(m, hop->host) == MG_OK ? 0 : -1;
}

/* Expect (RFC 9110, 10.1.1): HTTP/1.0's is ignored, and so is one without a body. */
static int take_expect(struct mg_message *m, const struct mg_hop *hop, struct mg_refusal *why)
{
    if (m->minor == 0)
        return 0;
    if (hop->expects_other)
        return refuse(why, 417, "unknown expectation");
    m->expect_continue = hop->expects_continue && (m->framing == MG_BODY_CHUNKED || m->length > 0);
    return 0;
}

/* 1*DIGIT; what is past our range counts as the most in it (RFC 9110, 7.6.2). */
static int parse_forwards(mg_str s, uint64_t *out)
{
    if (s.len == 0 || mg_span_of(s, MG_CH_DIGIT) != s.len)
        return -1;
    if (mg_length_parse(s, out) != 0)
        *out = UINT64_MAX;
    return 0;
}

/* Max-Forwards (RFC 9110, 7.6.2) of OPTIONS and TRACE: one less, and 0 ends here. */
static int take_forward(struct mg_message *m, const struct mg_hop *hop, struct mg_refusal *why)
{
    uint64_t left;

    if (hop->forwards == 0 ||
        (m->method_id != MG_METHOD_OPTIONS && m->method_id != MG_METHOD_TRACE))
        return 0;
    if (hop->forwards > 1 || parse_forwards(hop->forward, &left) != 0)
        return refuse(why, 400, "invalid Max-Forwards");
    if (left == 0)
        return refuse(why, m->method_id == MG_METHOD_OPTIONS ? 200 : 405, "Max-Forwards ends here");
    for (uint32_t i = 0; i < m->headers.n; i++)
        if (mg_field_of(m->headers.v[i].name) == MG_FIELD_MAX_FORWARDS)
            m->headers.v[i].value =
                mg_arena_printf(m->arena, "%llu", (unsigned long long)(left - 1));
    return 0;
}

/* TRACE has no content (RFC 9110, 9.3.8), so none is sent on. */
static int check_trace(const struct mg_message *m, struct mg_refusal *why)
{
    if (m->method_id != MG_METHOD_TRACE || (m->framing != MG_BODY_CHUNKED && m->length == 0))
        return 0;
    return refuse(why, 400, "TRACE with content");
}

/* protocol-name ["/" protocol-version] (RFC 9110, 7.8). */
static bool is_protocol(mg_str s)
{
    uint32_t name = mg_span_of(s, MG_CH_TOKEN);

    return mg_is_token(mg_str_of(s.ptr, name)) &&
           (name == s.len ||
            (s.ptr[name] == '/' && mg_is_token(mg_str_of(s.ptr + name + 1, s.len - name - 1))));
}

/* An upgrade is offered on only where it can be followed: HTTP/1.1 (RFC 9110, 7.8), no body whose
 * end two parties could see differently, not h2c (RFC 9113, 3.1 withdraws it). */
static void take_upgrade(struct mg_message *m, const struct mg_hop *hop)
{
    mg_str list = hop->upgrade, protocol;

    if (!hop->wants_upgrade || m->minor == 0 || m->framing == MG_BODY_CHUNKED || m->length > 0)
        return;
    while (mg_list_next(&list, &protocol))
        if (!is_protocol(protocol) || starts_with(protocol, MG_STR("h2")))
            return;
    m->upgrade = hop->upgrade;
}

static mg_str first_line(mg_str head, mg_str *fields)
{
    const char *end = memchr(head.ptr, '\r', head.len);
    uint32_t len = (uint32_t)(end - head.ptr);

    *fields = mg_str_of(end + 2, head.len - len - 2);
    return mg_str_of(head.ptr, len);
}

int mg_parse_request(struct mg_message *m, mg_str head, const struct mg_limits *limits,
                     struct mg_refusal *why)
{
    struct mg_hop hop = {0};
    mg_str fields, line;
    const char *text;

    while (head.ptr[0] == '\r')
        head.ptr += 2, head.len -= 2;
    line = first_line(head, &fields);
    if (parse_request_line(m, line, why) != 0)
        return -1;
    if (mg_fields_parse(m, &m->headers, fields, &text) != 0)
        return refuse(why, 400, text);
    if (mg_hop_take(m, &hop, why) != 0)
        return -1;
    if (hop.seems_framing)
        return refuse(why, 400, "'_' in the name of a field that frames");
    if (take_host(m, &hop, why) != 0 || mg_hop_framing(m, &hop, why) != 0 ||
        check_trace(m, why) != 0 || take_expect(m, &hop, why) != 0 ||
        take_forward(m, &hop, why) != 0)
        return -1;
    if (limits->body_bytes != 0 && m->length > limits->body_bytes)
        return refuse(why, 413, "body too large");
    take_upgrade(m, &hop);
    return 0;
}

/* ---- responses ---------------------------------------------------------------------- */

/* HTTP-version SP 3DIGIT [SP reason] (RFC 9112, 4); the reason is not kept. */
static int parse_status_line(struct mg_message *m, mg_str line, struct mg_refusal *why)
{
    if (line.len < 12 || parse_version(mg_str_of(line.ptr, 8), &m->minor, why) != 0)
        return refuse(why, 502, "malformed status line");
    if (line.ptr[8] != ' ' || mg_span_of(mg_str_of(line.ptr + 9, 3), MG_CH_DIGIT) != 3 ||
        (line.len > 12 && line.ptr[12] != ' '))
        return refuse(why, 502, "malformed status line");
    m->status =
        (uint16_t)((line.ptr[9] - '0') * 100 + (line.ptr[10] - '0') * 10 + line.ptr[11] - '0');
    return m->status >= 100 && m->status <= 599 ? 0 : refuse(why, 502, "status out of range");
}

/* RFC 9112, 6.3: what ends a response's body, once its framing fields are known. */
static void end_of_response(struct mg_message *m, int request_method)
{
    bool none = m->status < 200 || m->status == 204;

    m->bodiless = none || m->status == 304 || request_method == MG_METHOD_HEAD;
    if (none) {
        m->framing = MG_BODY_NONE;
        m->length = 0;
    } else if (m->framing == MG_BODY_NONE && !m->bodiless) {
        m->framing = MG_BODY_CLOSE;
        m->keep_alive = false;
    }
}

int mg_parse_response(struct mg_message *m, mg_str head, int request_method, struct mg_refusal *why)
{
    struct mg_hop hop = {0};
    mg_str fields, line = first_line(head, &fields);
    const char *text;

    if (parse_status_line(m, line, why) != 0)
        return -1;
    if (mg_fields_parse(m, &m->headers, fields, &text) != 0)
        return refuse(why, 502, text);
    if (mg_hop_take(m, &hop, why) != 0 || mg_hop_framing(m, &hop, why) != 0)
        return refuse(why, 502, why->why);
    if (hop.wants_upgrade && (m->status == 101 || m->status == 426))
        m->upgrade = hop.upgrade;
    end_of_response(m, request_method);
    return 0;
}

/* ---- trailers ----------------------------------------------------------------------- */

int mg_parse_trailers(struct mg_message *m, mg_str section)
{
    struct mg_headers *t = &m->trailers;
    const char *why;
    uint32_t kept = 0;
    mg_str none;

    if (mg_fields_parse(m, t, section, &why) != 0)
        return MG_EPROTO;
    for (uint32_t i = 0; i < t->n; i++)
        if (mg_is_trailer(t->v[i].name) &&
            mg_headers_get(&m->nominated, t->v[i].name, &none) != MG_OK)
            t->v[kept++] = t->v[i];
    t->n = kept;
    return MG_OK;
}

/* ---- the library -------------------------------------------------------------------- */

int mg_parse_self_test(void)
{
    static const char hidden[] =
        "GET / HTTP/1.1\r\nHost: a\r\nX:\rTransfer-Encoding: chunked\r\n\r\n";
    llhttp_settings_t settings;
    llhttp_t parser;

    llhttp_settings_init(&settings);
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    return llhttp_execute(&parser, hidden, sizeof(hidden) - 1) == HPE_OK ? -1 : 0;
}

const char *mg_parse_library(void)
{
#define TEXT_OF(x) #x
#define VERSION_OF(a, b, c) "llhttp " TEXT_OF(a) "." TEXT_OF(b) "." TEXT_OF(c)
    return VERSION_OF(LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR, LLHTTP_VERSION_PATCH);
}
