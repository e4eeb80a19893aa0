#include "base/zip.h"

#include <stdlib.h>
#include <zlib.h>

enum { GZIP_WINDOW = 16 + MAX_WBITS, MEMORY = 8 };

struct mg_gzip {
    z_stream stream;
    bool encodes, last;
    bool whole; /* decoding: a member has just ended; encoding: all is out */
    uint64_t in, out, limit;
    uint32_t ratio;
    unsigned char piece[MG_ZIP_PIECE];
};

static unsigned open_count;

static struct mg_gzip *zip_new(bool encodes, int level)
{
    struct mg_gzip *z = open_count < MG_ZIP_MOST ? calloc(1, sizeof(*z)) : NULL;
    int rc;

    if (z == NULL)
        return NULL;
    z->encodes = encodes;
    rc = encodes
             ? deflateInit2(&z->stream, level, Z_DEFLATED, GZIP_WINDOW, MEMORY, Z_DEFAULT_STRATEGY)
             : inflateInit2(&z->stream, GZIP_WINDOW);
    if (rc != Z_OK) {
        free(z);
        return NULL;
    }
    open_count++;
    return z;
}

struct mg_gzip *mg_zip_decoder(uint64_t limit, uint32_t ratio)
{
    struct mg_gzip *z = zip_new(false, 0);

    if (z != NULL) {
        z->limit = limit;
        z->ratio = ratio;
        z->whole = true; /* nothing at all is no cut off member */
    }
    return z;
}

struct mg_gzip *mg_zip_encoder(int level)
{
    return zip_new(true, level);
}

void mg_zip_free(struct mg_gzip *z)
{
    if (z->encodes)
        deflateEnd(&z->stream);
    else
        inflateEnd(&z->stream);
    open_count--;
    free(z);
}

void mg_zip_feed(struct mg_gzip *z, mg_str in, bool last)
{
    z->stream.next_in = (Bytef *)(uintptr_t)in.ptr;
    z->stream.avail_in = in.len;
    z->in += in.len;
    z->last = last;
}

static bool is_too_much(const struct mg_gzip *z)
{
    if (z->limit > 0 && z->out > z->limit)
        return true;
    return z->ratio > 0 && z->out > MG_ZIP_FREE && z->out / z->ratio > z->in;
}

/* Members follow one another as long as there is input; what inflate() holds back comes out without any. */
static int decode(struct mg_gzip *z)
{
    z_stream *s = &z->stream;
    int rc = Z_OK;

    do {
        if (z->whole && (s->avail_in == 0 || inflateReset(s) != Z_OK))
            return MG_OK;
        z->whole = false;
        rc = inflate(s, Z_NO_FLUSH);
        z->whole = rc == Z_STREAM_END;
    } while ((rc == Z_OK || rc == Z_STREAM_END) && s->avail_in > 0 && s->avail_out > 0);
    if (rc == Z_MEM_ERROR)
        return MG_ENOMEM;
    return rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR ? MG_OK : MG_EPROTO;
}

/* Every feed comes out whole, so that what streams is not held back. */
static int encode(struct mg_gzip *z)
{
    int rc = Z_OK;

    if (!z->whole)
        rc = deflate(&z->stream, z->last ? Z_FINISH : Z_SYNC_FLUSH);
    if (rc == Z_STREAM_END)
        z->whole = true;
    return rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR ? MG_OK : MG_ENOMEM;
}

int mg_zip_next(struct mg_gzip *z, mg_str *out)
{
    z_stream *s = &z->stream;
    int rc;

    s->next_out = z->piece;
    s->avail_out = sizeof(z->piece);
    rc = z->encodes ? encode(z) : decode(z);
    if (rc != MG_OK)
        return rc;
    *out = mg_str_of((const char *)z->piece, sizeof(z->piece) - s->avail_out);
    z->out += out->len;
    if (!z->encodes && is_too_much(z))
        return MG_ELIMIT;
    if (out->len > 0)
        return MG_OK;
    return z->last && !z->whole ? MG_EPROTO : MG_END;
}
