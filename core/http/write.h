/* write.h -- Message to bytes: start line, fields and framing, made anew for every hop.
 *
 * Errors:     none: the size is asked first.
 * Invariant:  nothing of the received head is copied but field names and values that the parser
 *             or mg_headers_set() accepted; framing comes from `framing` and m->length alone.
 */
#ifndef MG_WRITE_H
#define MG_WRITE_H
#include "http/message.h"

enum {
    MG_WRITE_CLOSE = 1,     /* Connection: close */
    MG_WRITE_KEEP_ALIVE = 2 /* Connection: keep-alive, which HTTP/1.0 needs to hear */
};
enum { MG_CHUNK_LINE = 18 };

/* An upper bound of what the next function writes. */
size_t mg_write_request_size(const struct mg_message *m);
/* Always HTTP/1.1, origin-form.  POST, PUT and PATCH without a body say Content-Length: 0 (RFC 9110,
 * 8.6).  m->upgrade is offered on, m->accepts_trailers becomes TE: trailers. */
size_t mg_write_request(const struct mg_message *m, unsigned flags, char *out);
size_t mg_write_response_size(const struct mg_message *m);
/* Always HTTP/1.1.  No framing for 1xx and 204, none that was not given for a bodiless message;
 * m->upgrade is said with 101 and 426 only. */
size_t mg_write_response(const struct mg_message *m, enum mg_framing framing, unsigned flags,
                         char *out);
/* "Name: value" lines and an empty one; what mg_is_trailer() refuses is left out. */
size_t mg_write_trailers_size(const struct mg_headers *h);
size_t mg_write_trailers(const struct mg_headers *h, char *out);
/* "1a2b\r\n": the line before a chunk; returns its length. */
size_t mg_write_chunk_line(uint64_t len, char out[MG_CHUNK_LINE]);
#endif
