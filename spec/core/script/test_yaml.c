/* test_yaml.c -- The YAML reader: typing, positions, refusals with their line, limits. */
#include <stdbool.h>
#include <stdlib.h>
#include <lauxlib.h>
#include <lualib.h>
#include "script/yaml.h"
#include "test.h"

/* Runs Lua text with `yaml` as a global; what it returns as a string, to be freed. */
static char *run(const char *code)
{
    lua_State *L = luaL_newstate();
    const char *text;
    char *copy;

    luaL_openlibs(L);
    lua_pushcfunction(L, luaopen_moongate_yaml);
    lua_call(L, 0, 1);
    lua_setglobal(L, "yaml");
    if (luaL_dostring(L, code) != 0)
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    text = lua_tostring(L, -1);
    copy = strdup(text != NULL ? text : "(nothing)");
    lua_close(L);
    return copy;
}

static bool gives(const char *code, const char *expected)
{
    char *text = run(code);
    bool same = strcmp(text, expected) == 0;

    if (!same)
        fprintf(stderr, "%s\n  gave %s\n  not  %s\n", code, text, expected);
    free(text);
    return same;
}

/* "line:column: message" of a refusal of the YAML text (a Lua expression). */
static bool refused(const char *yaml, const char *expected)
{
    char code[600];

    snprintf(code, sizeof(code),
             "local docs, e = yaml.parse(%s, { depth = 5, nodes = 40, bytes = 400 })\n"
             "return docs and 'taken' or e.line .. ':' .. e.column .. ': ' .. e.message",
             yaml);
    return gives(code, expected);
}

/* Type and text of the only value of the document. */
static bool typed(const char *scalar, const char *expected)
{
    char code[300];

    snprintf(code, sizeof(code),
             "local v = yaml.parse('k: %s\\n')[1].value.k\n"
             "if v == yaml.null then return 'null' end\n"
             "return type(v) .. ' ' .. tostring(v)",
             scalar);
    return gives(code, expected);
}

static void types_scalars(void)
{
    CHECK(typed("", "null") && typed("~", "null") && typed("null", "null"));
    CHECK(typed("true", "boolean true") && typed("FALSE", "boolean false"));
    CHECK(typed("8080", "number 8080") && typed("-3", "number -3") && typed("+3", "number 3"));
    CHECK(typed("0x1F", "number 31") && typed("0o17", "number 15") && typed("0", "number 0"));
    CHECK(typed("0.5", "number 0.5") && typed(".5e1", "number 5") && typed("1e3", "number 1000"));
    CHECK(typed("5s", "string 5s") && typed("10:30", "string 10:30"));
    CHECK(typed("1.2.3", "string 1.2.3") && typed(".", "string ."));
    CHECK(typed("2026-01-02", "string 2026-01-02") && typed("1_000", "string 1_000"));
    CHECK(typed("\"8080\"", "string 8080") && typed("\"yes\"", "string yes"));
    CHECK(typed("!!str 1", "string 1") && typed("! 1", "string 1"));
    CHECK(typed("1e", "string 1e") && typed("0x", "string 0x") && typed("0o8", "string 0o8"));
}

static void keeps_structure(void)
{
    CHECK(gives("local v = yaml.parse('a: [1, {b: x}]\\nc: {}\\nd: []')[1].value\n"
                "return v.a[1] .. v.a[2].b .. tostring(getmetatable(v.a) == yaml.list)\n"
                "  .. tostring(getmetatable(v.c)) .. tostring(getmetatable(v.d) == yaml.list)",
                "1xtrueniltrue"));
    CHECK(gives("local v = yaml.parse('{\"a\": {\"b\": [true, null]}}')[1].value\n"
                "return tostring(v.a.b[1]) .. tostring(v.a.b[2] == yaml.null)",
                "truetrue"));
    CHECK(gives("return yaml.parse('8080: a\\n')[1].value['8080']", "a"));
    CHECK(gives("return #yaml.parse('') .. #yaml.parse('a: 1\\n---\\nb: 2\\n---\\n')", "03"));
}

static void keeps_positions(void)
{
    CHECK(gives("local docs, marks = yaml.parse('# c\\na:\\n  - x\\n\\n  - b: 1\\n')\n"
                "local v, line = docs[1].mark, yaml.line\n"
                "local at_a, a = line(marks, v, 'a')\n"
                "local at_2, second = line(marks, a, 2)\n"
                "local at_b, b = line(marks, second, 'b')\n"
                "return docs[1].line .. ' ' .. at_a .. ' ' .. line(marks, a, 0) .. ' ' .. at_2 .. "
                "' ' .. at_b\n"
                "  .. ' ' .. b .. ' ' .. tostring(line(marks, v, 'b') or line(marks, a, 3)\n"
                "    or line(marks, v, 1) or line(marks, a, 'a')) .. ' ' .. tostring(pcall(line, "
                "marks, 0, 1))",
                "2 2 3 5 5 0 nil false"));
    CHECK(gives("local docs, marks = yaml.parse('a: &x\\n  b: 1\\nc: [*x, 2]')\n"
                "local _, list = yaml.line(marks, docs[1].mark, 'c')\n"
                "local items = yaml.items(marks, list)\n"
                "return #items .. yaml.line(marks, items[1], 'b') .. items[2]",
                "220"));
}

/* Tables are made of what has waited on the stack, and grow where that was too much. */
static void reads_collections_of_any_size(void)
{
    CHECK(gives("for _, size in ipairs { 0, 1, 15, 16, 17, 31, 32, 33, 34, 100 } do\n"
                "  local items, entries = {}, {}\n"
                "  for i = 1, size do items[i], entries[i] = i, 'k' .. i .. ': [' .. i .. ']' end\n"
                "  local text = '[' .. table.concat(items, ', ') .. ']\\n---\\n{' .. "
                "table.concat(entries, ', ') .. '}'\n"
                "  local docs = yaml.parse(text)\n"
                "  local list, map, count = docs[1].value, docs[2].value, 0\n"
                "  for i = 1, size do assert(list[i] == i and map['k' .. i][1] == i) end\n"
                "  for _ in pairs(map) do count = count + 1 end\n"
                "  assert(#list == size and count == size)\n"
                "end\n"
                "return 'all'",
                "all"));
    CHECK(refused("(function() local t = {} for i = 1, 36 do t[i] = 'k' .. i .. ': 1\\n' end\n"
                  "return table.concat(t) .. 'k36: 2' end)()",
                  "37:1: duplicate key 'k36', first on line 36"));
}

static void refuses_ambiguity(void)
{
    CHECK(refused("'a: b\\nc: yes'", "2:4: 'yes' is a boolean to YAML 1.1 and a string to 1.2: "
                                     "quote it, or write true or false"));
    CHECK(refused("'on: b'", "1:1: the key 'on' is a boolean to YAML 1.1 and a string to 1.2: "
                             "quote it"));
    CHECK(refused("'a: 0777'", "1:4: '0777' is octal to YAML 1.1 and decimal to 1.2: quote it"));
    CHECK(refused("'a: .inf'",
                  "1:4: '.inf' is no number that JSON knows: quote it if it is a string"));
    CHECK(refused("'a: 9007199254740993'",
                  "1:4: the number '9007199254740993' is too big: quote it if it is a string"));
    CHECK(refused("'a: 1\\nb: 2\\na: 3'", "3:1: duplicate key 'a', first on line 1"));
    CHECK(refused("'a: ~\\na: ~'", "2:1: duplicate key 'a', first on line 1"));
    CHECK(refused("'b: {<<: {a: 1}}'",
                  "1:5: merge keys ('<<') are not supported: YAML 1.2 has none"));
    CHECK(refused("'? [a]\\n: 1'", "1:3: a key must be a plain or quoted string"));
    CHECK(refused("'a: !secret x'", "1:4: the tag '!secret' is not supported"));
    CHECK(refused("'a: !x [1]'", "1:4: the tag '!x' is not supported"));
}

static void refuses_what_is_not_yaml(void)
{
    CHECK(refused("'a: 1\\n\\tb: 2'", "2:1: found a tab character that violates indentation while "
                                      "scanning a plain scalar"));
    CHECK(
        refused("'a: [1'", "2:1: did not find expected ',' or ']' while parsing a flow sequence"));
    CHECK(refused("'a: 1\\nb: \\255'", "2:4: invalid leading UTF-8 octet"));
    CHECK(refused("'a: \\1'", "1:4: control characters are not allowed"));
    CHECK(refused("'a: &x 1\\nb: *y'", "2:4: the alias '*y' has no anchor before it"));
    CHECK(refused("'a: &x [*x]'", "1:8: the alias '*x' has no anchor before it"));
}

static void bounds_what_it_reads(void)
{
    CHECK(refused("'a: ' .. ('['):rep(5) .. (']'):rep(5)", "1:8: nested deeper than 5"));
    CHECK(refused("'a: ' .. ('['):rep(4) .. (']'):rep(4)", "taken"));
    CHECK(refused("('- 1\\n'):rep(40)", "40:3: more than 40 values"));
    CHECK(refused("('#'):rep(401)", "1:1: longer than 400 bytes"));
}

/* Aliases share tables but count as if written out. */
static void bounds_aliases(void)
{
    CHECK(gives("local v = yaml.parse('a: &x {b: 1}\\nc: *x')[1].value\n"
                "return tostring(v.a == v.c) .. v.c.b",
                "true1"));
    CHECK(refused("'- &a [1,1,1,1,1,1,1]\\n- &b [*a,*a]\\n- [*b,*b]'",
                  "3:4: more than 40 values, aliases written out"));
    CHECK(refused("'- &a [[[1]]]\\n- [*a]'", "taken"));
    CHECK(refused("'- &a [[[1]]]\\n- [[*a]]'", "2:5: nested deeper than 5"));
    CHECK(refused("'--- &a\\nb: 1\\n---\\nc: *a'", "4:4: the alias '*a' has no anchor before it"));
}

TEST_MAIN(TEST(types_scalars), TEST(keeps_structure), TEST(keeps_positions),
          TEST(reads_collections_of_any_size), TEST(refuses_ambiguity),
          TEST(refuses_what_is_not_yaml), TEST(bounds_what_it_reads), TEST(bounds_aliases))
