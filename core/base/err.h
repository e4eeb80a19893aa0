/* err.h -- The text of error codes, and the one answer to having no memory.
 *
 * Ownership: texts are static.
 * Errors:    none of these can fail.
 */
#ifndef MG_ERR_H
#define MG_ERR_H
#include "moongate.h"

/* Says so on standard error and aborts: half a gateway serves nobody, the master starts another. */
_Noreturn void mg_err_no_memory(void);
#endif
