/* tls_session.h -- Client side: keeps the last session with each server and offers it again.
 *
 * Owner:      the context; touched on the loop only.
 * Ownership:  sessions are copied in and out.
 * Errors:     none: without a session the handshake is a full one.
 * Invariant:  a session is offered only under the name and `verify` it was verified for, within an
 *             hour, and a context keeps MG_TLS_SESSIONS of them at most.
 */
#ifndef MG_TLS_SESSION_H
#define MG_TLS_SESSION_H
#include "net/tls_mbedtls.h"

enum { MG_TLS_SESSIONS = 64, MG_TLS_SESSION_MS = 3600 * 1000 };

/* Before a client's handshake: offers the session that was kept for its name, if any. */
void mg_tls_session_offer(struct mg_tls_conn *c);
/* After it, or when a ticket came: keeps a copy for the next one. */
void mg_tls_session_keep(struct mg_tls_conn *c);
/* After a failure, which the session may have caused. */
void mg_tls_session_drop(struct mg_tls_conn *c);
/* With the context. */
void mg_tls_session_free_all(struct mg_tls *t);
#endif
