/* outgoing.h -- One message on its way out: what the wire gets for each piece of body.
 *
 * Owner:      server.c and client.c keep one for the message being sent.
 * Ownership:  `head` lives in an arena that outlives the message; spans in an iovec point to it, to
 *             the caller's bytes or into the struct: write them before the next call.
 * Errors:     bytes past the promised length are dropped, so that framing never breaks.
 * Invariant:  `ended` is true only when the peer can tell that the message is whole.
 */
#ifndef MG_OUTGOING_H
#define MG_OUTGOING_H
#include <sys/uio.h>
#include "http/write.h"

enum { MG_OUTGOING_SPANS = 4 };

struct mg_outgoing {
    mg_str head;   /* not yet written; empty afterwards */
    uint64_t left; /* MG_BODY_LENGTH: promised and not given yet */
    enum mg_framing framing;
    bool started;  /* there is a head: written or waiting */
    bool bodiless; /* body bytes are swallowed */
    bool ended;
    char line[MG_CHUNK_LINE];
};

/* Each fills at most MG_OUTGOING_SPANS spans and returns how many; the waiting head goes first. */
int mg_outgoing_flush(struct mg_outgoing *o, struct iovec *iov);
int mg_outgoing_body(struct mg_outgoing *o, mg_str bytes, struct iovec *iov);
/* `trailers` may be NULL; their text is made in `arena`. */
int mg_outgoing_end(struct mg_outgoing *o, const struct mg_headers *trailers,
                    struct mg_arena *arena, struct iovec *iov);
#endif
