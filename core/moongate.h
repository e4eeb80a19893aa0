/* moongate.h -- Everything a Lua policy may ask of the C core, and nothing else.
 *
 * The build gives this text to ffi.cdef() too, less the lines that start with '#'.
 *
 * Ownership: Lua borrows an mg_exchange for one request.  An mg_str points into the
 *            request's arena (or a body chunk): ffi.string() it before the next wait.
 * Rules:     results go through out-pointers; nothing here yields, throws or calls back
 *            into Lua (LuaJIT cannot compile that).  A function that returns MG_AGAIN has
 *            started something: the lane must yield at once, and is resumed with the
 *            outcome (an MG_* code) as the value of the yield.
 */
#ifndef MOONGATE_H
#define MOONGATE_H
#include <stdint.h>
#include <stddef.h>
#include <stdbool.h>

enum { MG_ABI_VERSION = 1 };

/* Outcomes.  Negative numbers are errors; they start far below errno's and libuv's. */
enum {
    MG_OK = 0,
    MG_AGAIN = 1,       /* started: yield, the outcome follows */
    MG_END = 2,         /* no more body */
    MG_ENOENT = -10001, /* there is none */
    MG_EPHASE = -10002, /* too late or too early for this call */
    MG_EINVAL = -10003, /* a value that cannot stand there */
    MG_ENOMEM = -10004,
    MG_ELIMIT = -10005,       /* a configured limit was passed */
    MG_ETIMEOUT = -10006,     /* the deadline of this wait passed */
    MG_ECONNECT = -10007,     /* the connection could not be made */
    MG_ECONNTIMEOUT = -10008, /* ... in time */
    MG_ERESET = -10009,       /* the peer reset the connection */
    MG_ECLOSED = -10010,      /* the peer closed before its message was whole */
    MG_EPROTO = -10011,       /* the peer talked nonsense */
    MG_EGONE = -10012,        /* the downstream client has left */
    MG_EDNS = -10013,         /* the name did not resolve */
    MG_ETLS = -10014,         /* handshake or verification failed */
    MG_EFULL = -10015,        /* a bounded queue or pool is full */
    MG_ESTALE = -10016,       /* a reused connection was closed before a byte of the answer */
    MG_EDRAIN = -10017        /* the worker is stopping */
};

/* Well-known methods; MG_METHOD_OTHER for the rest (the text is in `method`). */
enum {
    MG_METHOD_OTHER,
    MG_METHOD_GET,
    MG_METHOD_HEAD,
    MG_METHOD_POST,
    MG_METHOD_PUT,
    MG_METHOD_DELETE,
    MG_METHOD_PATCH,
    MG_METHOD_OPTIONS,
    MG_METHOD_TRACE,
    MG_METHOD_CONNECT
};

/* Which fields of an exchange a header call speaks of.  Trailers are there once their body has been read whole, and
 * go on with it unless it is replaced. */
enum { MG_REQUEST = 0, MG_RESPONSE = 1, MG_REQUEST_TRAILERS = 2, MG_RESPONSE_TRAILERS = 3 };

/* Algorithms of mg_digest() and mg_hmac(). */
enum { MG_SHA1 = 1, MG_SHA256, MG_SHA384, MG_SHA512, MG_MD5 };

/* Schemes of mg_key_verify(). */
enum { MG_RSA_PKCS1 = 1, MG_RSA_PSS, MG_ECDSA };

typedef struct {
    const char *ptr;
    uint32_t len;
} mg_str;

/* One request's life, as far as Lua may read it directly (plain loads, no calls).
 * Everything is valid from the start of serve() to its end; the response part once there
 * is a response.  Lua writes none of these fields: the mg_ functions do. */
typedef struct mg_exchange {
    mg_str method;         /* as sent */
    mg_str path;           /* origin-form path, no query */
    mg_str query;          /* after '?', empty when absent; has_query tells the two apart */
    mg_str authority;      /* Host (or the absolute-form's authority) as sent */
    mg_str host;           /* authority in lower case, no port */
    mg_str principal;      /* the peer's first URI SAN ("spiffe://..."), empty when none */
    mg_str peer_address;   /* the TCP peer, textual, no port; empty at a Unix socket */
    mg_str client_address; /* trusted client address (X-Forwarded-For and trusted hops) */
    mg_str request_id;     /* X-Request-Id as it goes upstream */
    uint16_t method_id;    /* MG_METHOD_* */
    uint16_t port;         /* port the listener declares (no offset) */
    uint16_t peer_port;
    uint16_t listener; /* index of the listener, as mg_listener_configure() counts */
    uint8_t minor;     /* HTTP/1.minor of the request */
    bool has_query;
    bool tls;              /* downstream is TLS */
    bool has_body;         /* the request has (or may have) a body */
    bool upgrade;          /* the request asks for an Upgrade (value: header "upgrade") */
    bool grpc;             /* content-type application/grpc* */
    bool gone;             /* the client left */
    bool expired;          /* the time of mg_set_deadline() is over */
    bool response_started; /* response head has been handed to the wire */
    bool timed;            /* mg_time_lane() was called */
    bool running;          /* its lane is the one that runs */
    uint16_t status;       /* of the response (upstream's or local), 0 before */
    uint32_t attempts;     /* upstream tries so far */
    uint64_t start_ns;     /* monotonic clock, first byte of the request */
    uint64_t end_ns;       /* last byte of the response handed to the socket; 0 before */
    uint64_t upstream_ns;  /* from sending the (last) try to its response head; 0: none */
    uint64_t bytes_in;     /* wire bytes of the request, head included */
    uint64_t bytes_out;    /* wire bytes of the response, head included */
} mg_exchange;

/* MG_ABI_VERSION of the core; the runtime refuses one that it was not written for. */
int mg_abi_version(void);
/* A short text for an MG_* code, an errno or libuv's code; static, never NULL. */
const char *mg_error_text(int code);

/* ---- headers of either message; `name` in any case --------------------------------- */

/* First value of `name`; MG_ENOENT when absent. */
int mg_header_get(mg_exchange *x, int side, const char *name, uint32_t len, mg_str *value);
/* Ordered iteration that stands editing: *pos starts at 0; MG_ENOENT at the end. */
int mg_header_next(mg_exchange *x, int side, uint32_t *pos, mg_str *name, mg_str *value);
/* The next value of `name` at or after *pos; MG_ENOENT at the end. */
int mg_header_next_of(mg_exchange *x, int side, const char *name, uint32_t len, uint32_t *pos,
                      mg_str *value);
/* set: replaces all of that name by one.  add: one more.  MG_EINVAL: not a token, CR/LF/NUL in
 * the value, or a field that frames the message (Content-Length, Transfer-Encoding, Connection,
 * Keep-Alive, Proxy-Connection, TE, Trailer, Upgrade; Host on a request goes by mg_set_authority).
 */
int mg_header_set(mg_exchange *x, int side, const char *name, uint32_t nlen, const char *value,
                  uint32_t vlen);
int mg_header_add(mg_exchange *x, int side, const char *name, uint32_t nlen, const char *value,
                  uint32_t vlen);
/* Removes all of that name; MG_ENOENT when there was none.  Content-Length of a response that has no body (to HEAD, 304)
 * may go: it speaks of what GET would give. */
int mg_header_remove(mg_exchange *x, int side, const char *name, uint32_t len);

/* ---- the request ------------------------------------------------------------------- */

/* MG_EPHASE once it has been sent. */
int mg_set_method(mg_exchange *x, const char *method, uint32_t len);
/* Path and query as they go upstream; MG_EINVAL unless it starts with '/' and holds only
 * characters of RFC 3986 (section 3.3, 3.4). */
int mg_set_path(mg_exchange *x, const char *path, uint32_t len);
int mg_set_query(mg_exchange *x, const char *query, uint32_t len); /* len 0: no query */
/* Whether the path has one spelling only: no '%', no '\\', no empty segment and none that begins with '.'. */
bool mg_path_is_plain(const mg_exchange *x);
int mg_set_authority(mg_exchange *x, const char *authority, uint32_t len);

/* The address that the client reached (textual, no port, in the arena); MG_ENOENT when it is gone, or a Unix
 * socket. */
int mg_local_address(mg_exchange *x, mg_str *out);

/* Waits until the whole request body is in memory: MG_OK, MG_AGAIN, MG_ELIMIT (more than `limit`
 * bytes), MG_EGONE.  Then mg_request_body() gives it. */
int mg_request_body_wait(mg_exchange *x, uint64_t limit);
/* Waits until the body's first `enough` bytes, or all there are, are in memory: MG_OK, MG_AGAIN, MG_EGONE.  They stay
 * part of the body. */
int mg_request_body_peek(mg_exchange *x, uint64_t enough);
/* What of the body is in memory; MG_EPHASE when that is not all of it. */
int mg_request_body(mg_exchange *x, mg_str *body);
/* Replaces the whole body (copied). */
int mg_request_body_set(mg_exchange *x, const char *body, uint64_t len);
/* The next chunk: MG_OK with *chunk (valid until the next call), MG_END, or MG_AGAIN: yield and
 * call again.  Pulling sets the pace: nothing is read while nobody pulls. */
int mg_request_body_next(mg_exchange *x, mg_str *chunk);
/* Keeps the body while it is sent so that another try can send it again, if it is at most
 * `limit` bytes; mg_replayable() says whether another try is possible.  With `counted` each try is
 * the caller's: a reused connection that breaks fails the try, and is not replaced unseen. */
int mg_request_keep(mg_exchange *x, uint64_t limit, bool counted);
bool mg_replayable(mg_exchange *x);

/* ---- upstream ---------------------------------------------------------------------- */

struct mg_endpoint;
/* Sends the request to `ep` and waits for the response head.  Outcome MG_OK: a response is there
 * (status, headers).  Errors: MG_ECONNECT, MG_ECONNTIMEOUT, MG_EDNS, MG_ETLS, MG_ERESET,
 * MG_ECLOSED, MG_EPROTO, MG_ETIMEOUT (timeout_ms passed), MG_EGONE, MG_ESTALE, MG_EFULL.  May be
 * called again while mg_replayable().  With `stream` true the caller sends the body by
 * mg_upstream_send/end and then waits by mg_upstream_wait(); else the body that is in memory or
 * still arriving is streamed. timeout_ms 0: none. */
int mg_forward(mg_exchange *x, struct mg_endpoint *ep, uint32_t timeout_ms, bool stream);
/* MG_OK: taken.  MG_AGAIN: taken, yield before sending more (back-pressure).
 * MG_EPHASE: stop sending, the response is there already (3xx or above, or the upstream takes no
 * more until its response is read). */
int mg_upstream_send(mg_exchange *x, const char *bytes, uint32_t len);
int mg_upstream_end(mg_exchange *x);
/* Waits for the response's head after mg_upstream_end() or MG_EPHASE; outcome as mg_forward(). */
int mg_upstream_wait(mg_exchange *x);
/* Text of why the last try failed ("Connection refused"), static or in the arena. */
int mg_upstream_reason(mg_exchange *x, mg_str *out);
/* Where the last try went ("10.0.0.1:8080"); MG_ENOENT before. */
int mg_upstream_address(mg_exchange *x, mg_str *out);
/* A deadline for everything until the response is complete; 0 clears it.  Waits end with
 * MG_ETIMEOUT; after the response has started it is cut off. */
int mg_set_deadline(mg_exchange *x, uint32_t ms);

/* ---- the response ------------------------------------------------------------------ */

/* Makes a local response, throwing away any upstream one: status, no headers, `body` copied. */
int mg_respond(mg_exchange *x, uint32_t status, const char *body, uint64_t len);
/* 200 to 599 (else MG_EINVAL); MG_EPHASE while there is no response and once its head is out. */
int mg_set_status(mg_exchange *x, uint32_t status);
/* The body, as that of the request: whole (wait, then read or replace), or piece by piece. */
int mg_response_body_wait(mg_exchange *x, uint64_t limit);
int mg_response_body_peek(mg_exchange *x, uint64_t enough); /* as that of the request */
int mg_response_body(mg_exchange *x, mg_str *body);
int mg_response_body_set(mg_exchange *x, const char *body, uint64_t len);
int mg_response_body_next(mg_exchange *x, mg_str *chunk);
/* Sends the response and streams its body; MG_AGAIN then outcome when the last byte is handed to
 * the socket, or MG_EGONE, or the upstream's failure (the response is cut visibly).  A 101 becomes
 * a tunnel and ends when both sides have.  With `stream` true only the head is sent and the caller
 * sends the body by mg_reply_send/mg_reply_end. */
int mg_reply(mg_exchange *x, bool stream);
int mg_reply_send(mg_exchange *x, const char *bytes, uint32_t len);
int mg_reply_end(mg_exchange *x);

/* ---- waiting ----------------------------------------------------------------------- */

/* Always MG_AGAIN, then MG_OK after `ms` (MG_EGONE when the client leaves before; MG_EPHASE at once
 * for an exchange whose lane is not the one that runs). */
int mg_sleep(mg_exchange *x, uint32_t ms);
/* Ends the sleep of an exchange, if it is in one, at the end of this turn: it has slept long enough. */
void mg_wake(mg_exchange *x);
/* Measures the lane from now on: mg_lane_time() counts seconds, and mg_lane_memory() the bytes that Lua asked for, but
 * not those while the lane waits. */
void mg_time_lane(mg_exchange *x);
double mg_lane_time(const mg_exchange *x);
double mg_lane_memory(const mg_exchange *x);
/* What a policy does to the request and the response between these two is undone by the second, which says what that
 * was: some of MG_SHADOW_*.  mg_respond() then makes no body, and mg_sleep() is MG_OK at once. */
enum { MG_SHADOW_REQUEST = 1, MG_SHADOW_RESPONSE = 2, MG_SHADOW_ANSWER = 4 };
void mg_shadow_begin(mg_exchange *x);
int mg_shadow_end(mg_exchange *x);
/* The response failed and only log policies are left: their waits do not depend on the client any
 * more (after a response that was sent whole this goes without saying). */
void mg_settle(mg_exchange *x);

/* ---- services ---------------------------------------------------------------------- */

/* How much of a service may be in use at once, over all its endpoints and all workers; 0: no limit.
 * What passes one is MG_EFULL; connections: a request then waits for one. */
struct mg_breaker_conf {
    mg_str name; /* whose counts the workers share */
    uint32_t max_connections, max_pending, max_requests, max_retries;
    uint32_t retry_percent; /* in place of max_retries: retries are so many of the requests, */
    uint32_t min_retries;   /* but at least these */
};
struct mg_breaker;
/* The breaker of that conf, the same one for the same conf; NULL and *why.  Given back by put. */
struct mg_breaker *mg_breaker_get(const struct mg_breaker_conf *conf, mg_str *why);
void mg_breaker_put(struct mg_breaker *b);
/* Whether `x` may try again.  If so that counts as a retry from now to the end of that try, the pause
 * before it included. */
bool mg_breaker_retry(struct mg_breaker *b, mg_exchange *x);

/* Where an upstream connection goes and how.  Spans are copied. */
struct mg_endpoint_conf {
    mg_str
        address; /* "10.0.0.1:80", "[::1]:80", "name:80" (resolved and kept fresh), "unix:/path" */
    mg_str sni;  /* with tls: the name sent and verified */
    mg_str
        verify; /* with tls: SANs, separated by blanks, of which one is to be found instead of the
                       name; empty: the name */
    struct mg_tls *tls;
    uint32_t connect_timeout_ms;
    uint32_t idle_timeout_ms;
    uint32_t max_idle;        /* kept-alive connections kept (per worker) */
    uint32_t max_requests;    /* of one connection; 0: no end */
    uint32_t max_connections; /* at once (per worker); 0: no bound.  Past it: MG_EFULL */
    uint32_t max_age_ms;      /* of a connection; 0: no end.  What is in progress is finished */
    uint32_t keepalive_s, keepalive_interval_s, keepalive_probes; /* of TCP; all 0: none */
    uint32_t proxy_protocol; /* version of the PROXY header that connections begin with; 0: none */
    struct mg_breaker *breaker; /* of the service, or NULL */
};
/* The endpoint of that conf; the same conf gives the same endpoint (with its pool), also across
 * reloads.  NULL and *why when the address cannot stand.  mg_endpoint_put() gives it back. */
struct mg_endpoint *mg_endpoint_get(const struct mg_endpoint_conf *conf, mg_str *why);
void mg_endpoint_put(struct mg_endpoint *ep);
uint32_t mg_endpoint_active(const struct mg_endpoint *ep); /* exchanges in progress */

/* A TLS client context from PEM texts (empty: none; ca empty: the system's roots); `name` is what
 * errors call it.  NULL and *why.  Given back by mg_tls_put(), as that of a server. */
struct mg_tls *mg_tls_client(mg_str ca, mg_str cert, mg_str key, mg_str name, bool insecure,
                             mg_str *why);
struct mg_tls_pem {
    mg_str cert, key, name; /* PEM texts; name is what errors call them */
};
/* A TLS server context: auth 0 none, 1 request, 2 require, 3 any; alpn comma-separated; min_version
 * 12 or 13.  NULL and *why. */
struct mg_tls *mg_tls_server(const struct mg_tls_pem *certs, uint32_t ncerts, mg_str client_ca,
                             int auth, mg_str alpn, int min_version, bool tickets, mg_str *why);
void mg_tls_put(struct mg_tls *tls);
/* From when and until when a PEM text's first certificate is good, in seconds of mg_wall_time(); MG_EINVAL: it cannot
 * be read. */
int mg_tls_times(mg_str pem, double *from, double *until);

/* How the worker treats a listener; `index` counts from 0 in the model's order. */
struct mg_listener_conf {
    uint16_t port; /* as declared, no offset */
    struct mg_tls *tls;
    bool permissive;            /* clear text beside TLS */
    bool proxied;               /* each connection begins with a PROXY header */
    uint8_t client_cert_header; /* X-Forwarded-Client-Cert: 0 remove, 1 set from mTLS, 2 trust */
    bool trust_request_id;      /* keep the client's X-Request-Id */
    bool append_forwarded_for;  /* false: an inner hop, X-Forwarded-For is passed as it came */
    uint32_t trusted_hops;      /* proxies in front whose X-Forwarded-For entries count */
    uint32_t request_line_bytes, header_bytes, header_count, trailer_bytes;
    uint64_t body_bytes;
    uint32_t header_timeout_ms, body_timeout_ms, idle_timeout_ms, write_timeout_ms;
    uint32_t body_rate; /* bytes a second */
    uint32_t requests_per_connection, connections, connections_per_client;
};
/* Copies the settings and takes over the reference to conf->tls; MG_ELIMIT: too many listeners. */
int mg_listener_configure(uint32_t index, const struct mg_listener_conf *conf);
/* Past so much memory (bytes) a worker refuses new requests; 0: three quarters of the machine's, shared by all. */
void mg_overload_configure(uint64_t memory);

/* ---- the peer's certificate (valid while the exchange is) -------------------------- */

struct mg_certificate {
    mg_str principal, subject, serial, dns, fingerprint, sni, alpn, version, cipher;
    bool verified;
};
/* MG_ENOENT on a clear connection, or one that has ended; empty spans where the client gave no certificate. */
int mg_peer_certificate(mg_exchange *x, struct mg_certificate *out);

/* ---- HTTP calls of policies, on the same pools ------------------------------------- */

struct mg_call;
/* A request of its own; freed by mg_call_free() or with the exchange. NULL: a bad method, path or
 * authority. */
struct mg_call *mg_call_new(mg_exchange *x, mg_str method, mg_str path, mg_str authority);
int mg_call_header(struct mg_call *c, const char *name, uint32_t nlen, const char *value,
                   uint32_t vlen);
/* Sends it and waits for the whole response (body at most `limit`). Outcome as mg_forward(). */
int mg_call_send(struct mg_call *c, struct mg_endpoint *ep, const char *body, uint64_t len,
                 uint32_t timeout_ms, uint64_t limit);
/* Only makes a connection (and its TLS), and closes it: MG_OK, or an error as above. */
int mg_call_connect(struct mg_call *c, struct mg_endpoint *ep, uint32_t timeout_ms);
int mg_call_status(const struct mg_call *c);
int mg_call_header_next(const struct mg_call *c, uint32_t *pos, mg_str *name, mg_str *value);
void mg_call_body(const struct mg_call *c, mg_str *body);
/* Why it failed, after an error. */
void mg_call_why(const struct mg_call *c, mg_str *out);
void mg_call_free(struct mg_call *c);

/* ---- connections of policies, for what is no HTTP ------------------------------------ */

/* core/proxy/socket.h has the contracts.  A socket belongs to no exchange: any may use it in turn. */
struct mg_socket;
/* NULL and *why: there are too many.  Closed by mg_socket_close(). */
struct mg_socket *mg_socket_new(struct mg_endpoint *ep, mg_str *why);
void mg_socket_close(struct mg_socket *s);
/* Each waits: MG_OK, MG_AGAIN then the outcome, or an error.  Times in ms. */
int mg_socket_connect(mg_exchange *x, struct mg_socket *s); /* within the endpoint's own limit */
int mg_socket_write(mg_exchange *x, struct mg_socket *s, const char *bytes, uint32_t len,
                    uint32_t timeout_ms);
int mg_socket_wait(mg_exchange *x, struct mg_socket *s, uint32_t least, uint32_t timeout_ms);
/* What has arrived, good until the next wait; and that its first `len` bytes were read. */
void mg_socket_bytes(const struct mg_socket *s, mg_str *out);
void mg_socket_take(struct mg_socket *s, uint32_t len);
void mg_socket_why(const struct mg_socket *s, mg_str *out);

/* ---- metrics: shared by all workers (core/base/metrics.h says how) ------------------ */

enum { MG_METRIC_COUNTER, MG_METRIC_GAUGE, MG_METRIC_HISTOGRAM };
/* Declares (or finds) a family; its id or MG_EINVAL. */
int mg_metric_family(int type, const char *name, const char *help, const mg_str *labels,
                     uint32_t nlabels, const double *bounds, uint32_t nbounds, uint32_t max_series);
/* This worker's slots of a series: a counter is [0] and is added to in place; a gauge is a
 * double's bits. Never NULL; keep the pointer. */
uint64_t *mg_metric_series(int family, const mg_str *values, uint32_t nvalues);
/* Counts `value` (in the family's unit) in a histogram's buckets and adds it to the sum. */
void mg_metric_observe(int family, uint64_t *slots, double value);

/* ---- a dictionary shared by all workers -------------------------------------------- */

/* core/base/dict.h has the contracts: MG_ENOENT, MG_ELIMIT, MG_EINVAL, MG_EPHASE (only_new, swap); values
 * are copied, times in ms, ttl 0: no expiry. */
struct mg_dict;
struct mg_dict *mg_shared_open(const char *name, uint32_t len, uint64_t size);
int mg_shared_get(struct mg_dict *d, mg_str key, char *out, uint64_t cap, uint64_t *len);
int mg_shared_set(struct mg_dict *d, mg_str key, mg_str value, uint64_t ttl_ms, bool only_new);
int mg_shared_swap(struct mg_dict *d, mg_str key, mg_str old, mg_str value, uint64_t ttl_ms);
int mg_shared_delete(struct mg_dict *d, mg_str key);
int mg_shared_incr(struct mg_dict *d, mg_str key, double by, double init, uint64_t ttl_ms,
                   double *out);
int mg_shared_ttl(struct mg_dict *d, mg_str key, uint64_t *ttl_ms);

/* ---- regular expressions (core/base/re2.h has the contracts) ----------------------- */

struct mg_regex;
/* NULL and *why for what is none; mg_regex_put() gives it back. */
struct mg_regex *mg_regex_get(mg_str pattern, mg_str *why);
void mg_regex_put(struct mg_regex *re);
bool mg_regex_match(const struct mg_regex *re, const char *text, uint32_t len); /* all of it */
bool mg_regex_find(const struct mg_regex *re, const char *text, uint32_t len);  /* a part */
bool mg_regex_check(const struct mg_regex *re, mg_str rewrite, mg_str *why);
/* The number of replaced matches or MG_EINVAL; *out is good until the next call. */
int mg_regex_replace(const struct mg_regex *re, mg_str text, mg_str rewrite, mg_str *out);

/* ---- signatures -------------------------------------------------------------------- */

/* core/net/signature.h has the contracts: NULL for a key that cannot be used, MG_EINVAL for a
 * signature that does not fit.  A key is given back by mg_key_free(). */
struct mg_key;
struct mg_key *mg_key_rsa(mg_str modulus, mg_str exponent);
struct mg_key *mg_key_ec(int bits, mg_str x, mg_str y);
void mg_key_free(struct mg_key *key);
int mg_key_verify(struct mg_key *key, int scheme, int digest, mg_str data, mg_str signature);
/* The same on a thread: MG_AGAIN, then the outcome (MG_EGONE, MG_ETIMEOUT as for other waits);
 * MG_EFULL: too many are under way, use mg_key_verify(). */
int mg_key_verify_wait(mg_exchange *x, struct mg_key *key, int scheme, int digest, mg_str data,
                       mg_str signature);

/* ---- gzip (core/base/zip.h has the contracts) ---------------------------------------- */

struct mg_gzip;
/* NULL: too many are open.  Closed by mg_gzip_free(). */
struct mg_gzip *mg_gzip_decoder(uint64_t limit, uint32_t ratio);
struct mg_gzip *mg_gzip_encoder(int level);
void mg_gzip_free(struct mg_gzip *z);
/* The next bytes, which the caller keeps until mg_gzip_next() has said MG_END. */
void mg_gzip_feed(struct mg_gzip *z, const char *bytes, uint32_t len, bool last);
int mg_gzip_next(struct mg_gzip *z, mg_str *out);

/* ---- files ------------------------------------------------------------------------- */

/* What changes when a file does; times in ns since 1970. */
struct mg_file_stamp {
    uint64_t device, inode, size, modified, changed;
};
/* MG_ENOENT, or another errno's negative: it cannot be looked at. */
int mg_file_stamp(const char *path, struct mg_file_stamp *out);

/* ---- addresses --------------------------------------------------------------------- */

/* Whether this machine has the IP address, so that it can listen there. */
bool mg_address_is_here(const char *ip);

/* ---- budgets ----------------------------------------------------------------------- */

/* A config is about to be loaded, in pieces: bytes that policies hold in the Lua state of this worker until then.  It
 * has been, or has failed: of what the state has now policies hold that much, and may hold `most` (core/script/budget.h).
 * 0, and nothing happens, outside of a worker. */
uint64_t mg_load_begins(void);
void mg_load_ends(uint64_t most, uint64_t held);

/* ---- the rest ---------------------------------------------------------------------- */

/* Both write *outlen raw bytes (64 at most); MG_EINVAL: no such algorithm. */
int mg_digest(int algorithm, mg_str data, uint8_t *out64, uint32_t *outlen);
int mg_hmac(int algorithm, mg_str key, mg_str data, uint8_t *out64, uint32_t *outlen);
/* From the generator of the TLS library, which the system seeded. */
void mg_random(void *out, uint32_t len);
uint64_t mg_now_ns(void);  /* monotonic */
double mg_wall_time(void); /* seconds since 1970 */
/* level 0 debug, 1 info, 2 warn, 3 error */
void mg_log_text(int level, const char *text, uint32_t len);
/* A sink for whole lines ("stdout", "stderr" or a path): its number, or a negative code. */
int mg_sink_get(const char *path, uint32_t len);
/* One line; the newline is added.  Never waits: what does not fit is dropped and counted. */
void mg_sink_write(int sink, const char *line, uint32_t len);
/* Runs timer `id` of moongate.timer on a lane of its own after `ms`; MG_EFULL: too many. */
int mg_timer_start(uint32_t id, uint32_t ms);
/* Timer `id` will not run, if it has not begun to. */
void mg_timer_stop(uint32_t id);

#endif
