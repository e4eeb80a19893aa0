#include "http/fields.h"
#include <llhttp.h>

enum { CONNECTION_OPTIONS = 64, LENGTH_DIGITS = 19 };

static int refuse(struct mg_refusal *why, int status, const char *text)
{
    why->status = status;
    why->why = text;
    return -1;
}

/* ---- fields, by llhttp -------------------------------------------------------------- */

struct sink {
    struct mg_message *m;
    struct mg_headers *to;
    bool done;
};

static bool continues(mg_str s, const char *at)
{
    return s.ptr != NULL && s.ptr + s.len == at;
}

static int on_name(llhttp_t *parser, const char *at, size_t len)
{
    struct sink *sink = parser->data;
    struct mg_header *last = sink->to->n > 0 ? &sink->to->v[sink->to->n - 1] : NULL;

    if (last != NULL && last->value.ptr == NULL && continues(last->name, at))
        last->name.len += (uint32_t)len;
    else
        mg_headers_push(sink->m, sink->to, mg_str_of(at, len), (mg_str){NULL, 0});
    return 0;
}

/* A value in two pieces that do not touch was folded, or belongs to a field without a name. */
static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct sink *sink = parser->data;
    struct mg_header *last = sink->to->n > 0 ? &sink->to->v[sink->to->n - 1] : NULL;

    if (last == NULL || (last->value.ptr != NULL && !continues(last->value, at)))
        return -1;
    if (last->value.ptr == NULL)
        last->value = mg_str_of(at, len);
    else
        last->value.len += (uint32_t)len;
    return 0;
}

static int on_complete(llhttp_t *parser)
{
    struct sink *sink = parser->data;

    sink->done = true;
    return HPE_PAUSED;
}

/* A parser that has just read a start line, ready for fields; all parsing starts as a copy. */
static const llhttp_t *ready_parser(void)
{
    static const char line[] = "POST / HTTP/1.1\r\n";
    static llhttp_settings_t settings;
    static llhttp_t ready;

    if (ready.settings == NULL) {
        llhttp_settings_init(&settings);
        settings.on_header_field = on_name;
        settings.on_header_value = on_value;
        settings.on_headers_complete = on_complete;
        llhttp_init(&ready, HTTP_REQUEST, &settings);
        llhttp_execute(&ready, line, sizeof(line) - 1);
    }
    return &ready;
}

/* Blanks before CRLF become spaces: this llhttp refuses a tab behind a length or a coding. */
static void clean_line_ends(mg_str section)
{
    char *at = (char *)section.ptr, *end = at + section.len, *tab;

    while ((tab = memchr(at, '\t', (size_t)(end - at))) != NULL) {
        for (at = tab; at < end && (*at == ' ' || *at == '\t'); at++)
            ;
        if (at < end && *at == '\r')
            memset(tab, ' ', (size_t)(at - tab));
    }
}

int mg_fields_parse(struct mg_message *m, struct mg_headers *to, mg_str section, const char **why)
{
    struct sink sink = {m, to, false};
    llhttp_t parser = *ready_parser();
    llhttp_errno_t rc;

    clean_line_ends(section);
    parser.data = &sink;
    rc = llhttp_execute(&parser, section.ptr, section.len);
    *why = rc == HPE_PAUSED || parser.reason == NULL ? "malformed field" : parser.reason;
    if (rc != HPE_PAUSED || !sink.done)
        return -1;
    for (uint32_t i = 0; i < to->n; i++) {
        if (to->v[i].name.len == 0)
            return -1;
        to->v[i].value = mg_str_trim(to->v[i].value);
    }
    return 0;
}

/* ---- the fields of one hop ---------------------------------------------------------- */

/* Names that CGI and its heirs take for framing (RFC 3875, 4.1.18: '_' for '-'). */
static bool seems_framing(mg_str name)
{
    return mg_str_ieq(name, MG_STR("content_length")) ||
           mg_str_ieq(name, MG_STR("transfer_encoding"));
}

/* True: the field stays among the headers. */
static bool take_field(struct mg_message *m, struct mg_hop *hop, const struct mg_header *e)
{
    mg_str list = e->value, option;

    switch (mg_field_of(e->name)) {
    case MG_FIELD_OTHER:
        hop->seems_framing = hop->seems_framing || seems_framing(e->name);
        return true;
    case MG_FIELD_MAX_FORWARDS:
        hop->forwards++;
        hop->forward = e->value;
        return true;
    case MG_FIELD_HOST:
        hop->hosts++;
        hop->host = e->value;
        return false;
    case MG_FIELD_CONTENT_LENGTH:
        hop->lengths++;
        hop->length = e->value;
        return false;
    case MG_FIELD_TRANSFER_ENCODING:
        hop->codings++;
        hop->coding = e->value;
        return false;
    case MG_FIELD_CONNECTION:
        if (hop->connections < MG_HOP_CONNECTIONS)
            hop->connection[hop->connections] = e->value;
        hop->connections++;
        return false;
    case MG_FIELD_UPGRADE:
        hop->upgrade = e->value;
        return false;
    case MG_FIELD_EXPECT:
        while (mg_list_next(&list, &option))
            if (mg_str_ieq(option, MG_STR("100-continue")))
                hop->expects_continue = true;
            else
                hop->expects_other = true;
        return false;
    case MG_FIELD_DATE:
        m->dated = true;
        return true;
    case MG_FIELD_TE:
        while (mg_list_next(&list, &option))
            if (m->minor > 0 && mg_str_ieq(option, MG_STR("trailers")))
                m->accepts_trailers = true;
        return false;
    case MG_FIELD_HTTP2_SETTINGS:
    case MG_FIELD_KEEP_ALIVE:
    case MG_FIELD_PROXY_CONNECTION:
    case MG_FIELD_TRAILER:
        return false;
    }
    return true;
}

/* Drops the header field that Connection names, and notes it for the trailers. */
static void nominate(struct mg_message *m, mg_str option)
{
    mg_headers_remove(&m->headers, option);
    if (mg_field_of(option) == MG_FIELD_OTHER) /* those are no trailers anyway */
        mg_headers_push(m, &m->nominated, option, (mg_str){NULL, 0});
}

/* Reads the Connection options and drops the fields they name (RFC 9110, 7.6.1).  Framing and Host
 * are out of reach by then: naming them takes nothing away. */
static int take_options(struct mg_message *m, struct mg_hop *hop)
{
    uint32_t options = 0;
    mg_str option;

    if (hop->connections > MG_HOP_CONNECTIONS)
        return -1;
    for (uint32_t i = 0; i < hop->connections; i++) {
        while (mg_list_next(&hop->connection[i], &option)) {
            if (++options > CONNECTION_OPTIONS)
                return -1;
            if (mg_str_ieq(option, MG_STR("close")))
                hop->close = true;
            else if (mg_str_ieq(option, MG_STR("keep-alive")))
                hop->keep_alive = true;
            else if (mg_str_ieq(option, MG_STR("upgrade")))
                hop->wants_upgrade = true;
            else
                nominate(m, option);
        }
    }
    return 0;
}

int mg_hop_take(struct mg_message *m, struct mg_hop *hop, struct mg_refusal *why)
{
    struct mg_headers *h = &m->headers;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < h->n; i++)
        if (take_field(m, hop, &h->v[i]))
            h->v[kept++] = h->v[i];
    h->n = kept;
    if (hop->connections > 0 && take_options(m, hop) != 0)
        return refuse(why, 400, "too many Connection options");
    m->keep_alive = !hop->close && (m->minor > 0 || hop->keep_alive);
    return 0;
}

int mg_length_parse(mg_str s, uint64_t *out)
{
    if (s.len == 0 || s.len > LENGTH_DIGITS || mg_span_of(s, MG_CH_DIGIT) != s.len)
        return -1;
    *out = 0;
    for (uint32_t i = 0; i < s.len; i++)
        *out = *out * 10 + (uint64_t)(s.ptr[i] - '0');
    /* Others count with a sign, and what they then see is no length at all. */
    return *out <= INT64_MAX ? 0 : -1;
}

int mg_hop_framing(struct mg_message *m, const struct mg_hop *hop, struct mg_refusal *why)
{
    if (hop->codings > 0 && m->minor == 0)
        return refuse(why, 400, "Transfer-Encoding in HTTP/1.0");
    if (hop->codings > 0 && hop->lengths > 0)
        return refuse(why, 400, "Transfer-Encoding beside Content-Length");
    if (hop->codings > 1)
        return refuse(why, 400, "two Transfer-Encoding fields");
    if (hop->codings == 1) {
        if (!mg_str_ieq(hop->coding, MG_STR("chunked")))
            return refuse(why, mg_is_token(hop->coding) ? 501 : 400, "unknown transfer coding");
        m->framing = MG_BODY_CHUNKED;
        return 0;
    }
    if (hop->lengths == 0)
        return 0;
    if (hop->lengths > 1 || mg_length_parse(hop->length, &m->length) != 0)
        return refuse(why, 400, "invalid Content-Length");
    m->framing = MG_BODY_LENGTH;
    return 0;
}
