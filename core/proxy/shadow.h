/* shadow.h -- A policy runs on a live request, and what it did to it is undone.
 *
 * Owner:      moongate.shadow begins and ends one around a phase; give_back() forgets one whose lane died.
 * Ownership:  lives in the exchange's arena.  The spans of both messages are only read.
 * Errors:     none.
 * Invariant:  between begin and end x->shadow is set: an answer then is a status and fields without a body and leaves
 *             the tries alone, and a sleep takes no time.  Bodies are not covered: a policy with a body phase cannot
 *             run so.  Trailers may come in meanwhile, and stay.
 */
#ifndef MG_SHADOW_H
#define MG_SHADOW_H
#include "proxy/exchange.h"

/* mg_shadow_begin() and mg_shadow_end() are moongate.h's; this is mg_exchange_respond() between them. */
void mg_shadow_respond(struct mg_x *x, uint16_t status);
#endif
