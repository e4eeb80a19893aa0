#include "app/summary.h"

#include <lauxlib.h>
#include <sys/mman.h>

#include "app/plan.h"
#include "base/log.h"
#include "script/vm.h"

/* False: why is on the stack's top. */
static bool write_text(lua_State *L, int image, struct mg_buf *text)
{
    size_t size = 0;
    void *bytes = mg_plan_map(image, &size);
    const char *json;
    bool ok;

    if (bytes == NULL) {
        lua_pushliteral(L, "the config's image cannot be had");
        return false;
    }
    ok = mg_vm_function(L, "moongate.model.summary", "of_image") == 0;
    if (ok)
        lua_pushlstring(L, bytes, size);
    munmap(bytes, size);
    if (!ok || mg_vm_call(L, 1, 1) != 0)
        return false;
    json = lua_tolstring(L, -1, &size);
    mg_buf_append(text, json, size);
    return true;
}

static void make(struct mg_job *job)
{
    struct mg_summary *s = MG_LIST_OF(job, struct mg_summary, job);
    lua_State *L = mg_vm_new();

    s->ok = L != NULL && write_text(L, s->image, &s->text);
    if (!s->ok)
        mg_log(MG_LOG_ERROR, "no page /config: %s",
               L != NULL ? lua_tostring(L, -1) : "out of memory");
    if (L != NULL)
        mg_vm_close(L);
}

static void on_made(struct mg_job *job)
{
    struct mg_summary *s = MG_LIST_OF(job, struct mg_summary, job);

    s->busy = false;
    s->made = s->ok;
    s->done(s);
}

void mg_summary_make(struct mg_summary *s)
{
    if (s->busy || s->made)
        return;
    s->busy = true;
    s->ok = false;
    s->job = (struct mg_job){.work = make, .done = on_made};
    mg_loop_submit(s->loop, &s->job);
}
