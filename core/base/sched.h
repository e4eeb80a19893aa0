/* sched.h -- How a thread shares its core with others: what takes long steps aside for what is short.
 *
 * Owner:     the calling thread, not its process; what it starts begins as it is then.
 * Errors:    none.  A system that lacks it, or forbids it, shares its cores as it always does; and a thread of a
 *            real-time class stays in it.
 * Invariant: to be nice is not enough.  From Linux 6.6 on who runs goes on for a slice, of some ms, before one that
 *            wakes up gets the core, however much more that weighs; but, from 6.12 on, one that has a shorter slice
 *            gets it at once.
 */
#ifndef MG_SCHED_H
#define MG_SCHED_H
enum { MG_SCHED_LONGEST_US = 100000 };

/* It is nicer by so much, for good (nice(2)), and whoever wakes up takes its place: the slice must be longer than the
 * usual one, of 3 ms at most, for that.  Each time it offers its core (sched_yield(2)) it loses its turn for as long. */
void mg_sched_give_way(int nice, unsigned slice_us);
/* When it wakes up it takes the place of others, as long as it has not had more than its share. */
void mg_sched_go_first(void);
/* Neither. */
void mg_sched_as_usual(void);
#endif
