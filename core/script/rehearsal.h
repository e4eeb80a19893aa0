/* rehearsal.h -- A worker without sockets, inside the process that reads the command line.
 *
 * Owner:      moongate.rehearsal (Lua) is the only caller; it loads this as moongate.rehearsal_core.
 * Ownership:  connections are userdata; loop, proxy and lanes live until the Lua state closes.
 * Errors:     raised, as by any function of Lua's C API: what is wrong here is a mistake of ours.
 * Invariant:  requests run on the lanes, parser and chain that a worker has.  The loop is turned by hand
 *             and waits for nothing, so nothing happens between two calls.
 */
#ifndef MG_REHEARSAL_H
#define MG_REHEARSAL_H
#include <lua.h>

/* Pushes the module:
 *
 *   open(lane, world)  makes loop and proxy; `lane` is runtime.lane.  Once a process.  With `world` = { wall =
 *                   seconds since 1970, seed = number } the clock stands still but for advance(), ids are
 *                   those of the seed, and connections to endpoints wait in dialed() for their other side
 *   dialed()        the other side of the oldest of them and its endpoint's address, or nothing
 *   due()           ms until a timer may be due, or nothing; advance(ms) moves the clock on and turns the loop
 *                   (while jobs are under way it waits for these instead)
 *   ticks()         nanoseconds of the clock that nobody holds
 *   forget()        dictionaries (mg_shared_open) that are opened from now on are new
 *   metrics()       all metrics as text
 *   connect(peer)   a connection { listener = index from 0, name =, address =, port =, local_address =,
 *                   local_port =, tls =, principal =, sni = }
 *   wake(x, code)   goes on with the exchange (its address) that waits in mg_sleep(); code is the outcome
 *   identity(pem)   the first URI in the certificate's subjectAltName, or nothing
 *   connection:feed(bytes, end), :turn() -> whether something happened, :written() -> bytes,
 *   :closed() -> whether the core closed it, and whether by a reset; :answer(code) lets a dialed one stand
 *   (code: why not), :fail(code) breaks it once what was fed is read */
int luaopen_moongate_rehearsal(lua_State *L);
/* Around the closing of the Lua state; nothing where open() was not called. */
void mg_rehearsal_stop(void);
void mg_rehearsal_free(void);
#endif
