#include "app/plan.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "script/abi.h"
#include "script/vm.h"

static char *copy_field(lua_State *L, const char *name)
{
    const char *text;
    char *copy;

    lua_getfield(L, -1, name);
    text = lua_tostring(L, -1);
    copy = text == NULL ? NULL : strdup(text);
    lua_pop(L, 1);
    return copy;
}

static void read_listeners(lua_State *L, struct mg_plan *plan)
{
    lua_getfield(L, -1, "listeners");
    plan->nlisteners = (uint32_t)lua_objlen(L, -1);
    if (plan->nlisteners > MG_PLAN_LISTENERS)
        plan->nlisteners = MG_PLAN_LISTENERS; /* moongate.model refuses more */
    for (uint32_t i = 0; i < plan->nlisteners; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        plan->listeners[i].name = copy_field(L, "name");
        plan->listeners[i].address = copy_field(L, "address");
        plan->listeners[i].at = copy_field(L, "at");
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* The run table is on the stack's top. */
static void read_plan(lua_State *L, struct mg_plan *plan)
{
    lua_getfield(L, -1, "workers");
    plan->workers = (uint32_t)lua_tointeger(L, -1);
    lua_pop(L, 1);
    if (plan->workers == 0)
        plan->workers = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
    if (plan->workers > MG_PLAN_WORKERS)
        plan->workers = MG_PLAN_WORKERS;
    plan->admin = copy_field(L, "admin");
    plan->admin_at = copy_field(L, "admin_at");
    plan->config = copy_field(L, "config");
    read_listeners(L, plan);
}

static void push_args(lua_State *L, int argc, char **argv)
{
    lua_newtable(L);
    for (int i = 1; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i);
    }
}

static void push_versions(lua_State *L)
{
    lua_getglobal(L, "require");
    lua_pushliteral(L, "moongate.versions");
    lua_call(L, 1, 1);
}

int mg_plan_make(int argc, char **argv, struct mg_plan *plan)
{
    lua_State *L = mg_vm_new();
    int code = 2;

    memset(plan, 0, sizeof(*plan));
    if (L == NULL)
        return code;
    if (mg_vm_function(L, "moongate.cli", "main") == 0) {
        push_args(L, argc, argv);
        push_versions(L);
        if (mg_vm_call(L, 2, 1) == 0) {
            code = lua_istable(L, -1) ? -1 : (int)lua_tointeger(L, -1);
            if (code == -1)
                read_plan(L, plan);
            mg_abi_cleanup(); /* the logs that policies opened while they were tried */
            mg_vm_close(L);
            return code;
        }
    }
    fprintf(stderr, "moongate: %s\n", lua_tostring(L, -1));
    mg_abi_cleanup();
    mg_vm_close(L);
    return code;
}

void mg_plan_free(struct mg_plan *plan)
{
    for (uint32_t i = 0; i < plan->nlisteners; i++) {
        free(plan->listeners[i].name);
        free(plan->listeners[i].address);
        free(plan->listeners[i].at);
    }
    free(plan->admin);
    free(plan->admin_at);
    free(plan->config);
    memset(plan, 0, sizeof(*plan));
}
