#include "script/yaml_marks.h"
#include <lauxlib.h>
#include <stdlib.h>

#define MARKS "moongate.yaml.marks"

struct mark {
    const char *key;
    uint32_t line, next;
};

struct mg_yaml_marks {
    struct mark *list; /* none at 0: there a chain ends */
    uint32_t n, room;
};

static int marks_gc(lua_State *L)
{
    struct mg_yaml_marks *m = lua_touserdata(L, 1);

    free(m->list);
    m->list = NULL;
    m->n = m->room = 0;
    return 0;
}

struct mg_yaml_marks *mg_yaml_marks_push(lua_State *L)
{
    struct mg_yaml_marks *m;

    lua_newtable(L);
    m = lua_newuserdata(L, sizeof(*m));
    *m = (struct mg_yaml_marks){.n = 1};
    if (luaL_newmetatable(L, MARKS)) {
        lua_pushcfunction(L, marks_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    lua_rawseti(L, -2, 0);
    return m;
}

uint32_t mg_yaml_marks_add(struct mg_yaml_marks *m, const char *key, uint32_t line,
                           uint32_t previous)
{
    if (m->n >= m->room) {
        uint32_t room = m->room == 0 ? 256 : 2 * m->room;
        struct mark *list = realloc(m->list, room * sizeof(*list));

        if (list == NULL)
            return 0;
        m->list = list;
        m->room = room;
    }
    m->list[m->n] = (struct mark){.key = key, .line = line};
    if (previous != 0)
        m->list[previous].next = m->n;
    return m->n++;
}

static uint32_t find_key(const struct mg_yaml_marks *m, uint32_t at, const char *key)
{
    while (at != 0 && m->list[at].key != key)
        at = m->list[at].next;
    return at;
}

uint32_t mg_yaml_marks_line(const struct mg_yaml_marks *m, uint32_t at, const char *key)
{
    at = find_key(m, at, key);
    return at == 0 ? 0 : m->list[at].line;
}

/* The collection itself is item 0. */
static uint32_t find_item(const struct mg_yaml_marks *m, uint32_t at, double index)
{
    for (uint32_t step = 1; at != 0 && step <= index; step++)
        at = m->list[at].next;
    return at != 0 && m->list[at].key == NULL ? at : 0;
}

int mg_yaml_marks_find(lua_State *L)
{
    const struct mg_yaml_marks *m;
    uint32_t at;

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_rawgeti(L, 1, 0);
    m = luaL_checkudata(L, -1, MARKS);
    lua_pushvalue(L, 2);
    lua_rawget(L, 1);
    at = (uint32_t)lua_tointeger(L, -1);
    if (at == 0)
        return 0;
    if (lua_type(L, 3) == LUA_TSTRING)
        at = find_key(m, at, lua_tostring(L, 3));
    else
        at = find_item(m, at, lua_tonumber(L, 3));
    if (at == 0)
        return 0;
    lua_pushinteger(L, (lua_Integer)m->list[at].line);
    return 1;
}
