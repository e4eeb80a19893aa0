#include "script/yaml_scalar.h"
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define EXACT_INTEGER 9007199254740992.0 /* 2^53: from it on a double skips integers */

static int refuse(char *why, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Always -1, so that callers may return it. */
static int refuse(char *why, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, size, format, args);
    va_end(args);
    return -1;
}

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

static size_t digits(const char *s)
{
    return strspn(s, "0123456789");
}

/* [-+]? [0-9]+ of YAML 1.2, 10.3.2. */
static bool is_decimal(const char *s)
{
    size_t n;

    s += *s == '-' || *s == '+';
    n = digits(s);
    return n > 0 && s[n] == '\0';
}

static bool is_float(const char *s)
{
    size_t whole, part = 0;

    s += *s == '-' || *s == '+';
    whole = digits(s);
    s += whole;
    if (*s == '.') {
        part = digits(s + 1);
        s += 1 + part;
    }
    if (whole + part == 0)
        return false;
    if (*s == 'e' || *s == 'E') {
        s += 1 + (s[1] == '-' || s[1] == '+');
        return digits(s) > 0 && s[digits(s)] == '\0';
    }
    return *s == '\0';
}

static bool is_infinite(const char *s)
{
    static const char *const words[] = {".inf", ".nan", NULL};

    s += *s == '-' || *s == '+';
    return strcasecmp(s, words[0]) == 0 || strcasecmp(s, words[1]) == 0;
}

static bool has_leading_zero(const char *s)
{
    s += *s == '-' || *s == '+';
    return s[0] == '0' && s[1] != '\0';
}

enum { LONGEST_OLD_BOOLEAN = 3 };

bool mg_yaml_is_old_boolean(const char *text)
{
    static const char *const words[] = {"y",  "Y",  "yes", "Yes", "YES", "n",   "N",   "no", "No",
                                        "NO", "on", "On",  "ON",  "off", "Off", "OFF", NULL};

    return strnlen(text, LONGEST_OLD_BOOLEAN + 1) <= LONGEST_OLD_BOOLEAN && is_one_of(text, words);
}

/* 0o17 or 0x1F; 10 is the base of anything else. */
static int base_of(const char *s)
{
    if (s[0] == '0' && s[1] == 'o' && s[2] != '\0' && s[2 + strspn(s + 2, "01234567")] == '\0')
        return 8;
    if (s[0] == '0' && s[1] == 'x' && s[2] != '\0' &&
        s[2 + strspn(s + 2, "0123456789abcdefABCDEF")] == '\0')
        return 16;
    return 10;
}

static int push_number(lua_State *L, const char *text, char *why, size_t size)
{
    int base = base_of(text);
    bool whole = base != 10 || is_decimal(text);
    double value;

    if (base == 10 && is_decimal(text) && has_leading_zero(text))
        return refuse(why, size, "'%.40s' is octal to YAML 1.1 and decimal to 1.2: quote it", text);
    value = base == 10 ? strtod(text, NULL) : (double)strtoull(text + 2, NULL, base);
    if (!isfinite(value) || (whole && fabs(value) >= EXACT_INTEGER))
        return refuse(why, size, "the number '%.40s' is too big: quote it if it is a string", text);
    lua_pushnumber(L, value);
    return 0;
}

/* Most are: then there are no words to compare with. */
static bool is_string_by_its_start(const char *text)
{
    return *text != '\0' && strchr("~nNtTfFyYoO+-.0123456789", *text) == NULL;
}

int mg_yaml_push_plain(lua_State *L, const char *text, char *why, size_t size)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};

    if (is_string_by_its_start(text)) {
        lua_pushstring(L, text);
        return 0;
    }
    if (is_one_of(text, nulls))
        lua_pushlightuserdata(L, NULL);
    else if (is_one_of(text, trues))
        lua_pushboolean(L, 1);
    else if (is_one_of(text, falses))
        lua_pushboolean(L, 0);
    else if (mg_yaml_is_old_boolean(text))
        return refuse(why, size,
                      "'%s' is a boolean to YAML 1.1 and a string to 1.2: quote it, "
                      "or write true or false",
                      text);
    else if (is_infinite(text))
        return refuse(why, size, "'%s' is no number that JSON knows: quote it if it is a string",
                      text);
    else if (base_of(text) != 10 || is_float(text))
        return push_number(L, text, why, size);
    else
        lua_pushstring(L, text);
    return 0;
}
