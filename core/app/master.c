#include "app/master.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app/master_state.h"
#include "app/notify.h"
#include "app/process.h"
#include "app/upgrade.h"
#include "base/log.h"

enum { SHORT_LIFE_MS = 1000, BACK_OFF_MS = 100, STOP_MS = 35000, ADMIN_STOP_MS = 6000 };

static void count_ready(struct master *m)
{
    uint32_t n = m->retiring.pid != 0 && m->retiring.by == 0;

    for (uint32_t i = 0; i < m->nworkers; i++)
        n += m->children[i].pid != 0 && m->children[i].ready;
    m->shared.status->ready = n;
}

static void stop(struct master *m)
{
    struct mg_control message = {.type = MG_CONTROL_DRAIN};

    /* Else the kernel would go on taking connections that nobody serves. */
    if (!m->stopping)
        mg_sockets_keep(&m->sockets, -1);
    if (!m->stopping && !m->handed_over) {
        mg_notify("STOPPING=1\n");
        if (m->upgrade != 0) /* what is to end is not to be taken over */
            kill(m->upgrade, SIGTERM);
    }
    m->stopping = true;
    mg_loader_kill(&m->loader);
    mg_master_end_spare(m);
    m->shared.status->draining = true;
    for (uint32_t i = 0; i < m->nworkers; i++)
        if (m->children[i].pid != 0)
            mg_control_send(m->children[i].control, &message);
    mg_master_retire(m);
}

void mg_master_retire_admin(struct master *m)
{
    struct mg_control message = {.type = MG_CONTROL_DRAIN};
    struct child *c = &m->children[m->nworkers];

    if (c->pid == 0 || c->retired)
        return;
    c->retired = true;
    c->again = mg_master_now() + ADMIN_STOP_MS;
    mg_control_send(c->control, &message);
}

static void look_at_admin(const struct child *c)
{
    if (c->pid != 0 && c->retired && mg_master_now() > c->again)
        kill(c->pid, SIGKILL);
}

/* ---- ends ---------------------------------------------------------------------------------- */

const char *mg_master_describe_end(int status)
{
    static char text[64];

    if (WIFSIGNALED(status))
        snprintf(text, sizeof(text), "killed by signal %d", WTERMSIG(status));
    else
        snprintf(text, sizeof(text), "ended with %d", WEXITSTATUS(status));
    return text;
}

/* A child that lives shortly again and again is started ever later, so that it cannot eat a core. */
static void plan_restart(struct master *m, uint32_t i, int status)
{
    struct child *c = &m->children[i];
    uint64_t wait = 0;

    c->again = mg_master_now();
    if (c->retired)
        return;
    c->deaths = mg_master_now() - c->started < SHORT_LIFE_MS ? c->deaths + 1 : 0;
    if (c->deaths > 1) {
        wait = (uint64_t)BACK_OFF_MS << (c->deaths < 8 ? c->deaths - 2 : 6);
        wait = wait < MG_MASTER_BACK_OFF_MS ? wait : MG_MASTER_BACK_OFF_MS;
    }
    c->again = mg_master_now() + wait;
    mg_log(MG_LOG_ERROR, "%s %u (pid %d) %s; started again in %llu ms",
           mg_master_is_admin(m, i) ? "admin" : "worker", i, (int)c->pid,
           mg_master_describe_end(status), (unsigned long long)wait);
}

static void on_child_end(struct master *m, pid_t pid, int status)
{
    for (uint32_t i = 0; i <= m->nworkers; i++) {
        struct child *c = &m->children[i];

        if (c->pid != pid)
            continue;
        close(c->control);
        if (!mg_master_is_admin(m, i))
            mg_shared_forget(&m->shared, c->column);
        if (!m->started && !m->stopping) {
            m->failed = true;
            stop(m);
        } else if (!m->stopping) {
            plan_restart(m, i, status);
        }
        c->pid = 0;
        c->ready = false;
    }
    count_ready(m);
}

/* The one that was to take over has ended, and we go on. */
static void on_upgrade_end(struct master *m, int status)
{
    m->upgrade = 0;
    if (!m->stopping)
        mg_log(MG_LOG_ERROR, "the upgrade %s; the old binary serves on",
               mg_master_describe_end(status));
}

static void upgrade(struct master *m)
{
    uint32_t n;
    int *fds = mg_sockets_list(&m->sockets, &n);

    if (fds == NULL || m->upgrade != 0)
        mg_log(MG_LOG_ERROR, "no upgrade: %s", fds == NULL ? "out of memory" : "one is under way");
    else
        m->upgrade = mg_upgrade_start(m->argv, fds, n);
    m->upgrade = m->upgrade > 0 ? m->upgrade : 0;
    m->upgrade_by = mg_master_now() + MG_UPGRADE_MS;
    free(fds);
}

static void reap(struct master *m)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == m->loader.pid)
            mg_master_on_loaded(m, status);
        else if (pid == m->upgrade)
            on_upgrade_end(m, status);
        else if (!mg_master_on_retired(m, pid) && !mg_master_on_spare_end(m, pid, status))
            on_child_end(m, pid, status);
    }
}

static uint32_t running(const struct master *m)
{
    uint32_t count = m->retiring.pid != 0;

    for (uint32_t i = 0; i < m->nworkers; i++)
        count += m->children[i].pid != 0;
    return count;
}

/* ---- messages and signals ------------------------------------------------------------------- */

static void say_ready(struct master *m)
{
    if (m->started || m->stopping)
        return;
    for (uint32_t i = 0; i <= m->nworkers; i++)
        if (m->children[i].pid != 0 && !m->children[i].ready)
            return;
    m->started = true;
    if (mg_process_write_id(m->pid_file) != 0)
        mg_log(MG_LOG_ERROR, "no pid_file was written");
    mg_notify_ready();
    mg_upgrade_done();
    mg_log(MG_LOG_INFO, "%u listeners, %u workers: ready", m->plan->nlisteners, m->nworkers);
    if (m->wanted)
        mg_master_reload(m);
}

static void on_message(struct master *m, uint32_t i)
{
    static struct mg_control message;

    if (mg_control_receive(m->children[i].control, &message) != 0)
        return; /* it has ended: SIGCHLD tells */
    if (message.type == MG_CONTROL_SPENT) {
        mg_master_on_spent(m, i);
        return;
    }
    if (message.type == MG_CONTROL_READY && m->retiring.slot == i)
        mg_master_retire(m);
    if (message.type == MG_CONTROL_READY)
        m->children[i].ready = true;
    if (!mg_master_is_admin(m, i))
        mg_master_on_reload_answer(m, i, message.type == MG_CONTROL_READY);
    count_ready(m);
    say_ready(m);
}

static void reopen_logs(struct master *m)
{
    struct mg_control message = {.type = MG_CONTROL_REOPEN};

    mg_master_reopen_retiring(m);
    mg_master_reopen_spare(m);
    for (uint32_t i = 0; i < m->nworkers; i++)
        if (m->children[i].pid != 0)
            mg_control_send(m->children[i].control, &message);
}

/* The new gateway serves: what we share with it is its own now. */
static void hand_over(struct master *m)
{
    m->handed_over = true;
    m->upgrade = 0;
    mg_master_retire_admin(m);
    mg_log(MG_LOG_INFO, "another process has taken over");
}

/* The first `n` of the children, the admin process being the last, and who retires. */
static void kill_children(const struct master *m, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (m->children[i].pid != 0)
            kill(m->children[i].pid, SIGKILL);
    if (m->retiring.pid != 0)
        kill(m->retiring.pid, SIGKILL);
}

static void on_signal(struct master *m)
{
    struct signalfd_siginfo info;
    bool another = false; /* it is no second word of the operator's */

    if (read(m->signals, &info, sizeof(info)) != sizeof(info))
        return;
    switch (info.ssi_signo) {
    case SIGCHLD:
        reap(m);
        break;
    case SIGHUP:
        if (!m->stopping)
            mg_master_reload(m);
        break;
    case SIGUSR1:
        reopen_logs(m);
        break;
    case SIGUSR2:
        if (m->started && !m->stopping)
            upgrade(m);
        break;
    default: /* SIGTERM, SIGINT; the second time at once */
        another = m->upgrade != 0 && (pid_t)info.ssi_pid == m->upgrade;
        if (another)
            hand_over(m);
        if (m->stopping && !another)
            kill_children(m, m->nworkers);
        stop(m);
    }
}

/* ---- the process ---------------------------------------------------------------------------- */

/* One that takes longer to begin than anybody may take to read the config will never serve. */
static void look_at_worker(struct master *m, uint32_t i)
{
    const struct child *c = &m->children[i];

    if (c->ready)
        mg_stall_look(&m->stall, m->shared.status, i, c->pid, mg_master_now());
    else if (m->started && c->pid != 0 && mg_master_now() > c->started + MG_LOADER_MS)
        kill(c->pid, SIGKILL);
}

static void look_after_children(struct master *m)
{
    uint32_t n = m->nworkers + (m->sockets.admin >= 0 ? 1 : 0);

    for (uint32_t i = 0; i < n && !m->stopping; i++)
        if (m->children[i].pid == 0 && m->children[i].again <= mg_master_now())
            mg_master_spawn(m, i);
        else if (!mg_master_is_admin(m, i))
            look_at_worker(m, i);
    look_at_admin(&m->children[m->nworkers]); /* though the config may have none any more */
}

static int until_next_deed(const struct master *m)
{
    uint64_t now = mg_master_now(), wait = MG_STALL_LOOK_MS;

    for (uint32_t i = 0; i <= m->nworkers; i++) {
        const struct child *c = &m->children[i];

        if (c->pid == 0 && c->again > now && c->again - now < wait)
            wait = c->again - now;
    }
    if (m->loader.pid != 0 && m->loader.by < now + wait)
        wait = m->loader.by > now ? m->loader.by - now : 0;
    if (mg_files_wait(m->files, now) >= 0 && (uint64_t)mg_files_wait(m->files, now) < wait)
        wait = (uint64_t)mg_files_wait(m->files, now);
    if (mg_notify_period() > 0 && mg_notify_period() < wait)
        wait = mg_notify_period();
    return m->stopping ? 100 : (int)wait;
}

/* A service manager may want to hear that the master is not stuck. */
static void show_life(struct master *m)
{
    uint64_t period = mg_notify_period(), now = mg_master_now();

    if (period == 0 || now < m->alive_by)
        return;
    m->alive_by = now + period;
    mg_notify("WATCHDOG=1\n");
}

static void look_at_files(struct master *m)
{
    if (!m->started || m->stopping)
        return;
    if (mg_files_changed(m->files, mg_master_now()))
        mg_master_reload(m);
}

static void wait_events(struct master *m)
{
    struct pollfd fds[MG_PLAN_WORKERS + 3] = {{.fd = m->signals, .events = POLLIN}};
    struct pollfd *files = &fds[m->nworkers + 2];

    for (uint32_t i = 0; i <= m->nworkers; i++)
        fds[i + 1] = (struct pollfd){.fd = m->children[i].pid != 0 ? m->children[i].control : -1,
                                     .events = POLLIN};
    *files = (struct pollfd){.fd = mg_files_fd(m->files), .events = POLLIN};
    if (poll(fds, m->nworkers + 3, until_next_deed(m)) <= 0)
        return;
    if (files->revents & POLLIN)
        mg_files_read(m->files, mg_master_now());
    for (uint32_t i = 0; i <= m->nworkers; i++)
        if (fds[i + 1].revents & POLLIN)
            on_message(m, i);
    if (fds[0].revents & POLLIN)
        on_signal(m);
}

/* Whoever has the sockets needs no more rights. */
static int open_sockets(struct master *m)
{
    static int given[MG_PLAN_LISTENERS * 2 + MG_PLAN_WORKERS];
    uint32_t n = mg_upgrade_inherit(given, sizeof(given) / sizeof(given[0]));

    if (mg_sockets_open(&m->sockets, m->plan, m->nworkers, given, n) != 0)
        return -1;
    return mg_process_become(m->plan->user, m->plan->group);
}

static int setup(struct master *m)
{
    sigset_t mask;

    mg_process_raise_files();
    mg_process_no_new_privileges();
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGHUP);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGUSR2);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
    m->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (m->signals < 0 || mg_shared_make(&m->shared, m->nworkers) != 0)
        return -1;
    m->files = mg_files_new(false);
    if (m->files == NULL)
        return -1;
    mg_master_watch_sources(m, m->plan);
    return open_sockets(m);
}

/* It has told until now that the gateway drains. */
static void end_admin(struct master *m)
{
    const struct child *c = &m->children[m->nworkers];

    mg_master_retire_admin(m);
    while (c->pid != 0 && waitpid(c->pid, NULL, WNOHANG) == 0) {
        look_at_admin(c);
        poll(NULL, 0, 1);
    }
}

int mg_master_run(int argc, char **argv, struct mg_plan *plan)
{
    static struct master m;
    uint64_t stop_by = 0;

    m = (struct master){.argc = argc, .argv = argv, .plan = plan, .nworkers = plan->workers};
    m.pid_file = plan->pid_file == NULL ? NULL : strdup(plan->pid_file);
    mg_log_setup("master", MG_LOG_INFO);
    mg_upgrade_setup();
    mg_master_spawn_setup(&m);
    if (setup(&m) != 0)
        return 1;
    while (!m.stopping || running(&m) > 0) {
        look_after_children(&m);
        wait_events(&m);
        look_at_files(&m);
        if (m.loader.pid != 0 && mg_master_now() >= m.loader.by)
            mg_loader_kill(&m.loader);
        if (m.upgrade != 0 && mg_master_now() >= m.upgrade_by)
            kill(m.upgrade, SIGKILL);
        mg_master_look_at_retiring(&m);
        mg_master_look_at_spare(&m);
        show_life(&m);
        if (m.stopping && stop_by == 0)
            stop_by = mg_master_now() + STOP_MS;
        if (m.stopping && mg_master_now() > stop_by)
            kill_children(&m, m.nworkers + 1);
    }
    end_admin(&m);
    if (!m.handed_over)
        mg_sockets_end(&m.sockets);
    mg_process_remove_id(m.pid_file);
    return m.failed ? 1 : 0;
}
