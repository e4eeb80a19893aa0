#include "app/loader.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

static _Noreturn void load(FILE *file, int image, int argc, char **argv)
{
    static struct mg_plan plan;
    sigset_t none;
    int code;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGINT, SIG_IGN); /* a terminal's signals are the master's */
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    mg_log_setup("moongate", MG_LOG_INFO);
    code = mg_plan_make(argc, argv, image, &plan);
    if (mg_plan_write(&plan, file) != 0)
        code = 1;
    _exit(code == -1 ? 0 : code);
}

static int open_files(struct mg_loader *l)
{
    int fd = memfd_create("plan", MFD_CLOEXEC);

    l->file = fd < 0 ? NULL : fdopen(fd, "w+");
    l->image = l->file == NULL ? -1 : memfd_create("image", MFD_CLOEXEC);
    if (l->image >= 0)
        return 0;
    if (l->file != NULL)
        fclose(l->file);
    else if (fd >= 0)
        close(fd);
    return -1;
}

int mg_loader_start(struct mg_loader *l, int argc, char **argv, uint64_t now,
                    void (*in_child)(void *), void *arg)
{
    bool opened = open_files(l) == 0;

    l->pid = opened ? fork() : -1;
    if (l->pid == 0) {
        if (in_child != NULL)
            in_child(arg);
        load(l->file, l->image, argc, argv);
    }
    if (l->pid < 0) {
        mg_log(MG_LOG_ERROR, "cannot start a process: %s", strerror(errno));
        if (opened) {
            fclose(l->file);
            close(l->image);
        }
        l->pid = 0;
        return -1;
    }
    l->by = now + MG_LOADER_MS;
    return 0;
}

int mg_loader_finish(struct mg_loader *l, int status, struct mg_plan *plan)
{
    bool whole;

    rewind(l->file);
    whole = mg_plan_read(plan, l->file) == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
            plan->workers > 0; /* else there is nothing to run, as after --help */
    fclose(l->file);
    l->pid = 0;
    if (whole)
        plan->image = l->image;
    else
        close(l->image);
    return whole ? 0 : -1;
}

void mg_loader_tell(int status)
{
    if (WIFSIGNALED(status))
        mg_log(MG_LOG_ERROR, "the process that read the config was killed by signal %d",
               WTERMSIG(status));
}

int mg_loader_run(int argc, char **argv, struct mg_plan *plan)
{
    struct mg_loader l;
    sigset_t later;
    int status = 0;

    /* What is told to the master meanwhile waits for it. */
    sigemptyset(&later);
    sigaddset(&later, SIGHUP);
    sigaddset(&later, SIGUSR1);
    sigaddset(&later, SIGUSR2);
    sigprocmask(SIG_BLOCK, &later, NULL);
    if (mg_loader_start(&l, argc, argv, 0, NULL, NULL) != 0)
        return 1;
    while (waitpid(l.pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (mg_loader_finish(&l, status, plan) == 0)
        return -1;
    mg_loader_tell(status);
    mg_plan_free(plan);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

void mg_loader_kill(struct mg_loader *l)
{
    if (l->pid != 0)
        kill(l->pid, SIGKILL);
}
