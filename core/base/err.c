#include "base/err.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct text {
    int code;
    const char *text;
};

static const struct text texts[] = {
    {MG_OK, "success"},
    {MG_AGAIN, "started, not done"},
    {MG_END, "end of body"},
    {MG_ENOENT, "no such thing"},
    {MG_EPHASE, "not possible at this point"},
    {MG_EINVAL, "invalid value"},
    {MG_ENOMEM, "out of memory"},
    {MG_ELIMIT, "over the limit"},
    {MG_ETIMEOUT, "timed out"},
    {MG_ECONNECT, "connection failed"},
    {MG_ECONNTIMEOUT, "connection timed out"},
    {MG_ERESET, "connection reset by the peer"},
    {MG_ECLOSED, "connection closed before the message was whole"},
    {MG_EPROTO, "protocol error of the peer"},
    {MG_EGONE, "the client left"},
    {MG_EDNS, "name not resolved"},
    {MG_ETLS, "TLS handshake or verification failed"},
    {MG_EFULL, "queue or pool is full"},
    {MG_ESTALE, "reused connection was closed"},
    {MG_EDRAIN, "the worker is stopping"},
    /* libuv's codes that are no errno (uv/errno.h); this layer does not link libuv. */
    {-4095, "end of file"},
    {-4094, "unknown error"},
    {-4080, "character set not supported"},
    {-3000, "address family not supported by the resolver"},
    {-3001, "temporary failure of the resolver"},
    {-3002, "bad resolver flags"},
    {-3003, "name look-up canceled"},
    {-3004, "permanent failure of the resolver"},
    {-3005, "address family not supported"},
    {-3006, "resolver out of memory"},
    {-3007, "the name has no address"},
    {-3008, "unknown node or service"},
    {-3009, "resolver argument too long"},
    {-3010, "service not available for this socket type"},
    {-3011, "socket type not supported"},
    {-3013, "invalid resolver hint"},
    {-3014, "resolver protocol is unknown"},
};

const char *mg_error_text(int code)
{
    const char *text;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i].code == code)
            return texts[i].text;
    /* Unlike strerror() this one is static in every thread. */
    text = code < 0 && code > -4000 ? strerrordesc_np(-code) : NULL;
    return text != NULL ? text : "unknown error";
}

void mg_err_no_memory(void)
{
    static const char line[] = "moongate: out of memory\n";

    if (write(STDERR_FILENO, line, sizeof(line) - 1) < 0)
        abort();
    abort();
}
