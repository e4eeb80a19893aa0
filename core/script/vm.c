#include "script/vm.h"

#include <lauxlib.h>
#include <limits.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "http/parse.h"
#include "net/tls.h"
#include "script/budget.h"
#include "script/image.h"
#include "script/rehearsal.h"
#include "script/yaml.h"
#include "luajit.h"

int luaopen_cjson(lua_State *L);
int luaopen_cjson_safe(lua_State *L);

/* The files that the build put inside the binary (embedded.S). */
extern const struct mg_embedded_file {
    const char *name, *text;
    uint64_t len;
} mg_embedded[];

/* ---- where modules come from ------------------------------------------------------------ */

/* Is this the binary in the build folder?  Then its source tree is read, so that an edit shows. */
static bool in_build_folder(void)
{
    static int known = -1;
    char path[PATH_MAX];
    ssize_t len;

    if (known >= 0)
        return known;
    len = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[len > 0 ? len : 0] = '\0';
    known = strcmp(path, MOONGATE_BUILD_DIR "/moongate") == 0 &&
            access(MOONGATE_SOURCE_DIR "/lua/moongate", R_OK) == 0;
    return known;
}

/* 1: loaded (the chunk is on the stack); 0: no such file; raises on a syntax error.  Text only: crafted
 * bytecode breaks memory safety. */
static int load_file(lua_State *L, const char *path)
{
    if (access(path, R_OK) != 0)
        return 0;
    if (luaL_loadfilex(L, path, "t") != 0)
        lua_error(L);
    return 1;
}

static int load_embedded(lua_State *L, const char *name)
{
    for (const struct mg_embedded_file *f = mg_embedded; f->name != NULL; f++) {
        char chunk[320];

        if (strcmp(f->name, name) != 0)
            continue;
        snprintf(chunk, sizeof(chunk), "@%s", name);
        if (luaL_loadbufferx(L, f->text, f->len, chunk, "t") != 0)
            lua_error(L);
        return 1;
    }
    return 0;
}

static int load_source(lua_State *L, const char *name)
{
    char path[PATH_MAX];

    if (!in_build_folder())
        return load_embedded(L, name);
    snprintf(path, sizeof(path), MOONGATE_SOURCE_DIR "/%s", name);
    return load_file(L, path);
}

/* The file of a module: moongate.a.b is lua/moongate/a/b.lua (form 0) or lua/moongate/a/b/init.lua (form 1), policies.x
 * is policies/x.lua.  False: it is no module of ours. */
static bool module_path(const char *module, int form, char *path, size_t cap)
{
    bool policy = strncmp(module, "policies.", 9) == 0;
    char name[256];
    size_t len = strlen(module);

    if ((!policy && strncmp(module, "moongate.", 9) != 0) || len >= sizeof(name))
        return false;
    for (size_t i = 0; i <= len; i++)
        name[i] = (char)(module[i] == '.' ? '/' : module[i]);
    snprintf(path, cap, form == 0 ? "%s%s.lua" : "%s%s/init.lua", policy ? "" : "lua/", name);
    return true;
}

/* package.loaders' entry. */
static int search(lua_State *L)
{
    const char *module = luaL_checkstring(L, 1);
    char path[300];

    for (int form = 0; form < 2; form++) {
        if (!module_path(module, form, path, sizeof(path)))
            return 0;
        if (load_source(L, path))
            return 1;
    }
    lua_pushfstring(L, "\n\tno moongate module '%s'", module);
    return 1;
}

/* Its text, or nil. */
static void embedded_push(lua_State *L, const char *name)
{
    const struct mg_embedded_file *f = mg_embedded;

    while (f->name != NULL && strcmp(f->name, name) != 0)
        f++;
    if (f->name == NULL)
        lua_pushnil(L);
    else
        lua_pushlstring(L, f->text, f->len);
}

/* moongate.source: text(name) gives a file that travels inside the binary, for its comments; or nil. */
static int embedded_text(lua_State *L)
{
    embedded_push(L, luaL_checkstring(L, 1));
    return 1;
}

/* The whole of a file; NULL when it cannot be read.  The text is to be freed. */
static char *read_whole(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    long size;

    if (f == NULL)
        return NULL;
    if (fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0 &&
        (text = malloc((size_t)size + 1)) != NULL)
        *len = fread(text, 1, (size_t)size, f);
    fclose(f);
    return text;
}

static int push_source(lua_State *L, const char *name)
{
    char path[PATH_MAX];
    char *text;
    size_t len;

    if (!in_build_folder()) {
        embedded_push(L, name);
        lua_pushfstring(L, "@%s", name);
    } else {
        snprintf(path, sizeof(path), MOONGATE_SOURCE_DIR "/%s", name);
        text = read_whole(path, &len);
        if (text == NULL)
            return 0;
        lua_pushlstring(L, text, len);
        free(text);
        lua_pushfstring(L, "@%s", path);
    }
    return lua_isnil(L, -2) ? 0 : 2;
}

/* moongate.source: module(name) gives the text and the chunk's name of a module that search() would find; or nothing. */
static int source_module(lua_State *L)
{
    const char *module = luaL_checkstring(L, 1);
    char path[300];

    for (int form = 0; form < 2; form++) {
        if (module_path(module, form, path, sizeof(path)) && push_source(L, path) > 0)
            return 2;
    }
    return 0;
}

static int open_source(lua_State *L)
{
    lua_newtable(L);
    lua_pushcfunction(L, source_module);
    lua_setfield(L, -2, "module");
    lua_pushcfunction(L, embedded_text);
    lua_setfield(L, -2, "text");
    return 1;
}

/* ---- the state -------------------------------------------------------------------------- */

static void preload(lua_State *L, const char *name, lua_CFunction open)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, open);
    lua_setfield(L, -2, name);
    lua_pop(L, 2);
}

static void add_searcher(lua_State *L)
{
    int n;

    lua_getglobal(L, "package");
    lua_getfield(L, -1, "loaders");
    n = (int)lua_objlen(L, -1);
    for (int i = n; i >= 2; i--) {
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushcfunction(L, search);
    lua_rawseti(L, -2, 2); /* behind preload, before package.path */
    lua_pop(L, 2);
}

/* moongate.h less its preprocessor lines is what ffi.cdef() takes. */
static void push_cdef(lua_State *L)
{
    const struct mg_embedded_file *f = mg_embedded;
    const char *at, *end;
    luaL_Buffer b;

    while (strcmp(f->name, "core/moongate.h") != 0)
        f++;
    luaL_buffinit(L, &b);
    for (at = f->text, end = f->text + f->len; at < end;) {
        const char *eol = memchr(at, '\n', (size_t)(end - at));
        const char *next = eol == NULL ? end : eol + 1;

        if (*at != '#')
            luaL_addlstring(&b, at, (size_t)(next - at));
        at = next;
    }
    luaL_pushresult(&b);
}

static void set_loaded(lua_State *L, const char *name)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "loaded");
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, name);
    lua_pop(L, 3);
}

static void push_versions(lua_State *L)
{
    lua_newtable(L);
    lua_pushliteral(L, MOONGATE_VERSION);
    lua_setfield(L, -2, "moongate");
    lua_pushliteral(L, LUAJIT_VERSION);
    lua_setfield(L, -2, "luajit");
    lua_pushfstring(L, "libuv %s", uv_version_string());
    lua_setfield(L, -2, "libuv");
    lua_pushstring(L, mg_parse_library());
    lua_setfield(L, -2, "llhttp");
    lua_pushstring(L, mg_tls_library());
    lua_setfield(L, -2, "tls");
}

lua_State *mg_vm_new(void)
{
    lua_State *L = luaL_newstate();

    if (L == NULL)
        return NULL;
    if (mg_abi_version() != MG_ABI_VERSION) { /* also makes the linker keep abi.o */
        fprintf(stderr, "moongate: the ABI's version does not fit this binary\n");
        lua_close(L);
        return NULL;
    }
    luaL_openlibs(L);
    preload(L, "cjson", luaopen_cjson);
    preload(L, "cjson.safe", luaopen_cjson_safe);
    preload(L, "moongate.yaml_events", luaopen_moongate_yaml);
    preload(L, "moongate.image_codec", luaopen_moongate_image);
    preload(L, "moongate.source", open_source);
    preload(L, "moongate.bounds", luaopen_moongate_bounds);
    preload(L, "moongate.rehearsal_core", luaopen_moongate_rehearsal);
    add_searcher(L);
    push_cdef(L);
    set_loaded(L, "moongate.cdef");
    push_versions(L);
    set_loaded(L, "moongate.versions");
    return L;
}

void mg_vm_close(lua_State *L)
{
    mg_rehearsal_stop();
    mg_budget_stop();
    lua_close(L);
    mg_rehearsal_free();
}

static int traceback(lua_State *L)
{
    if (lua_isstring(L, 1))
        luaL_traceback(L, L, lua_tostring(L, 1), 1);
    return 1;
}

int mg_vm_call(lua_State *L, int nargs, int nresults)
{
    int base = lua_gettop(L) - nargs;
    int rc;

    lua_pushcfunction(L, traceback);
    lua_insert(L, base);
    rc = lua_pcall(L, nargs, nresults, base);
    lua_remove(L, base);
    return rc == 0 ? 0 : -1;
}

int mg_vm_function(lua_State *L, const char *module, const char *name)
{
    lua_getglobal(L, "require");
    lua_pushstring(L, module);
    if (mg_vm_call(L, 1, 1) != 0)
        return -1;
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
    return 0;
}
