/* test_image.c -- The image of a model: what it keeps, what is refused, and that no bytes do harm. */
#include <stdbool.h>
#include <lauxlib.h>
#include <lualib.h>
#include "script/image.h"
#include "test.h"

/* Of the tests: read(bytes, n) is the model, n items at a time; same(a, b) whether two are alike. */
static const char *const PRELUDE =
    "function read(bytes, n)\n"
    "  local go_on, model = image.decoder(bytes), nil\n"
    "  repeat model = go_on(n or 64) until model\n"
    "  return model\n"
    "end\n"
    "function same(a, b)\n"
    "  if type(a) ~= 'table' or type(b) ~= 'table' then\n"
    "    return a == b and (a ~= 0 or 1 / a == 1 / b) or a ~= a and b ~= b\n"
    "  end\n"
    "  for k, v in pairs(a) do if not same(v, b[k]) then return false end end\n"
    "  for k in pairs(b) do if a[k] == nil then return false end end\n"
    "  return true\n"
    "end\n"
    "use = { name = 'rbac', numbers = { 1, 2.5, -3 } }\n"
    "model = { routes = { { name = 'a', policies = { use } }, { name = 'b', policies = { use } } "
    "},\n"
    "  on = true, off = false, none = null, empty = {}, [7] = 'seven', [0.5] = 'half', [-1] = "
    "'below',\n"
    "  numbers = { 0, -0, 127, 128, 2 ^ 48 - 1, 2 ^ 48, 2 ^ 53 + 2, -1, 0.1, 1 / 0, -1 / 0, 0 / "
    "0,\n"
    "    5e-324 }, texts = { '', ('x'):rep(70000), '\\0\\1\\255' }, holes = { 1, nil, 3, [9] = 9 } "
    "}\n";

static lua_State *open_state(void)
{
    lua_State *L = luaL_newstate();

    luaL_openlibs(L);
    lua_pushcfunction(L, luaopen_moongate_image);
    lua_call(L, 0, 1);
    lua_setglobal(L, "image");
    lua_pushlightuserdata(L, NULL);
    lua_setglobal(L, "null");
    CHECK(luaL_dostring(L, PRELUDE) == 0);
    return L;
}

/* Runs Lua text that returns what is expected of it. */
static bool gives(const char *code, const char *expected)
{
    lua_State *L = open_state();
    const char *text;
    bool same;

    (void)luaL_dostring(L, code);
    text = lua_tostring(L, -1);
    same = text != NULL && strcmp(text, expected) == 0;
    if (!same)
        fprintf(stderr, "%s\n  gave %s\n  not  %s\n", code, text, expected);
    lua_close(L);
    return same;
}

static void keeps_what_is_data(void)
{
    CHECK(gives("return tostring(same(model, read(image.encode(model))))", "true"));
    CHECK(gives("return tostring(same({}, read(image.encode {})))", "true"));
    CHECK(gives("local m = read(image.encode(model))\n"
                "return tostring(m.routes[1].policies[1] == m.routes[2].policies[1]) ..\n"
                "  tostring(m.empty == m.holes)",
                "truefalse"));
}

static void reads_pieces_of_any_size(void)
{
    CHECK(gives("local bytes = image.encode(model)\n"
                "for n = 1, 80 do if not same(model, read(bytes, n)) then return n end end\n"
                "return 'all'",
                "all"));
    CHECK(gives("local go_on, pieces = image.decoder(image.encode { 1, 2, 3, 4, 'a' }), 1\n"
                "while not go_on(1) do pieces = pieces + 1 end\n"
                "return pieces", /* a text, a table, five values */
                "7"));
}

static void refuses_what_is_no_data(void)
{
    CHECK(gives("return select(2, image.encode { a = { { b = print } } })",
                "a.1.b: expected data, got a function"));
    CHECK(gives("return select(2, image.encode { 1, { 2, io.stdout } })",
                "2.2: expected data, got a userdata"));
    CHECK(gives("return select(2, image.encode { a = { [true] = 1 } })",
                "a.true: expected data, got a key that is a boolean"));
    CHECK(gives("return select(2, image.encode { a = setmetatable({}, {}) })",
                "a: expected data, got an object"));
    CHECK(gives("local t = {} t.a = { t } return select(2, image.encode(t))",
                "a.1: expected data, got a table that it stands in"));
    CHECK(gives("return (select(2, pcall(image.encode, 1)))",
                "bad argument #1 to '?' (table expected, got number)"));
}

static void bounds_the_depth(void)
{
    const char *code = "local t = { 'end' } for _ = 1, %d do t = { t } end\n"
                       "local bytes, why = image.encode(t)\n"
                       "return bytes and tostring(same(t, read(bytes))) or why:sub(-47)";
    char text[300];

    snprintf(text, sizeof(text), code, 250);
    CHECK(gives(text, "true"));
    snprintf(text, sizeof(text), code, 251);
    CHECK(gives(text, ".1.1: expected data, got tables nested too deep"));
}

/* What they are read as does not matter. */
static void survives_any_bytes(void)
{
    CHECK(gives(
        "model.texts = { '', 'short' }\n"
        "local bytes = image.encode(model)\n"
        "for i = 0, #bytes - 1 do\n"
        "  if pcall(read, bytes:sub(1, i)) then return 'cut at ' .. i end\n"
        "end\n"
        "if pcall(read, bytes .. ' ') then return 'longer' end\n"
        "for i = 1, #bytes do\n"
        "  for _, b in ipairs { 0, 1, 127, 128, 255, (bytes:byte(i) + 1) % 256,\n"
        "      (bytes:byte(i) + 8) % 256 } do\n"
        "    local ok, m = pcall(read, bytes:sub(1, i - 1) .. string.char(b) .. bytes:sub(i + 1))\n"
        "    if ok and type(m) ~= 'table' then return 'no table at ' .. i end\n"
        "  end\n"
        "end\n"
        "return 'all'",
        "all"));
    CHECK(gives("return (select(2, pcall(read, '\\255\\255\\255\\255\\255\\255')))",
                "the image of the config is damaged"));
}

struct memory {
    lua_Alloc next;
    void *next_own;
    long left;
};

static void *allocate(void *own, void *ptr, size_t old, size_t size)
{
    struct memory *m = own;

    if (size > old && m->left-- <= 0)
        return NULL;
    return m->next(m->next_own, ptr, old, size);
}

static int try_with(lua_State *L, struct memory *m, long left)
{
    int rc;

    lua_getglobal(L, "try");
    m->left = left;
    rc = lua_pcall(L, 0, 1, 0);
    m->left = 1 << 20;
    return rc;
}

/* Nothing leaks (the sanitizer looks), and the next try is as good as the first. */
static void gives_back_when_memory_runs_out(void)
{
    lua_State *L = open_state();
    struct memory m = {0};
    long failed = 0;

    CHECK(luaL_dostring(L, "local model, same, read, encode = model, same, read, image.encode\n"
                           "function try() return same(model, read(encode(model), 5)) end\n"
                           "collectgarbage 'stop'") == 0);
    m.next = lua_getallocf(L, &m.next_own);
    lua_setallocf(L, allocate, &m);
    for (int rc = -1; rc != 0 && failed < 1000; failed += rc != 0) {
        rc = try_with(L, &m, failed);
        CHECK(rc == 0 || rc == LUA_ERRMEM);
        CHECK(rc != 0 || lua_toboolean(L, -1));
        lua_settop(L, 0);
    }
    CHECK(failed > 10 && failed < 1000);
    lua_setallocf(L, m.next, m.next_own);
    lua_close(L);
}

TEST_MAIN(TEST(keeps_what_is_data), TEST(reads_pieces_of_any_size), TEST(refuses_what_is_no_data),
          TEST(bounds_the_depth), TEST(survives_any_bytes), TEST(gives_back_when_memory_runs_out))
