/* notify.h -- Tells a service manager (systemd's sd_notify protocol) how the gateway is.
 *
 * Owner:      the master.
 * Ownership:  nothing is kept open.
 * Errors:     none: without NOTIFY_SOCKET nobody is told, and one that does not read is not waited for.
 */
#ifndef MG_NOTIFY_H
#define MG_NOTIFY_H
#include <stdint.h>

/* "READY=1" and the like; lines end in '\n'. */
void mg_notify(const char *text);
void mg_notify_ready(void); /* and that this process is the main one */
void mg_notify_reloading(void);
/* Milliseconds between two signs of life that are wanted (WATCHDOG_USEC, halved); 0: none. */
uint64_t mg_notify_period(void);
#endif
