/* turn.h -- For C units with a loop: a file that includes this has it as `loop`. */
#ifndef MG_TURN_H
#define MG_TURN_H
#include "net/loop.h"
#include "test.h"

static inline void turn_on_nothing(struct mg_timer *t)
{
    (void)t;
}

/* One turn, which waits for `ms` at most. */
#define TURN(ms)                                                                                   \
    do {                                                                                           \
        struct mg_timer turn_tick;                                                                 \
        mg_timer_init(&turn_tick, turn_on_nothing);                                                \
        mg_timer_set(&loop, &turn_tick, ms);                                                       \
        mg_loop_turn(&loop, true);                                                                 \
        mg_timer_clear(&turn_tick);                                                                \
    } while (0)

/* Turns the loop until `done`, or until a minute shows that it never will be. */
#define TURN_UNTIL(done)                                                                           \
    do {                                                                                           \
        uint64_t turn_end = mg_clock_ns() + 60000000000ull;                                        \
        while (!(done) && mg_clock_ns() < turn_end)                                                \
            TURN(1);                                                                               \
        CHECK(done);                                                                               \
    } while (0)
#endif
