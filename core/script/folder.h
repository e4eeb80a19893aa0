/* folder.h -- Lists the files of a folder for the front ends that read whole folders.
 *
 * Owner:      moongate.config loads it as moongate.folder, while a config is read; never on a
 *             request's way.
 * Errors:     nil and the system's reason.
 */
#ifndef MG_FOLDER_H
#define MG_FOLDER_H
#include <lua.h>

/* Pushes the module: list(path) -> names of the regular files in it (links followed), sorted by
 * byte | false when path is no folder | nil, reason. */
int luaopen_moongate_folder(lua_State *L);
#endif
