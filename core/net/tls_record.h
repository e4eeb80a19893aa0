/* tls_record.h -- Turns spans into records on `lower`, and what came from there into spans.
 *
 * Owner:      the connection.
 * Ownership:  what decrypt() gives is valid until the next decrypt() of any connection.
 * Errors:     the library's codes; a failed write to `lower` stays in lower_rc.
 * Invariant:  on the loop, all that was encrypted in a call leaves in one write (64 KB at most),
 *             by mg_tls_record_flush(), before the loop's callback returns.
 */
#ifndef MG_TLS_RECORD_H
#define MG_TLS_RECORD_H
#include "net/tls_mbedtls.h"

/* Gives the library its buffers; an error of the library when there is no memory. */
int mg_tls_record_setup(struct mg_tls_conn *c);
/* Decrypts what is there, 64 KB at most.  True: there may be more; the end is in c->ended. */
bool mg_tls_record_decrypt(struct mg_tls_conn *c, const char **bytes, size_t *len);
/* Small spans share a record; what fills one is encrypted where it lies.  Then flush. */
int mg_tls_record_encrypt(struct mg_tls_conn *c, const struct iovec *iov, int n);
/* Writes to `lower` what was encrypted; an error stays in lower_rc. */
void mg_tls_record_flush(struct mg_tls_conn *c);
#endif
