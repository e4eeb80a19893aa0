#include "base/re2.h"
#include "base/str.h"
#include "test.h"
#include <stdlib.h>
#include <time.h>

static bool matches(const char *pattern, const char *text)
{
    mg_str why = MG_STR("");
    struct mg_regex *re = mg_re2_new(mg_str_of(pattern, strlen(pattern)), &why);
    bool result = re != NULL && mg_re2_match(re, text, (uint32_t)strlen(text));

    mg_re2_free(re);
    return result;
}

static mg_str refusal(const char *pattern)
{
    mg_str why = MG_STR("none");

    mg_re2_free(mg_re2_new(mg_str_of(pattern, strlen(pattern)), &why));
    return why;
}

static void matches_the_whole_text(void)
{
    CHECK(matches("/a/[0-9]+", "/a/42"));
    CHECK(!matches("/a/[0-9]+", "/a/42/"));
    CHECK(!matches("/a/[0-9]+", "x/a/42"));
    CHECK(matches("a|ab", "ab")); /* not the first alternative: the one that takes all */
    CHECK(matches("(?i)abc", "aBC"));
    CHECK(matches("", "") && !matches("", "a"));
    CHECK(matches("a\\x{e9}", "a\xc3\xa9") && !matches("a.", "a\xff")); /* UTF-8, and it alone */
}

static void finds_a_part(void)
{
    mg_str why;
    struct mg_regex *re = mg_re2_new(MG_STR("b+"), &why);

    CHECK(mg_re2_find(re, "abba", 4) && !mg_re2_find(re, "aa", 2) && !mg_re2_find(re, "abba", 1));
    mg_re2_free(re);
}

static void says_why_a_pattern_is_refused(void)
{
    CHECK_STR(refusal("a(b"), "missing ): a(b");
    CHECK_STR(refusal("(?=a)b"), "invalid perl operator: (?=");
    CHECK_STR(refusal("(a)\\1"), "invalid escape sequence: \\1");
    CHECK_STR(refusal("a{1001}"), "invalid repetition size: {1001}");
    CHECK_STR(refusal("((a{100}){100}){100}"), "invalid repetition size: {100}");
    CHECK_STR(refusal("(((\\pL{30})|\\pN){30}){1,1000}"), "invalid repetition size: {1,1000}");
    CHECK_STR(refusal("(\\pL\\pN){900}"), "pattern too large - compile failed");
}

static void replaces_every_match(void)
{
    mg_str why, out;
    struct mg_regex *re = mg_re2_new(MG_STR("/([^/]+)/v([0-9])"), &why);

    CHECK(mg_re2_check(re, MG_STR("/\\2/\\1"), &why));
    CHECK(mg_re2_replace(re, MG_STR("/a/v1/b/v2/c"), MG_STR("/\\2/\\1"), &out) == 2);
    CHECK_STR(out, "/1/a/2/b/c");
    CHECK(mg_re2_replace(re, MG_STR("/none"), MG_STR("x"), &out) == 0);
    CHECK_STR(out, "/none");
    CHECK(!mg_re2_check(re, MG_STR("\\3"), &why) && why.len > 0);
    CHECK(!mg_re2_check(re, MG_STR("\\x"), &why));
    CHECK(mg_re2_replace(re, MG_STR("/a/v1"), MG_STR("\\3"), &out) == MG_EINVAL);
    mg_re2_free(re);
}

/* Patterns that make a backtracking matcher take exponential time, on a text of a mebibyte. */
static void takes_linear_time(void)
{
    static const char *const patterns[] = {"(a+)+$", "(a|aa)+",          "(a|a?)+b",
                                           "(.*)*c", "(a*)*(a*)*(a*)*b", "(?:a?){1000}a{1000}"};
    const uint32_t len = 1 << 20;
    char *text = malloc(len);
    clock_t begun = clock();

    memset(text, 'a', len);
    text[len - 1] = '!';
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        mg_str why = MG_STR("");
        struct mg_regex *re = mg_re2_new(mg_str_of(patterns[i], strlen(patterns[i])), &why);

        CHECK(re == NULL || !mg_re2_match(re, text, len));
        mg_re2_free(re);
    }
    CHECK(clock() - begun < 60 * CLOCKS_PER_SEC); /* exponential would not end before the sun */
    free(text);
}

TEST_MAIN(TEST(matches_the_whole_text), TEST(finds_a_part), TEST(says_why_a_pattern_is_refused),
          TEST(replaces_every_match), TEST(takes_linear_time))
