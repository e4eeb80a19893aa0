#include "base/num.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t mg_num_u64(char *out, uint64_t value)
{
    char digits[20];
    size_t n = 0;

    do {
        digits[sizeof(digits) - ++n] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    memcpy(out, digits + sizeof(digits) - n, n);
    return n;
}

static size_t put_text(char *out, const char *text)
{
    size_t len = strlen(text);

    memcpy(out, text, len);
    return len;
}

size_t mg_num_double(char *out, double value)
{
    char text[MG_NUM_TEXT];

    if (isnan(value))
        return put_text(out, "NaN");
    if (isinf(value))
        return put_text(out, value > 0 ? "+Inf" : "-Inf");
    if (fabs(value) < 9007199254740992.0 && value == trunc(value)) { /* exact integers: 2^53 */
        size_t sign = value < 0;

        out[0] = '-';
        return sign + mg_num_u64(out + sign, (uint64_t)fabs(value));
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return put_text(out, text);
}
