#include <time.h>
#include "http/date.h"
#include "test.h"

/* The text names a second between those before and after the call. */
static void test_it_is_now(void)
{
    time_t before = time(NULL), said;
    mg_str text = mg_date_now();
    struct tm tm = {0};
    char copy[64];

    CHECK(text.len == 29);
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    CHECK(strptime(copy, "%a, %d %b %Y %H:%M:%S GMT", &tm) == copy + 29);
    said = timegm(&tm);
    CHECK(said >= before && said <= time(NULL));
    CHECK(mg_date_now().ptr == text.ptr);
}

TEST_MAIN(TEST(test_it_is_now))
