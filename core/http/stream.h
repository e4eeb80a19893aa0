/* stream.h -- One request and its response on a connection, whatever the wire.
 *
 * HTTP/1 fills it in server.c (downstream: we receive the request and send the response) and in
 * client.c (upstream: the reverse); HTTP/2 will fill it a second time.  An exchange knows only
 * this.
 *
 * Owner:      server.c makes the downstream stream, client.c the upstream one; the exchange uses it
 *             until release().  Both messages' arenas must live until then.
 * Ownership:  bytes given to on_body are valid during the call; what send_body is given is copied
 *             if the socket does not take it at once.
 * Errors:     send_* return MG_OK, MG_AGAIN (taken; wait for on_drain before sending more) or a
 *             negative code (the stream is dead; no event follows; release it).
 * Invariant:  no event is called from inside a call of the user.  After on_error or release no
 *             event follows.  on_end is called once, after the last on_body; on_head before both.
 *             It comes for a message without a body too: downstream right after on_request
 *             returned, unless the stream was released by then.  pause() holds back on_body only.
 */
#ifndef MG_STREAM_H
#define MG_STREAM_H
#include "http/message.h"

struct mg_stream;

struct mg_stream_events {
    void (*on_head)(struct mg_stream *);    /* upstream only: s->in is the response's head */
    void (*on_interim)(struct mg_stream *); /* upstream only: s->in is a 1xx (not 101); 100..199 */
    void (*on_body)(struct mg_stream *, mg_str bytes);
    void (*on_end)(struct mg_stream *); /* the message is whole; trailers are in s->in */
    void (*on_drain)(struct mg_stream *);
    void (*on_error)(struct mg_stream *,
                     int err); /* MG_EGONE/ERESET/ECLOSED/EPROTO/ELIMIT/ETIMEOUT/ESTALE */
};

struct mg_stream_ops {
    /* Queues the head (written together with what follows, or by flush).  Framing fields are made
     * from m->framing and m->length.  Hop-by-hop fields are the wire's own business. */
    int (*send_head)(struct mg_stream *, const struct mg_message *m);
    int (*send_body)(struct mg_stream *, mg_str bytes);
    /* Ends the message; `trailers` may be NULL. Flushes. */
    int (*send_end)(struct mg_stream *, const struct mg_headers *trailers);
    int (*flush)(struct mg_stream *);
    /* Downstream: 100, 103, ...; not told to HTTP/1.0.  Whoever starts to read a body sends the 100
     * if in->expect_continue (a final response sent before it closes the connection). */
    int (*send_interim)(struct mg_stream *, const struct mg_message *m);
    void (*pause)(struct mg_stream *); /* no on_body until resume: back-pressure */
    void (*resume)(struct mg_stream *);
    /* After a 101: bytes pass as they are, both ways, through on_body/send_body/on_end/send_end. */
    void (*tunnel)(struct mg_stream *);
    /* Done with it.  `whole`: both messages are complete (the connection may be used again); else
     * it is closed so that the peer can tell that something was cut off. */
    void (*release)(struct mg_stream *, bool whole);
};

struct mg_stream {
    const struct mg_stream_ops *ops;
    const struct mg_stream_events *events;
    void *owner;
    /* Upstream, during on_head only: the whole body, where it came together with the head.  Who uses it
     * makes it empty, and then gets neither on_body nor on_end. */
    mg_str at_once;
    struct mg_message *in;        /* the message being received */
    uint64_t bytes_in, bytes_out; /* on the wire, heads included */
};
#endif
