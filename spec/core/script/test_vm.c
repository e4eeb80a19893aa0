#include <lauxlib.h>
#include "moongate.h"
#include "script/vm.h"
#include "test.h"

static lua_State *L;

static void close_vm(void)
{
    if (L != NULL)
        mg_vm_close(L);
    L = NULL;
}

static void open_vm(void)
{
    if (L == NULL)
        L = mg_vm_new();
    CHECK(L != NULL);
    lua_settop(L, 0);
}

/* Runs a chunk that returns one value; false when it raised. */
static bool run(const char *chunk)
{
    open_vm();
    return luaL_loadstring(L, chunk) == 0 && mg_vm_call(L, 0, 1) == 0;
}

static double number(const char *chunk)
{
    CHECK(run(chunk));
    return lua_tonumber(L, -1);
}

static bool says(const char *chunk, const char *text)
{
    if (run(chunk) || strstr(lua_tostring(L, -1), text) == NULL)
        fprintf(stderr, "said: %s\n", lua_tostring(L, -1));
    return lua_isstring(L, -1) && strstr(lua_tostring(L, -1), text) != NULL;
}

static void test_modules_come_from_the_binary(void)
{
    CHECK(number("return require('moongate.units').duration('2s')") == 2000);
    CHECK(run("return require('policies.respond').schema ~= nil") && lua_toboolean(L, -1));
    /* A folder's init.lua; found only, for it may need what this program does not export. */
    CHECK(run("return package.loaders[2] 'policies.rbac'") && lua_isfunction(L, -1));
    CHECK(run("return require('moongate.source').text('policies/respond.lua'):sub(1, 3) == '---'"));
    CHECK(lua_toboolean(L, -1));
    CHECK(run("return require('moongate.source').text('policies/none.lua')") && lua_isnil(L, -1));
}

static void test_modules_that_are_not_there(void)
{
    CHECK(says("return require 'moongate.none'", "no moongate module 'moongate.none'"));
    CHECK(says("return require('moongate.' .. ('x'):rep(300))", "not found"));
    CHECK(says("return require 'moongate...units'", "not found"));
    CHECK(says("return require 'none'", "module 'none' not found"));
}

static void test_functions_of_modules(void)
{
    open_vm();
    CHECK(mg_vm_function(L, "moongate.units", "duration") == 0 && lua_gettop(L) == 1);
    lua_pushliteral(L, "1m");
    CHECK(mg_vm_call(L, 1, 1) == 0 && lua_tonumber(L, -1) == 60000 && lua_gettop(L) == 1);
    open_vm();
    CHECK(mg_vm_function(L, "moongate.none", "x") == -1 && lua_gettop(L) == 1);
    CHECK(strstr(lua_tostring(L, -1), "no moongate module") != NULL);
}

static void test_a_failure_says_where(void)
{
    CHECK(says("local function deep() error 'lost' end deep() return 1", "lost"));
    CHECK(says("local function deep() error 'lost' end deep() return 1", "stack traceback"));
    CHECK(!run("error { code = 7 }") && lua_istable(L, -1)); /* passed on as it is */
    CHECK(lua_gettop(L) == 1);
}

static void test_what_is_built_in(void)
{
    CHECK(run("return require('cjson.safe').encode { 1 }") && lua_isstring(L, -1));
    CHECK(run("return require('cjson') ~= nil and require('moongate.yaml_events') ~= nil"));
    CHECK(run("return require('moongate.image_codec').encode {}") && lua_isstring(L, -1));
    for (const char *const *name =
             (const char *const[]){"moongate", "luajit", "libuv", "llhttp", "tls", NULL};
         *name != NULL; name++) {
        char chunk[80];

        snprintf(chunk, sizeof(chunk), "return require('moongate.versions').%s:find '%%d'", *name);
        CHECK(run(chunk) && lua_isnumber(L, -1));
    }
}

/* The header's text, as Lua reads it, means the same structs as it means to this compiler. */
static void test_both_sides_see_the_same_structs(void)
{
    close_vm(); /* whose modules may have declared it */
    CHECK(run("require('ffi').cdef(require 'moongate.cdef') return true"));
#define SIZE(type) CHECK(number("return require('ffi').sizeof '" #type "'") == sizeof(type))
#define OFFSET(type, field)                                                                        \
    CHECK(number("return require('ffi').offsetof('" #type "', '" #field "')") ==                   \
          offsetof(type, field))
    SIZE(mg_str);
    SIZE(mg_exchange);
    OFFSET(mg_exchange, request_id);
    OFFSET(mg_exchange, minor);
    OFFSET(mg_exchange, response_started);
    OFFSET(mg_exchange, attempts);
    OFFSET(mg_exchange, bytes_out);
    SIZE(struct mg_endpoint_conf);
    OFFSET(struct mg_endpoint_conf, tls);
    SIZE(struct mg_listener_conf);
    OFFSET(struct mg_listener_conf, body_bytes);
    OFFSET(struct mg_listener_conf, connections);
    SIZE(struct mg_certificate);
    SIZE(struct mg_tls_pem);
    CHECK(number("return require('ffi').C.MG_EGONE") == MG_EGONE);
}

static void test_closes(void)
{
    open_vm();
    CHECK(run("closed = newproxy(true) getmetatable(closed).__gc = function() end return 1"));
    close_vm();
    open_vm(); /* another one may follow */
    close_vm();
}

TEST_MAIN(TEST(test_modules_come_from_the_binary), TEST(test_modules_that_are_not_there),
          TEST(test_functions_of_modules), TEST(test_a_failure_says_where),
          TEST(test_what_is_built_in), TEST(test_both_sides_see_the_same_structs),
          TEST(test_closes))
