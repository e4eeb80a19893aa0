#include "http/date.h"
#include <time.h>

mg_str mg_date_now(void)
{
    static char text[32];
    static time_t last;
    static size_t len;
    time_t now = time(NULL);
    struct tm tm;

    if (now != last) {
        len = strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
        last = now;
    }
    return mg_str_of(text, len);
}
