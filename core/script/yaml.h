/* yaml.h -- Turns a YAML text into Lua tables that remember the line of every key and item.
 *
 * Owner:      moongate.yaml (Lua) is the only caller; it loads this as moongate.yaml_events.
 * Ownership:  the tables belong to Lua; the parser is a userdata, so an error of Lua's frees it.
 * Errors:     a text that is not YAML, or is ambiguous or too big, gives nil and a table
 *             { line =, column =, message = }; it never raises for what a file holds.
 * Invariant:  what an alias repeats counts against the limits as if it were written out, so no
 *             small text makes a big walk.
 */
#ifndef MG_YAML_H
#define MG_YAML_H
#include <lua.h>

/* Pushes the module:
 *
 *   parse(text, limits) -> documents, marks | nil, { line, column, message }
 *     limits     { depth = 64, nodes = 2000000, bytes = 64 MiB }, each optional
 *     documents  array of { value =, line =, mark = the first mark of the value (0: a scalar), nulls = whether a null
 *                is in it }
 *     marks      for line() and items(), which need no value: those may be gone
 *   line(marks, at, step) -> line, from 1, and the first mark of what stands there (0: a scalar), of the key `step` (or
 *                item, from 1) of the mapping or list whose first mark is `at`, or with 0 of that itself; nothing when
 *                it has no such step
 *   items(marks, at) -> array of the first marks of what a list holds, in order
 *   list         the metatable that every list has and no mapping
 *   null         what null is (cjson.null too)
 *
 * Mapping keys are strings as written.  Plain scalars are typed by the core schema of YAML 1.2
 * (10.3.2), quoted ones are strings.  Where YAML 1.1, which Kubernetes reads, takes a plain scalar
 * for something else (yes, on, 0777), it is refused: the author must say which is meant. */
int luaopen_moongate_yaml(lua_State *L);
#endif
