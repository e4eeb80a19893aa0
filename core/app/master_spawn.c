/* How the master's children begin: by a fork, or as what waited for that. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "app/admin.h"
#include "app/master_state.h"
#include "app/process.h"
#include "app/worker.h"
#include "base/log.h"
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

void mg_master_spawn_setup(struct master *m)
{
    for (uint32_t i = 0; i < m->nworkers; i++)
        m->children[i].column = i;
    m->retiring.column = m->nworkers;
    m->children[m->nworkers + 1].column = m->nworkers + 1;
}

/* In the child: what is the master's is let go. */
static int child_main(struct master *m, uint32_t i, int control)
{
    static struct mg_control sockets;
    sigset_t mask;

    /* A worker reads SIGTERM itself and drains, also when the master dies.  The rest is the master's:
     * a terminal sends its signals to all of us. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    sigemptyset(&mask);
    if (!mg_master_is_admin(m, i))
        sigaddset(&mask, SIGTERM);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    close(m->signals);
    mg_sockets_keep(&m->sockets, mg_master_is_admin(m, i) ? -1 : (int)i); /* a spare one: none */
    for (uint32_t c = 0; c <= m->nworkers + 1; c++)
        if (m->children[c].pid != 0 && c != i)
            close(m->children[c].control);
    if (m->retiring.pid != 0)
        close(m->retiring.control);
    if (m->plan->confined)
        mg_process_confine();
    if (mg_master_is_admin(m, i)) {
        struct mg_admin_opts o = {.fd = m->sockets.admin,
                                  .control = control,
                                  .image = m->plan->image,
                                  .shared = &m->shared};

        return mg_admin_run(&o);
    }
    if (i < m->nworkers)
        mg_sockets_message(&m->sockets, i, &sockets);
    mg_control_add(&sockets, MG_CONTROL_IMAGE, m->plan->image);
    return mg_worker_run(&(struct mg_worker_opts){.slot = i < m->nworkers ? i : MG_WORKER_SPARE,
                                                  .column = m->children[i].column,
                                                  .control = control,
                                                  .again = m->started,
                                                  .shared = &m->shared,
                                                  .load = &sockets});
}

/* As fork(), with both ends of a control socket; -1: there is none either. */
static pid_t fork_with(int pair[2])
{
    pid_t pid;
    int why;

    if (mg_control_pair(pair) != 0)
        return -1;
    pid = fork();
    why = errno;
    if (pid < 0) {
        close(pair[0]);
        close(pair[1]);
    }
    errno = why;
    return pid;
}

void mg_master_spawn(struct master *m, uint32_t i)
{
    struct child *c = &m->children[i];
    int pair[2];

    c->again = 0;
    c->ready = c->retired = false;
    c->started = mg_master_now();
    if (i < m->nworkers) {
        mg_stall_reset(&m->stall, m->shared.status, i);
        if (mg_master_take_spare(m, i))
            return;
    }
    c->pid = fork_with(pair);
    if (c->pid < 0) {
        mg_log(MG_LOG_ERROR, "cannot start a process: %s", strerror(errno));
        c->pid = 0;
        c->again = mg_master_now() + MG_MASTER_BACK_OFF_MS;
        return;
    }
    if (c->pid == 0) {
        int code;

        close(pair[0]);
        code = child_main(m, i, pair[1]);
#ifdef __SANITIZE_ADDRESS__
        if (!mg_master_is_admin(m, i))
            __lsan_do_leak_check();
#endif
        _exit(code); /* no exit(): it would wait for threads that ask for names */
    }
    close(pair[1]);
    c->control = pair[0];
}
