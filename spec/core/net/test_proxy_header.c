/* test_proxy_header.c -- PROXY headers, read from every prefix, refused where they are not exact, and written. */
#include "net/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "moongate.h"
#include "test.h"

static struct mg_proxy_ends ends;
static bool known;

static const char *show(const struct sockaddr_storage *at)
{
    static char text[2][80];
    static int turn;
    char host[INET6_ADDRSTRLEN];
    const void *bytes = at->ss_family == AF_INET6
                            ? (const void *)&((const struct sockaddr_in6 *)at)->sin6_addr
                            : (const void *)&((const struct sockaddr_in *)at)->sin_addr;

    turn = !turn;
    inet_ntop(at->ss_family, bytes, host, sizeof(host));
    snprintf(text[turn], sizeof(text[turn]), "%s %u", host,
             ntohs(((const struct sockaddr_in *)at)->sin_port));
    return text[turn];
}

/* Every prefix asks for more; the whole, and more behind it, is `len`. */
static void accepts(const char *bytes, size_t len)
{
    char *more = malloc(len + 16);

    for (size_t i = 0; i < len; i++) {
        char *part = malloc(i + 1); /* so that a sanitizer sees who reads on */

        memcpy(part, bytes, i);
        CHECK(mg_proxy_header_read(part, i, &ends, &known) == 0);
        free(part);
    }
    memcpy(more, bytes, len);
    memcpy(more + len, "GET / HTTP/1.1\r\n", 16);
    CHECK(mg_proxy_header_read(more, len + 16, &ends, &known) == (int)len);
    CHECK(mg_proxy_header_read(more, len, &ends, &known) == (int)len);
    free(more);
}

static void accepts_line(const char *line, const char *peer, const char *local)
{
    accepts(line, strlen(line));
    CHECK(known == (peer != NULL));
    if (peer == NULL)
        return;
    CHECK(strcmp(show(&ends.peer), peer) == 0);
    CHECK(strcmp(show(&ends.local), local) == 0);
}

static void test_lines(void)
{
    char longest[MG_PROXY_HEADER_OUT];

    accepts_line("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", "192.0.2.1 56324",
                 "198.51.100.2 443");
    accepts_line("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n", "2001:db8::1 0", "::1 65535");
    accepts_line("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
                 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535",
                 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535");
    accepts_line("PROXY UNKNOWN\r\n", NULL, NULL);
    accepts_line("PROXY UNKNOWN ffff::1 whatever 1 2\r\n", NULL, NULL);
    memset(longest, 'a', sizeof(longest));
    memcpy(longest, "PROXY UNKNOWN ", 14);
    memcpy(longest + 105, "\r\n", 2);
    accepts(longest, 107);
}

static void refuses(const char *bytes, size_t len)
{
    CHECK(mg_proxy_header_read(bytes, len, &ends, &known) == MG_EPROTO);
    CHECK(!known);
}

static void test_lines_that_are_wrong(void)
{
    static const char *const wrong[] = {
        "GET / HTTP/1.1\r\n",
        "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 999999 2\r\n",
        "PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP6 ::1%lo ::1 1 2\r\n",
        "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY \r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rX",
        "PROXY UNKNOWN\nPROXY UNKNOWN\r\n",
        "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        " PROXY UNKNOWN\r\n",
        "PROXYTCP4",
    };
    char longer[200];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        refuses(wrong[i], strlen(wrong[i]));
    refuses("PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n", 34);
    memset(longer, 'a', sizeof(longer));
    memcpy(longer, "PROXY UNKNOWN ", 14);
    refuses(longer, 107);
    longer[106] = '\r';
    longer[107] = '\n';
    refuses(longer, 108);
}

/* ---- version 2 -------------------------------------------------------------------------- */

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4(len) SIGNATURE "\x21\x11\0" len "\xc0\0\x02\1\xc6\x33\x64\2\xdc\4\1\xbb"
#define ACCEPTS(text) accepts(text, sizeof(text) - 1)
#define REFUSES(text) refuses(text, sizeof(text) - 1)

static void test_binary(void)
{
    ACCEPTS(V4("\x0c"));
    CHECK(known && strcmp(show(&ends.peer), "192.0.2.1 56324") == 0 &&
          strcmp(show(&ends.local), "198.51.100.2 443") == 0);
    ACCEPTS(SIGNATURE "\x21\x21\0\x24 \1\r\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
                      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\7\xff\xff");
    CHECK(known && strcmp(show(&ends.peer), "2001:db8::1 7") == 0 &&
          strcmp(show(&ends.local), "::1 65535") == 0);
    ACCEPTS(SIGNATURE "\x20\0\0\0");
    CHECK(!known);
    ACCEPTS(SIGNATURE "\x20\x11\0\5abcde"); /* LOCAL: what stands there is not read */
    CHECK(!known);
    ACCEPTS(SIGNATURE "\x20\x41\0\3abc"); /* ... nor its family, if there is such */
    CHECK(!known);
    ACCEPTS(SIGNATURE "\x21\0\0\2ab");
    CHECK(!known);
    ACCEPTS(SIGNATURE "\x21\x12\0\x0c\xc0\0\x02\1\xc6\x33\x64\2\xdc\4\1\xbb"); /* UDP */
    CHECK(!known);
    ACCEPTS(V4("\x12") "\x20\0\3abc");
    ACCEPTS(V4("\x0f") "\4\0\0");
}

static void test_binary_checksum(void)
{
    ACCEPTS(V4("\x13") "\3\0\4\x20\xec\x95\x49");
    CHECK(known);
    REFUSES(V4("\x13") "\3\0\4\x20\xec\x95\x48");
    REFUSES(V4("\x13") "\3\0\4\x20\xed\x95\x49");
    REFUSES(V4("\x12") "\3\0\3\x20\xec\x95");
}

static void test_binary_that_is_wrong(void)
{
    char longest[MG_PROXY_HEADER_MAX] = SIGNATURE "\x20\0\x0f\xf0";

    REFUSES(SIGNATURE "\x11\x11\0\x0c"
                      "0123456789ab"); /* version 1 in binary */
    REFUSES(SIGNATURE "\x22\x11\0\x0c"
                      "0123456789ab"); /* no such command */
    REFUSES(SIGNATURE "\x21\x13\0\x0c"
                      "0123456789ab"); /* no such transport */
    REFUSES(SIGNATURE "\x21\x41\0\x0c"
                      "0123456789ab"); /* no such family */
    REFUSES(SIGNATURE "\x21\x11\0\x0b"
                      "0123456789a"); /* too short for its family */
    REFUSES(SIGNATURE "\x21\x31\0\x0c"
                      "0123456789ab");
    REFUSES(V4("\x0d") "\4"); /* half an extension */
    REFUSES(V4("\x10") "\4\0\2"
                       "a");             /* one that is longer than what is left */
    REFUSES(SIGNATURE "\x20\0\x0f\xf1"); /* too long, said as soon as it is known */
    REFUSES("\r\n\r\n\0\r\nQUIT\r");
    accepts(longest, sizeof(longest));
}

/* ---- writing ---------------------------------------------------------------------------- */

static void test_written_is_read(void)
{
    static const char *const lines[] = {"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
                                        "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n"};
    char out[MG_PROXY_HEADER_OUT];
    struct mg_proxy_ends back;

    for (int i = 0; i < 2; i++) {
        accepts(lines[i], strlen(lines[i]));
        CHECK(mg_proxy_header_write(1, &ends, out) == strlen(lines[i]) &&
              memcmp(out, lines[i], strlen(lines[i])) == 0);
        back = ends;
        accepts(out, mg_proxy_header_write(2, &back, out));
        CHECK(known && memcmp(&ends, &back, sizeof(ends)) == 0);
    }
}

static void test_written_for_nobody(void)
{
    struct mg_proxy_ends path = {.peer.ss_family = AF_UNIX, .local.ss_family = AF_UNIX};
    struct mg_proxy_ends mixed = {.peer.ss_family = AF_INET, .local.ss_family = AF_INET6};
    const struct mg_proxy_ends *cases[] = {NULL, &path, &mixed};
    char out[MG_PROXY_HEADER_OUT];

    for (int i = 0; i < 3; i++)
        for (int version = 1; version <= 2; version++) {
            accepts(out, mg_proxy_header_write(version, cases[i], out));
            CHECK(!known);
        }
}

TEST_MAIN(TEST(test_lines), TEST(test_lines_that_are_wrong), TEST(test_binary),
          TEST(test_binary_checksum), TEST(test_binary_that_is_wrong), TEST(test_written_is_read),
          TEST(test_written_for_nobody))
