/* test.h -- The whole test harness of the C units: run named functions, count what fails.
 *
 * A unit program lists its tests with TEST_MAIN(test_a, test_b, ...).  CHECK goes on after a
 * failure, so one run shows all of them.  Prints one line a test and exits 1 if any failed.
 */
#ifndef MG_TEST_H
#define MG_TEST_H
#include <stdio.h>
#include <string.h>

static int test_failures;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            test_failures++;                                                                       \
        }                                                                                          \
    } while (0)

/* Compares an mg_str with a literal and shows both. */
#define CHECK_STR(span, literal)                                                                   \
    do {                                                                                           \
        mg_str test_s = (span);                                                                    \
        if (test_s.len != strlen(literal) || memcmp(test_s.ptr, literal, test_s.len) != 0) {       \
            fprintf(stderr, "%s:%d: %s is \"%.*s\", not \"%s\"\n", __FILE__, __LINE__, #span,      \
                    (int)test_s.len, test_s.ptr, literal);                                         \
            test_failures++;                                                                       \
        }                                                                                          \
    } while (0)

struct test_case {
    const char *name;
    void (*fn)(void);
};

static inline int test_run(const struct test_case *cases, size_t n)
{
    int failed = 0;

    for (size_t i = 0; i < n; i++) {
        int before = test_failures;

        cases[i].fn();
        failed += test_failures > before;
        printf("%s %s\n", test_failures > before ? "not ok" : "ok", cases[i].name);
    }
    printf("%zu passed, %d failed\n", n - (size_t)failed, failed);
    return failed != 0;
}

#define TEST(fn)                                                                                   \
    {                                                                                              \
#fn, fn                                                                                    \
    }
#define TEST_MAIN(...)                                                                             \
    int main(void)                                                                                 \
    {                                                                                              \
        static const struct test_case cases[] = {__VA_ARGS__};                                     \
        return test_run(cases, sizeof(cases) / sizeof(cases[0]));                                  \
    }
#endif
