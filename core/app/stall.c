#include "app/stall.h"

#include <signal.h>

#include "base/log.h"
#include "net/loop.h"
#include "script/budget.h"

enum { LAST_WORDS_MS = 1000 };

static uint64_t now_ms(void)
{
    return mg_clock_ns() / 1000000;
}

void mg_stall_beat(struct mg_status *status, uint32_t slot)
{
    status->beats[slot] = now_ms();
}

void mg_stall_reset(struct mg_stall *s, struct mg_status *status, uint32_t slot)
{
    s->asked[slot] = 0;
    mg_stall_beat(status, slot);
}

void mg_stall_look(struct mg_stall *s, const struct mg_status *status, uint32_t slot, pid_t pid)
{
    uint64_t now = now_ms();

    if (now < status->beats[slot] + MG_STALL_MS) {
        s->asked[slot] = 0;
    } else if (s->asked[slot] == 0) {
        mg_log(MG_LOG_ERROR, "worker %u (pid %d) stands still for %llu ms; it is asked where", slot,
               (int)pid, (unsigned long long)(now - status->beats[slot]));
        s->asked[slot] = now;
        kill(pid, SIGUSR2);
    } else if (now >= s->asked[slot] + LAST_WORDS_MS) {
        kill(pid, SIGKILL);
    }
}

/* Where it is in Lua, at Lua's next line; one that stands in C says nothing.  (A backtrace of C does not come through
 * code that LuaJIT has made.) */
static void say_where(int signal)
{
    (void)signal;
    mg_budget_say();
}

void mg_stall_answer(void)
{
    struct sigaction action = {.sa_handler = say_where, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    sigaction(SIGUSR2, &action, NULL);
}
