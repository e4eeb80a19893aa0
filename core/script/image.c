#include "script/image.h"
#include "base/buf.h"
#include "base/err.h"
#include "script/image_read.h"
#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define WRITER "moongate.image.writer"

/* Where encode() keeps its values on the Lua stack: from AT_WAY on, the tables that are being written, each below the key
 * of the value in it that is looked at. */
enum { AT_WRITER = 2, AT_WAY, MAX_DEPTH = 250 };
enum { OPEN = UINT32_MAX }; /* the number of a table that is being written */

/* ---- numbers for what is met: texts are one each in Lua, so their address is theirs ------- */

struct id {
    const void *address; /* NULL: none */
    uint32_t number;
};

struct ids {
    struct id *slots;
    uint32_t n, bits; /* 2^bits slots, of which not more than half are taken */
};

/* Where the address is or will be.  What lies on one page of memory is mostly met together: it has its slots together,
 * too.  Pages, multiplied by 2^64 divided by the golden ratio, come to lie apart (Knuth, 6.4). */
static struct id *id_slot(const struct ids *ids, const void *address)
{
    uint64_t at = (uint64_t)(uintptr_t)address;
    size_t mask = ((size_t)1 << ids->bits) - 1;
    size_t i = (size_t)((at >> 12) * 0x9e3779b97f4a7c15u >> (64 - ids->bits)) ^ (at >> 6 & 63);

    while (ids->slots[i].address != NULL && ids->slots[i].address != address)
        i = (i + 1) & mask;
    return &ids->slots[i];
}

static void ids_grow(struct ids *ids)
{
    struct ids larger = {.n = ids->n, .bits = ids->bits == 0 ? 8 : ids->bits + 1};

    larger.slots = calloc((size_t)1 << larger.bits, sizeof(*larger.slots));
    if (larger.slots == NULL)
        mg_err_no_memory();
    for (size_t i = 0; ids->bits > 0 && i < (size_t)1 << ids->bits; i++)
        if (ids->slots[i].address != NULL)
            *id_slot(&larger, ids->slots[i].address) = ids->slots[i];
    free(ids->slots);
    *ids = larger;
}

/* Its number, to be read or set before the next call; a new one's is 0. */
static uint32_t *id_of(struct ids *ids, const void *address)
{
    struct id *id;

    if (ids->bits == 0 || ids->n >= (uint32_t)1 << (ids->bits - 1))
        ids_grow(ids);
    id = id_slot(ids, address);
    if (id->address == NULL) {
        id->address = address;
        ids->n++;
    }
    return &id->number;
}

/* ---- writing ------------------------------------------------------------------------------ */

struct writer {
    struct mg_buf parts;
    struct mg_buf pending; /* values of the tables that are being written, the innermost's last */
    struct ids ids;
    uint32_t count; /* of parts */
};

static int writer_gc(lua_State *L)
{
    struct writer *w = lua_touserdata(L, 1);

    mg_buf_free(&w->parts);
    mg_buf_free(&w->pending);
    free(w->ids.slots);
    *w = (struct writer){0};
    return 0;
}

static void put_number(struct mg_buf *out, uint64_t n)
{
    char *at = mg_buf_reserve(out, 10);
    size_t len = 0;

    for (; n >= 128; n >>= 7)
        at[len++] = (char)(n | 128);
    at[len++] = (char)n;
    mg_buf_commit(out, len);
}

static void put_kind(struct writer *w, uint64_t n, int kind)
{
    put_number(&w->pending, n << 3 | (uint64_t)kind);
}

static void begin_part(struct writer *w, uint64_t n, int kind)
{
    put_number(&w->parts, n << 1 | (uint64_t)kind);
}

/* The text at `index` of the stack; it is written when it is first met. */
static void put_text(lua_State *L, struct writer *w, int index)
{
    size_t len;
    const char *text = lua_tolstring(L, index, &len);
    uint32_t *number = id_of(&w->ids, text);

    if (*number == 0) {
        *number = ++w->count;
        begin_part(w, len, MG_IMAGE_TEXT);
        mg_buf_append(&w->parts, text, len);
    }
    put_kind(w, *number, MG_IMAGE_PART);
}

static void put_lua_number(struct writer *w, double n)
{
    if (n >= 0 && n < 0x1p48 && n == (double)(uint64_t)n && !signbit(n)) {
        put_kind(w, (uint64_t)n, MG_IMAGE_INTEGER);
        return;
    }
    put_kind(w, 0, MG_IMAGE_DOUBLE);
    mg_buf_append(&w->pending, (const char *)&n, sizeof(n));
}

static void add_key(lua_State *L, luaL_Buffer *b, int index)
{
    switch (lua_type(L, index)) {
    case LUA_TSTRING:
    case LUA_TNUMBER:
        lua_pushvalue(L, index);
        break;
    case LUA_TBOOLEAN:
        lua_pushstring(L, lua_toboolean(L, index) ? "true" : "false");
        break;
    default:
        lua_pushfstring(L, "%s: %p", luaL_typename(L, index), lua_topointer(L, index));
    }
    luaL_addvalue(b);
}

/* Always -1.  Out: why. */
static int refuse(lua_State *L, const char *what)
{
    int top = lua_gettop(L);
    luaL_Buffer b;

    luaL_buffinit(L, &b);
    for (int key = AT_WAY + 1; key <= top; key += 2) {
        if (key > AT_WAY + 1)
            luaL_addchar(&b, '.');
        add_key(L, &b, key);
    }
    luaL_addstring(&b, ": expected data, got ");
    luaL_addstring(&b, what);
    luaL_pushresult(&b);
    return -1;
}

static int put_table(lua_State *L, struct writer *w);

/* 0, or -1: it is no data; the one on the stack's top, which stays there. */
static int put_value(lua_State *L, struct writer *w)
{
    char what[40];

    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
        put_text(L, w, -1);
        return 0;
    case LUA_TNUMBER:
        put_lua_number(w, lua_tonumber(L, -1));
        return 0;
    case LUA_TBOOLEAN:
        put_kind(w, 0, lua_toboolean(L, -1) ? MG_IMAGE_TRUE : MG_IMAGE_FALSE);
        return 0;
    case LUA_TTABLE:
        return put_table(L, w);
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, -1) != NULL)
            break;
        put_kind(w, 0, MG_IMAGE_NULL);
        return 0;
    }
    snprintf(what, sizeof(what), "a %s", luaL_typename(L, -1));
    return refuse(L, what);
}

static int put_key(lua_State *L, struct writer *w)
{
    char what[40];

    if (lua_type(L, -2) == LUA_TSTRING) {
        put_text(L, w, -2);
        return 0;
    }
    if (lua_type(L, -2) == LUA_TNUMBER) {
        put_lua_number(w, lua_tonumber(L, -2));
        return 0;
    }
    snprintf(what, sizeof(what), "a key that is a %s", luaL_typename(L, -2));
    return refuse(L, what);
}

/* Writes what the table on the stack's top has from 1 on without a gap; how many those are, or -1. */
static int put_in_order(lua_State *L, struct writer *w)
{
    int n;

    for (n = 0;; n++) {
        lua_pushinteger(L, n + 1);
        lua_rawgeti(L, -2, n + 1);
        if (lua_isnil(L, -1))
            break;
        if (put_value(L, w) < 0)
            return -1;
        lua_pop(L, 2);
    }
    lua_pop(L, 2);
    return n;
}

/* Was the value of this key written by put_in_order()? */
static bool is_in_order(lua_State *L, int index, int in_order)
{
    double key;

    if (in_order == 0 || lua_type(L, index) != LUA_TNUMBER)
        return false;
    key = lua_tonumber(L, index);
    return key >= 1 && key <= in_order && key == (double)(int)key;
}

static int put_others(lua_State *L, struct writer *w, int in_order)
{
    int n = 0;

    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        if (is_in_order(L, -2, in_order))
            continue;
        if (put_key(L, w) < 0 || put_value(L, w) < 0)
            return -1;
        n++;
    }
    return n;
}

/* Values wait in `pending` until it is known how many they are and the tables among them are written. */
static int put_whole(lua_State *L, struct writer *w)
{
    size_t before = mg_buf_len(&w->pending);
    int in_order = put_in_order(L, w);
    int others = in_order < 0 ? -1 : put_others(L, w, in_order);

    if (others < 0)
        return -1;
    begin_part(w, in_order, MG_IMAGE_TABLE);
    put_number(&w->parts, (uint64_t)others);
    mg_buf_append(&w->parts, mg_buf_bytes(&w->pending) + before, mg_buf_len(&w->pending) - before);
    mg_buf_truncate(&w->pending, before);
    return 0;
}

/* The table on the stack's top, which stays there; as a value of the one that holds it. */
static int put_table(lua_State *L, struct writer *w)
{
    const void *address = lua_topointer(L, -1);
    uint32_t number = *id_of(&w->ids, address);

    if (number == OPEN)
        return refuse(L, "a table that it stands in");
    if (number == 0) {
        if (lua_gettop(L) > AT_WAY + 2 * MAX_DEPTH)
            return refuse(L, "tables nested too deep");
        if (lua_getmetatable(L, -1)) {
            lua_pop(L, 1);
            return refuse(L, "an object");
        }
        *id_of(&w->ids, address) = OPEN;
        if (put_whole(L, w) < 0)
            return -1;
        number = ++w->count;
        *id_of(&w->ids, address) = number;
    }
    put_kind(w, number, MG_IMAGE_PART);
    return 0;
}

static struct writer *push_writer(lua_State *L)
{
    struct writer *w = lua_newuserdata(L, sizeof(*w));

    *w = (struct writer){0};
    luaL_getmetatable(L, WRITER);
    lua_setmetatable(L, -2);
    return w;
}

static int encode(lua_State *L)
{
    struct writer *w;
    int rc;

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    luaL_checkstack(L, 2 * MAX_DEPTH + 40, "image");
    w = push_writer(L);
    lua_pushvalue(L, 1);
    rc = put_table(L, w);
    if (rc == 0) {
        mg_buf_append(&w->parts, (const char *)&w->count, sizeof(w->count));
        lua_pushlstring(L, mg_buf_bytes(&w->parts), mg_buf_len(&w->parts));
    } else {
        lua_pushnil(L);
    }
    lua_pushcfunction(L, writer_gc);
    lua_pushvalue(L, AT_WRITER);
    lua_call(L, 1, 0);
    if (rc == 0)
        return 1;
    lua_insert(L, -2);
    return 2;
}

int luaopen_moongate_image(lua_State *L)
{
    luaL_newmetatable(L, WRITER);
    lua_pushcfunction(L, writer_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);

    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, encode);
    lua_setfield(L, -2, "encode");
    lua_pushcfunction(L, mg_image_decoder);
    lua_setfield(L, -2, "decoder");
    return 1;
}
