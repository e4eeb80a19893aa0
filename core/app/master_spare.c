/* A worker that has taken the config and waits: to take a large one takes longer than the death of a worker should be
 * felt.  The next one to die is replaced by it, at once. */
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/master_state.h"
#include "base/log.h"

/* CALM_MS: one reload after another, or one death, must not cost one more load each.  AGAIN_MS: one that cannot take the
 * config, or is killed for its memory. */
enum { LARGE = 262144 /* bytes of an image */, CALM_MS = 1000, AGAIN_MS = 60000 };

static uint32_t index_of(const struct master *m)
{
    return m->nworkers + 1;
}

static void put_off(struct master *m, uint64_t ms)
{
    struct child *s = &m->children[index_of(m)];
    uint64_t again = mg_master_now() + ms;

    s->again = s->again > again ? s->again : again;
}

static bool is_large(const struct mg_plan *plan)
{
    struct stat s;

    return fstat(plan->image, &s) == 0 && s.st_size >= LARGE;
}

void mg_master_look_at_spare(struct master *m)
{
    const struct child *s = &m->children[index_of(m)];

    if (s->pid != 0 || m->stopping)
        return;
    if (!m->started || m->loader.pid != 0 || m->reloading > 0 || m->upgrade != 0)
        put_off(m, CALM_MS);
    else if (s->again <= mg_master_now() && is_large(m->plan))
        mg_master_spawn(m, index_of(m));
}

bool mg_master_take_spare(struct master *m, uint32_t i)
{
    static struct mg_control message;
    struct child *s = &m->children[index_of(m)], *c = &m->children[i];
    uint32_t column = c->column;

    put_off(m, CALM_MS);
    if (s->pid == 0 || s->retired)
        return false;
    mg_sockets_message(&m->sockets, i, &message);
    if (mg_control_send(s->control, &message) != 0) {
        kill(s->pid, SIGKILL); /* if it has not just ended itself */
        return false;
    }
    c->pid = s->pid;
    c->control = s->control;
    c->column = s->column;
    s->column = column;
    s->pid = 0;
    return true;
}

void mg_master_end_spare(struct master *m)
{
    struct child *s = &m->children[index_of(m)];

    s->again = 0; /* the next one may do better */
    if (s->pid == 0)
        return;
    s->retired = true;
    kill(s->pid, SIGKILL);
}

void mg_master_reopen_spare(const struct master *m)
{
    static struct mg_control message;
    const struct child *s = &m->children[index_of(m)];

    message.type = MG_CONTROL_REOPEN;
    if (s->pid != 0)
        mg_control_send(s->control, &message);
}

bool mg_master_on_spare_end(struct master *m, pid_t pid, int status)
{
    struct child *s = &m->children[index_of(m)];

    if (s->pid != pid)
        return false;
    close(s->control);
    mg_shared_forget(&m->shared, s->column);
    s->pid = 0;
    if (s->retired || m->stopping)
        return true;
    put_off(m, AGAIN_MS);
    mg_log(MG_LOG_ERROR, "the spare worker (pid %d) %s; started again in %d ms", (int)pid,
           mg_master_describe_end(status), AGAIN_MS);
    return true;
}
