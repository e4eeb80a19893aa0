/* str.h -- Spans of bytes: mg_str (core/moongate.h) and what one does with them.
 *
 * Ownership: a span owns nothing; whoever hands one out says how long it lives.
 * Errors:    none of these can fail.
 */
#ifndef MG_STR_H
#define MG_STR_H
#include <string.h>
#include "moongate.h"

#define MG_STR(literal) ((mg_str){(literal), sizeof(literal) - 1})

static inline mg_str mg_str_of(const char *ptr, size_t len)
{
    return (mg_str){ptr, (uint32_t)len};
}

static inline char mg_lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static inline bool mg_str_eq(mg_str a, mg_str b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

/* ASCII case-blind, as field names compare (RFC 9110, 5.1). */
static inline bool mg_str_ieq(mg_str a, mg_str b)
{
    if (a.len != b.len)
        return false;
    for (uint32_t i = 0; i < a.len; i++)
        if (mg_lower(a.ptr[i]) != mg_lower(b.ptr[i]))
            return false;
    return true;
}
#endif
