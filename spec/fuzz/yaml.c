/* A libFuzzer target: whatever bytes a file holds, the YAML reader gives tables with lines, or one refusal with a line,
 * and leaves nothing behind. */
#include "fuzz.h"

#include <lauxlib.h>
#include <lualib.h>

#include "script/yaml.h"

/* Every collection has a line and every step of it too; a refusal has line, column and message. */
static const char CHECK[] =
    "local yaml, text = ...\n"
    "local limits = { depth = 32, nodes = 5000, bytes = 65536 }\n"
    "local function walk(marks, at, value, seen)\n"
    "  assert((at > 0) == (type(value) == 'table'))\n"
    "  if at == 0 or seen[value] then return end\n"
    "  seen[value] = true\n"
    "  assert(yaml.line(marks, at, 0) >= 1)\n"
    "  assert(getmetatable(value) ~= yaml.list or #yaml.items(marks, at) == #value)\n"
    "  for step, item in pairs(value) do\n"
    "    local line, inner = yaml.line(marks, at, step)\n"
    "    assert(line >= 1)\n"
    "    walk(marks, inner, item, seen)\n"
    "  end\n"
    "end\n"
    "local documents, marks = yaml.parse(text, limits)\n"
    "if not documents then\n"
    "  assert(marks.line >= 1 and marks.column >= 1 and #marks.message > 0)\n"
    "  return\n"
    "end\n"
    "for _, document in ipairs(documents) do\n"
    "  assert(document.line >= 1)\n"
    "  walk(marks, document.mark, document.value, {})\n"
    "end\n";

/* By malloc(), so that the sanitizers see Lua's memory too. */
static void *allocate(void *arg, void *old, size_t old_size, size_t size)
{
    (void)arg;
    (void)old_size;
    if (size > 0)
        return realloc(old, size);
    free(old);
    return NULL;
}

static lua_State *start(void)
{
    lua_State *fresh = lua_newstate(allocate, NULL);

    luaL_openlibs(fresh);
    lua_pushcfunction(fresh, luaopen_moongate_yaml);
    lua_call(fresh, 0, 1);
    if (luaL_loadstring(fresh, CHECK) != 0)
        abort();
    return fresh;
}

static lua_State *L;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int runs;

    if (L == NULL)
        L = start();
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 1);
    lua_pushlstring(L, (const char *)data, size);
    if (lua_pcall(L, 2, 0, 0) != 0) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        abort();
    }
    if (++runs % 256 == 0)
        lua_gc(L, LUA_GCCOLLECT, 0);
    return 0;
}

void fuzz_end(void)
{
    if (L != NULL)
        lua_close(L); /* what is left is a leak */
}
