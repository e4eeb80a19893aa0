/* yaml_marks.h -- The lines on which the parts of a YAML text stand, in 16 bytes a part.
 *
 * Owner:      yaml.c fills them while it reads; Lua asks with line().
 * Ownership:  held by a Lua table, which frees them when it is collected.
 * Errors:     0 for no memory or no such part.
 * Invariant:  a collection's marks are linked: first itself, then its keys or items in order.
 */
#ifndef MG_YAML_MARKS_H
#define MG_YAML_MARKS_H
#include <lua.h>
#include <stdint.h>

struct mg_yaml_marks;

/* Pushes a table: at 0 the marks, which it owns; the caller enters every collection's first mark. */
struct mg_yaml_marks *mg_yaml_marks_push(lua_State *L);
/* The index of a new mark, which follows `previous` (0: it is a collection's first), or 0.  `key` is
 * Lua's own copy of a key (the only one of that text), NULL for an item. */
uint32_t mg_yaml_marks_add(struct mg_yaml_marks *m, const char *key, uint32_t line,
                           uint32_t previous);
/* The line of a key in the collection whose first mark is `at`, or 0. */
uint32_t mg_yaml_marks_line(const struct mg_yaml_marks *m, uint32_t at, const char *key);
/* The Lua function line(marks, collection, step). */
int mg_yaml_marks_find(lua_State *L);
#endif
