/* attempt.h -- One request sent to one endpoint: from asking the pool to giving the connection back.
 *
 * Owner:      embedded in an exchange or a call; used again for the next try.
 * Ownership:  the stream is borrowed from the pool until mg_attempt_end().
 * Errors:     start returns them; later ones come by on_fail (before there is a stream) or by the
 *             stream's own on_error.
 * Invariant:  between start and end there is a connection, or one is being waited for.
 */
#ifndef MG_ATTEMPT_H
#define MG_ATTEMPT_H
#include "proxy/pool.h"

struct mg_attempt {
    struct mg_endpoint *ep; /* NULL: none in progress */
    struct mg_pool_wait wait;
    struct mg_stream *stream; /* NULL until there is a connection */
    const struct mg_stream_events *events;
    void *owner;
    const struct mg_message *request;
    struct mg_message *response;
    void (*on_ready)(struct mg_attempt *); /* the head is queued: send the body */
    void (*on_fail)(struct mg_attempt *, int err, const char *reason); /* already ended */
    struct mg_breaker *next_retry; /* counts the next try as a retry; NULL: nobody does */
    struct mg_breaker *retry;      /* counts this one */
    bool reused;                   /* the connection had carried requests before */
    uint64_t sent_ns;              /* when the head was queued */
};

/* events, owner, on_ready and on_fail are set by the owner before.  MG_OK: stream is there, the head
 * is queued.  MG_AGAIN: on_ready or on_fail follows.  Else the error, nothing is in progress. */
int mg_attempt_start(struct mg_attempt *a, struct mg_endpoint *ep, const struct mg_message *request,
                     struct mg_message *response, bool fresh);
/* Who the next tries are for, to endpoints that are told by a PROXY header; NULL: nobody.  It must live
 * until they have ended. */
void mg_attempt_set_ends(struct mg_attempt *a, const struct mg_proxy_ends *ends);
/* The next try is a retry, and counts from now until it ends or is given up; false: too many do. */
bool mg_attempt_retry(struct mg_attempt *a, struct mg_breaker *b);
/* What is started next is the same try: it counts on, also while this one ends. */
void mg_attempt_go_on(struct mg_attempt *a);
/* There will be no such try. */
void mg_attempt_give_up(struct mg_attempt *a);
/* In any state; `whole`: both messages are complete. */
void mg_attempt_end(struct mg_attempt *a, bool whole);
#endif
