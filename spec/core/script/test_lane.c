/* Lanes on background exchanges and on one of a client; the functions of Lua are the chunks below. */
#include <lauxlib.h>
#include <lualib.h>
#include "../proxy/fake_stream.h"
#include "proxy/downstream.h"
#include "script/lane.h"
#include "turn.h"

static struct mg_loop loop;
static struct mg_proxy *proxy;
static lua_State *L;
static struct fake_stream down;

static int lua_sleep(lua_State *lane)
{
    lua_pushinteger(lane,
                    mg_exchange_sleep(lua_touserdata(lane, 1), (uint32_t)lua_tointeger(lane, 2)));
    return 1;
}

static int lua_respond(lua_State *lane)
{
    struct mg_x *x = lua_touserdata(lane, 1);

    mg_exchange_respond(x, 200, MG_STR("fine"));
    lua_pushinteger(lane, mg_exchange_reply(x, false));
    return 1;
}

/* A fresh Lua state whose lanes run this function(x, id). */
static void lanes_run(const char *function)
{
    static const struct mg_exchange_hooks hooks = {.serve = mg_lane_serve, .wake = mg_lane_wake};

    mg_loop_init(&loop);
    proxy = mg_proxy_new(&loop, &hooks);
    L = luaL_newstate();
    luaL_openlibs(L);
    lua_register(L, "sleep", lua_sleep);
    lua_register(L, "respond", lua_respond);
    CHECK(luaL_dostring(L, "seen = {}") == 0);
    lua_pushfstring(L, "return function(x, id) %s end", function);
    CHECK(luaL_dostring(L, lua_tostring(L, -1)) == 0);
    mg_lane_setup(L);
    lua_settop(L, 0);
}

static void no_lanes(void)
{
    CHECK(proxy->active == 0);
    for (struct mg_x *x = proxy->spare; x != NULL; x = x->next)
        mg_lane_free(x);
    mg_proxy_free(proxy);
    lua_close(L);
    CHECK(mg_loop_close(&loop) == 0);
}

static void timer(uint32_t id)
{
    mg_lane_timer(mg_proxy_background(proxy), id);
}

/* A client's request. */
static struct mg_x *request(void)
{
    struct mg_x *x = mg_proxy_background(proxy);

    proxy->background--;
    x->server = (struct mg_server *)&down; /* only told from none */
    x->req.method = MG_STR("GET");
    x->req.method_id = x->pub.method_id = MG_METHOD_GET;
    fake_stream_init(&down);
    down.s.in = &x->req;
    mg_exchange_begin(x, &down.s);
    return x;
}

/* The global `seen` as one text. */
static bool seen(const char *text)
{
    bool same;

    CHECK(luaL_dostring(L, "return table.concat(seen, ' ')") == 0);
    same = strcmp(lua_tostring(L, -1), text) == 0;
    if (!same)
        fprintf(stderr, "seen: %s\n", lua_tostring(L, -1));
    lua_settop(L, 0);
    return same;
}

#define NOTE "seen[#seen + 1] = "

static void serves_one_after_another(void)
{
    lanes_run("local mine = 0 while true do mine = mine + 1 " NOTE
              "id .. '/' .. mine; id = coroutine.yield(x) end");
    timer(7);
    CHECK(proxy->active == 0 && seen("7/1"));
    timer(8);
    timer(9);
    CHECK(seen("7/1 8/2 9/3")); /* one lane: its locals live on */
    no_lanes();
}

static void waits_and_is_woken(void)
{
    lanes_run("while true do " NOTE "'sleeps ' .. sleep(x, 1); " NOTE
              "'woken ' .. coroutine.yield(); id = coroutine.yield(x) end");
    timer(1);
    CHECK(proxy->active == 1);
    TURN_UNTIL(proxy->active == 0);
    CHECK(seen("sleeps 1 woken 0"));
    no_lanes();
}

static void two_at_once_have_two_lanes(void)
{
    lanes_run("local mine = 0 while true do mine = mine + 1; sleep(x, id); coroutine.yield() " NOTE
              "id .. '/' .. mine; id = coroutine.yield(x) end");
    timer(60);
    timer(1);
    CHECK(proxy->active == 2);
    TURN_UNTIL(proxy->active == 0);
    CHECK(seen("1/1 60/1"));
    no_lanes();
}

static void one_that_raises_is_replaced(void)
{
    lanes_run("local mine = 0 while true do mine = mine + 1; if id == 2 then error 'lost' end " NOTE
              "id .. '/' .. mine; id = coroutine.yield(x) end");
    timer(1);
    timer(2);
    CHECK(proxy->active == 0);
    timer(3);
    CHECK(seen("1/1 3/1"));
    no_lanes();
}

static void a_client_is_answered_all_the_same(void)
{
    static const char *const ends[] = {
        "error 'lost'",         "error { }",           "return",
        "coroutine.yield()",    "coroutine.yield(17)", "coroutine.yield(x, x)",
        "coroutine.yield(nil)",
    };

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        lanes_run(ends[i]);
        request();
        CHECK(proxy->active == 0);
        CHECK(down.heads == 1 && down.head.status == 500 && down.releases == 1);
        CHECK(strcmp(down.out, "Internal Server Error") == 0);
        no_lanes();
    }
}

static void one_that_has_answered_answers_once(void)
{
    lanes_run(NOTE "respond(x); error 'lost'");
    request();
    CHECK(proxy->active == 0 && down.heads == 1 && down.head.status == 200 && down.releases == 1);
    CHECK(strcmp(down.out, "fine") == 0);
    no_lanes();
}

static void one_that_dies_in_a_wait_leaves_none(void)
{
    lanes_run("sleep(x, 60000) coroutine.yield(17)");
    request();
    CHECK(proxy->active == 0 && down.head.status == 500);
    no_lanes();
}

static void a_client_that_leaves_wakes_it(void)
{
    lanes_run("sleep(x, 60000) " NOTE "coroutine.yield(); " NOTE "sleep(x, 1); coroutine.yield(x)");
    request();
    CHECK(proxy->active == 1);
    down.s.events->on_error(&down.s, MG_EGONE);
    CHECK(proxy->active == 0 && down.releases == 1);
    luaL_dostring(L, "return seen[1] == seen[2] and seen[1] < 0");
    CHECK(lua_toboolean(L, -1));
    no_lanes();
}

static void runs_no_other_than_its_own(void)
{
    lanes_run("if other then " NOTE "sleep(other, 1); coroutine.yield(x) "
              "else other = x; sleep(x, 20); coroutine.yield(); coroutine.yield(x) end");
    timer(1);
    timer(2);
    CHECK(proxy->active == 1);
    TURN_UNTIL(proxy->active == 0);
    luaL_dostring(L, "return seen[1]");
    CHECK(lua_tointeger(L, -1) == MG_EPHASE);
    no_lanes();
}

TEST_MAIN(TEST(serves_one_after_another), TEST(waits_and_is_woken),
          TEST(two_at_once_have_two_lanes), TEST(one_that_raises_is_replaced),
          TEST(a_client_is_answered_all_the_same), TEST(one_that_has_answered_answers_once),
          TEST(one_that_dies_in_a_wait_leaves_none), TEST(a_client_that_leaves_wakes_it),
          TEST(runs_no_other_than_its_own))
