/* date.h -- The time of now as a Date field says it.
 *
 * Ownership:  the text is good until the next call.
 * Errors:     none.
 */
#ifndef MG_DATE_H
#define MG_DATE_H
#include "base/str.h"

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7), made anew when a second has passed. */
mg_str mg_date_now(void);
#endif
