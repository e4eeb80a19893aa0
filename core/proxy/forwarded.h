/* forwarded.h -- What the gateway tells the upstream about the client, and what it believes.
 *
 * X-Forwarded-For, X-Forwarded-Proto, X-Request-Id and X-Forwarded-Client-Cert, by the listener's conf.
 *
 * Owner:      none; works on one exchange's request before the lane sees it.
 * Errors:     none.
 * Invariant:  nothing that a client sent of these is passed on unless the conf trusts it, nor under a
 *             name that differs by '_' for '-' only.
 */
#ifndef MG_FORWARDED_H
#define MG_FORWARDED_H
#include "proxy/exchange.h"

/* Sets the fields and pub.client_address, pub.request_id. */
void mg_forwarded_add(struct mg_x *x, const struct mg_listener_conf *conf);
/* The ids that follow are those of this seed: for a rehearsal. */
void mg_forwarded_seed(uint64_t seed);
#endif
