/* yaml_marks.h -- The lines on which the parts of a YAML text stand, in 16 bytes a part.
 *
 * Owner:      yaml.c fills them while it reads; Lua asks with line() and items().
 * Ownership:  they are a userdata, which frees what it holds when it is collected.
 * Errors:     0 for no memory or no such part.
 * Invariant:  a collection's marks are linked: first itself, then its keys or items in order.  The mark of a key or an
 *             item knows the first mark of the collection that it holds, so a way through the text needs no values.
 */
#ifndef MG_YAML_MARKS_H
#define MG_YAML_MARKS_H
#include <lua.h>
#include <stdint.h>

struct mg_yaml_marks;

/* Pushes the marks. */
struct mg_yaml_marks *mg_yaml_marks_push(lua_State *L);
/* The number of a key, which is on the stack's top and stays there; `index`: where the marks are on the stack. */
uint32_t mg_yaml_marks_key(lua_State *L, int index);
/* The index of a new mark, which follows `previous` (0: it is a collection's first), or 0.  `key` is the number of one,
 * 0 for an item. */
uint32_t mg_yaml_marks_add(struct mg_yaml_marks *m, uint32_t key, uint32_t line, uint32_t previous);
/* What stands at `mark` is the collection whose first mark is `inner` (0: none). */
void mg_yaml_marks_hold(struct mg_yaml_marks *m, uint32_t mark, uint32_t inner);
/* The line of a key in the collection whose first mark is `at`, or 0. */
uint32_t mg_yaml_marks_line(const struct mg_yaml_marks *m, uint32_t at, uint32_t key);
/* The Lua functions line(marks, at, step) and items(marks, at): see yaml.h. */
int mg_yaml_marks_find(lua_State *L);
int mg_yaml_marks_items(lua_State *L);
#endif
