/* A libFuzzer target: whatever a token and a key set hold, they are read, or refused with a reason, and a token counts
 * only where the library found its signature good.  Input: the token, a line's end, the set. */
#include "fuzz.h"

#include <lauxlib.h>
#include <string.h>

#include "script/abi.h"
#include "script/vm.h"

static const char CHECK[] =
    "local jwt, jwk = require 'moongate.jwt', require 'moongate.jwk'\n"
    "local REASONS = { [jwt.NO_KEY] = true, [jwt.FAILS] = true }\n"
    "return function(text, keys)\n"
    "  local token, why = jwt.parse(text)\n"
    "  if token then\n"
    "    assert(type(token.alg) == 'string' and type(token.claims) == 'table')\n"
    "    assert(text == token.signed .. text:sub(#token.signed + 1))\n"
    "    for _, name in ipairs(token.audiences) do assert(type(name) == 'string') end\n"
    "    jwt.is_for(token, jwt.audiences { 'https://a/' })\n"
    "    jwt.time_error(token, 1e9, 60)\n"
    "  else\n"
    "    assert(type(why) == 'string' and #why > 0)\n"
    "  end\n"
    "  local set, wrong = jwk.read(keys)\n"
    "  if not set then assert(type(wrong) == 'string' and #wrong > 0) return false end\n"
    "  assert(#set.keys > 0 and #set.keys + #set.left_out <= 100)\n"
    "  if not token then return false end\n"
    "  local good, reason = jwt.check(token, set)\n"
    "  assert(good == true or REASONS[reason])\n"
    "  return good == true\n"
    "end\n";

static struct mg_env env;
static lua_State *L;

static void start(void)
{
    mg_abi_setup(&env);
    L = mg_vm_new();
    FUZZ_HOLDS(L != NULL && luaL_loadstring(L, CHECK) == 0);
    if (mg_vm_call(L, 0, 1) != 0)
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    FUZZ_HOLDS(lua_isfunction(L, -1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *end = size > 0 ? memchr(data, '\n', size) : NULL;
    static int runs;

    if (end == NULL)
        return 0;
    if (L == NULL)
        start();
    lua_pushvalue(L, 1);
    lua_pushlstring(L, text, (size_t)(end - text));
    lua_pushlstring(L, end + 1, size - (size_t)(end - text) - 1);
    if (mg_vm_call(L, 2, 1) != 0) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        abort();
    }
    lua_settop(L, 1);
    if (++runs % 256 == 0)
        lua_gc(L, LUA_GCCOLLECT, 0);
    return 0;
}

void fuzz_end(void)
{
    if (L != NULL)
        mg_vm_close(L);
    mg_abi_setup(NULL);
}
