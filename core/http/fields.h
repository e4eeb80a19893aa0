/* fields.h -- The field section of a head: llhttp reads it, and what concerns this hop is taken out.
 *
 * Ownership:  spans point into the section, which lies in the message's arena.
 * Errors:     -1, with a static text of why.
 * Invariant:  after mg_hop_take() the headers hold only what may go on to the next hop.
 */
#ifndef MG_FIELDS_H
#define MG_FIELDS_H
#include "http/parse.h"

enum { MG_HOP_CONNECTIONS = 8 };

/* What the fields of one hop said: how often each stood there, and its last value. */
struct mg_hop {
    uint32_t hosts, lengths, codings, connections, forwards;
    mg_str host, length, coding, upgrade, forward;
    mg_str connection[MG_HOP_CONNECTIONS];
    bool close, keep_alive, wants_upgrade;
    bool expects_continue, expects_other; /* members of Expect */
    bool seems_framing;                   /* there is a Content_Length or a Transfer_Encoding */
};

/* Appends the fields of `section` (CRLF lines, an empty one last) to `to`, values trimmed. */
int mg_fields_parse(struct mg_message *m, struct mg_headers *to, mg_str section, const char **why);
/* Moves the fields of this hop out of m->headers, with what Connection names (RFC 9110, 7.6.1), and
 * sets keep_alive and accepts_trailers. */
int mg_hop_take(struct mg_message *m, struct mg_hop *hop, struct mg_refusal *why);
/* Sets framing and length (RFC 9112, 6.1 and 6.3): one coding line that says `chunked`, or one
 * length, never both. */
int mg_hop_framing(struct mg_message *m, const struct mg_hop *hop, struct mg_refusal *why);
/* 1 to 19 digits and nothing else (RFC 9110, 8.6), of at most INT64_MAX. */
int mg_length_parse(mg_str s, uint64_t *out);
#endif
