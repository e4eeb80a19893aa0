/* body.h -- A body being received: counts a length, decodes chunks, passes the rest through.
 *
 * Owner:      server.c and client.c keep one for the message being received.
 * Ownership:  what it gives are spans of what it is fed; trailers are copied to the message's arena.
 * Errors:     MG_EPROTO for broken chunks, MG_ELIMIT for more than the limits allow.
 * Invariant:  not a byte past the end of the message is used.  Chunk lines have at most 256 bytes,
 *             a message's chunk extensions 16 KiB (RFC 9112, 7.1.1); they are ignored.  What the
 *             limits say of sizes at its start holds to its end, though a reload may change them.
 */
#ifndef MG_BODY_H
#define MG_BODY_H
#include "http/parse.h"

struct mg_body {
    struct mg_message *m;
    const struct mg_limits *limits;
    uint64_t left;  /* bytes of content up to the end of the body or chunk */
    uint64_t total; /* bytes of content so far */
    uint64_t most;  /* bytes of content; 0: any number */
    char *trailers; /* in the arena, trailer_most long; NULL before the first byte */
    struct mg_scan scan;
    uint32_t trailer_len, trailer_most;
    uint16_t line;       /* bytes of the current chunk line */
    uint16_t extensions; /* bytes in chunk extensions so far */
    uint8_t state;
};

/* Starts on the body that m->framing tells; the message stays the caller's. */
void mg_body_init(struct mg_body *b, struct mg_message *m, const struct mg_limits *limits);
/* The message is whole; its trailers are in m->trailers. */
bool mg_body_done(const struct mg_body *b);
/* Takes bytes up to and with the next piece of content: *used tells how many, *data the piece (may
 * be empty).  MG_OK: feed the rest; MG_END: whole; MG_EPROTO or MG_ELIMIT. */
int mg_body_next(struct mg_body *b, const char *bytes, size_t len, size_t *used, mg_str *data);
/* The peer closed: MG_END when that ends the body (MG_BODY_CLOSE), else MG_ECLOSED. */
int mg_body_eof(struct mg_body *b);
/* Content still to come when that is known beforehand, else UINT64_MAX. */
uint64_t mg_body_left(const struct mg_body *b);
#endif
