#include "net/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "moongate.h"

enum {
    V1_MAX = 107, /* with its CR LF */
    V2_FIXED = 16,
    V2_IPV4 = 12,
    V2_IPV6 = 36,
    V2_UNIX = 216,
    TLV_HEAD = 3
};

static const char SIGNATURE[12] = "\r\n\r\n\0\r\nQUIT\n";

/* Whether `bytes` are the beginning of `mark`, as far as they go. */
static bool may_be(const char *bytes, size_t len, const char *mark, size_t size)
{
    return memcmp(bytes, mark, len < size ? len : size) == 0;
}

static void set_v4(struct sockaddr_storage *out, const void *address, uint16_t port)
{
    struct sockaddr_in *in = (struct sockaddr_in *)out;

    memset(out, 0, sizeof(*out));
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    memcpy(&in->sin_addr, address, sizeof(in->sin_addr));
}

static void set_v6(struct sockaddr_storage *out, const void *address, uint16_t port)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

    memset(out, 0, sizeof(*out));
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    memcpy(&in6->sin6_addr, address, sizeof(in6->sin6_addr));
}

/* ---- version 1: a line -------------------------------------------------------------------- */

/* The next word of the line, copied and ended by NUL; exactly one blank stands between two. */
static bool take_word(const char **at, const char *end, char *word, size_t size)
{
    const char *blank = memchr(*at, ' ', (size_t)(end - *at));
    size_t n = (size_t)((blank == NULL ? end : blank) - *at);

    if (n == 0 || n >= size || memchr(*at, '\0', n) != NULL)
        return false;
    memcpy(word, *at, n);
    word[n] = '\0';
    *at = blank == NULL ? end : blank + 1;
    return blank == NULL || *at < end;
}

/* 0 to 65535 in decimal, without a leading zero. */
static bool read_port(const char *word, uint16_t *port)
{
    uint32_t n = 0;

    if (word[0] == '0' && word[1] != '\0')
        return false;
    for (; *word >= '0' && *word <= '9' && n <= 65535; word++)
        n = n * 10 + (uint32_t)(*word - '0');
    *port = (uint16_t)n;
    return *word == '\0' && n <= 65535;
}

static bool set_address(struct sockaddr_storage *out, const char *text, uint16_t port, bool six)
{
    unsigned char address[16];

    if (inet_pton(six ? AF_INET6 : AF_INET, text, address) != 1)
        return false;
    if (six)
        set_v6(out, address, port);
    else
        set_v4(out, address, port);
    return true;
}

/* What follows "PROXY TCP4 " or "PROXY TCP6 ". */
static bool read_ends(const char *at, const char *end, bool six, struct mg_proxy_ends *out)
{
    char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN], from_port[6], to_port[6];
    uint16_t a, b;

    return take_word(&at, end, from, sizeof(from)) && take_word(&at, end, to, sizeof(to)) &&
           take_word(&at, end, from_port, sizeof(from_port)) &&
           take_word(&at, end, to_port, sizeof(to_port)) && at == end && read_port(from_port, &a) &&
           read_port(to_port, &b) && set_address(&out->peer, from, a, six) &&
           set_address(&out->local, to, b, six);
}

static int read_v1(const char *bytes, size_t len, struct mg_proxy_ends *out, bool *known)
{
    size_t seen = len < V1_MAX ? len : V1_MAX;
    const char *cr = memchr(bytes, '\r', seen);
    size_t n = cr == NULL ? 0 : (size_t)(cr - bytes);

    if (cr == NULL)
        return memchr(bytes, '\n', seen) == NULL && len < V1_MAX ? 0 : MG_EPROTO;
    if (n + 1 == V1_MAX || memchr(bytes, '\n', n) != NULL)
        return MG_EPROTO;
    if (n + 1 == len)
        return 0;
    if (cr[1] != '\n')
        return MG_EPROTO;
    /* What stands behind UNKNOWN is left unread (2.1). */
    if (n >= 13 && memcmp(bytes, "PROXY UNKNOWN", 13) == 0 && (n == 13 || bytes[13] == ' '))
        return (int)n + 2;
    if (n < 11 || (memcmp(bytes, "PROXY TCP4 ", 11) != 0 && memcmp(bytes, "PROXY TCP6 ", 11) != 0))
        return MG_EPROTO;
    *known = read_ends(bytes + 11, cr, bytes[9] == '6', out);
    return *known ? (int)n + 2 : MG_EPROTO;
}

/* ---- version 2: binary -------------------------------------------------------------------- */

static uint16_t number(const char *at)
{
    return (uint16_t)((uint8_t)at[0] << 8 | (uint8_t)at[1]);
}

/* CRC32c (RFC 3309) of the header, with its own four bytes at `at` as zeros. */
static uint32_t checksum(const char *bytes, size_t len, size_t at)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < len; i++) {
        crc ^= i >= at && i < at + 4 ? 0 : (uint8_t)bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return ~crc;
}

/* Whether the extensions from `at` to the end are whole, and a checksum among them is right. */
static bool read_extensions(const char *bytes, size_t len, size_t at)
{
    while (at < len) {
        uint16_t size;

        if (len - at < TLV_HEAD)
            return false;
        size = number(bytes + at + 1);
        if (size > len - at - TLV_HEAD)
            return false;
        if (bytes[at] == 0x03 &&
            (size != 4 ||
             (uint32_t)number(bytes + at + 3) << 16 !=
                 (checksum(bytes, len, at + 3) & 0xffff0000) ||
             number(bytes + at + 5) != (checksum(bytes, len, at + 3) & 0xffff)))
            return false;
        at += TLV_HEAD + size;
    }
    return true;
}

/* The addresses' bytes of a family and transport; -1: there is no such. */
static int addresses_size(uint8_t family)
{
    if ((family & 15) > 2)
        return -1;
    switch (family >> 4) {
    case 0:
        return 0;
    case 1:
        return V2_IPV4;
    case 2:
        return V2_IPV6;
    case 3:
        return V2_UNIX;
    default:
        return -1;
    }
}

static int read_v2(const char *bytes, size_t len, struct mg_proxy_ends *out, bool *known)
{
    const char *at = bytes + V2_FIXED;
    size_t whole, fixed;
    bool local;
    int size;

    if (len < V2_FIXED)
        return 0;
    whole = V2_FIXED + number(bytes + 14);
    local = bytes[12] == 0x20;
    size = addresses_size((uint8_t)bytes[13]);
    if ((!local && (bytes[12] != 0x21 || size < 0)) || whole > MG_PROXY_HEADER_MAX)
        return MG_EPROTO;
    if (len < whole)
        return 0;
    if (local) /* the rest is to be left unread, the family included (2.2) */
        return (int)whole;
    fixed = V2_FIXED + (size_t)size;
    if (whole < fixed)
        return MG_EPROTO;
    /* Those of a family that is not known are not told from extensions. */
    if (size > 0 && !read_extensions(bytes, whole, fixed))
        return MG_EPROTO;
    *known = bytes[13] == 0x11 || bytes[13] == 0x21;
    if (bytes[13] == 0x11) {
        set_v4(&out->peer, at, number(at + 8));
        set_v4(&out->local, at + 4, number(at + 10));
    } else if (bytes[13] == 0x21) {
        set_v6(&out->peer, at, number(at + 32));
        set_v6(&out->local, at + 16, number(at + 34));
    }
    return (int)whole;
}

int mg_proxy_header_read(const char *bytes, size_t len, struct mg_proxy_ends *out, bool *known)
{
    *known = false;
    if (len == 0)
        return 0;
    if (may_be(bytes, len, SIGNATURE, sizeof(SIGNATURE)))
        return read_v2(bytes, len, out, known);
    if (may_be(bytes, len, "PROXY ", 6))
        return read_v1(bytes, len, out, known);
    return MG_EPROTO;
}

/* ---- writing ------------------------------------------------------------------------------ */

static bool is_tcp(const struct mg_proxy_ends *ends)
{
    return ends != NULL && ends->peer.ss_family == ends->local.ss_family &&
           (ends->peer.ss_family == AF_INET || ends->peer.ss_family == AF_INET6);
}

static const void *bytes_of(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET6
               ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
               : (const void *)&((const struct sockaddr_in *)address)->sin_addr;
}

/* In the order of the wire; both families have it at the same place. */
static uint16_t port_of(const struct sockaddr_storage *address)
{
    return ((const struct sockaddr_in *)address)->sin_port;
}

static size_t write_v1(const struct mg_proxy_ends *ends, char out[MG_PROXY_HEADER_OUT])
{
    char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];

    inet_ntop(ends->peer.ss_family, bytes_of(&ends->peer), from, sizeof(from));
    inet_ntop(ends->local.ss_family, bytes_of(&ends->local), to, sizeof(to));
    return (size_t)snprintf(out, MG_PROXY_HEADER_OUT, "PROXY TCP%d %s %s %u %u\r\n",
                            ends->peer.ss_family == AF_INET6 ? 6 : 4, from, to,
                            ntohs(port_of(&ends->peer)), ntohs(port_of(&ends->local)));
}

static size_t write_v2(const struct mg_proxy_ends *ends, char out[MG_PROXY_HEADER_OUT])
{
    bool six = ends->peer.ss_family == AF_INET6;
    size_t size = six ? 16 : 4;
    uint16_t ports[2] = {port_of(&ends->peer), port_of(&ends->local)};

    out[12] = 0x21;
    out[13] = six ? 0x21 : 0x11;
    out[15] = six ? V2_IPV6 : V2_IPV4;
    memcpy(out + V2_FIXED, bytes_of(&ends->peer), size);
    memcpy(out + V2_FIXED + size, bytes_of(&ends->local), size);
    memcpy(out + V2_FIXED + 2 * size, ports, sizeof(ports));
    return V2_FIXED + 2 * size + sizeof(ports);
}

size_t mg_proxy_header_write(int version, const struct mg_proxy_ends *ends,
                             char out[MG_PROXY_HEADER_OUT])
{
    static const char unknown[] = "PROXY UNKNOWN\r\n";

    if (version == 1 && is_tcp(ends))
        return write_v1(ends, out);
    if (version == 1) {
        memcpy(out, unknown, sizeof(unknown) - 1);
        return sizeof(unknown) - 1;
    }
    memcpy(out, SIGNATURE, sizeof(SIGNATURE));
    memset(out + 12, 0, 4);
    if (is_tcp(ends))
        return write_v2(ends, out);
    out[12] = 0x20; /* LOCAL */
    return V2_FIXED;
}
