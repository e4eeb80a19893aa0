#include "app/plan.h"

#include <errno.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
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

/* An unnamed file that holds `bytes`, or -1. */
static int save(const char *bytes, size_t size)
{
    int fd = memfd_create("image", MFD_CLOEXEC);
    ssize_t n;

    for (; fd >= 0 && size > 0; bytes += n, size -= (size_t)n) {
        n = write(fd, bytes, size);
        if (n <= 0) {
            close(fd);
            return -1;
        }
    }
    return fd;
}

static void read_image(lua_State *L, struct mg_plan *plan)
{
    const char *bytes;
    size_t size;

    lua_getfield(L, -1, "image");
    bytes = lua_tolstring(L, -1, &size);
    plan->image = bytes == NULL ? -1 : save(bytes, size);
    lua_pop(L, 1);
}

/* The run table is on the stack's top. */
static bool read_plan(lua_State *L, struct mg_plan *plan)
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
    plan->config = copy_field(L, "config");
    read_listeners(L, plan);
    read_image(L, plan);
    return plan->image >= 0;
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

int mg_plan_make(int argc, char **argv, struct mg_plan *plan)
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
            if (code == -1 && !read_plan(L, plan)) {
                fprintf(stderr, "moongate: cannot keep the config: %s\n", strerror(errno));
                code = 1;
            }
            read_sources(L, plan);
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

/* ---- between processes ---------------------------------------------------------------------- */

static bool put(FILE *file, const void *bytes, size_t size)
{
    return fwrite(&size, sizeof(size), 1, file) == 1 && fwrite(bytes, 1, size, file) == size;
}

/* With its NUL; NULL is nothing at all. */
static bool put_text(FILE *file, const char *text)
{
    return put(file, text == NULL ? "" : text, text == NULL ? 0 : strlen(text) + 1);
}

/* A text is as long as it says, and ends in NUL. */
static bool take(FILE *file, char **text, size_t *size)
{
    *text = NULL;
    if (fread(size, sizeof(*size), 1, file) != 1 || *size > SIZE_MAX / 2)
        return false;
    if (*size == 0)
        return true;
    *text = malloc(*size);
    return *text != NULL && fread(*text, 1, *size, file) == *size && (*text)[*size - 1] == '\0';
}

static bool take_text(FILE *file, char **text)
{
    size_t size;

    return take(file, text, &size);
}

void *mg_plan_map(int image, size_t *size)
{
    struct stat s;
    void *bytes;

    if (fstat(image, &s) != 0)
        return NULL;
    *size = (size_t)s.st_size;
    bytes = mmap(NULL, *size, PROT_READ, MAP_SHARED, image, 0);
    return bytes == MAP_FAILED ? NULL : bytes;
}

static bool put_image(FILE *file, int image)
{
    size_t size = 0;
    void *bytes = image < 0 ? NULL : mg_plan_map(image, &size);
    bool ok;

    if (bytes == NULL)
        return put(file, "", 0);
    ok = put(file, bytes, size);
    munmap(bytes, size);
    return ok;
}

static bool take_image(FILE *file, int *image)
{
    size_t size;
    char *bytes;
    bool ok = fread(&size, sizeof(size), 1, file) == 1 && size <= SIZE_MAX / 2;

    if (!ok || size == 0)
        return ok;
    bytes = malloc(size);
    ok = bytes != NULL && fread(bytes, 1, size, file) == size;
    *image = ok ? save(bytes, size) : -1;
    free(bytes);
    return *image >= 0;
}

int mg_plan_write(const struct mg_plan *plan, FILE *file)
{
    uint32_t numbers[3] = {plan->workers, plan->nlisteners, plan->confined};
    bool ok = fwrite(numbers, sizeof(numbers), 1, file) == 1 &&
              fwrite(&plan->began, sizeof(plan->began), 1, file) == 1 &&
              put_text(file, plan->admin) && put_text(file, plan->admin_at) &&
              put_text(file, plan->user) && put_text(file, plan->group) &&
              put_text(file, plan->pid_file) && put_text(file, plan->config) &&
              put(file, plan->sources, plan->sources_size) && put_image(file, plan->image);

    for (uint32_t i = 0; ok && i < plan->nlisteners; i++)
        ok = put_text(file, plan->listeners[i].name) &&
             put_text(file, plan->listeners[i].address) && put_text(file, plan->listeners[i].at) &&
             fwrite(&plan->listeners[i].mode, sizeof(uint32_t), 1, file) == 1;
    return ok && fflush(file) == 0 ? 0 : -1;
}

int mg_plan_read(struct mg_plan *plan, FILE *file)
{
    uint32_t numbers[3];
    bool ok;

    *plan = (struct mg_plan){.image = -1};
    if (fread(numbers, sizeof(numbers), 1, file) != 1 || numbers[1] > MG_PLAN_LISTENERS ||
        fread(&plan->began, sizeof(plan->began), 1, file) != 1)
        return -1;
    plan->workers = numbers[0];
    plan->nlisteners = numbers[1];
    plan->confined = numbers[2] != 0;
    ok = take_text(file, &plan->admin) && take_text(file, &plan->admin_at) &&
         take_text(file, &plan->user) && take_text(file, &plan->group) &&
         take_text(file, &plan->pid_file) && take_text(file, &plan->config) &&
         take(file, &plan->sources, &plan->sources_size) && take_image(file, &plan->image);
    for (uint32_t i = 0; ok && i < plan->nlisteners; i++)
        ok = take_text(file, &plan->listeners[i].name) &&
             take_text(file, &plan->listeners[i].address) &&
             take_text(file, &plan->listeners[i].at) &&
             fread(&plan->listeners[i].mode, sizeof(uint32_t), 1, file) == 1;
    if (!ok)
        mg_plan_free(plan);
    return ok ? 0 : -1;
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
    free(plan->user);
    free(plan->group);
    free(plan->pid_file);
    free(plan->config);
    free(plan->sources);
    if (plan->image >= 0)
        close(plan->image);
    *plan = (struct mg_plan){.image = -1};
}
