#include "http/limits.h"

void mg_limits_default(struct mg_limits *l)
{
    *l = (struct mg_limits){
        .request_line_bytes = 8192,
        .header_bytes = 32768,
        .header_count = 100,
        .body_bytes = 0,
        .trailer_bytes = 8192,
        .header_timeout_ms = 10000,
        .body_timeout_ms = 15000,
        .body_rate = 500,
        .idle_timeout_ms = 60000,
        .write_timeout_ms = 30000,
        .requests_per_connection = 0,
    };
}
