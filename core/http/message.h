/* message.h -- One HTTP message in memory, whatever the wire it came from.
 *
 * Owner:      an exchange (or call) owns one of each side; the bytes live in its arena.
 * Ownership:  spans point into the arena; editing a field allocates the new text there.
 * Errors:     MG_EINVAL for what may not stand in a message; memory cannot run out (arena.h).
 * Invariant:  framing is known from `framing` and `length` alone: Content-Length, Transfer-Encoding
 *             and the other fields of one hop are never kept among the headers (RFC 9110, 7.6.1),
 *             nor are Host (it is `authority`) and Expect.
 *             A removed field stays as a hole (name.len 0), so a position survives editing.
 */
#ifndef MG_MESSAGE_H
#define MG_MESSAGE_H
#include "base/arena.h"
#include "http/grammar.h"

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
    struct mg_headers
        nominated; /* names, without values, that Connection gave for this hop alone */
    enum mg_framing framing;
    uint64_t length;
    uint8_t minor;         /* HTTP/1.minor */
    bool keep_alive;       /* the sender would go on with this connection */
    bool expect_continue;  /* request with a body: Expect: 100-continue (1.1 only) */
    bool accepts_trailers; /* request: TE: trailers */
    bool bodiless;  /* response to HEAD, 1xx, 204, 304: framing only tells what GET would give */
    mg_str upgrade; /* Upgrade's value where Connection names it, else empty; h2c never */
    /* request */
    uint16_t method_id; /* MG_METHOD_* */
    mg_str method, path, query, authority, host;
    bool has_query;
    uint16_t host_port; /* of the authority; 0: none given */
    /* response */
    uint16_t status;
    bool dated;    /* it came with a Date */
    mg_str reason; /* empty after parsing: it is made anew on the way out */
};

/* Empty, with its memory in `arena`, which outlives it. */
void mg_message_init(struct mg_message *m, struct mg_arena *arena);

/* Fields that the wire handles itself, by name in any case. */
enum mg_field {
    MG_FIELD_OTHER,
    MG_FIELD_CONNECTION,
    MG_FIELD_CONTENT_LENGTH,
    MG_FIELD_DATE,
    MG_FIELD_EXPECT,
    MG_FIELD_HOST,
    MG_FIELD_HTTP2_SETTINGS,
    MG_FIELD_KEEP_ALIVE,
    MG_FIELD_MAX_FORWARDS,
    MG_FIELD_PROXY_CONNECTION,
    MG_FIELD_TE,
    MG_FIELD_TRAILER,
    MG_FIELD_TRANSFER_ENCODING,
    MG_FIELD_UPGRADE
};
/* Which of these a name is, in any case. */
enum mg_field mg_field_of(mg_str name);
/* May this field stand in a trailer section?  Not what frames, routes, authenticates or describes
 * the content (RFC 9110, 6.5.1). */
bool mg_is_trailer(mg_str name);

/* First value of `name`; MG_ENOENT when there is none. */
int mg_headers_get(const struct mg_headers *h, mg_str name, mg_str *value);
/* In order, holes left out; *pos starts at 0; MG_ENOENT at the end. */
int mg_headers_next(const struct mg_headers *h, uint32_t *pos, mg_str *name, mg_str *value);
/* The next value of `name` at or after *pos; MG_ENOENT at the end. */
int mg_headers_next_of(const struct mg_headers *h, mg_str name, uint32_t *pos, mg_str *value);
/* Appends without checking or copying: for parsers and constants. */
void mg_headers_push(struct mg_message *m, struct mg_headers *h, mg_str name, mg_str value);
/* For policies: checked (token, no CR LF NUL, no field of framing or of one hop, no Host), copied.
 * set replaces all of that name by one, add appends one more; MG_EINVAL. */
int mg_headers_set(struct mg_message *m, struct mg_headers *h, mg_str name, mg_str value);
int mg_headers_add(struct mg_message *m, struct mg_headers *h, mg_str name, mg_str value);
/* Removes all of that name; MG_ENOENT when there was none. */
int mg_headers_remove(struct mg_headers *h, mg_str name);
/* Sets authority, host (lower case) and host_port; MG_EINVAL.  `authority` is not copied. */
int mg_message_set_authority(struct mg_message *m, mg_str authority);
#endif
