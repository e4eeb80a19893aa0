/* message.h -- One HTTP message in memory, whatever the wire it came from.
 *
 * Owner:      an exchange (or call) owns one of each side; the bytes live in its arena.
 * Ownership:  spans point into the arena; editing a field allocates the new text there.
 * Errors:     MG_EINVAL for what may not stand in a message; memory cannot run out (arena.h).
 * Invariant:  framing is known from `framing` and `length` alone: Content-Length, Transfer-Encoding
 *             and the other fields of one hop are never kept among the headers (RFC 9110, 7.6.1).
 *             A removed field stays as a hole (name.len 0), so a position survives editing.
 */
#ifndef MG_MESSAGE_H
#define MG_MESSAGE_H
#include "base/arena.h"

enum mg_framing {
    MG_BODY_NONE,    /* no body */
    MG_BODY_LENGTH,  /* `length` bytes */
    MG_BODY_CHUNKED, /* chunked, trailers may follow */
    MG_BODY_CLOSE    /* until the peer closes (responses only) */
};

struct mg_header {
    mg_str name, value;
};

struct mg_headers {
    struct mg_header *v;
    uint32_t n, cap;
};

struct mg_message {
    struct mg_arena *arena;
    struct mg_headers headers;
    struct mg_headers trailers; /* filled when the body has ended; forbidden ones are dropped */
    enum mg_framing framing;
    uint64_t length;
    uint8_t minor;         /* HTTP/1.minor */
    bool keep_alive;       /* the sender would go on with this connection */
    bool expect_continue;  /* request: Expect: 100-continue (1.1 only) */
    bool accepts_trailers; /* request: TE: trailers */
    mg_str upgrade;        /* Upgrade's value where Connection names it, else empty */
    /* request */
    uint16_t method_id; /* MG_METHOD_* */
    mg_str method, path, query, authority, host;
    bool has_query;
    uint16_t host_port; /* of the authority; 0: none given */
    /* response */
    uint16_t status;
    mg_str reason; /* regenerated on the way out when empty */
};

void mg_message_init(struct mg_message *m, struct mg_arena *arena);

int mg_headers_get(const struct mg_headers *h, mg_str name, mg_str *value);
int mg_headers_next(const struct mg_headers *h, uint32_t *pos, mg_str *name, mg_str *value);
int mg_headers_next_of(const struct mg_headers *h, mg_str name, uint32_t *pos, mg_str *value);
/* Appends without checking or copying: for parsers and constants. */
void mg_headers_push(struct mg_message *m, struct mg_headers *h, mg_str name, mg_str value);
/* For policies: checked (token, no CR LF NUL, no field of framing or of one hop), copied. */
int mg_headers_set(struct mg_message *m, struct mg_headers *h, mg_str name, mg_str value);
int mg_headers_add(struct mg_message *m, struct mg_headers *h, mg_str name, mg_str value);
int mg_headers_remove(struct mg_headers *h, mg_str name);

/* The grammar, for whoever needs it (RFC 9110 5.6.2, 5.5; RFC 3986). */
bool mg_is_token(mg_str s);
bool mg_is_field_value(mg_str s);
bool mg_is_path(mg_str s); /* starts with '/', URI characters, no '?' or '#' */
bool mg_is_query(mg_str s);
bool mg_is_authority(mg_str s); /* host [":" port], host not empty */
int mg_method_id(mg_str s);
const char *mg_status_reason(int status); /* "Not Found"; "Unknown" when there is none */
#endif
