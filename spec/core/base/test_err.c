#include "base/err.h"
#include "test.h"
#include <errno.h>

static void every_code_has_its_text(void)
{
    for (int code = MG_EDRAIN; code <= MG_ENOENT; code++)
        CHECK(strcmp(mg_error_text(code), "unknown error") != 0);
    CHECK(strcmp(mg_error_text(-ECONNREFUSED), "Connection refused") == 0);
    CHECK(strcmp(mg_error_text(-4095), "end of file") == 0);
    CHECK(strcmp(mg_error_text(-3008), "unknown node or service") == 0);
    CHECK(strcmp(mg_error_text(MG_OK), "success") == 0);
}

static void nonsense_has_one_too(void)
{
    CHECK(strcmp(mg_error_text(12345), "unknown error") == 0);
    CHECK(strcmp(mg_error_text(-3999), "unknown error") == 0);
    CHECK(strcmp(mg_error_text(-2147483647 - 1), "unknown error") == 0);
}

TEST_MAIN(TEST(every_code_has_its_text), TEST(nonsense_has_one_too))
