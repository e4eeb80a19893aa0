/* fire.h -- Lets timers fire now instead of waiting for them. */
#ifndef MG_TEST_FIRE_H
#define MG_TEST_FIRE_H
#include "net/loop.h"

static inline void fire_timers(struct mg_loop *loop)
{
    for (int i = 0; i < MG_WHEEL; i++) {
        struct mg_list *slot = &loop->wheel[i];
        struct mg_list *last = slot->prev; /* what a timer sets now is not due */

        for (bool more = !mg_list_empty(slot); more;) {
            struct mg_timer *t = MG_LIST_OF(slot->next, struct mg_timer, link);

            more = slot->next != last;
            mg_timer_clear(t);
            t->fn(t);
        }
    }
}
#endif
