/* client.h -- An upstream HTTP/1 connection: one request and its response at a time.
 *
 * Owner:      proxy/pool.c; a client is in use by one stream or idle in the pool.
 * Ownership:  owns the connection.  mg_client_start() lends the stream until its release; both
 *             messages, with their arenas, must live until then.
 * Errors:     only through on_error of the stream: MG_ESTALE when a reused connection ends before a
 *             byte of the answer, MG_ECLOSED or MG_ERESET otherwise, MG_EPROTO for nonsense (see
 *             parse.h; a 101 to what was not asked for, too), MG_ELIMIT for too many interim
 *             responses.  send_* never fail: when the upstream takes no more, the rest is swallowed,
 *             for its answer may be on the way (RFC 9112, 9.5); on_error follows if it is not.
 * Invariant:  a byte that comes when no response is due closes the connection: it is never reused.
 *             After a 101, bytes wait for mg_stream's tunnel().
 */
#ifndef MG_CLIENT_H
#define MG_CLIENT_H
#include "http/stream.h"
#include "net/conn.h"

struct mg_client;
struct mg_client_events {
    /* The stream was released (called from inside that).  Not reusable: the client closes and frees
     * itself, forget it. */
    void (*on_free)(struct mg_client *, void *owner, bool reusable);
    /* While idle: the upstream closed it or sent something.  Forget it: it frees itself. */
    void (*on_closed)(struct mg_client *, void *owner);
};
/* Takes over a connected connection.  Limits of a response: head 64 KiB, 200 fields, 8 interim
 * responses.  NULL: out of memory, and `conn` is closed. */
struct mg_client *mg_client_new(struct mg_conn *conn, const struct mg_client_events *ev,
                                void *owner);
/* Sends `request` (head only, queued until body, end or flush); the response is parsed into
 * `response` (init'ed).  The stream is embedded in the client: valid until release. */
struct mg_stream *mg_client_start(struct mg_client *c, const struct mg_message *request,
                                  struct mg_message *response);
uint32_t mg_client_requests(const struct mg_client *c); /* so far */
void mg_client_close(struct mg_client *c);              /* only while idle; no event follows */
#endif
