#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "app/stall.h"
#include "test.h"

enum { SLOT = 3, ASKED_AT = MG_STALL_MS / MG_STALL_LOOK_MS };

static struct mg_stall stall;
static struct mg_status status;
static uint64_t now;

static pid_t start(void)
{
    pid_t pid;

    signal(SIGUSR2, SIG_IGN); /* the child's, too */
    pid = fork();
    while (pid == 0)
        pause();
    now = 1000000;
    mg_stall_reset(&stall, &status, SLOT);
    return pid;
}

static void look(pid_t pid, int times)
{
    for (int i = 0; i < times; i++) {
        now += MG_STALL_LOOK_MS;
        mg_stall_look(&stall, &status, SLOT, pid, now);
    }
}

static bool has_asked(void)
{
    return stall.workers[SLOT].asked != 0;
}

static void finish(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void one_that_beats_is_left_alone(void)
{
    pid_t pid = start();

    for (int i = 0; i < 5; i++) {
        look(pid, ASKED_AT);
        CHECK(!has_asked());
        mg_stall_beat(&status, SLOT);
    }
    finish(pid);
}

static void one_that_does_not_is_asked_and_ended(void)
{
    pid_t pid = start();
    int how = 0;

    look(pid, ASKED_AT + 1);
    CHECK(has_asked());
    CHECK(waitpid(pid, &how, WNOHANG) == 0);
    look(pid, 1);
    CHECK(waitpid(pid, &how, 0) == pid && WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
}

static void what_the_master_slept_does_not_count(void)
{
    pid_t pid = start();

    look(pid, 1);
    now += 10 * MG_STALL_MS;
    look(pid, 1);
    CHECK(!has_asked());
    mg_stall_beat(&status, SLOT);
    look(pid, 1);
    CHECK(stall.workers[SLOT].still == 0);
    finish(pid);
}

TEST_MAIN(TEST(one_that_beats_is_left_alone), TEST(one_that_does_not_is_asked_and_ended),
          TEST(what_the_master_slept_does_not_count))
