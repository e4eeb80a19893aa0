/* proxy_header.h -- The PROXY protocol's header, versions 1 and 2: who is at the other end of a proxy.
 *
 * Owner:      greeting.c reads it before anything else of a connection; pool.c writes it.
 * Ownership:  none is taken; addresses are values.
 * Errors:     MG_EPROTO: these bytes are no such header, whatever may follow.
 * Invariant:  nothing is guessed: a header is taken as the specification has it (HAProxy's
 *             proxy-protocol.txt, 2.1 and 2.2), or refused.
 */
#ifndef MG_PROXY_HEADER_H
#define MG_PROXY_HEADER_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum {
    MG_PROXY_HEADER_MAX = 4096, /* longest one that is read */
    MG_PROXY_HEADER_OUT = 108   /* longest one that is written */
};

/* The two ends of the connection that the proxy accepted. */
struct mg_proxy_ends {
    struct sockaddr_storage peer, local;
};

/* Bytes of the header that `bytes` begin with; 0: more are needed, and all of these are part of it;
 * MG_EPROTO.  *known says whether it names addresses of TCP: a proxy that speaks for itself (LOCAL,
 * UNKNOWN) names none. */
int mg_proxy_header_read(const char *bytes, size_t len, struct mg_proxy_ends *out, bool *known);
/* Writes the header of `version` (1 or 2) for `ends`, or (NULL, or other families than TCP's) the one that
 * names nobody; its length. */
size_t mg_proxy_header_write(int version, const struct mg_proxy_ends *ends,
                             char out[MG_PROXY_HEADER_OUT]);
#endif
