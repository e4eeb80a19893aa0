/* relay.h -- One body one way, with back-pressure.
 *
 * Owner:      an exchange has two: the request's (downstream to upstream) and the response's.
 * Ownership:  the bytes it keeps are its own; mg_relay_free() frees them.
 * Errors:     MG_ELIMIT from gathering; what the streams return otherwise.
 * Invariant:  while nobody takes bytes the source is paused, so at most what one read brought is
 *             kept (or what was asked to be gathered or kept for another try).
 */
#ifndef MG_RELAY_H
#define MG_RELAY_H
#include "base/buf.h"
#include "http/stream.h"

enum mg_relay_mode {
    MG_RELAY_HOLD,   /* nobody wants bytes yet */
    MG_RELAY_STREAM, /* to `to`, as they come */
    MG_RELAY_GATHER, /* into `kept` until the end */
    MG_RELAY_PEEK,   /* into `kept` until there is enough, or the end */
    MG_RELAY_PULL,   /* one piece at a time */
    MG_RELAY_DISCARD /* thrown away */
};

struct mg_relay {
    enum mg_relay_mode mode;
    struct mg_stream *from, *to; /* from: NULL when the body is in memory only */
    struct mg_buf kept;
    size_t sent;    /* bytes of `kept` that `to` has had (they stay only to be sent again) */
    uint64_t limit; /* of GATHER and PEEK, and of keeping */
    bool keep;      /* what is sent stays in `kept` */
    bool lost;      /* bytes are gone: another try is not possible */
    bool ended;     /* `from` has given its last byte */
    bool paused;    /* we paused `from` */
    bool blocked;   /* `to` wants no more before it has drained */
    bool done;      /* `to` has had the end */
    struct mg_headers *trailers; /* passed on with the end; may be NULL */
};

/* Holds what `from` (NULL: nothing) gives until the relay is told what to do with it. */
void mg_relay_init(struct mg_relay *r, struct mg_stream *from, struct mg_headers *trailers);
/* Frees what is kept; the streams are the exchange's. */
void mg_relay_free(struct mg_relay *r);

/* What the source's events say.  The return value is the outcome of what the relay is doing: MG_OK
 * or MG_END: it is complete; MG_AGAIN: it goes on; else the error. */
int mg_relay_data(struct mg_relay *r, mg_str bytes);
int mg_relay_end(struct mg_relay *r);
/* `to` has drained. */
int mg_relay_drained(struct mg_relay *r);

/* Passes the body to `to`, what is kept first.  MG_END: it has had the end. */
int mg_relay_stream(struct mg_relay *r, struct mg_stream *to);
/* Into memory.  MG_OK: all is in `kept`. */
int mg_relay_gather(struct mg_relay *r, uint64_t limit);
/* Into memory as far as its first `enough` bytes, and then held.  MG_OK: they, or all there are, are
 * in `kept`. */
int mg_relay_peek(struct mg_relay *r, uint64_t enough);
/* The next piece.  MG_OK with *piece (valid until the next call), MG_END, MG_AGAIN. */
int mg_relay_next(struct mg_relay *r, mg_str *piece);
/* The body is these bytes now; what the source still sends is discarded. */
void mg_relay_replace(struct mg_relay *r, mg_str body);
/* Keeps what passes, up to `limit` bytes, so that mg_relay_rewind() can send it again. */
void mg_relay_keep(struct mg_relay *r, uint64_t limit);
/* Whether all that came so far is kept, so that another try could have it. */
bool mg_relay_replayable(const struct mg_relay *r);
/* `to` is gone: what comes is held. */
void mg_relay_stop(struct mg_relay *r);
/* The next mg_relay_stream() begins with the first byte again; only while replayable. */
void mg_relay_rewind(struct mg_relay *r);
/* The source is gone (it ended badly); nothing more comes from it. */
void mg_relay_cut(struct mg_relay *r);
#endif
