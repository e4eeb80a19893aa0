/* limits.h -- What one peer may ask of the gateway at most.
 *
 * Owner:      the model owns one per listener; connections keep a reference to the current one.
 * Errors:     each refusal has its own status: request line 414, fields 431, body 413, time 408.
 */
#ifndef MG_LIMITS_H
#define MG_LIMITS_H
#include "moongate.h"

struct mg_limits {
    uint32_t request_line_bytes;      /* 8192 */
    uint32_t header_bytes;            /* 32768: the whole head, request line included */
    uint32_t header_count;            /* 100 */
    uint64_t body_bytes;              /* 0: unlimited */
    uint32_t trailer_bytes;           /* 8192 */
    uint32_t header_timeout_ms;       /* 10000: first byte to the end of the head */
    uint32_t body_timeout_ms;         /* 15000: between two reads of a body */
    uint32_t body_rate;               /* 500 bytes a second, over any body_timeout; 0: none */
    uint32_t idle_timeout_ms;         /* 60000: kept-alive connection without a request */
    uint32_t write_timeout_ms;        /* 30000: no progress towards the client */
    uint32_t requests_per_connection; /* 0: unlimited; else the last answer closes */
};
/* The defaults above; the same stand in lua/moongate/model/defaults.lua. */
void mg_limits_default(struct mg_limits *l);
#endif
