/* tls_mbedtls.h -- What the files of the mbed TLS provider share; tls.h is all others see.
 *
 * Owner:      tls_mbedtls.c owns connections, tls_context.c contexts.
 * Ownership:  while `busy`, a thread (net/jobs.h) owns `ssl`, `in`, `ready`, `out`, `peer`, `identity`,
 *             `sni` and `reason`; all else is the loop's, always.  A connection closed while busy
 *             is freed when its job comes back.
 * Errors:     as in tls.h.
 * Invariant:  several threads read one context at once, and nothing in it is written after it was
 *             made, but what locks itself (MBEDTLS_THREADING_C): RSA keys (blinding, cached
 *             moduli) and the generator.  EC keys need no lock: with ours 2.28 has signed once
 *             (tls_context.c), so the cached comb of their group stands, and it verifies with a
 *             copy of a key.  (Helgrind finds nothing but the self-test's counters in its ecp.c.)
 *             Client sessions are touched on the loop only.
 */
#ifndef MG_TLS_MBEDTLS_H
#define MG_TLS_MBEDTLS_H
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include "base/buf.h"
#include "net/tls.h"

struct mg_tls_pair {
    mbedtls_x509_crt crt;
    mbedtls_pk_context key;
};

struct mg_tls {
    unsigned refs;
    bool server;
    enum mg_tls_auth auth;
    mbedtls_ssl_config conf;
    struct mg_tls_pair *pairs;
    size_t npairs;
    mbedtls_x509_crt ca;
    bool system_roots; /* holds a reference to the process's chain of them */
    char **alpn;
    struct mg_tls_ticket_keys *ticket_keys;
    uint8_t id[32]; /* digest of what decides who may connect; binds tickets */
    struct mg_list sessions;
    unsigned nsessions;
};

enum mg_tls_state { MG_TLS_SHAKING, MG_TLS_OPEN, MG_TLS_FAILED };

struct mg_tls_conn {
    struct mg_conn base; /* first: the face everyone else sees */
    struct mg_conn *lower;
    struct mg_tls *tls;
    mbedtls_ssl_context ssl;
    enum mg_tls_state state;
    int ended;       /* why no more can be read: mbed TLS's code or ours; 0: more may come */
    int lower_rc;    /* worst outcome of writes to `lower` since it was looked at */
    unsigned holds;  /* callbacks on the stack that still use this */
    bool set_up;     /* ssl has its buffers */
    bool busy;       /* a job is on the pool */
    bool closing;    /* the owner has closed it */
    bool reading;    /* the owner wants to read */
    bool shut;       /* close_notify was sent */
    bool told_end;   /* the owner knows that no more comes */
    bool lower_eof;  /* FIN came */
    bool owes_drain; /* write said MG_AGAIN */
    bool resumed;
    bool verified;         /* client side: the server's certificate was looked at */
    struct mg_buf in;      /* arrived, not taken by the library yet */
    struct mg_buf backlog; /* arrived while a job owned `in` */
    struct mg_buf out;     /* written by a job */
    mg_str now;            /* what `lower` is handing over at this moment; follows `in` */
    size_t ready;          /* bytes of `in` the job may take: whole records */
    size_t fed;            /* bytes the handshake has taken */
    int rc;                /* what the job's step returned */
    struct mg_job job;
    struct mg_list waiting; /* for a place on the pool */
    struct mg_timer timer;
    struct mg_deferred again; /* reads on what is here already */
    struct mg_peer peer;
    char *identity; /* the texts of peer */
    char *name, *verify;
    char sni[256], ticket_sni[256];
    char reason[160]; /* why a step failed */
    const char *why;  /* why the loop gave up; NULL: see reason */
};

/* crypto.c: the generator, as mbed TLS calls it. */
int mg_crypto_rng(void *unused, unsigned char *out, size_t len);

/* tls_mbedtls.c, for the handshake: the end of it, and a failure told to the owner. */
void mg_tls_mbedtls_opened(struct mg_tls_conn *c);
void mg_tls_mbedtls_failed(struct mg_tls_conn *c, int err);
/* Ends a hold and frees the connection if it was closed meanwhile. */
void mg_tls_mbedtls_release(struct mg_tls_conn *c);
#endif
