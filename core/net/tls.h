/* tls.h -- TLS with the face of a connection; which library does it hides behind this file.
 *
 * Owner:      a context belongs to a listener or an endpoint of the model; connections count
 *             references, so a context replaced by a reload lives until its last one ends.
 * Ownership:  mg_tls_accept() and mg_tls_connect() take over `lower`.
 * Errors:     a constructor returns NULL and writes why into err ("server.crt: no PEM block").
 * Invariant:  handshakes run on threads, as long as any are to be had (jobs.h); at most
 *             MG_TLS_HANDSHAKES at once a worker, the rest wait in order; each is bounded in bytes and time.
 */
#ifndef MG_TLS_H
#define MG_TLS_H
#include <time.h>
#include "net/conn.h"

enum { MG_TLS_HANDSHAKES = 256, MG_TLS_HANDSHAKE_BYTES = 65536, MG_TLS_HANDSHAKE_MS = 10000 };
/* REQUEST refuses a certificate that is not valid; ANY takes its owner for one who showed none. */
enum mg_tls_auth { MG_TLS_AUTH_NONE, MG_TLS_AUTH_REQUEST, MG_TLS_AUTH_REQUIRE, MG_TLS_AUTH_ANY };

struct mg_tls; /* a context: certificates, trust, settings */

struct mg_tls_cert {
    mg_str cert, key; /* PEM texts */
    const char *name; /* what errors call them (a file's name) */
};

struct mg_tls_server_opts {
    const struct mg_tls_cert
        *certs; /* chosen by SNI (names of the SANs); the first is the default */
    size_t ncerts;
    mg_str client_ca; /* PEM bundle; needed by all but NONE */
    enum mg_tls_auth auth;
    const char *const *alpn; /* NULL-terminated, or NULL */
    int min_version;         /* 12 or 13 */
    bool tickets;
    struct mg_tls_ticket_keys *ticket_keys; /* shared by all workers; NULL with tickets off */
};

struct mg_tls_client_opts {
    mg_str ca;               /* PEM bundle; empty: the system's roots */
    struct mg_tls_cert cert; /* for mutual TLS; empty: none */
    const char *const *alpn;
    bool insecure; /* skips verification; said loudly by `check` */
};

/* A context with one reference; texts are copied.  NULL: why is in err (cut at errlen). */
struct mg_tls *mg_tls_server_new(const struct mg_tls_server_opts *o, char *err, size_t errlen);
struct mg_tls *mg_tls_client_new(const struct mg_tls_client_opts *o, char *err, size_t errlen);
/* From when and until when the first certificate of a PEM text is good; MG_EINVAL. */
int mg_tls_validity(mg_str pem, time_t *from, time_t *until);
/* Contexts are counted, on the loop's thread only; the last unref frees. */
void mg_tls_ref(struct mg_tls *t);
void mg_tls_unref(struct mg_tls *t);

/* Events come as of any connection once the handshake stands: on_connect(0), or on_connect(MG_ETLS)
 * after which the owner closes it.  `pending`: bytes already read from `lower` (protocol sniffing).
 */
int mg_tls_accept(struct mg_tls *t, struct mg_conn *lower, mg_str pending,
                  const struct mg_conn_events *events, void *owner, struct mg_conn **out);
/* `name` is sent as SNI, unless it is an IP address (RFC 6066, 3), and verified against the
 * certificate (`verify` when not empty: SANs, DNS or URI, apart by blanks, one of which must be
 * there instead); never empty (CVE-2025-27809). */
int mg_tls_connect(struct mg_tls *t, struct mg_conn *lower, const char *name, const char *verify,
                   const struct mg_conn_events *events, void *owner, struct mg_conn **out);
/* Why the last handshake of this connection failed, static or in the connection. */
const char *mg_tls_reason(const struct mg_conn *c);
/* Protocol and cipher suite, for logs. */
const char *mg_tls_version(const struct mg_conn *c);
const char *mg_tls_cipher(const struct mg_conn *c);
/* Whether the handshake was cut short by a session of before (of an insecure client: unknown). */
bool mg_tls_resumed(const struct mg_conn *c);

/* Ticket keys in memory shared by all workers: `size` bytes at `at`, made once by the master;
 * any worker rotates them when they are due. */
size_t mg_tls_ticket_keys_size(void);
int mg_tls_ticket_keys_init(struct mg_tls_ticket_keys *at);

/* Seeds this process's generator; after fork, before the first use (CVE-2026-25835). */
int mg_tls_init(void);
const char *mg_tls_library(void); /* "mbed TLS 2.28.3" */
#endif
