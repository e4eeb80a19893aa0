/* yaml_table.h -- A Lua table made when it is known how much goes into it: one that grows is made again and again.
 *
 * Owner:      yaml.c, one for each collection that it reads.
 * Ownership:  what is read waits on the Lua stack; once it is too much, the table stands there in its place.
 * Invariant:  nothing but what waits, or the table and what goes into it next, lies above `base`.
 */
#ifndef MG_YAML_TABLE_H
#define MG_YAML_TABLE_H
#include <lua.h>
#include <stdbool.h>

enum { MG_YAML_TABLE_STACK = 32 }; /* slots that it takes at most */

struct mg_yaml_table {
    int base, items; /* items: how many are in it */
    bool made;
};

struct mg_yaml_table mg_yaml_table_begin(lua_State *L);
/* Takes the value on the stack's top, or it and its key below. */
void mg_yaml_table_item(lua_State *L, struct mg_yaml_table *t);
void mg_yaml_table_entry(lua_State *L, struct mg_yaml_table *t);
/* Leaves the table on the stack. */
void mg_yaml_table_end_items(lua_State *L, struct mg_yaml_table *t);
void mg_yaml_table_end_entries(lua_State *L, struct mg_yaml_table *t);
/* Whether the key on the stack's top is in it already; it is made. */
bool mg_yaml_table_has(lua_State *L, const struct mg_yaml_table *t);
#endif
