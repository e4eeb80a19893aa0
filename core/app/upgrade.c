#include "app/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/process.h"
#include "base/log.h"

static const char FDS[] = "MOONGATE_FDS", OLD[] = "MOONGATE_OLD_PID";
enum { FIRST_LISTEN_FD = 3, TEXT = 12 };

static char binary[PATH_MAX];
static pid_t old; /* who started us, or 0 */

void mg_upgrade_setup(void)
{
    ssize_t n = readlink("/proc/self/exe", binary, sizeof(binary) - 1);

    binary[n > 0 ? n : 0] = '\0';
}

/* ---- in the old process ---------------------------------------------------------------------- */

static void say_env(const char *name, long value)
{
    char text[24];

    snprintf(text, sizeof(text), "%ld", value);
    setenv(name, text, 1);
}

/* In the child: the sockets stay open over exec, and their numbers are told. */
static int pass(const int *fds, uint32_t nfds, pid_t parent)
{
    char *text = calloc(nfds + 1, TEXT), *at = text;

    if (text == NULL)
        return -1;
    for (uint32_t i = 0; i < nfds; i++) {
        fcntl(fds[i], F_SETFD, 0);
        at += sprintf(at, "%d ", fds[i]);
    }
    say_env(OLD, parent);
    if (getenv("WATCHDOG_PID") != NULL)
        say_env("WATCHDOG_PID", getpid()); /* it shows its life itself */
    return setenv(FDS, text, 1);
}

pid_t mg_upgrade_start(char **argv, const int *fds, uint32_t nfds)
{
    pid_t parent = getpid(), pid = fork();
    sigset_t none;

    if (pid < 0)
        mg_log(MG_LOG_ERROR, "cannot start another gateway: %s", strerror(errno));
    if (pid != 0)
        return pid;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (pass(fds, nfds, parent) == 0)
        execv(binary, argv);
    mg_log(MG_LOG_ERROR, "cannot start %s: %s", binary, strerror(errno));
    _exit(127);
}

/* ---- in the new one ---------------------------------------------------------------------------- */

static bool is_listening(int fd)
{
    int yes = 0;
    socklen_t len = sizeof(yes);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &len) == 0 && yes != 0;
}

/* Nobody else is to have it, and accepting never waits. */
static uint32_t take(int fd, int *fds, uint32_t n)
{
    if (!is_listening(fd))
        return n;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fds[n] = fd;
    return n + 1;
}

uint32_t mg_upgrade_inherit(int *fds, uint32_t most)
{
    const char *list = getenv(FDS), *parent = getenv(OLD);
    const char *count = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
    uint32_t n = 0;
    char *end;

    if (list != NULL && mg_process_is_id(parent, getppid())) {
        old = getppid();
        for (long fd = strtol(list, &end, 10); end != list && n < most;
             fd = strtol(list, &end, 10)) {
            n = take((int)fd, fds, n);
            list = end;
        }
    } else if (count != NULL && mg_process_is_id(pid, getpid())) {
        long last = FIRST_LISTEN_FD + strtol(count, NULL, 10);

        for (int fd = FIRST_LISTEN_FD; fd < last && n < most; fd++)
            n = take(fd, fds, n);
    }
    unsetenv(FDS);
    unsetenv(OLD);
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_PID");
    return n;
}

void mg_upgrade_done(void)
{
    if (old > 1 && getppid() == old)
        kill(old, SIGTERM);
    old = 0;
}
