#include "script/lane.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "base/log.h"
#include "script/budget.h"

struct mg_lane {
    lua_State *L;
    int anchor;
};

static lua_State *main_state;
static int lane_function = LUA_NOREF;

void mg_lane_setup(lua_State *L)
{
    main_state = L;
    lane_function = luaL_ref(L, LUA_REGISTRYINDEX);
}

static struct mg_lane *lane_new(struct mg_x *x)
{
    struct mg_lane *lane = malloc(sizeof(*lane));

    if (lane == NULL)
        return NULL;
    lane->L = lua_newthread(main_state);
    lane->anchor = luaL_ref(main_state, LUA_REGISTRYINDEX);
    lua_rawgeti(lane->L, LUA_REGISTRYINDEX, lane_function);
    lua_pushlightuserdata(lane->L, x);
    return lane;
}

static void lane_free(struct mg_x *x)
{
    struct mg_lane *lane = x->lane;

    x->lane = NULL;
    luaL_unref(main_state, LUA_REGISTRYINDEX, lane->anchor);
    free(lane);
}

/* ---- of moongate.h ------------------------------------------------------------------------ */

void mg_time_lane(mg_exchange *x)
{
    x->timed = true;
}

double mg_lane_time(const mg_exchange *x)
{
    const struct mg_x *own = (const struct mg_x *)x;

    return (double)(mg_clock_ns() - own->waited_ns) / 1e9;
}

double mg_lane_memory(const mg_exchange *x)
{
    return (double)(mg_budget_given() - ((const struct mg_x *)x)->others_given);
}

void mg_lane_free(struct mg_x *x)
{
    if (x->lane != NULL)
        lane_free(x);
}

/* Nothing of ours may end here; what does must still not let a request pass unanswered. */
static void died(struct mg_x *x)
{
    const char *why = lua_tostring(x->lane->L, -1);

    mg_log(MG_LOG_ERROR, "lane died: %s", why == NULL ? "it returned" : why);
    lane_free(x);
    x->wait = MG_WAIT_NONE;
    x->broken = 0;
    if (x->server != NULL && !x->pub.gone && !x->pub.response_started) {
        mg_exchange_respond(x, 500, MG_STR("Internal Server Error"));
        mg_exchange_reply(x, false);
    }
    x->pub.running = false;
    mg_exchange_finish(x);
}

/* A policy may yield whatever it likes, but it cannot have the exchange as light userdata. */
static bool is_through(lua_State *L, const struct mg_x *x)
{
    return lua_gettop(L) == 1 && lua_islightuserdata(L, 1) && lua_touserdata(L, 1) == x;
}

static void pause_lane(struct mg_x *x)
{
    x->pub.running = false;
    if (x->pub.timed) {
        x->paused_ns = mg_clock_ns();
        x->paused_given = mg_budget_given();
    }
}

static void resume(struct mg_x *x, int nargs)
{
    lua_State *L = x->lane->L;
    int rc;

    x->pub.running = true;
    mg_budget_turn++;
    rc = lua_resume(L, nargs);
    mg_budget_turn++;
    mg_budget_tidy();
    if (rc != LUA_YIELD) {
        died(x);
    } else if (is_through(L, x)) {
        x->pub.running = false;
        lua_settop(L, 0);
        mg_exchange_finish(x);
    } else if (x->wait == MG_WAIT_NONE || lua_gettop(L) > 0) {
        lua_pushliteral(L, "a policy yielded on its own");
        died(x);
    } else {
        pause_lane(x);
    }
}

static void start(struct mg_x *x, uint32_t id)
{
    int nargs = 1;

    if (x->lane == NULL) {
        x->lane = lane_new(x);
        nargs = 2; /* the exchange comes first, once */
    }
    if (x->lane == NULL) {
        mg_exchange_finish(x);
        return;
    }
    lua_pushinteger(x->lane->L, (lua_Integer)id);
    resume(x, nargs);
}

void mg_lane_serve(struct mg_x *x)
{
    start(x, 0);
}

void mg_lane_timer(struct mg_x *x, uint32_t id)
{
    start(x, id);
}

void mg_lane_wake(struct mg_x *x, int rc)
{
    if (x->pub.timed) {
        x->waited_ns += mg_clock_ns() - x->paused_ns;
        x->others_given += mg_budget_given() - x->paused_given;
    }
    lua_pushinteger(x->lane->L, rc);
    resume(x, 1);
}
