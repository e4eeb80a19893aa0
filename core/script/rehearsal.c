#include "script/rehearsal.h"

#include <arpa/inet.h>
#include <lauxlib.h>
#include <stdlib.h>

#include "net/memory.h"
#include "net/tls_identity.h"
#include "proxy/exchange_state.h"
#include "script/abi.h"
#include "proxy/forwarded.h"
#include "script/lane.h"

#define CONNECTION "moongate.rehearsal.connection"
#define FRESH_BYTES ((size_t)1 << 30) /* of address space; pages come as they are used */

/* One a process, as the env of the ABI. */
static struct {
    bool open;
    struct mg_loop loop;
    struct mg_proxy *proxy;
    struct mg_env env;
    struct mg_front *fronts[MG_PROXY_LISTENERS];
    struct mg_list dialed; /* struct dialed, oldest first: those that Lua has not taken yet */
} stage;

struct dialed {
    struct mg_list link;
    struct mg_memory *memory;
    char address[]; /* of the endpoint, NUL-terminated */
};

struct connection {
    struct mg_memory *memory;
};

static void on_refused(void *arg, const char *listener, int status, const char *why)
{
    (void)arg, (void)listener, (void)status, (void)why; /* the answer says it */
}

/* Lua may be running below this, so it asks for what was dialed when it is back. */
static struct mg_conn *dial(void *arg, const struct mg_endpoint *ep)
{
    struct dialed *d = malloc(sizeof(*d) + ep->conf.address.len + 1);

    (void)arg;
    if (d == NULL)
        return NULL;
    d->memory = mg_memory_dial(&stage.loop);
    if (d->memory == NULL) {
        free(d);
        return NULL;
    }
    memcpy(d->address, ep->conf.address.ptr, ep->conf.address.len);
    d->address[ep->conf.address.len] = '\0';
    mg_list_append(&stage.dialed, &d->link);
    return mg_memory_conn(d->memory);
}

/* Before the loop reads the clock. */
static void hold_world(lua_State *L)
{
    lua_getfield(L, 2, "wall");
    lua_getfield(L, 2, "seed");
    mg_clock_hold(luaL_checknumber(L, -2));
    mg_forwarded_seed((uint64_t)luaL_checknumber(L, -1));
    lua_pop(L, 2);
}

static int stage_open(lua_State *L)
{
    struct mg_exchange_hooks hooks = {
        .serve = mg_lane_serve, .wake = mg_lane_wake, .refused = on_refused};

    luaL_checktype(L, 1, LUA_TFUNCTION);
    if (stage.open)
        return luaL_error(L, "a rehearsal is open already");
    if (!lua_isnoneornil(L, 2))
        hold_world(L);
    if (mg_loop_init(&stage.loop) != 0)
        return luaL_error(L, "out of memory");
    stage.proxy = mg_proxy_new(&stage.loop, &hooks);
    if (stage.proxy == NULL)
        return luaL_error(L, "out of memory");
    stage.open = true;
    mg_list_init(&stage.dialed);
    if (!lua_isnoneornil(L, 2))
        mg_endpoints_dial(stage.proxy->endpoints, dial, NULL);
    mg_abi_alone(&stage.env);
    stage.env.proxy = stage.proxy;
    mg_abi_setup(&stage.env);
    lua_settop(L, 1);
    mg_lane_setup(L);
    return 0;
}

/* ---- connections ------------------------------------------------------------------------ */

static void read_address(lua_State *L, const char *host, const char *port,
                         struct sockaddr_storage *out)
{
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    const char *text;
    uint16_t number;

    lua_getfield(L, 1, host);
    lua_getfield(L, 1, port);
    text = luaL_checkstring(L, -2);
    number = (uint16_t)luaL_checkinteger(L, -1);
    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(number);
    } else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(number);
    } else {
        luaL_error(L, "%s: not an address: %s", host, text);
    }
    lua_pop(L, 2);
}

/* The text stays with the table. */
static mg_str text_field(lua_State *L, const char *name)
{
    size_t len;
    const char *text;

    lua_getfield(L, 1, name);
    text = luaL_optlstring(L, -1, "", &len);
    lua_pop(L, 1);
    return mg_str_of(text, len);
}

static struct mg_front *front_of(lua_State *L)
{
    uint32_t index;

    lua_getfield(L, 1, "listener");
    index = (uint32_t)luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    if (!stage.open || index >= MG_PROXY_LISTENERS)
        luaL_error(L, "no such listener");
    if (stage.fronts[index] == NULL)
        stage.fronts[index] = mg_front_new(stage.proxy, text_field(L, "name").ptr, index);
    if (stage.fronts[index] == NULL)
        luaL_error(L, "out of memory");
    mg_front_configure(stage.fronts[index], index);
    return stage.fronts[index];
}

static struct connection *push_connection(lua_State *L, struct mg_memory *memory)
{
    struct connection *c = lua_newuserdata(L, sizeof(*c));

    c->memory = memory;
    luaL_getmetatable(L, CONNECTION);
    lua_setmetatable(L, -2);
    return c;
}

static int stage_connect(lua_State *L)
{
    struct mg_memory_peer peer = {0};
    struct connection *c;
    struct mg_front *front = front_of(L);

    read_address(L, "address", "port", &peer.remote);
    read_address(L, "local_address", "local_port", &peer.local);
    lua_getfield(L, 1, "tls");
    peer.tls = lua_toboolean(L, -1);
    peer.principal = text_field(L, "principal");
    peer.sni = text_field(L, "sni");
    c = push_connection(L, mg_memory_new(&stage.loop, &peer));
    if (c->memory == NULL || mg_front_serve(front, mg_memory_conn(c->memory)) != MG_OK)
        return luaL_error(L, "out of memory, or a name that is too long");
    return 1;
}

static int stage_dialed(lua_State *L)
{
    struct dialed *d;

    if (mg_list_empty(&stage.dialed))
        return 0;
    d = MG_LIST_OF(stage.dialed.next, struct dialed, link);
    mg_list_remove(&d->link);
    push_connection(L, d->memory);
    lua_pushstring(L, d->address);
    free(d);
    return 2;
}

static struct mg_memory *memory_of(lua_State *L)
{
    return ((struct connection *)luaL_checkudata(L, 1, CONNECTION))->memory;
}

static int connection_feed(lua_State *L)
{
    size_t len;
    const char *bytes = luaL_checklstring(L, 2, &len);

    mg_memory_feed(memory_of(L), mg_str_of(bytes, len), lua_toboolean(L, 3));
    return 0;
}

/* Without a code the connection stands. */
static int connection_answer(lua_State *L)
{
    mg_memory_answer(memory_of(L), (int)luaL_optinteger(L, 2, MG_OK));
    return 0;
}

static int connection_break(lua_State *L)
{
    mg_memory_break(memory_of(L), (int)luaL_checkinteger(L, 2));
    return 0;
}

static int connection_turn(lua_State *L)
{
    size_t before = mg_memory_written(memory_of(L)).len;
    bool some = mg_memory_deliver(memory_of(L));

    mg_loop_turn(&stage.loop, false);
    lua_pushboolean(L, some || mg_memory_written(memory_of(L)).len != before);
    return 1;
}

static int connection_written(lua_State *L)
{
    mg_str bytes = mg_memory_written(memory_of(L));

    lua_pushlstring(L, bytes.ptr, bytes.len);
    return 1;
}

static int connection_closed(lua_State *L)
{
    bool reset;

    lua_pushboolean(L, mg_memory_closed(memory_of(L), &reset));
    lua_pushboolean(L, reset);
    return 2;
}

/* One that its server still holds stays until the process ends. */
static int connection_gc(lua_State *L)
{
    struct connection *c = luaL_checkudata(L, 1, CONNECTION);

    if (c->memory != NULL && mg_memory_closed(c->memory, NULL))
        mg_memory_free(c->memory);
    c->memory = NULL;
    return 0;
}

static int stage_wake(lua_State *L)
{
    struct mg_x *x = (struct mg_x *)(uintptr_t)luaL_checknumber(L, 1);
    int rc = (int)luaL_checkinteger(L, 2);

    mg_timer_clear(&x->nap);
    mg_exchange_wake(x, MG_WAIT_SLEEP, rc);
    return 0;
}

/* ---- time and shared state --------------------------------------------------------------- */

/* Milliseconds until a timer may be due, or nothing. */
static int stage_due(lua_State *L)
{
    uint64_t ms = mg_loop_due(&stage.loop);

    lua_pushnumber(L, (lua_Number)ms);
    return ms == UINT64_MAX ? 0 : 1;
}

/* Jobs of threads are waited for: they take real time, and none of the held one. */
static int stage_advance(lua_State *L)
{
    if (mg_loop_busy(&stage.loop)) {
        mg_loop_turn(&stage.loop, true);
    } else {
        mg_clock_advance((uint64_t)(luaL_checknumber(L, 1) * 1e6));
        mg_loop_turn(&stage.loop, false);
    }
    return 0;
}

static int stage_ticks(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)mg_clock_ticks());
    return 1;
}

/* Dictionaries opened from now on are new ones. */
static int stage_forget(lua_State *L)
{
    stage.env.shm = mg_shm_new(FRESH_BYTES);
    if (stage.env.shm == NULL)
        return luaL_error(L, "out of memory");
    return 0;
}

static int put_metrics(void *arg, const char *ptr, size_t len)
{
    luaL_addlstring(arg, ptr, len);
    return 0;
}

static int stage_metrics(lua_State *L)
{
    luaL_Buffer b;

    luaL_buffinit(L, &b);
    mg_metrics_write(stage.env.metrics, put_metrics, &b);
    luaL_pushresult(&b);
    return 1;
}

/* The first URI among the names of a certificate in PEM, or nil: whom a peer takes its owner for. */
static int stage_identity(lua_State *L)
{
    size_t len;
    const char *pem = luaL_checklstring(L, 1, &len);
    mbedtls_x509_crt crt;
    mg_str uri;

    mbedtls_x509_crt_init(&crt);
    lua_settop(L, 0);
    if (mbedtls_x509_crt_parse(&crt, (const unsigned char *)pem, len + 1) >= 0) {
        uri = mg_tls_identity_san(&crt, MG_TLS_SAN_URI);
        if (uri.len > 0)
            lua_pushlstring(L, uri.ptr, uri.len);
    }
    mbedtls_x509_crt_free(&crt);
    return lua_gettop(L);
}

/* ---- the module ------------------------------------------------------------------------- */

int luaopen_moongate_rehearsal(lua_State *L)
{
    static const luaL_Reg functions[] = {{"open", stage_open},
                                         {"connect", stage_connect},
                                         {"wake", stage_wake},
                                         {"identity", stage_identity},
                                         {"dialed", stage_dialed},
                                         {"due", stage_due},
                                         {"advance", stage_advance},
                                         {"forget", stage_forget},
                                         {"ticks", stage_ticks},
                                         {"metrics", stage_metrics},
                                         {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"feed", connection_feed},       {"turn", connection_turn},
        {"written", connection_written}, {"closed", connection_closed},
        {"__gc", connection_gc},         {"answer", connection_answer},
        {"fail", connection_break},      {NULL, NULL}};

    luaL_newmetatable(L, CONNECTION);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    luaL_register(L, NULL, methods);
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    return 1;
}

void mg_rehearsal_stop(void)
{
    if (!stage.open)
        return;
    mg_abi_cleanup();
    for (struct mg_x *x = stage.proxy->spare; x != NULL; x = x->next)
        mg_lane_free(x);
}

void mg_rehearsal_free(void)
{
    if (!stage.open)
        return;
    stage.open = false;
    mg_abi_setup(NULL);
    for (int i = 0; i < MG_PROXY_LISTENERS; i++)
        if (stage.fronts[i] != NULL)
            mg_front_close(stage.fronts[i]);
    mg_proxy_free(stage.proxy);
    mg_loop_close(&stage.loop);
}
