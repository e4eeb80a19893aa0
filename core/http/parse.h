/* parse.h -- Bytes to message: llhttp made strict, and what it lets through refused here.
 *
 * Two steps.  mg_scan_head() looks for the end of a head as bytes arrive and refuses what must
 * never stand in one (bare CR or LF, NUL, obs-fold, too long).  mg_parse_*() then reads the start
 * line itself (llhttp knows only some methods, and takes RTSP and HTTP/0.9 for HTTP), runs llhttp
 * over all fields in one call, and checks what it leaves: framing, Host, target, hop-by-hop.
 * Chunks are decoded by body.h, for llhttp 8.1 bounds neither extensions nor trailers.
 *
 * Ownership:  the head's bytes must already be in the message's arena: spans point into them, and
 *             blanks at the end of a line may be rewritten.
 * Errors:     -1 and a struct mg_refusal: status to answer and a static text that says why.
 * Invariant:  what comes out is unambiguous: any recipient reads it as the same one message.
 *             llhttp is compiled with LLHTTP_STRICT_MODE=1, and mg_parse_self_test() proves it.
 */
#ifndef MG_PARSE_H
#define MG_PARSE_H
#include "http/limits.h"
#include "http/message.h"

struct mg_refusal {
    int status;      /* requests: 400, 405, 413, 414, 417, 431, 501, 505, or 200 to an OPTIONS whose
                        Max-Forwards ends here; responses: 502 */
    const char *why; /* "two Host fields" */
};

struct mg_scan {
    uint32_t at;    /* bytes looked at so far */
    uint32_t line;  /* start of the current line */
    uint32_t count; /* lines so far, the start line among them */
};

/* Looks at head bytes [0, len); all bytes from the start are given each time.  Returns the length
 * of the head when it is whole (leading empty lines included), 0 when more is needed, -1 when
 * refused.  A scan that starts as {.count = 1} reads a trailer section instead. */
int mg_scan_head(struct mg_scan *s, const char *bytes, size_t len, const struct mg_limits *limits,
                 bool request, struct mg_refusal *why);

/* Both take what mg_scan_head() found whole, into an initialised message; 0 or -1. */
int mg_parse_request(struct mg_message *m, mg_str head, const struct mg_limits *limits,
                     struct mg_refusal *why);
/* `request_method` (MG_METHOD_*) decides whether a body follows (RFC 9112, 6.3). */
int mg_parse_response(struct mg_message *m, mg_str head, int request_method,
                      struct mg_refusal *why);
/* Reads a scanned trailer section into m->trailers, without what may be no trailer and what Connection
 * names (RFC 9110, 6.5.1 and 7.6.1); 0 or MG_EPROTO. */
int mg_parse_trailers(struct mg_message *m, mg_str section);

/* Proves that this build of llhttp is the strict one; 0, or -1 and the start-up must fail. */
int mg_parse_self_test(void);
const char *mg_parse_library(void); /* "llhttp 8.1.0" */
#endif
