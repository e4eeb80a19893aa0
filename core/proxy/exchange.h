/* exchange.h -- One request's life: the request, the tries upstream, the response.
 *
 * exchange.c has the request and the tries, exchange_reply.c the response, exchange_wait.c waits and
 * limits; functions stand in the order in which they run.  fail() is the one way out after an error of
 * a wait, finish() frees.  What is decided (route, endpoint, retry, answer) is decided by
 * the lane, through the mg_ functions of moongate.h that script/abi.c maps to these.
 *
 * Owner:      a worker's mg_proxy keeps a pool of exchanges; a request takes one and gives it back.
 * Ownership:  everything of the request lives in `arena`, freed at once by finish().
 * Errors:     op functions return MG_OK, MG_AGAIN (the lane yields; hooks->wake follows) or an error.
 * Invariant:  at most one wait at a time; wake is called from the loop only, never from an op.
 *             Ops that wait or send answer MG_EPHASE to any but the exchange's own lane, so a policy
 *             that keeps a ctx for later cannot stop or answer another request.
 *             No field but pub is known to Lua.
 */
#ifndef MG_EXCHANGE_H
#define MG_EXCHANGE_H
#include "http/server.h"
#include "net/listener.h"
#include "proxy/attempt.h"
#include "proxy/overload.h"
#include "proxy/relay.h"

struct mg_x;
struct mg_lane;
struct mg_shadow;

struct mg_exchange_hooks {
    void (*serve)(struct mg_x *x);        /* a request is there: runs until it waits or ends */
    void (*wake)(struct mg_x *x, int rc); /* what it waited for has happened */
    /* A request that never became an exchange (malformed, too large, too slow). */
    void (*refused)(void *arg, const char *listener, int status, const char *why);
    /* A connection that nobody got to serve, but for those of a client that has too many. */
    void (*turned_away)(void *arg, const char *listener, enum mg_listener_refusal why);
    void (*relieve)(void *arg); /* memory runs out: frees what can be freed; may be NULL */
    void *arg;
};

enum { MG_PROXY_LISTENERS = 1024, MG_UPSTREAM_IDLE_MS = 300000, MG_TUNNEL_IDLE_MS = 3600000 };

/* One a worker: what all its exchanges share (made by downstream.c). */
struct mg_proxy {
    struct mg_loop *loop;
    struct mg_endpoints *endpoints;
    struct mg_exchange_hooks hooks;
    /* What moongate.worker configured last, by the listener's index in the model. */
    struct mg_listener_conf listeners[MG_PROXY_LISTENERS];
    struct mg_list downstreams;       /* all open connections */
    struct mg_list fronts;            /* all listeners that accept */
    struct mg_listener_budget budget; /* of their connections */
    struct mg_overload overload;
    struct mg_x *spare;     /* exchanges not in use, linked by `next` */
    uint32_t active, conns; /* exchanges in progress, downstream connections */
    uint32_t background;    /* of the exchanges: those without a request */
    uint32_t checks;        /* struct mg_check under way */
    uint32_t sockets;       /* struct mg_socket */
    bool draining;
};

enum mg_wait {
    MG_WAIT_NONE,
    MG_WAIT_SLEEP,
    MG_WAIT_REQUEST_BODY,
    MG_WAIT_FORWARD,  /* the response's head */
    MG_WAIT_UPSTREAM, /* room to send more of a streamed request body */
    MG_WAIT_RESPONSE_BODY,
    MG_WAIT_REPLY, /* the response's end (or room, when it is streamed by the lane) */
    MG_WAIT_CALL,
    MG_WAIT_CHECK, /* of a signature */
    MG_WAIT_SOCKET
};

struct mg_x {
    mg_exchange pub; /* first: Lua sees an mg_exchange */
    struct mg_arena arena;
    struct mg_proxy *proxy;
    struct mg_server *server; /* NULL: a lane without a request (a timer) */
    struct mg_stream *down;   /* NULL: gone */
    struct mg_message req, res;
    struct mg_attempt up;
    struct mg_relay body_in, body_out;
    enum mg_wait wait;
    struct mg_timer nap;       /* MG_WAIT_SLEEP */
    struct mg_timer try_timer; /* the try's limit, then the upstream's idle limit */
    struct mg_timer deadline;
    const char *reason; /* why the last try failed */
    mg_str upstream_address;
    bool responded; /* res is a response (local or upstream's) */
    bool continued; /* 100 Continue was sent */
    bool lane_body; /* the lane sends the request's (or the response's) body itself */
    bool counted;   /* tries are the lane's alone: none is repeated unseen */
    bool tunnel;
    bool head;                /* the client asked with HEAD, whatever a policy made of it */
    bool settled;             /* the answer is through: only log policies are left */
    bool replied;             /* the response's end was handed to the wire */
    int broken;               /* the upstream failed while the lane waited for something else */
    struct mg_deferred flush; /* writes a head that no body followed in this turn */
    struct mg_lane *lane;     /* bound for good: script/lane.c */
    uint64_t paused_ns;       /* with pub.timed: since when the lane waits, */
    uint64_t waited_ns;       /* and how long it has waited before */
    uint64_t paused_given, others_given; /* the same of bytes that others asked Lua for */
    struct mg_list calls;                /* struct mg_call */
    struct mg_shadow *shadow;            /* a policy runs whose effects do not count: shadow.h */
    struct mg_check *check;              /* MG_WAIT_CHECK */
    struct mg_socket *socket;            /* MG_WAIT_SOCKET */
    struct mg_deferred rouse;            /* ends MG_WAIT_SLEEP early */
    struct mg_x *next;
};

/* Called once for a new exchange, by downstream.c. */
void mg_exchange_setup(struct mg_x *x, struct mg_proxy *proxy);
/* The request's head is in x->req and described in x->pub: runs the lane. */
void mg_exchange_begin(struct mg_x *x, struct mg_stream *down);

/* The ops; moongate.h has their contracts. */
int mg_exchange_body_gather(struct mg_x *x, uint64_t limit);
int mg_exchange_body_peek(struct mg_x *x, uint64_t enough);
int mg_exchange_body_next(struct mg_x *x, mg_str *piece);
int mg_exchange_forward(struct mg_x *x, struct mg_endpoint *ep, uint32_t timeout_ms, bool stream);
int mg_exchange_send(struct mg_x *x, mg_str bytes);
int mg_exchange_send_end(struct mg_x *x);
int mg_exchange_wait(struct mg_x *x);
int mg_exchange_deadline(struct mg_x *x, uint32_t ms);
void mg_exchange_respond(struct mg_x *x, uint16_t status, mg_str body);
int mg_exchange_response_gather(struct mg_x *x, uint64_t limit);
int mg_exchange_response_peek(struct mg_x *x, uint64_t enough);
int mg_exchange_response_next(struct mg_x *x, mg_str *piece);
int mg_exchange_reply(struct mg_x *x, bool stream);
int mg_exchange_reply_send(struct mg_x *x, mg_str bytes);
int mg_exchange_reply_end(struct mg_x *x);
int mg_exchange_sleep(struct mg_x *x, uint32_t ms);
void mg_exchange_rouse(struct mg_x *x);
/* Whether the lane may begin a wait that is not about either message. */
int mg_exchange_may_wait(struct mg_x *x);
/* The answer is through, as well as it could be; said by the ops that complete it, or by the lane when
 * that failed.  From now on a wait first lets the connections go on, and depends no more on the client
 * and the deadline: a log policy may take its time. */
void mg_exchange_settle(struct mg_x *x);
/* The lane is through: frees everything, and lets the connection go on. */
void mg_exchange_finish(struct mg_x *x);
/* For call.c, check.c and socket.c: wakes the lane if that is what it waits for. */
void mg_exchange_wake(struct mg_x *x, enum mg_wait what, int rc);
#endif
