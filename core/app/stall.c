#include "app/stall.h"

#include <signal.h>

#include "base/log.h"
#include "script/budget.h"

enum { LAST_WORDS_MS = 1000 };

void mg_stall_beat(struct mg_status *status, uint32_t slot)
{
    status->beats[slot]++;
}

void mg_stall_reset(struct mg_stall *s, struct mg_status *status, uint32_t slot)
{
    s->workers[slot] = (struct mg_stall_worker){0};
    mg_stall_beat(status, slot);
}

void mg_stall_look(struct mg_stall *s, const struct mg_status *status, uint32_t slot, pid_t pid,
                   uint64_t now_ms)
{
    struct mg_stall_worker *w = &s->workers[slot];
    uint64_t since = now_ms - w->looked, beat = status->beats[slot];

    w->looked = now_ms;
    if (beat != w->beat) {
        w->beat = beat;
        w->still = w->asked = 0;
        return;
    }
    w->still += since < MG_STALL_LOOK_MS ? since : MG_STALL_LOOK_MS;
    if (w->still < MG_STALL_MS)
        return;
    if (w->asked == 0) {
        mg_log(MG_LOG_ERROR, "worker %u (pid %d) stands still for %llu ms; it is asked where", slot,
               (int)pid, (unsigned long long)w->still);
        w->asked = w->still;
        kill(pid, SIGUSR2);
    } else if (w->still >= w->asked + LAST_WORDS_MS) {
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
