#include "script/image_read.h"
#include "script/image.h"
#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* What go_on() keeps between two calls. */
enum {
    READER = lua_upvalueindex(1),
    BYTES = lua_upvalueindex(2), /* so that they stay where they are */
    PARTS = lua_upvalueindex(3)
};

struct reader {
    const char *at, *end;
    uint32_t whole, count; /* parts that are whole, and all */
    bool open;             /* the one behind them is a table that has been begun */
    uint32_t values, next,
        pairs; /* it lacks so many values in order, from index `next`, and so many others */
};

static _Noreturn void damaged(lua_State *L)
{
    lua_pushliteral(L, "the image of the config is damaged");
    lua_error(L);
    __builtin_unreachable();
}

static uint64_t read_number(lua_State *L, struct reader *r)
{
    uint64_t n = 0;

    for (int shift = 0; r->at < r->end && shift < 64; shift += 7) {
        uint8_t b = (uint8_t)*r->at++;

        n |= (uint64_t)(b & 127) << shift;
        if (b < 128)
            return n;
    }
    damaged(L);
}

/* How many things there are that take `least` bytes each or more: no room is made for what cannot come. */
static uint32_t check_count(lua_State *L, const struct reader *r, uint64_t n, size_t least)
{
    if (n > (size_t)(r->end - r->at) / least)
        damaged(L);
    return (uint32_t)n;
}

static void push_double(lua_State *L, struct reader *r)
{
    double n;

    if (r->end - r->at < (ptrdiff_t)sizeof(n))
        damaged(L);
    memcpy(&n, r->at, sizeof(n));
    r->at += sizeof(n);
    lua_pushnumber(L, n);
}

static void push_value(lua_State *L, struct reader *r)
{
    uint64_t n = read_number(L, r), index = n >> 3;

    switch (n & 7) {
    case MG_IMAGE_FALSE:
    case MG_IMAGE_TRUE:
        lua_pushboolean(L, (n & 7) == MG_IMAGE_TRUE);
        break;
    case MG_IMAGE_NULL:
        lua_pushlightuserdata(L, NULL);
        break;
    case MG_IMAGE_INTEGER:
        lua_pushnumber(L, (double)index);
        break;
    case MG_IMAGE_DOUBLE:
        push_double(L, r);
        break;
    case MG_IMAGE_PART:
        if (index == 0 || index > r->whole)
            damaged(L);
        lua_rawgeti(L, PARTS, (int)index);
        break;
    default:
        damaged(L);
    }
}

static void read_text(lua_State *L, struct reader *r, uint64_t size)
{
    uint32_t len = check_count(L, r, size, 1);

    lua_pushlstring(L, r->at, len);
    r->at += len;
    lua_rawseti(L, PARTS, (int)++r->whole);
}

/* Out: the table. */
static void open_table(lua_State *L, struct reader *r, uint64_t values)
{
    r->values = check_count(L, r, values, 1);
    r->pairs = check_count(L, r, read_number(L, r), 2);
    r->next = 1;
    r->open = true;
    lua_createtable(L, (int)r->values, (int)r->pairs);
    lua_pushvalue(L, -1);
    lua_rawseti(L, PARTS, (int)r->whole + 1);
}

/* Takes the open table, and gives what is left of `n`. */
static lua_Integer fill_table(lua_State *L, struct reader *r, lua_Integer n)
{
    for (; n > 0 && r->values > 0; n--, r->values--) {
        push_value(L, r);
        lua_rawseti(L, -2, (int)r->next++);
    }
    for (; n > 0 && r->pairs > 0; n--, r->pairs--) {
        push_value(L, r);
        push_value(L, r);
        lua_rawset(L, -3);
    }
    lua_pop(L, 1);
    if (r->values == 0 && r->pairs == 0) {
        r->open = false;
        r->whole++;
    }
    return n;
}

static lua_Integer read_part(lua_State *L, struct reader *r, lua_Integer n)
{
    uint64_t head;

    if (r->open) {
        lua_rawgeti(L, PARTS, (int)r->whole + 1);
        return fill_table(L, r, n);
    }
    head = read_number(L, r);
    if ((head & 1) == MG_IMAGE_TABLE) {
        open_table(L, r, head >> 1);
        return fill_table(L, r, n - 1);
    }
    read_text(L, r, head >> 1);
    return n - 1;
}

static int go_on(lua_State *L)
{
    struct reader *r = lua_touserdata(L, READER);
    lua_Integer n = luaL_checkinteger(L, 1);

    while (n > 0 && r->whole < r->count)
        n = read_part(L, r, n);
    if (r->whole < r->count)
        return 0;
    lua_rawgeti(L, PARTS, (int)r->count);
    if (r->at != r->end || !lua_istable(L, -1))
        damaged(L);
    return 1;
}

int mg_image_decoder(lua_State *L)
{
    size_t size;
    const char *bytes = luaL_checklstring(L, 1, &size);
    struct reader *r = lua_newuserdata(L, sizeof(*r));

    *r = (struct reader){.at = bytes, .end = bytes + size};
    if (size < sizeof(r->count))
        damaged(L);
    r->end -= sizeof(r->count);
    memcpy(&r->count, r->end, sizeof(r->count));
    if (check_count(L, r, r->count, 1) == 0)
        damaged(L);
    lua_pushvalue(L, 1);
    lua_createtable(L, (int)r->count, 0);
    lua_pushcclosure(L, go_on, 3);
    return 1;
}
