#include "base/num.h"
#include "base/str.h"
#include "test.h"
#include <math.h>
#include <stdlib.h>

static mg_str text_of(double value)
{
    static char out[MG_NUM_TEXT];

    return mg_str_of(out, mg_num_double(out, value));
}

static void prints_the_short_form(void)
{
    CHECK_STR(text_of(0), "0");
    CHECK_STR(text_of(5), "5");
    CHECK_STR(text_of(-12), "-12");
    CHECK_STR(text_of(0.005), "0.005");
    CHECK_STR(text_of(7.5), "7.5");
    CHECK_STR(text_of(0.1 + 0.2), "0.30000000000000004");
    CHECK_STR(text_of(1e21), "1e+21");
    CHECK_STR(text_of(INFINITY), "+Inf");
    CHECK_STR(text_of(-INFINITY), "-Inf");
    CHECK_STR(text_of(NAN), "NaN");
}

static void reads_back_as_the_same_number(void)
{
    srand(3);
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
        char text[MG_NUM_TEXT + 1];
        double value;

        memcpy(&value, &bits, sizeof(value));
        if (isnan(value))
            continue;
        text[mg_num_double(text, value)] = '\0';
        CHECK(strtod(text, NULL) == value);
    }
}

static void prints_whole_counters(void)
{
    char out[MG_NUM_TEXT];

    CHECK_STR(mg_str_of(out, mg_num_u64(out, UINT64_MAX)), "18446744073709551615");
    CHECK_STR(mg_str_of(out, mg_num_u64(out, 0)), "0");
}

TEST_MAIN(TEST(prints_the_short_form), TEST(reads_back_as_the_same_number),
          TEST(prints_whole_counters))
