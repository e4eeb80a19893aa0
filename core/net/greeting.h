/* greeting.h -- What happens to a connection between accept() and on_accept: the PROXY header, the first byte that
 * tells TLS from clear text, the TLS handshake; and whether its client may have one more.
 *
 * Owner:      listener.c has one a listener; nobody else has heard of these connections.
 * Ownership:  takes the descriptor; what does not come through is closed, and released to the listener.
 * Errors:     none are told: the peer is dropped, and the log says why (a bad PROXY header once a second); but for
 *             a client that has too many, of which the listener's owner hears.
 * Invariant:  each stage has a limit in time, and takes not one byte that is the next one's.
 */
#ifndef MG_GREETING_H
#define MG_GREETING_H
#include "net/listener.h"

struct mg_greeter {
    struct mg_loop *loop;
    const struct mg_listener_opts *o; /* the listener's, as they are now */
    struct mg_listener *listener;
    struct mg_list waiting;
    struct mg_clients *clients; /* made when o->max_per_client first bounds them */
    uint64_t logged;            /* ms; when a failure was last said */
};

void mg_greeter_init(struct mg_greeter *r, struct mg_loop *loop, const struct mg_listener_opts *o,
                     struct mg_listener *listener);
/* `fd` was accepted, and is counted. */
void mg_greeter_take(struct mg_greeter *r, int fd);
/* All who are on the way. */
void mg_greeter_drop(struct mg_greeter *r);
/* A connection of this client has ended. */
void mg_greeter_left(struct mg_greeter *r, uint64_t client);
void mg_greeter_free(struct mg_greeter *r);
/* Whether the log may have a line about this listener: one a second. */
bool mg_greeter_may_say(struct mg_greeter *r);
#endif
