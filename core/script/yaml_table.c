#include "script/yaml_table.h"

struct mg_yaml_table mg_yaml_table_begin(lua_State *L)
{
    return (struct mg_yaml_table){.base = lua_gettop(L)};
}

static bool is_full(lua_State *L, const struct mg_yaml_table *t)
{
    return t->made || lua_gettop(L) - t->base >= MG_YAML_TABLE_STACK;
}

/* Under what waits. */
static void make(lua_State *L, struct mg_yaml_table *t, int items, int entries)
{
    if (t->made)
        return;
    lua_createtable(L, items, entries);
    lua_insert(L, t->base + 1);
    t->made = true;
}

void mg_yaml_table_end_items(lua_State *L, struct mg_yaml_table *t)
{
    int waiting = lua_gettop(L) - t->base - t->made;

    make(L, t, waiting, 0);
    for (int i = waiting; i > 0; i--)
        lua_rawseti(L, t->base + 1, t->items + i);
    t->items += waiting;
}

void mg_yaml_table_end_entries(lua_State *L, struct mg_yaml_table *t)
{
    make(L, t, 0, (lua_gettop(L) - t->base) / 2);
    while (lua_gettop(L) > t->base + 1)
        lua_rawset(L, t->base + 1);
}

void mg_yaml_table_item(lua_State *L, struct mg_yaml_table *t)
{
    if (is_full(L, t))
        mg_yaml_table_end_items(L, t);
}

void mg_yaml_table_entry(lua_State *L, struct mg_yaml_table *t)
{
    if (is_full(L, t))
        mg_yaml_table_end_entries(L, t);
}

bool mg_yaml_table_has(lua_State *L, const struct mg_yaml_table *t)
{
    bool there;

    lua_pushvalue(L, -1);
    lua_rawget(L, t->base + 1);
    there = !lua_isnil(L, -1);
    lua_pop(L, 1);
    return there;
}
