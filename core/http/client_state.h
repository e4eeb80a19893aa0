/* client_state.h -- What client.c (receiving) and client_send.c (sending) share: one connection.
 *
 * Ownership:  private to those files.
 * Invariant:  `released` is set exactly while no stream is lent; `conn` is NULL exactly in
 *             CLIENT_GONE.
 */
#ifndef MG_CLIENT_STATE_H
#define MG_CLIENT_STATE_H
#include "base/buf.h"
#include "http/body.h"
#include "http/client.h"
#include "http/outgoing.h"

enum mg_client_state {
    CLIENT_IDLE,
    CLIENT_HEAD,   /* the response's head has not come yet */
    CLIENT_BODY,   /* ... has come, its body has not ended */
    CLIENT_WHOLE,  /* ... has ended */
    CLIENT_SWITCH, /* 101: bytes wait for tunnel() */
    CLIENT_TUNNEL, /* bytes pass both ways */
    CLIENT_GONE    /* the connection is closed; freed when the stream is released */
};

struct mg_client {
    struct mg_stream stream;
    struct mg_loop *loop;
    struct mg_conn *conn; /* NULL once it is closed */
    const struct mg_client_events *events;
    void *owner;
    const struct mg_message *request;
    struct mg_outgoing out;
    struct mg_body body;
    struct mg_buf held; /* received, not yet used */
    struct mg_scan scan;
    struct mg_timer timer; /* after a failed write: how long the answer may still come */
    struct mg_deferred later;
    uint32_t requests;
    uint32_t interims;
    int write_error; /* 0: the upstream takes bytes */
    uint8_t state;
    bool paused : 1;
    bool surplus : 1; /* more came than the response: never reuse */
    bool busy : 1;    /* inside an event of the loop */
    bool released : 1;
};

extern const struct mg_stream_ops mg_client_stream_ops;

/* Frees a client whose connection is closed and whose stream is released. */
void mg_client_destroy(struct mg_client *c);
/* Closes the connection; whoever calls this sees to the rest. */
void mg_client_close_now(struct mg_client *c);
/* The upstream takes no more; what it has said so far is still read. */
void mg_client_stop_sending(struct mg_client *c, int err);
#endif
