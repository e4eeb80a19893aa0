#include "base/pace.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#define SIGNAL SIGRTMIN

static void set(struct mg_pace *p, long us)
{
    struct itimerspec in = {.it_value.tv_nsec = us * 1000};

    timer_settime(p->timer, 0, &in, NULL);
}

/* Set anew each time: a timer that goes on by itself would interrupt others while the thread waits for its turn. */
static void on_signal(int number, siginfo_t *info, void *context)
{
    struct mg_pace *p = info->si_value.sival_ptr;
    int before = errno;

    (void)number;
    (void)context;
    if (p->going) {
        sched_yield();
        set(p, MG_PACE_US);
    }
    errno = before;
}

void mg_pace_begin(struct mg_pace *p)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_value.sival_ptr = p};
    sigset_t one;

    event.sigev_signo = SIGNAL;
    event._sigev_un._tid = gettid();
    sigemptyset(&one);
    sigaddset(&one, SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    if (sigaction(SIGNAL, &action, NULL) == 0 &&
        timer_create(CLOCK_MONOTONIC, &event, &p->timer) == 0)
        __atomic_store_n(&p->begun, true, __ATOMIC_RELEASE);
}

void mg_pace_go(struct mg_pace *p)
{
    if (!p->begun)
        return;
    p->going = 1;
    set(p, MG_PACE_US);
}

void mg_pace_rest(struct mg_pace *p)
{
    if (!__atomic_load_n(&p->begun, __ATOMIC_ACQUIRE))
        return;
    p->going = 0;
    set(p, 0);
}

void mg_pace_end(struct mg_pace *p)
{
    if (p->begun)
        timer_delete(p->timer);
}
