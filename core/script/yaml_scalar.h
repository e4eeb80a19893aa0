/* yaml_scalar.h -- What an unquoted YAML scalar means: null, a boolean, a number or a string.
 *
 * Errors:     a scalar that YAML 1.1 and 1.2 read differently is refused with a reason, since
 *             the author may have tried the file on a reader of the other version.
 */
#ifndef MG_YAML_SCALAR_H
#define MG_YAML_SCALAR_H
#include <stdbool.h>
#include <stddef.h>
#include <lua.h>

/* Pushes the value by the core schema of YAML 1.2 (10.3.2): 0; or pushes nothing, writes the
 * reason to `why` and gives -1. */
int mg_yaml_push_plain(lua_State *L, const char *text, char *why, size_t size);

/* yes, no, on, off, y, n: booleans in YAML 1.1 alone. */
bool mg_yaml_is_old_boolean(const char *text);
#endif
