/* lane.h -- The coroutine in which a request runs; it serves one after another.
 *
 * Owner:      an exchange and its lane are bound for good; lanes are made as exchanges are.
 * Ownership:  the Lua state anchors them in its registry.
 * Errors:     a lane that dies (out of memory, an error in moongate's own Lua) answers 500, is logged, and
 *             the next request of its exchange gets a new one.
 * Invariant:  a lane is resumed only from the loop, and only when what it waits for has happened.
 *
 * The protocol with moongate.runtime: runtime.lane(x) is the coroutine's function.  It is resumed with
 * 0 for a request, else with a timer's id; it yields nothing to wait (an op has returned MG_AGAIN) and is
 * resumed with the outcome; it yields its exchange (the light userdata) when it is through.  A yield
 * that is neither comes from a policy, and ends the lane.
 */
#ifndef MG_LANE_H
#define MG_LANE_H
#include <lua.h>
#include "proxy/exchange.h"

/* The lane's function is on the stack's top; it is taken. */
void mg_lane_setup(lua_State *L);
/* The hooks of exchange.h: a request begins on its exchange's lane; a wait has ended with `rc`. */
void mg_lane_serve(struct mg_x *x);
void mg_lane_wake(struct mg_x *x, int rc);
/* Runs timer `id` on the lane of a background exchange. */
void mg_lane_timer(struct mg_x *x, uint32_t id);
/* Frees a lane with its exchange's pool (the Lua state is closed by its owner). */
void mg_lane_free(struct mg_x *x);
#endif
