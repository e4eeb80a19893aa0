/* parse.h -- Bytes to message: llhttp made strict, and what it lets through refused here.
 *
 * Two steps.  mg_scan_*() looks for the end of a head as bytes arrive and refuses what must never
 * stand in one (bare CR or LF, NUL, obs-fold, too long).  mg_parse_*() then runs llhttp over the
 * whole head at once and checks the rest: framing, Host, target, versions, field names.
 *
 * Owner:      server.c and client.c keep a scan and a body a connection.
 * Ownership:  the head's bytes must already be in the message's arena: spans point into them.
 * Errors:     a struct mg_refusal: status to answer (request) and a static text that says why.
 * Invariant:  what comes out is unambiguous: any recipient reads it as the same one message.
 *             llhttp is compiled with LLHTTP_STRICT_MODE=1, and mg_parse_self_test() proves it.
 */
#ifndef MG_PARSE_H
#define MG_PARSE_H
#include "http/limits.h"
#include "http/message.h"

struct mg_refusal {
    int status;      /* 400, 414, 431, 501, 505 (requests); 502 (responses) */
    const char *why; /* "two Content-Length fields that differ" */
};

struct mg_scan {
    uint32_t at;    /* bytes looked at so far */
    uint32_t line;  /* start of the current line */
    uint32_t count; /* lines so far */
};

/* Looks at head bytes [0, len); all bytes from the start are given each time.  Returns the length
 * of the head when it is whole (leading empty lines included), 0 when more is needed, -1 when
 * refused. */
int mg_scan_head(struct mg_scan *s, const char *bytes, size_t len, const struct mg_limits *limits,
                 bool request, struct mg_refusal *why);

int mg_parse_request(struct mg_message *m, mg_str head, const struct mg_limits *limits,
                     struct mg_refusal *why);
/* `request_method` decides whether a body follows (RFC 9112, 6.3). */
int mg_parse_response(struct mg_message *m, mg_str head, int request_method_id,
                      struct mg_refusal *why);

/* A body being received: counts a Content-Length, decodes chunks (llhttp), passes the rest. */
struct mg_body;
struct mg_body_events {
    void *arg;
    void (*data)(void *arg, mg_str bytes);
};
/* Feeds bytes; *used tells how many belong to this message.  Returns MG_OK (more to come), MG_END,
 * or MG_EPROTO / MG_ELIMIT.  Trailers land in m->trailers. */
struct mg_body *mg_body_new(struct mg_message *m, const struct mg_limits *limits);
int mg_body_feed(struct mg_body *b, const char *bytes, size_t len, size_t *used,
                 const struct mg_body_events *ev);
/* The peer closed: MG_END when that ends the body (MG_BODY_CLOSE), else MG_ECLOSED. */
int mg_body_eof(struct mg_body *b);

/* Proves that this build of llhttp is the strict one; 0, or -1 and the start-up must fail. */
int mg_parse_self_test(void);
const char *mg_parse_library(void); /* "llhttp 8.1.0" */
#endif
