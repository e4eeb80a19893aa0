/* The part of the ABI that policies' own input and output goes through. */
#include <errno.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/zip.h"
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
