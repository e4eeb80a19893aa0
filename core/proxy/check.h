/* check.h -- One signature checked on a thread while the lane that asked waits.
 *
 * Owner:      the job; it frees itself on the loop, whether somebody waits still or not.
 * Ownership:  it has copies of data and signature, and a reference to the key.
 * Errors:     MG_EFULL: so many are under way in this worker already that the caller may as well check
 *             on the loop itself, and so slow down who asks for more.
 * Invariant:  x->check is the job that x waits for, or NULL.
 */
#ifndef MG_CHECK_H
#define MG_CHECK_H
#include "net/signature.h"
#include "proxy/exchange.h"

enum { MG_CHECKS_MOST = 64 };

/* MG_AGAIN: the lane yields, and is woken with mg_signature_verify()'s outcome. */
int mg_check_start(struct mg_x *x, struct mg_key *key, int scheme, int digest, mg_str data,
                   mg_str signature);
/* Its lane waits no more. */
void mg_check_forget(struct mg_x *x);
#endif
