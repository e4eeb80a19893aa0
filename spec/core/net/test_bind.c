/* test_bind.c -- What can be listened at, and what happens to what stands at a path. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "moongate.h"
#include "net/bind.h"
#include "test.h"

static int port_of(int fd)
{
    struct sockaddr_in at = {0}; /* IPv6 has the port at the same place */
    socklen_t len = sizeof(at);

    CHECK(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
    return ntohs(at.sin_port);
}

static void test_refuses_what_is_no_address(void)
{
    static const char *const wrong[] = {"",           "80",          ":80",       "localhost:80",
                                        "1.2.3.4",    "1.2.3.4:",    "1.2.3.4:x", "1.2.3.4:65536",
                                        "1.2.3:80",   "1.2.3.4:-1",  "::1:80",    "[::1]",
                                        "[]:80",      "[1.2.3.4]:1", "[::1:80",   "1.2.3.4: 80",
                                        "1.2.3.4:8 ", "unix:",       "unix:a",    "unix:@a"};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CHECK(mg_bind_open(wrong[i], 1, 0) == MG_EINVAL);
    CHECK(mg_bind_open("192.0.2.1:0", 1, 0) == -EADDRNOTAVAIL);
}

static void test_shares_a_port(void)
{
    char address[32];
    int one = mg_bind_open("127.0.0.1:0", 1, 0), two;

    snprintf(address, sizeof(address), "127.0.0.1:%d", port_of(one));
    two = mg_bind_open(address, 1, 0);
    CHECK(one >= 0 && two >= 0 && port_of(one) == port_of(two));
    CHECK(mg_bind_probe(address) == -EADDRINUSE);
    close(one);
    close(two);
    CHECK(mg_bind_probe(address) == 0);
}

static void test_is_dual_stack(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    int fd = mg_bind_open("[::]:0", 8, 0), client;

    if (fd == -EAFNOSUPPORT)
        return; /* no IPv6 here */
    CHECK(fd >= 0);
    client = socket(AF_INET, SOCK_STREAM, 0);
    at.sin_port = htons((uint16_t)port_of(fd));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(connect(client, (struct sockaddr *)&at, sizeof(at)) == 0);
    close(client);
    close(fd);
}

/* ---- paths ----------------------------------------------------------------------------- */

static char folder[] = "/tmp/moongate-bind-XXXXXX", unix_address[64];
static const char *path = unix_address + 5;

static void make_folder(void)
{
    CHECK(mkdtemp(folder) != NULL);
    snprintf(unix_address, sizeof(unix_address), "unix:%s/s", folder);
}

static mode_t mode_of(void)
{
    struct stat found;

    return lstat(path, &found) == 0 ? found.st_mode & 0777 : 0;
}

static bool connects(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    bool ok;

    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    ok = connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
    close(fd);
    return ok;
}

static void test_path(void)
{
    int fd, other;

    make_folder();
    CHECK(mg_bind_is_unix(unix_address) && !mg_bind_is_unix("127.0.0.1:80"));
    fd = mg_bind_open(unix_address, 8, 0640);
    CHECK(fd >= 0 && mode_of() == 0640 && connects());
    CHECK(mg_bind_probe(unix_address) == -EADDRINUSE);
    CHECK(mg_bind_open(unix_address, 8, 0) == -EADDRINUSE); /* and the first one lives on: */
    CHECK(connects());
    close(fd);
    CHECK(!connects() && mode_of() == 0640); /* left behind, as by a process that was killed */
    CHECK(mg_bind_probe(unix_address) == 0);
    other = mg_bind_open(unix_address, 8, 0600);
    CHECK(other >= 0 && mode_of() == 0600 && connects());
    mg_bind_unlink(unix_address);
    CHECK(mode_of() == 0);
    close(other);
}

/* What is no socket is somebody's file. */
static void test_path_of_a_file(void)
{
    int fd = open(path, O_CREAT | O_WRONLY, 0600);

    close(fd);
    CHECK(mg_bind_probe(unix_address) == -EEXIST);
    CHECK(mg_bind_open(unix_address, 8, 0) == -EEXIST);
    CHECK(mode_of() == 0600);
    unlink(path);
    CHECK(symlink("/nowhere", path) == 0);
    CHECK(mg_bind_open(unix_address, 8, 0) == -EEXIST);
    unlink(path);
    rmdir(folder);
    CHECK(mg_bind_open(unix_address, 8, 0) == -ENOENT);
}

static void test_path_that_is_too_long(void)
{
    char text[128] = "unix:/";

    memset(text + 6, 'a', 106);
    CHECK(mg_bind_probe(text) == 0);
    text[112] = 'a';
    CHECK(mg_bind_probe(text) == MG_EINVAL);
}

TEST_MAIN(TEST(test_refuses_what_is_no_address), TEST(test_shares_a_port), TEST(test_is_dual_stack),
          TEST(test_path), TEST(test_path_of_a_file), TEST(test_path_that_is_too_long))
