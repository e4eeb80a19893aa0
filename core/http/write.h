/* write.h -- Message to bytes: start line, fields and framing, made anew for every hop.
 *
 * Owner:      none; writes into a buffer of the caller.
 * Errors:     none: the size is asked first.
 * Invariant:  nothing of the received head is copied but field names and values that the parser
 *             or mg_headers_set() accepted; framing comes from the message's framing alone.
 */
#ifndef MG_WRITE_H
#define MG_WRITE_H
#include "http/message.h"

/* `close`: adds Connection: close.  `upgrade`: Connection: upgrade and Upgrade. Returns the length.
 */
size_t mg_write_request_size(const struct mg_message *m);
size_t mg_write_request(const struct mg_message *m, bool close, char *out);
size_t mg_write_response_size(const struct mg_message *m);
size_t mg_write_response(const struct mg_message *m, bool close, char *out);
/* "1a2b\r\n": the line before a chunk; returns its length (at most 18). */
size_t mg_write_chunk_line(uint64_t len, char out[18]);
#endif
