/* connect.h -- Makes one connection to an endpoint: its name, then TCP, then a PROXY header, then TLS.
 *
 * Owner:      whoever starts it; it ends by itself when it has told, or by mg_connect_cancel().
 * Ownership:  the connection is given to `fn`, which sets events and owner before it returns.
 *             The endpoint must live until then.
 * Errors:     MG_EDNS, MG_ECONNECT, MG_ECONNTIMEOUT, MG_ETLS; `reason` says more, during the call.
 * Invariant:  a name with several addresses stands as long as one of them answers; all of it
 *             takes conf.connect_timeout_ms at most.
 */
#ifndef MG_CONNECT_H
#define MG_CONNECT_H
#include "net/proxy_header.h"
#include "proxy/endpoint.h"

struct mg_connect;
/* Told once, from the loop: `conn` stands, and went to `to`; or NULL, and why. */
typedef void mg_connect_fn(void *owner, struct mg_conn *conn, const struct sockaddr_storage *to,
                           int err, const char *reason);
/* MG_AGAIN, and fn follows; else an error.  `ends` (which must live until then) is whom a PROXY header
 * names; NULL: nobody. */
int mg_connect_start(struct mg_endpoint *ep, const struct mg_proxy_ends *ends, mg_connect_fn *fn,
                     void *owner, struct mg_connect **out);
/* fn will not be called. */
void mg_connect_cancel(struct mg_connect *k);
#endif
