/* zip.h -- gzip (RFC 1952) as a stream, by zlib: bytes are fed, pieces come out.
 *
 * Owner:      whoever makes one; mg_zip_free() gives its memory back (about 40 KiB to decode, 270 KiB to
 *             encode).
 * Ownership:  what is fed stays the caller's, and must stand until it is used up; a piece is good
 *             until the next call.
 * Errors:     MG_EPROTO: no gzip, or cut off; MG_ELIMIT: more comes out than may.  After one, free it.
 * Invariant:  at most MG_ZIP_MOST are open in this process, so that what nobody closes has a bound.
 */
#ifndef MG_ZIP_H
#define MG_ZIP_H
#include "base/str.h"

enum {
    MG_ZIP_MOST = 2048,
    MG_ZIP_PIECE = 32768,
    MG_ZIP_FREE = 1048576 /* bytes out that no ratio forbids */
};

struct mg_gzip;

/* At most `limit` bytes come out (0: no end), and past MG_ZIP_FREE no more than `ratio` times what went in (0: no
 * end).  Several members after one another are one.  NULL: too many are open, or no memory. */
struct mg_gzip *mg_zip_decoder(uint64_t limit, uint32_t ratio);
/* level 1 to 9. */
struct mg_gzip *mg_zip_encoder(int level);
void mg_zip_free(struct mg_gzip *z);
/* The next bytes, once mg_zip_next() has said MG_END; `last`: none follow. */
void mg_zip_feed(struct mg_gzip *z, mg_str in, bool last);
/* MG_OK: *out is the next piece.  MG_END: all that was fed is used, and what it stands for has come out. */
int mg_zip_next(struct mg_gzip *z, mg_str *out);
#endif
