/* image_read.h -- The bytes of an image (image.h) back into a model, some values at a time.
 *
 * Ownership: what was read so far is held by the Lua function that goes on with it.
 * Errors:    raised: the bytes are no image.
 */
#ifndef MG_IMAGE_READ_H
#define MG_IMAGE_READ_H
#include <lua.h>

/* The Lua function decoder(bytes): see image.h. */
int mg_image_decoder(lua_State *L);
#endif
