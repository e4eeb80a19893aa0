/* num.h -- Numbers as text that reads back as the same number.
 *
 * Ownership: writes to the caller's buffer, no NUL.
 * Errors:    none of these can fail.
 */
#ifndef MG_NUM_H
#define MG_NUM_H
#include <stddef.h>
#include <stdint.h>

enum { MG_NUM_TEXT = 32 }; /* bytes that `out` must have */

/* Decimal; returns how many bytes it wrote. */
size_t mg_num_u64(char *out, uint64_t value);
/* As Prometheus and JSON read it: "0.005", "5", "1e+21"; "+Inf", "-Inf", "NaN".  Of the texts with
 * 15 to 17 digits the shortest that reads back the same. */
size_t mg_num_double(char *out, double value);
#endif
