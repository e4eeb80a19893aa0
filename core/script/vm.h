/* vm.h -- The Lua state of a process: its libraries, and where its modules come from.
 *
 * Owner:      main.c has one while it reads the command line, the master while it checks a reload,
 *             a worker for its whole life.  One at a time a process: the ABI's symbols are global.
 * Ownership:  mg_vm_close() frees everything that Lua holds.
 * Errors:     messages are copied to `err`, with the traceback where there is one.
 * Invariant:  moongate.* and policies.* are found in the source tree when the binary runs from its
 *             build folder, else inside the binary (moongate.policy adds users' folders).
 */
#ifndef MG_VM_H
#define MG_VM_H
#include <lua.h>

/* NULL: out of memory, or a library that does not fit (said on standard error). */
lua_State *mg_vm_new(void);
/* Runs the finalizers, then frees. */
void mg_vm_close(lua_State *L);
/* Pushes the field `name` of module `module` (required first).  -1 and *err on failure: the message is
 * on the stack's top then. */
int mg_vm_function(lua_State *L, const char *module, const char *name);
/* lua_pcall with a traceback; on failure the message is on the stack's top. */
int mg_vm_call(lua_State *L, int nargs, int nresults);
#endif
