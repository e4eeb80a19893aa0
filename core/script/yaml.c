#include "script/yaml.h"
#include "script/yaml_marks.h"
#include "script/yaml_scalar.h"
#include "script/yaml_table.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <lauxlib.h>
#include <yaml.h>

#define READER "moongate.yaml.reader"

enum { MAX_DEPTH = 64, MAX_NODES = 2000000, MAX_BYTES = 64 << 20 };
/* Where parse() keeps its values on the Lua stack; read_*() work above them. */
enum { AT_TEXT = 1, AT_LIMITS, AT_READER, AT_DOCUMENTS, AT_MARKS, AT_ANCHORS };

struct reader {
    struct mg_yaml_marks *marks;
    yaml_parser_t parser;
    yaml_event_t event; /* the one being looked at */
    bool parser_open, event_open;
    bool nulls;     /* the document has one */
    uint32_t inner; /* the first mark of the value that was read last; 0: a scalar */
    int max_depth;
    double max_nodes, nodes;
    size_t line, column; /* of the refusal, from 1 */
    char message[200];
};

static int reader_gc(lua_State *L)
{
    struct reader *r = lua_touserdata(L, 1);

    if (r->event_open)
        yaml_event_delete(&r->event);
    if (r->parser_open)
        yaml_parser_delete(&r->parser);
    r->event_open = r->parser_open = false;
    return 0;
}

static int refuse_at(struct reader *r, yaml_mark_t mark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Always -1, so that callers may return it. */
static int refuse_at(struct reader *r, yaml_mark_t mark, const char *format, ...)
{
    va_list args;

    r->line = mark.line + 1;
    r->column = mark.column + 1;
    va_start(args, format);
    vsnprintf(r->message, sizeof(r->message), format, args);
    va_end(args);
    return -1;
}

#define refuse(r, ...) refuse_at(r, (r)->event.start_mark, __VA_ARGS__)

/* A reader error (bad UTF-8, a control character) has an offset but no mark. */
static yaml_mark_t mark_of_offset(const char *text, size_t offset)
{
    yaml_mark_t mark = {offset, 0, 0};

    for (size_t i = 0; i < offset; i++) {
        mark.column = text[i] == '\n' ? 0 : mark.column + 1;
        mark.line += text[i] == '\n';
    }
    return mark;
}

static int refuse_syntax(lua_State *L, struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    const char *problem = p->problem != NULL ? p->problem : "not YAML";

    if (p->error == YAML_READER_ERROR)
        return refuse_at(r, mark_of_offset(lua_tostring(L, AT_TEXT), p->problem_offset), "%s",
                         problem);
    if (p->context != NULL)
        return refuse_at(r, p->problem_mark, "%s %s", problem, p->context);
    return refuse_at(r, p->problem_mark, "%s", problem);
}

static int next_event(lua_State *L, struct reader *r)
{
    if (r->event_open)
        yaml_event_delete(&r->event);
    r->event_open = yaml_parser_parse(&r->parser, &r->event) != 0;
    return r->event_open ? 0 : refuse_syntax(L, r);
}

/* The index of a new mark for the event; it follows `previous` (0: none). */
static uint32_t add_mark(lua_State *L, struct reader *r, uint32_t key, uint32_t previous)
{
    uint32_t line = (uint32_t)r->event.start_mark.line + 1;
    uint32_t mark = mg_yaml_marks_add(r->marks, key, line, previous);

    if (mark == 0)
        luaL_error(L, "yaml: out of memory");
    return mark;
}

/* ---- nodes: each pushes one value and gives its height (a scalar's is 0), or -1 ------ */

/* A tag may only say what the value is anyway; !!str makes a plain scalar a string. */
static int push_scalar(lua_State *L, struct reader *r)
{
    const char *text = (const char *)r->event.data.scalar.value;
    const char *tag = (const char *)r->event.data.scalar.tag;
    size_t length = r->event.data.scalar.length;
    bool plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    char why[sizeof(r->message)];

    if (tag != NULL && strcmp(tag, YAML_STR_TAG) != 0 && strcmp(tag, "!") != 0)
        return refuse(r, "the tag '%.80s' is not supported", tag);
    if (!plain || tag != NULL)
        lua_pushlstring(L, text, length);
    else if (mg_yaml_push_plain(L, text, why, sizeof(why)) < 0)
        return refuse(r, "%s", why);
    r->nulls = r->nulls || lua_islightuserdata(L, -1);
    return 0;
}

static int read_node(lua_State *L, struct reader *r, int depth);

/* An anchor's name goes under the value that it names.  Whether there is one. */
static bool push_anchor_name(lua_State *L, const yaml_char_t *anchor)
{
    if (anchor != NULL)
        lua_pushstring(L, (const char *)anchor);
    return anchor != NULL;
}

/* anchors[name] = { value, nodes, height, first mark } for the value on top of the stack; the name lies under
 * it and goes.  Only whole values get here, so an alias cannot stand inside what it repeats. */
static void remember_anchor(lua_State *L, const struct reader *r, double nodes, int height)
{
    lua_pushvalue(L, -2);
    lua_createtable(L, 4, 0);
    lua_pushvalue(L, -3);
    lua_rawseti(L, -2, 1);
    lua_pushnumber(L, nodes);
    lua_rawseti(L, -2, 2);
    lua_pushinteger(L, height);
    lua_rawseti(L, -2, 3);
    lua_pushinteger(L, (lua_Integer)r->inner);
    lua_rawseti(L, -2, 4);
    lua_rawset(L, AT_ANCHORS);
    lua_remove(L, -2);
}

static int read_alias(lua_State *L, struct reader *r, int depth)
{
    const char *name = (const char *)r->event.data.alias.anchor;
    int height;

    lua_pushstring(L, name);
    lua_rawget(L, AT_ANCHORS);
    if (lua_isnil(L, -1))
        return refuse(r, "the alias '*%.80s' has no anchor before it", name);
    lua_rawgeti(L, -1, 2);
    r->nodes += lua_tonumber(L, -1);
    lua_rawgeti(L, -2, 3);
    height = (int)lua_tointeger(L, -1);
    lua_rawgeti(L, -3, 4);
    r->inner = (uint32_t)lua_tointeger(L, -1);
    lua_pop(L, 3);
    if (r->nodes > r->max_nodes)
        return refuse(r, "more than %.0f values, aliases written out", r->max_nodes);
    if (depth + height > r->max_depth)
        return refuse(r, "nested deeper than %d", r->max_depth);
    lua_rawgeti(L, -1, 1);
    lua_remove(L, -2);
    return height;
}

static int read_scalar(lua_State *L, struct reader *r)
{
    bool named = push_anchor_name(L, r->event.data.scalar.anchor);

    if (push_scalar(L, r) < 0)
        return -1;
    r->inner = 0;
    if (named)
        remember_anchor(L, r, 1, 0);
    return 0;
}

/* The value of a key or an item, whose mark is `mark`. */
static int read_inner(lua_State *L, struct reader *r, int depth, uint32_t mark)
{
    int height = read_node(L, r, depth + 1);

    if (height >= 0)
        mg_yaml_marks_hold(r->marks, mark, r->inner);
    return height;
}

/* Out: the table. */
static int read_items(lua_State *L, struct reader *r, int depth, uint32_t mark)
{
    struct mg_yaml_table t = mg_yaml_table_begin(L);
    int top = 0;

    for (;;) {
        int height;

        if (next_event(L, r) < 0)
            return -1;
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            break;
        mark = add_mark(L, r, 0, mark);
        height = read_inner(L, r, depth, mark);
        if (height < 0)
            return -1;
        mg_yaml_table_item(L, &t);
        top = height + 1 > top ? height + 1 : top;
    }
    mg_yaml_table_end_items(L, &t);
    return top;
}

static int check_key(struct reader *r)
{
    const char *text = (const char *)r->event.data.scalar.value;

    if (r->event.type != YAML_SCALAR_EVENT)
        return refuse(r, "a key must be a plain or quoted string");
    if (r->event.data.scalar.anchor != NULL || r->event.data.scalar.tag != NULL)
        return refuse(r, "a key cannot have an anchor or a tag");
    if (r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return 0;
    if (strcmp(text, "<<") == 0)
        return refuse(r, "merge keys ('<<') are not supported: YAML 1.2 has none");
    if (mg_yaml_is_old_boolean(text))
        return refuse(r, "the key '%s' is a boolean to YAML 1.1 and a string to 1.2: quote it",
                      text);
    return 0;
}

/* Out: key; its number, or 0: it is refused.  What waits is looked for among the marks: they are few. */
static uint32_t push_key(lua_State *L, struct reader *r, const struct mg_yaml_table *t,
                         uint32_t first)
{
    uint32_t key;

    if (check_key(r) < 0)
        return 0;
    lua_pushlstring(L, (const char *)r->event.data.scalar.value, r->event.data.scalar.length);
    key = mg_yaml_marks_key(L, AT_MARKS);
    if (t->made ? mg_yaml_table_has(L, t) : mg_yaml_marks_line(r->marks, first, key) != 0) {
        refuse(r, "duplicate key '%.80s', first on line %u", lua_tostring(L, -1),
               mg_yaml_marks_line(r->marks, first, key));
        return 0;
    }
    return key;
}

/* Out: the table. */
static int read_entries(lua_State *L, struct reader *r, int depth, uint32_t first)
{
    struct mg_yaml_table t = mg_yaml_table_begin(L);
    uint32_t mark = first, key;
    int top = 0;

    for (;;) {
        int height;

        if (next_event(L, r) < 0)
            return -1;
        if (r->event.type == YAML_MAPPING_END_EVENT)
            break;
        key = push_key(L, r, &t, first);
        if (key == 0)
            return -1;
        mark = add_mark(L, r, key, mark);
        if (next_event(L, r) < 0)
            return -1;
        height = read_inner(L, r, depth, mark);
        if (height < 0)
            return -1;
        mg_yaml_table_entry(L, &t);
        top = height + 1 > top ? height + 1 : top;
    }
    mg_yaml_table_end_entries(L, &t);
    return top;
}

static int read_collection(lua_State *L, struct reader *r, int depth)
{
    bool list = r->event.type == YAML_SEQUENCE_START_EVENT, named;
    const yaml_char_t *tag =
        list ? r->event.data.sequence_start.tag : r->event.data.mapping_start.tag;
    double nodes = r->nodes;
    uint32_t first;
    int height;

    if (depth >= r->max_depth)
        return refuse(r, "nested deeper than %d", r->max_depth);
    if (tag != NULL && strcmp((const char *)tag, list ? YAML_SEQ_TAG : YAML_MAP_TAG) != 0)
        return refuse(r, "the tag '%.80s' is not supported", (const char *)tag);
    luaL_checkstack(L, MG_YAML_TABLE_STACK + 10, "yaml");
    named = push_anchor_name(L, list ? r->event.data.sequence_start.anchor
                                     : r->event.data.mapping_start.anchor);
    first = add_mark(L, r, 0, 0);
    height = list ? read_items(L, r, depth, first) : read_entries(L, r, depth, first);
    if (height < 0)
        return -1;
    if (list) {
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_setmetatable(L, -2);
    }
    r->inner = first;
    if (named)
        remember_anchor(L, r, r->nodes - nodes + 1, height);
    return height;
}

static int read_node(lua_State *L, struct reader *r, int depth)
{
    if (++r->nodes > r->max_nodes)
        return refuse(r, "more than %.0f values", r->max_nodes);
    switch (r->event.type) {
    case YAML_ALIAS_EVENT:
        return read_alias(L, r, depth);
    case YAML_SCALAR_EVENT:
        return read_scalar(L, r);
    default: /* libyaml's grammar leaves only the start of a list or a mapping here */
        return read_collection(L, r, depth);
    }
}

/* ---- the text ---------------------------------------------------------------------- */

static int read_document(lua_State *L, struct reader *r)
{
    double line;

    lua_newtable(L); /* anchors live as long as their document */
    lua_replace(L, AT_ANCHORS);
    if (next_event(L, r) < 0)
        return -1;
    line = (double)r->event.start_mark.line + 1;
    lua_createtable(L, 0, 4);
    r->nulls = false;
    if (read_node(L, r, 0) < 0)
        return -1;
    lua_setfield(L, -2, "value");
    lua_pushinteger(L, (lua_Integer)r->inner);
    lua_setfield(L, -2, "mark");
    lua_pushboolean(L, r->nulls);
    lua_setfield(L, -2, "nulls");
    lua_pushnumber(L, line);
    lua_setfield(L, -2, "line");
    lua_rawseti(L, AT_DOCUMENTS, (int)lua_objlen(L, AT_DOCUMENTS) + 1);
    return next_event(L, r); /* the document's end */
}

static int read_stream(lua_State *L, struct reader *r)
{
    for (;;) {
        if (next_event(L, r) < 0)
            return -1;
        if (r->event.type == YAML_STREAM_END_EVENT)
            return 0;
        if (r->event.type == YAML_DOCUMENT_START_EVENT && read_document(L, r) < 0)
            return -1;
    }
}

static double limit(lua_State *L, const char *name, double otherwise)
{
    double value = otherwise;

    if (lua_istable(L, AT_LIMITS)) {
        lua_getfield(L, AT_LIMITS, name);
        value = luaL_optnumber(L, -1, otherwise);
        lua_pop(L, 1);
    }
    return value;
}

static struct reader *push_reader(lua_State *L, const char *text, size_t length)
{
    struct reader *r = lua_newuserdata(L, sizeof(*r));

    memset(r, 0, sizeof(*r));
    luaL_getmetatable(L, READER);
    lua_setmetatable(L, -2);
    r->max_depth = (int)limit(L, "depth", MAX_DEPTH);
    r->max_nodes = limit(L, "nodes", MAX_NODES);
    r->parser_open = yaml_parser_initialize(&r->parser) != 0;
    if (!r->parser_open)
        luaL_error(L, "yaml: out of memory");
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)text, length);
    return r;
}

static int push_refusal(lua_State *L, const struct reader *r)
{
    lua_pushnil(L);
    lua_createtable(L, 0, 3);
    lua_pushnumber(L, (double)r->line);
    lua_setfield(L, -2, "line");
    lua_pushnumber(L, (double)r->column);
    lua_setfield(L, -2, "column");
    lua_pushstring(L, r->message);
    lua_setfield(L, -2, "message");
    return 2;
}

static int parse(lua_State *L)
{
    size_t length;
    const char *text = luaL_checklstring(L, AT_TEXT, &length);
    struct reader *r;
    int rc;

    lua_settop(L, AT_LIMITS);
    r = push_reader(L, text, length);
    lua_newtable(L);
    r->marks = mg_yaml_marks_push(L);
    lua_newtable(L);
    if ((double)length > limit(L, "bytes", MAX_BYTES))
        rc = refuse_at(r, (yaml_mark_t){0, 0, 0}, "longer than %.0f bytes",
                       limit(L, "bytes", MAX_BYTES));
    else
        rc = read_stream(L, r);
    lua_pushcfunction(L, reader_gc);
    lua_pushvalue(L, AT_READER);
    lua_call(L, 1, 0);
    if (rc < 0)
        return push_refusal(L, r);
    lua_pushvalue(L, AT_DOCUMENTS);
    lua_pushvalue(L, AT_MARKS);
    return 2;
}

int luaopen_moongate_yaml(lua_State *L)
{
    luaL_newmetatable(L, READER);
    lua_pushcfunction(L, reader_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);

    lua_createtable(L, 0, 5);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "list");
    lua_pushcclosure(L, parse, 1);
    lua_setfield(L, -2, "parse");
    lua_pushcfunction(L, mg_yaml_marks_find);
    lua_setfield(L, -2, "line");
    lua_pushcfunction(L, mg_yaml_marks_items);
    lua_setfield(L, -2, "items");
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}
