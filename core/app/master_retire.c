#include <signal.h>
#include <unistd.h>

#include "app/master_state.h"
#include "app/worker.h"
#include "base/log.h"

/* SHORTEST_MS: a policy that fills its memory at once must not have the master start workers all the time. */
enum { SHORTEST_MS = 1000, PATIENCE_MS = 5000 };

static void tell(const struct master *m, enum mg_control_type type)
{
    static struct mg_control message;

    message.type = type;

    mg_control_send(m->retiring.control, &message);
}

/* The successor counts in the column that is free: each is written by one process alone. */
void mg_master_on_spent(struct master *m, uint32_t slot)
{
    struct child *c = &m->children[slot];
    uint32_t free_column = m->retiring.column;

    if (m->retiring.pid != 0 || m->stopping || !c->ready || m->loader.pid != 0 ||
        m->reloading > 0 || mg_master_now() < c->started + SHORTEST_MS)
        return;
    mg_log(MG_LOG_WARN, "worker %u (pid %d) is replaced: its policies keep too much memory", slot,
           (int)c->pid);
    m->retiring = (struct retiring){c->pid, c->control, slot, c->column, 0};
    tell(m, MG_CONTROL_RETIRE);
    c->column = free_column;
    c->pid = 0;
    c->again = mg_master_now();
}

void mg_master_retire(struct master *m)
{
    if (m->retiring.pid == 0 || m->retiring.by != 0)
        return;
    m->retiring.by = mg_master_now() + MG_DRAIN_MS + PATIENCE_MS;
    tell(m, MG_CONTROL_DRAIN);
}

void mg_master_reopen_retiring(const struct master *m)
{
    if (m->retiring.pid != 0)
        tell(m, MG_CONTROL_REOPEN);
}

bool mg_master_on_retired(struct master *m, pid_t pid)
{
    if (m->retiring.pid != pid)
        return false;
    close(m->retiring.control);
    mg_shared_forget(&m->shared, m->retiring.column);
    m->retiring.pid = 0;
    return true;
}

void mg_master_look_at_retiring(struct master *m)
{
    if (m->retiring.pid != 0 && m->retiring.by != 0 && mg_master_now() > m->retiring.by)
        kill(m->retiring.pid, SIGKILL);
}
