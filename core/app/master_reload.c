#include <time.h>
#include <unistd.h>

#include "app/master_state.h"
#include "app/notify.h"
#include "base/log.h"
#include "base/sched.h"

uint64_t mg_master_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

enum { NICE = 10 };

static void in_loader(void *arg)
{
    struct master *m = arg;

    mg_sched_give_way(NICE, MG_SCHED_LONGEST_US); /* requests go before */
    close(m->signals);
    mg_sockets_keep(&m->sockets, -1);
}

static void refuse_whole(void)
{
    mg_log(MG_LOG_ERROR, "reload refused; the old config serves on");
    mg_notify_ready();
}

/* The config is read and checked by a process of its own; only one that stands reaches the workers. */
void mg_master_reload(struct master *m)
{
    m->wanted = !m->started || m->loader.pid != 0 ||
                (m->reloading > 0 && mg_master_now() < m->sent + MG_LOADER_MS);
    if (m->wanted)
        return;
    mg_notify_reloading();
    if (mg_loader_start(&m->loader, m->argc, m->argv, mg_master_now(), in_loader, m) != 0)
        refuse_whole();
}

static void refuse(struct master *m, uint32_t i, const char *how)
{
    m->refused++;
    mg_log(MG_LOG_ERROR, "worker %u %s the reload; its old config serves on", i, how);
}

static void send_reload(struct master *m)
{
    static struct mg_control message;

    m->sent = mg_master_now();
    m->refused = 0;
    mg_master_end_spare(m);     /* it has the old config */
    m->reloading = m->nworkers; /* one that is being started again answers as well */
    for (uint32_t i = 0; i < m->nworkers; i++) {
        mg_sockets_message(&m->sockets, i, &message);
        mg_control_add(&message, MG_CONTROL_IMAGE, m->plan->image);
        if (m->children[i].pid == 0 || mg_control_send(m->children[i].control, &message) == 0)
            continue;
        m->reloading--;
        refuse(m, i, "does not take");
    }
    mg_master_retire_admin(m); /* its successor holds the new config, and socket */
}

void mg_master_watch_sources(struct master *m, const struct mg_plan *plan)
{
    if (plan->sources != NULL)
        mg_files_set(m->files, plan->sources, plan->sources_size, plan->began, mg_master_now());
}

void mg_master_on_loaded(struct master *m, int status)
{
    static struct mg_plan fresh;
    int rc = mg_loader_finish(&m->loader, status, &fresh);

    if (m->stopping) {
        mg_plan_free(&fresh);
        return;
    }
    mg_loader_tell(status);
    mg_master_watch_sources(m, &fresh);
    if (rc != 0 || mg_sockets_change(&m->sockets, &fresh) != 0) {
        refuse_whole();
        mg_plan_free(&fresh);
    } else {
        mg_plan_free(m->plan);
        *m->plan = fresh;
        send_reload(m);
    }
    if (m->wanted)
        mg_master_reload(m);
}

void mg_master_on_reload_answer(struct master *m, uint32_t i, bool taken)
{
    if (!taken)
        refuse(m, i, "refused");
    if (m->reloading == 0 || --m->reloading > 0)
        return;
    if (m->refused == 0)
        mg_log(MG_LOG_INFO, "reloaded: %u listeners", m->plan->nlisteners);
    else
        mg_log(MG_LOG_ERROR, "reload refused by %u of %u workers", m->refused, m->nworkers);
    mg_notify_ready();
    if (m->wanted)
        mg_master_reload(m);
}
