/* memory.h -- A connection without a socket: the peer's bytes are given, and ours taken, by hand.
 *
 * Owner:      who made it keeps the mg_memory and frees it; the connection in it is handed on as any.
 * Ownership:  what is fed is copied; what was written stays until mg_memory_free().
 * Errors:     running out of memory aborts, as mg_buf does.
 * Invariant:  events are called by mg_memory_deliver() alone, so whoever calls that stands for the loop.
 */
#ifndef MG_MEMORY_H
#define MG_MEMORY_H
#include "base/buf.h"
#include "net/conn.h"

enum { MG_MEMORY_NAME = 512 };

/* Who seems to be at the other end. */
struct mg_memory_peer {
    struct sockaddr_storage remote, local;
    bool tls;              /* as if by a verified handshake */
    mg_str principal, sni; /* of at most MG_MEMORY_NAME bytes; copied */
};

struct mg_memory;

/* NULL: out of memory, or a name that is too long. */
struct mg_memory *mg_memory_new(struct mg_loop *loop, const struct mg_memory_peer *peer);
/* One that its owner makes, as a client: events and owner are set before the first mg_memory_deliver(),
 * which hands nothing on until mg_memory_answer(). */
struct mg_memory *mg_memory_dial(struct mg_loop *loop);
/* The connection stands, or `err` says why not. */
void mg_memory_answer(struct mg_memory *m, int err);
/* It breaks with `err` once what was fed is read. */
void mg_memory_break(struct mg_memory *m, int err);
/* Its connection, for the owner that serves it. */
struct mg_conn *mg_memory_conn(struct mg_memory *m);
/* The peer sends this; and then, with `end`, no more. */
void mg_memory_feed(struct mg_memory *m, mg_str bytes, bool end);
/* Hands on what was fed, as far as the owner reads; false: there was nothing to do. */
bool mg_memory_deliver(struct mg_memory *m);
/* All that the owner wrote so far. */
mg_str mg_memory_written(const struct mg_memory *m);
/* Whether the owner has closed it; `reset` (where given): so that the peer sees a failure. */
bool mg_memory_closed(const struct mg_memory *m, bool *reset);
/* Only when it is closed, or its owner is gone. */
void mg_memory_free(struct mg_memory *m);
#endif
