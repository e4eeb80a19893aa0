/* tls_handshake.h -- Runs handshakes on threads (jobs.h), a bounded number at once, each in bounds.
 *
 * Owner:      the connection; the queue of those that wait is the process's.
 * Ownership:  see tls_mbedtls.h: a running step owns the library's side of the connection.
 * Errors:     a failed handshake is told to the owner by mg_tls_mbedtls_failed(); reason says why.
 * Invariant:  a step is given whole records only, so a client that trickles bytes costs no thread
 *             more often than one that does not.
 */
#ifndef MG_TLS_HANDSHAKE_H
#define MG_TLS_HANDSHAKE_H
#include "net/tls_mbedtls.h"

/* Begins to read `lower`; a client's first step is queued at once. */
void mg_tls_handshake_start(struct mg_tls_conn *c);
/* What came from `lower` (copied); a step runs once a record is whole. */
void mg_tls_handshake_feed(struct mg_tls_conn *c, const char *bytes, size_t len);
/* `lower` has ended: what has come so far must do. */
void mg_tls_handshake_eof(struct mg_tls_conn *c);
/* Forgets its place and its timer; a step on the pool runs to its end. */
void mg_tls_handshake_cancel(struct mg_tls_conn *c);

/* The connection whose step this thread runs, NULL for none: 2.28 gives its callbacks no other way
 * to know. */
struct mg_tls_conn *mg_tls_handshake_current(void);
void mg_tls_handshake_enter(struct mg_tls_conn *c);
#endif
