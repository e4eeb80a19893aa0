#include "script/folder.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <lauxlib.h>

static int push_errno(lua_State *L)
{
    lua_pushnil(L);
    lua_pushstring(L, strerror(errno));
    return 2;
}

static int by_byte(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_file(int folder, const char *name)
{
    struct stat st;

    return fstatat(folder, name, &st, 0) == 0 && S_ISREG(st.st_mode);
}

static int list(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct dirent **entries;
    DIR *folder = opendir(path);
    int n, found = 0;

    if (folder == NULL && errno == ENOTDIR) {
        lua_pushboolean(L, 0);
        return 1;
    }
    if (folder == NULL)
        return push_errno(L);
    n = scandir(path, &entries, NULL, by_byte);
    if (n < 0) {
        closedir(folder);
        return push_errno(L);
    }
    lua_newtable(L);
    for (int i = 0; i < n; i++) {
        if (is_file(dirfd(folder), entries[i]->d_name)) {
            lua_pushstring(L, entries[i]->d_name);
            lua_rawseti(L, -2, ++found);
        }
        free(entries[i]);
    }
    free(entries);
    closedir(folder);
    return 1;
}

int luaopen_moongate_folder(lua_State *L)
{
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, list);
    lua_setfield(L, -2, "list");
    return 1;
}
