#include "net/bind.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "moongate.h"

enum { ADDRESS_MAX = 64 };
static const char UNIX[] = "unix:";

bool mg_bind_is_unix(const char *address)
{
    return strncmp(address, UNIX, sizeof(UNIX) - 1) == 0;
}

static const char *path_of(const char *address)
{
    return address + sizeof(UNIX) - 1;
}

/* ---- addresses ------------------------------------------------------------------------- */

static int parse_path(const char *path, struct sockaddr_storage *out, socklen_t *len)
{
    struct sockaddr_un *at = (struct sockaddr_un *)out;
    size_t n = strlen(path);

    if (path[0] != '/' || n >= sizeof(at->sun_path))
        return MG_EINVAL;
    at->sun_family = AF_UNIX;
    memcpy(at->sun_path, path, n + 1);
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    return 0;
}

/* "127.0.0.1:80", "[::1]:80" or "unix:/path". */
static int parse(const char *address, struct sockaddr_storage *out, socklen_t *len)
{
    const char *colon = strrchr(address, ':');
    char host[ADDRESS_MAX], *end;
    size_t n = colon == NULL ? 0 : (size_t)(colon - address);
    bool six = address[0] == '[';
    unsigned long port;

    if (mg_bind_is_unix(address))
        return parse_path(path_of(address), out, len);
    if (n == 0 || n >= sizeof(host) || colon[1] < '0' || colon[1] > '9')
        return MG_EINVAL;
    port = strtoul(colon + 1, &end, 10);
    if (*end != '\0' || port > 65535 || (six && (n < 3 || address[n - 1] != ']')))
        return MG_EINVAL;
    n -= six ? 2 : 0;
    memcpy(host, address + six, n);
    host[n] = '\0';
    *len = six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (six ? uv_ip6_addr(host, (int)port, (struct sockaddr_in6 *)out)
            : uv_ip4_addr(host, (int)port, (struct sockaddr_in *)out))
        return MG_EINVAL;
    return 0;
}

/* ---- paths ----------------------------------------------------------------------------- */

/* Whether somebody listens there: 0 when nobody does and the path may be taken, else -errno. */
static int look_at_path(const struct sockaddr_storage *at, socklen_t len)
{
    const char *path = ((const struct sockaddr_un *)at)->sun_path;
    struct stat found;
    int fd, rc;

    if (lstat(path, &found) != 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(found.st_mode))
        return -EEXIST;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    rc = connect(fd, (const struct sockaddr *)at, len) == 0 ? 0 : errno;
    close(fd);
    return rc == ECONNREFUSED || rc == ENOENT ? 0 : rc == 0 || rc == EAGAIN ? -EADDRINUSE : -rc;
}

/* Before listen() nobody can connect, so the mode is there in time. */
static int bind_path(int fd, const struct sockaddr_storage *at, socklen_t len, unsigned mode)
{
    const char *path = ((const struct sockaddr_un *)at)->sun_path;
    int rc = look_at_path(at, len);

    if (rc != 0)
        return rc;
    if (unlink(path) != 0 && errno != ENOENT)
        return -errno;
    if (bind(fd, (const struct sockaddr *)at, len) != 0)
        return -errno;
    return mode != 0 && chmod(path, mode) != 0 ? -errno : 0;
}

bool mg_bind_is_at(int fd, const char *address)
{
    struct sockaddr_storage at = {0}, own = {0};
    socklen_t len, own_len = sizeof(own);

    if (parse(address, &at, &len) != 0 || getsockname(fd, (struct sockaddr *)&own, &own_len) != 0 ||
        at.ss_family != own.ss_family)
        return false;
    if (at.ss_family == AF_UNIX)
        return strcmp(((struct sockaddr_un *)&at)->sun_path,
                      ((struct sockaddr_un *)&own)->sun_path) == 0;
    return memcmp(&at, &own, len) == 0;
}

void mg_bind_unlink(const char *address)
{
    if (mg_bind_is_unix(address))
        unlink(path_of(address));
}

/* ---- sockets --------------------------------------------------------------------------- */

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value));
}

static int bind_port(int fd, const struct sockaddr_storage *at, socklen_t len, bool shared)
{
    if (set(fd, SOL_SOCKET, SO_REUSEADDR, 1) != 0 ||
        set(fd, SOL_SOCKET, SO_REUSEPORT, shared) != 0 ||
        (at->ss_family == AF_INET6 && set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0) != 0) ||
        bind(fd, (const struct sockaddr *)at, len) != 0)
        return -errno;
    return 0;
}

static int new_socket(const struct sockaddr_storage *at)
{
    int fd = socket(at->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    return fd < 0 ? -errno : fd;
}

int mg_bind_open(const char *address, int backlog, unsigned mode)
{
    struct sockaddr_storage at = {0};
    socklen_t len;
    int fd, rc = parse(address, &at, &len);

    if (rc != 0 || (fd = new_socket(&at)) < 0)
        return rc != 0 ? rc : fd;
    rc = at.ss_family == AF_UNIX ? bind_path(fd, &at, len, mode) : bind_port(fd, &at, len, true);
    if (rc == 0 && listen(fd, backlog) != 0)
        rc = -errno;
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

int mg_bind_probe(const char *address)
{
    struct sockaddr_storage at = {0};
    socklen_t len;
    int fd, rc = parse(address, &at, &len);

    if (rc != 0)
        return rc;
    if (at.ss_family == AF_UNIX)
        return look_at_path(&at, len);
    fd = new_socket(&at);
    if (fd < 0)
        return fd;
    rc = bind_port(fd, &at, len, false);
    close(fd);
    return rc;
}
