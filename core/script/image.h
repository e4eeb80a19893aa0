/* image.h -- A model as bytes, and back: how one process gives what it read to those that serve.
 *
 * Owner:      moongate.model.image (Lua) is the only caller; it loads this as moongate.image_codec.
 * Ownership:  bytes and values are Lua's; what encode() needs meanwhile is a userdata, which frees it, also when memory
 *             runs out in the middle.
 * Errors:     what is no data is the caller's: nil and why.  Bytes that are no image (cut short, an index of nothing)
 *             raise an error and never do harm.
 * Invariant:  a table stands behind those that it holds, so neither can hold itself and reading needs no recursion.
 *
 * A model is plain data: tables that are trees or are shared, with texts and numbers as keys.  The form: its parts, which
 * are its texts and its tables, the last of them the model itself, and in four bytes how many they are.  A part begins
 * with a number, twice a length and its kind: bytes of a text; or values that a table has in order.  Then the text's
 * bytes; or how many others the table has, the values in order, and the others (keys first).  A value is such a number,
 * too: eight times an integer or the index (from 1) of a part that was there before, and its kind; behind
 * MG_IMAGE_DOUBLE stand the eight bytes of one.  Numbers are written seven bits a byte, the lowest first. */
#ifndef MG_IMAGE_H
#define MG_IMAGE_H
#include <lua.h>

enum { MG_IMAGE_TEXT, MG_IMAGE_TABLE };
enum {
    MG_IMAGE_FALSE,
    MG_IMAGE_TRUE,
    MG_IMAGE_NULL,
    MG_IMAGE_INTEGER,
    MG_IMAGE_DOUBLE,
    MG_IMAGE_PART
};

/* Pushes the module:
 *
 *   encode(model)   bytes; or nil and what in it is no data ("routes.1.conf.x: expected data, got a function")
 *   decoder(bytes)  a function: go_on(n) reads n more parts and values, and returns the model once it is whole */
int luaopen_moongate_image(lua_State *L);
#endif
