/* server_state.h -- What server.c (receiving) and server_send.c (sending) share: one connection.
 *
 * Ownership:  private to those files and server_state.c.
 * Invariant:  `active` is set exactly while a request is given out; `conn` is NULL exactly in
 *             SERVER_GONE.
 */
#ifndef MG_SERVER_STATE_H
#define MG_SERVER_STATE_H
#include "base/buf.h"
#include "http/body.h"
#include "http/outgoing.h"
#include "http/server.h"

enum { SERVER_HELD_MAX = 65536 };

enum mg_server_state {
    SERVER_IDLE,   /* between two requests */
    SERVER_HEAD,   /* part of a head has come */
    SERVER_BODY,   /* a request is given out, its body has not ended */
    SERVER_WAIT,   /* ... has ended; the response has not */
    SERVER_DRAIN,  /* the response is out, the rest of the body is thrown away */
    SERVER_TUNNEL, /* bytes pass both ways */
    SERVER_GONE /* the connection is closed; freed when the stream is released and nothing lingers */
};

/* What exists only while a request is in progress; in its message's arena. */
struct mg_server_active {
    struct mg_body body;
    struct mg_outgoing out;
    uint64_t since_ns, since_bytes; /* where the body's rate is measured from */
    bool continued;                 /* 100 was sent */
    bool head; /* the client's method; the message's own may be changed meanwhile */
};

/* Kept small: ten thousand of these wait for a client that says nothing. */
struct mg_server {
    struct mg_stream stream;
    struct mg_loop *loop;
    struct mg_conn *conn; /* NULL once it is closed */
    const struct mg_limits *limits;
    const struct mg_server_handler *handler;
    void *owner;
    struct mg_server_active *active; /* NULL: no request is given out */
    struct mg_timer timer;
    struct mg_deferred later;
    struct mg_buf held; /* received, not yet used: a partial head, a paused body, what follows */
    union {
        uint64_t start_ns;   /* first byte of the request */
        uint64_t drain_left; /* in SERVER_DRAIN */
    };
    struct mg_scan scan;
    uint32_t requests;
    uint32_t queued; /* bytes in the connection's queue when the timer last looked */
    uint8_t state;
    bool paused : 1;   /* by the user */
    bool closing : 1;  /* after this response */
    bool draining : 1; /* after the request in progress */
    bool writing : 1;  /* the connection said MG_AGAIN and has not drained */
    bool busy : 1;     /* inside an event of the loop */
    bool lingers : 1;  /* gone, but its connection is not quite */
};
_Static_assert(sizeof(struct mg_server) <= 240, "an idle connection is this large");

static inline struct mg_server *of_stream(const struct mg_stream *st)
{
    return (struct mg_server *)st; /* the first member */
}

extern const struct mg_stream_ops mg_server_stream_ops;

/* Close the connection: at once, after what is queued (the rest of what the peer sends is thrown
 * away for a while), or so that the peer sees a failure.  The server is freed at the end of the
 * event, or of the turn when this comes from a call of the user: no event may be called there.  It stays
 * as long as its connection lingers, so that this counts among its listener's and its client's. */
void mg_server_close_now(struct mg_server *s);
void mg_server_close(struct mg_server *s);
void mg_server_reset(struct mg_server *s);
/* A whole response of our own, then the end of the connection. */
void mg_server_answer(struct mg_server *s, int status, bool head_only);
/* Moves the one timer; what it means is told by the state when it fires. */
void mg_server_arm(struct mg_server *s, uint32_t ms);
/* How long the peer may take for what the state waits for. */
uint32_t mg_server_patience(const struct mg_server *s);
/* The client is free to send its body from now on: its rate is measured anew. */
void mg_server_measure(struct mg_server *s);
/* Ready for the next request. */
void mg_server_idle(struct mg_server *s);
#endif
