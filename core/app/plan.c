#include "app/plan.h"

#include <errno.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
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
        lua_getfield(L, -1, "mode");
        plan->listeners[i].mode = (uint32_t)lua_tointeger(L, -1);
        lua_pop(L, 1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* The image in the run table. */
static bool save_image(lua_State *L, int file)
{
    const char *bytes;
    size_t size;
    ssize_t n = 0;

    lua_getfield(L, -1, "image");
    bytes = lua_tolstring(L, -1, &size);
    while (size > 0 && (n = write(file, bytes, size)) > 0) {
        bytes += n;
        size -= (size_t)n;
    }
    lua_pop(L, 1);
    return n > 0;
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
    plan->user = copy_field(L, "user");
    plan->group = copy_field(L, "group");
    plan->pid_file = copy_field(L, "pid_file");
    lua_getfield(L, -1, "seccomp");
    plan->confined = lua_toboolean(L, -1);
    lua_pop(L, 1);
    read_listeners(L, plan);
}

/* The table { action = "signal", pid =, signal = } is on the stack's top; the exit code. */
static int send_signal(lua_State *L)
{
    lua_getfield(L, -1, "pid");
    lua_getfield(L, -2, "signal");
    if (kill((pid_t)lua_tointeger(L, -2), (int)lua_tointeger(L, -1)) == 0)
        return 0;
    fprintf(stderr, "moongate: process %d: %s\n", (int)lua_tointeger(L, -2), strerror(errno));
    return 1;
}

static bool is_signal(lua_State *L)
{
    bool yes;

    lua_getfield(L, -1, "action");
    yes = lua_isstring(L, -1) && strcmp(lua_tostring(L, -1), "signal") == 0;
    lua_pop(L, 1);
    return yes;
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

/* Also after a load that failed: what it read is where its mistakes will be mended. */
static void read_sources(lua_State *L, struct mg_plan *plan)
{
    const char *text;
    size_t size;

    if (mg_vm_function(L, "moongate.config.sources", "list") != 0 || mg_vm_call(L, 0, 1) != 0)
        return;
    text = lua_tolstring(L, -1, &size);
    plan->sources = malloc(size + 1);
    if (text == NULL || plan->sources == NULL)
        return;
    memcpy(plan->sources, text, size + 1);
    plan->sources_size = size;
}

static uint64_t file_time(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int mg_plan_make(int argc, char **argv, int image, struct mg_plan *plan)
{
    lua_State *L = mg_vm_new();
    int code = 2;

    *plan = (struct mg_plan){.began = file_time(), .image = -1};
    if (L == NULL)
        return code;
    if (mg_vm_function(L, "moongate.cli", "main") == 0) {
        push_args(L, argc, argv);
        push_versions(L);
        if (mg_vm_call(L, 2, 1) == 0) {
            code = !lua_istable(L, -1) ? (int)lua_tointeger(L, -1)
                   : is_signal(L)      ? send_signal(L)
                                       : -1;
            if (code == -1)
                read_plan(L, plan);
            if (code == -1 && !save_image(L, image)) {
                fprintf(stderr, "moongate: cannot keep the config: %s\n", strerror(errno));
                code = 1;
            }
            read_sources(L, plan);
            mg_abi_cleanup(); /* the logs that policies opened while they were tried */
            if (image < 0)
                mg_vm_close(L);
            return code;
        }
    }
    fprintf(stderr, "moongate: %s\n", lua_tostring(L, -1));
    mg_abi_cleanup();
    mg_vm_close(L);
    return code;
}
