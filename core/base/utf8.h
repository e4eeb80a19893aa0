/* utf8.h -- Tells well-formed UTF-8 from other bytes (RFC 3629, section 4).
 *
 * Ownership: reads only.
 * Errors:    none of these can fail.
 */
#ifndef MG_UTF8_H
#define MG_UTF8_H
#include <stddef.h>

/* Bytes of the character at p (of n bytes, n > 0): 1 to 4, or 0 when it is malformed, overlong, a
 * surrogate or cut off. */
static inline size_t mg_utf8_len(const char *p, size_t n)
{
    const unsigned char *u = (const unsigned char *)p;
    size_t len = u[0] < 0x80 ? 1 : u[0] < 0xc2 ? 0 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;

    if (len == 0 || len > n || u[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((u[i] & 0xc0) != 0x80)
            return 0;
    if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f) ||
        (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f))
        return 0;
    return len;
}
#endif
