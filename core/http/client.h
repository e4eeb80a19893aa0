/* client.h -- An upstream HTTP/1 connection: one request and its response at a time.
 *
 * Owner:      proxy/pool.c; a client is in use by one stream or idle in the pool.
 * Ownership:  owns the connection.  mg_client_start() lends the stream until its release.
 * Errors:     through on_error of the stream: MG_ESTALE when a reused connection ends before a byte
 *             of the answer, MG_ECLOSED/MG_ERESET later, MG_EPROTO for nonsense (RFC 9112 rules,
 * see http-security notes in parse.h), MG_ELIMIT for a head past the limits. Invariant:  a byte
 * that comes when no response is due closes the connection: it is never reused.
 */
#ifndef MG_CLIENT_H
#define MG_CLIENT_H
#include "http/stream.h"
#include "net/conn.h"

struct mg_client;
struct mg_client_events {
    void (*on_free)(struct mg_client *, void *owner, bool reusable); /* the stream was released */
    void (*on_closed)(struct mg_client *,
                      void *owner); /* while idle: forget it (it frees itself) */
};
/* Limits of a response: head 64 KiB, 200 fields, 8 interim responses. */
struct mg_client *mg_client_new(struct mg_conn *conn, const struct mg_client_events *ev,
                                void *owner);
/* Sends `request` (head only, queued); the response is parsed into `response` (init'ed).
 * The stream is embedded in the client: valid until release. */
struct mg_stream *mg_client_start(struct mg_client *c, const struct mg_message *request,
                                  struct mg_message *response);
uint32_t mg_client_requests(const struct mg_client *c);   /* so far */
uint64_t mg_client_idle_since(const struct mg_client *c); /* mg_loop_now() of its last release */
struct mg_conn *mg_client_conn(const struct mg_client *c);
void mg_client_close(struct mg_client *c); /* only while idle */
#endif
