/* The part of the ABI that policies' own input and output goes through: files, addresses, sinks, gzip, calls, sockets. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/zip.h"
#include "net/bind.h"
#include "proxy/call.h"
#include "proxy/socket.h"
#include "script/abi.h"

enum { MAX_SINKS = 64 };

static struct mg_sink *sinks[MAX_SINKS];
static uint32_t nsinks;

/* ---- files --------------------------------------------------------------------------------- */

static uint64_t ns_of(struct timespec t)
{
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int mg_file_stamp(const char *path, struct mg_file_stamp *out)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return errno == ENOENT ? MG_ENOENT : -errno;
    *out = (struct mg_file_stamp){
        .device = st.st_dev,
        .inode = st.st_ino,
        .size = (uint64_t)st.st_size,
        .modified = ns_of(st.st_mtim),
        .changed = ns_of(st.st_ctim),
    };
    return MG_OK;
}

/* ---- addresses ------------------------------------------------------------------------------ */

bool mg_address_is_here(const char *ip)
{
    char address[64]; /* an IPv6 address has 45 characters at most */

    snprintf(address, sizeof(address), strchr(ip, ':') != NULL ? "[%s]:0" : "%s:0", ip);
    return mg_bind_probe(address) == 0;
}

/* ---- sinks --------------------------------------------------------------------------------- */

int mg_sink_get(const char *path, uint32_t len)
{
    char name[4096];
    int err = 0;
    struct mg_sink *sink;

    if (len >= sizeof(name))
        return MG_ELIMIT;
    memcpy(name, path, len);
    name[len] = '\0';
    sink = mg_sink_open(name, &err);
    if (sink == NULL)
        return err;
    for (uint32_t i = 0; i < nsinks; i++) {
        if (sinks[i] == sink) {
            mg_sink_close(sink); /* it was counted twice */
            return (int)i;
        }
    }
    if (nsinks == MAX_SINKS) {
        mg_sink_close(sink);
        return MG_ELIMIT;
    }
    sinks[nsinks] = sink;
    return (int)nsinks++;
}

void mg_sink_write(int sink, const char *line, uint32_t len)
{
    if (sink >= 0 && (uint32_t)sink < nsinks)
        mg_sink_line(sinks[sink], line, len);
}

void mg_abi_close_sinks(void)
{
    while (nsinks > 0)
        mg_sink_close(sinks[--nsinks]);
}

/* ---- gzip ---------------------------------------------------------------------------------- */

struct mg_gzip *mg_gzip_decoder(uint64_t limit, uint32_t ratio)
{
    return mg_zip_decoder(limit, ratio);
}

struct mg_gzip *mg_gzip_encoder(int level)
{
    return mg_zip_encoder(level);
}

void mg_gzip_free(struct mg_gzip *z)
{
    mg_zip_free(z);
}

void mg_gzip_feed(struct mg_gzip *z, const char *bytes, uint32_t len, bool last)
{
    mg_zip_feed(z, mg_str_of(bytes, len), last);
}

int mg_gzip_next(struct mg_gzip *z, mg_str *out)
{
    return mg_zip_next(z, out);
}

/* ---- calls ------------------------------------------------------------------------------ */

struct mg_call *mg_call_new(mg_exchange *x, mg_str method, mg_str path, mg_str authority)
{
    return mg_call_make((struct mg_x *)x, method, path, authority);
}

int mg_call_header(struct mg_call *c, const char *name, uint32_t nlen, const char *value,
                   uint32_t vlen)
{
    return mg_call_add_header(c, mg_str_of(name, nlen), mg_str_of(value, vlen));
}

int mg_call_send(struct mg_call *c, struct mg_endpoint *ep, const char *body, uint64_t len,
                 uint32_t timeout_ms, uint64_t limit)
{
    if (len > UINT32_MAX)
        return MG_ELIMIT;
    return mg_call_start(c, ep, mg_str_of(body, len), timeout_ms, limit);
}

int mg_call_connect(struct mg_call *c, struct mg_endpoint *ep, uint32_t timeout_ms)
{
    return mg_call_probe(c, ep, timeout_ms);
}

int mg_call_status(const struct mg_call *c)
{
    const struct mg_message *m = mg_call_response(c);

    return m == NULL ? 0 : m->status;
}

int mg_call_header_next(const struct mg_call *c, uint32_t *pos, mg_str *name, mg_str *value)
{
    const struct mg_message *m = mg_call_response(c);

    return m == NULL ? MG_ENOENT : mg_headers_next(&m->headers, pos, name, value);
}

void mg_call_body(const struct mg_call *c, mg_str *body)
{
    *body = mg_call_response_body(c);
}

void mg_call_why(const struct mg_call *c, mg_str *out)
{
    *out = mg_abi_text(mg_call_reason(c));
}

void mg_call_free(struct mg_call *c)
{
    mg_call_end(c);
}

/* ---- sockets ---------------------------------------------------------------------------- */

int mg_socket_connect(mg_exchange *x, struct mg_socket *s)
{
    return mg_socket_start(s, (struct mg_x *)x);
}

int mg_socket_write(mg_exchange *x, struct mg_socket *s, const char *bytes, uint32_t len,
                    uint32_t timeout_ms)
{
    return mg_socket_send(s, (struct mg_x *)x, mg_str_of(bytes, len), timeout_ms);
}

int mg_socket_wait(mg_exchange *x, struct mg_socket *s, uint32_t least, uint32_t timeout_ms)
{
    return mg_socket_await(s, (struct mg_x *)x, least, timeout_ms);
}

void mg_socket_bytes(const struct mg_socket *s, mg_str *out)
{
    *out = mg_socket_arrived(s);
}

void mg_socket_take(struct mg_socket *s, uint32_t len)
{
    mg_socket_taken(s, len);
}

void mg_socket_why(const struct mg_socket *s, mg_str *out)
{
    *out = mg_abi_text(mg_socket_reason(s));
}

void mg_socket_close(struct mg_socket *s)
{
    mg_socket_end(s);
}
