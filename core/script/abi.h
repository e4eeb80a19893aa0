/* abi.h -- moongate.h implemented: what the worker lends to Lua.
 *
 * Owner:      a worker sets it up once, before its Lua state loads the runtime.
 * Ownership:  the env's parts stay the caller's and outlive the Lua state.
 * Errors:     as moongate.h says, function by function.
 * Invariant:  nothing here yields, raises or calls back into Lua.
 */
#ifndef MG_ABI_H
#define MG_ABI_H
#include "base/dict.h"
#include "base/metrics.h"
#include "proxy/downstream.h"

struct mg_env {
    struct mg_proxy *proxy;
    struct mg_shm *shm;
    struct mg_metrics *metrics;
    struct mg_tls_ticket_keys *ticket_keys;
    uint32_t worker;
    uint64_t memory; /* the worker's ceiling where the config names none; 0: none */
};
/* From now on the functions of moongate.h work on `env`; once a process. */
void mg_abi_setup(struct mg_env *env);
/* Fills in the shared state that functions use while there is no env: it is shared with nobody. */
void mg_abi_alone(struct mg_env *e);
/* Frees timers that wait, listeners' contexts and sinks; before the Lua state closes. */
void mg_abi_cleanup(void);
/* Of a text that outlives the request; NULL: the empty one. */
static inline mg_str mg_abi_text(const char *s)
{
    return s == NULL ? (mg_str){"", 0} : mg_str_of(s, strlen(s));
}
/* Its part that abi_io.c does. */
void mg_abi_close_sinks(void);
/* Bounded: timers that wait or run. */
enum { MG_ABI_TIMERS = 1024 };
#endif
