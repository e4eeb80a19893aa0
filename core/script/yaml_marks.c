#include "script/yaml_marks.h"
#include <lauxlib.h>
#include <stdlib.h>

#define MARKS "moongate.yaml.marks"

struct mark {
    uint32_t key, line, next, inner;
};

struct mg_yaml_marks {
    struct mark *list; /* none at 0: there a chain ends */
    uint32_t n, room, keys;
};

static int marks_gc(lua_State *L)
{
    struct mg_yaml_marks *m = lua_touserdata(L, 1);

    free(m->list);
    m->list = NULL;
    m->n = m->room = 0;
    return 0;
}

/* Its environment has the number of each key. */
struct mg_yaml_marks *mg_yaml_marks_push(lua_State *L)
{
    struct mg_yaml_marks *m = lua_newuserdata(L, sizeof(*m));

    *m = (struct mg_yaml_marks){.n = 1};
    if (luaL_newmetatable(L, MARKS)) {
        lua_pushcfunction(L, marks_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    lua_newtable(L);
    lua_setfenv(L, -2);
    return m;
}

/* The number of the key on the stack's top, or 0. */
static uint32_t known_key(lua_State *L, int index)
{
    uint32_t key;

    lua_getfenv(L, index);
    lua_pushvalue(L, -2);
    lua_rawget(L, -2);
    key = (uint32_t)lua_tointeger(L, -1);
    lua_pop(L, 2);
    return key;
}

uint32_t mg_yaml_marks_key(lua_State *L, int index)
{
    struct mg_yaml_marks *m = lua_touserdata(L, index);
    uint32_t key = known_key(L, index);

    if (key != 0)
        return key;
    key = ++m->keys;
    lua_getfenv(L, index);
    lua_pushvalue(L, -2);
    lua_pushinteger(L, (lua_Integer)key);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    return key;
}

uint32_t mg_yaml_marks_add(struct mg_yaml_marks *m, uint32_t key, uint32_t line, uint32_t previous)
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

void mg_yaml_marks_hold(struct mg_yaml_marks *m, uint32_t mark, uint32_t inner)
{
    m->list[mark].inner = inner;
}

static uint32_t find_key(const struct mg_yaml_marks *m, uint32_t at, uint32_t key)
{
    while (at != 0 && m->list[at].key != key)
        at = m->list[at].next;
    return at;
}

uint32_t mg_yaml_marks_line(const struct mg_yaml_marks *m, uint32_t at, uint32_t key)
{
    at = find_key(m, at, key);
    return at == 0 ? 0 : m->list[at].line;
}

/* The collection itself is item 0. */
static uint32_t find_item(const struct mg_yaml_marks *m, uint32_t at, double index)
{
    for (uint32_t step = 1; at != 0 && step <= index; step++)
        at = m->list[at].next;
    return at != 0 && m->list[at].key == 0 ? at : 0;
}

/* A collection's first mark, which stands as argument 2. */
static uint32_t check_at(lua_State *L, const struct mg_yaml_marks *m)
{
    lua_Integer at = luaL_checkinteger(L, 2);

    luaL_argcheck(L, at > 0 && at < (lua_Integer)m->n, 2, "no mark");
    return (uint32_t)at;
}

int mg_yaml_marks_find(lua_State *L)
{
    const struct mg_yaml_marks *m = luaL_checkudata(L, 1, MARKS);
    uint32_t at = check_at(L, m);

    lua_settop(L, 3);
    if (lua_type(L, 3) == LUA_TSTRING) {
        uint32_t key = known_key(L, 1);

        at = key == 0 ? 0 : find_key(m, at, key);
    } else {
        at = find_item(m, at, lua_tonumber(L, 3));
    }
    if (at == 0)
        return 0;
    lua_pushinteger(L, (lua_Integer)m->list[at].line);
    lua_pushinteger(L, (lua_Integer)m->list[at].inner);
    return 2;
}

int mg_yaml_marks_items(lua_State *L)
{
    const struct mg_yaml_marks *m = luaL_checkudata(L, 1, MARKS);
    uint32_t at = check_at(L, m);

    lua_newtable(L);
    for (int i = 1; (at = m->list[at].next) != 0; i++) {
        lua_pushinteger(L, (lua_Integer)m->list[at].inner);
        lua_rawseti(L, -2, i);
    }
    return 1;
}
