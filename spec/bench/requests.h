/* requests.h -- The requests that the load generator sends, each with the answer it expects.
 *
 * A file has one request a line, fields parted by tabs; '#' starts a comment line:
 *
 *     STATUS  LENGTH  METHOD  PATH  [NAME: VALUE ...]
 *
 * LENGTH is that of the answer's body; '-' takes any.  Without a Host field there, "Host: bench"
 * is sent.
 *
 * Owner:      whoever loads them; they are never freed (a run of the program needs them all).
 */
#ifndef BENCH_REQUESTS_H
#define BENCH_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>

struct request {
    int status;
    long length; /* -1: any */
    bool bodiless_answer;
    char *bytes;
    size_t len;
};

struct requests {
    struct request *items;
    size_t count;
};

/* Reads a whole file; exits with 2 and names the line when one is not understood. */
struct requests requests_load(const char *path);

#endif
