#include "app/control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"

enum { PACKET_FDS = 250, PACKET_TEXT = 65536, PART_MS = 2000 };
enum { TYPE, SLOT, HEAD }; /* the bytes that a packet begins with */

union ancillary {
    struct cmsghdr header; /* for its alignment */
    char bytes[CMSG_SPACE(sizeof(int) * PACKET_FDS)];
};

int mg_control_pair(int fds[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0 ? 0 : -errno;
}

static bool is_ready(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};

    return poll(&p, 1, PART_MS) == 1;
}

/* The rest of a message must follow what has been sent of it, so there (`waits`) the other side gets a
 * while to read. */
static int send_packet(int fd, const char *head, const int *fds, uint32_t nfds, mg_str names,
                       bool waits)
{
    struct iovec iov[2] = {{(char *)head, HEAD}, {(char *)names.ptr, names.len}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    union ancillary extra;

    if (nfds > 0) {
        size_t size = sizeof(int) * nfds;
        struct cmsghdr *header;

        memset(&extra, 0, sizeof(extra));
        msg.msg_control = extra.bytes;
        msg.msg_controllen = CMSG_SPACE(size);
        header = CMSG_FIRSTHDR(&msg);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(header), fds, size);
    }
    /* Whoever does not read must not stop the others. */
    while (sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        if (errno != EAGAIN || !waits || !is_ready(fd, POLLOUT))
            return -errno;
    return 0;
}

/* The names of the next packet; *n: how many they are. */
static mg_str next_names(const char *names, uint32_t *n)
{
    const char *at = names, *end;

    for (*n = 0; *n < PACKET_FDS && (end = strchr(at, '\n')) != NULL; ++*n) {
        if (end + 1 - names > PACKET_TEXT)
            break;
        at = end + 1;
    }
    return mg_str_of(names, (size_t)(at - names));
}

int mg_control_send(int fd, const struct mg_control *message)
{
    const char *at = message->names;
    char head[HEAD] = {[TYPE] = MG_CONTROL_PART, [SLOT] = (char)message->slot};
    uint32_t sent = 0, n;
    mg_str names = next_names(at, &n);

    while (n < message->nfds - sent) {
        int rc = send_packet(fd, head, message->fds + sent, n, names, sent > 0);

        if (rc != 0)
            return rc;
        sent += n;
        at += names.len;
        names = next_names(at, &n);
    }
    head[TYPE] = (char)message->type;
    return send_packet(fd, head, message->fds + sent, message->nfds - sent, names, sent > 0);
}

/* Appends one packet to the message, whose names have `used` bytes so far.  *lost: it had more descriptors than this
 * process may have. */
static int receive_packet(int fd, struct mg_control *message, size_t *used, bool *lost)
{
    char head[HEAD] = {0};
    struct iovec iov[2] = {{head, HEAD},
                           {message->names + *used, sizeof(message->names) - 1 - *used}};
    union ancillary extra;
    struct msghdr msg = {.msg_iov = iov,
                         .msg_iovlen = 2,
                         .msg_control = extra.bytes,
                         .msg_controllen = sizeof(extra)};
    ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    struct cmsghdr *header;
    uint32_t nfds;

    if (n <= 0)
        return n == 0 ? -EPIPE : -errno;
    if (n < HEAD)
        return -EPROTO;
    message->type = (enum mg_control_type)head[TYPE];
    message->slot = (uint8_t)head[SLOT];
    *used += (size_t)n - HEAD;
    message->names[*used] = '\0';
    *lost = *lost || (msg.msg_flags & MSG_CTRUNC) != 0;
    header = CMSG_FIRSTHDR(&msg);
    if (header == NULL || header->cmsg_type != SCM_RIGHTS)
        return 0;
    nfds = (uint32_t)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    if (nfds > MG_CONTROL_FDS - message->nfds)
        return -EPROTO;
    memcpy(message->fds + message->nfds, CMSG_DATA(header), nfds * sizeof(int));
    message->nfds += nfds;
    return 0;
}

int mg_control_receive(int fd, struct mg_control *message)
{
    size_t used = 0;
    bool lost = false;
    int rc;

    message->nfds = 0;
    message->names[0] = '\0';
    rc = receive_packet(fd, message, &used, &lost);
    while (rc == 0 && message->type == MG_CONTROL_PART)
        rc = is_ready(fd, POLLIN) ? receive_packet(fd, message, &used, &lost) : -EPROTO;
    if (rc != 0 || lost) /* those that came may stand under others' names */
        mg_control_close(message);
    return rc;
}

void mg_control_close(struct mg_control *message)
{
    for (; message->nfds > 0; message->nfds--)
        close(message->fds[message->nfds - 1]);
}

void mg_control_add(struct mg_control *message, const char *name, int fd)
{
    size_t used = strlen(message->names), room = sizeof(message->names) - used;

    if (message->nfds == MG_CONTROL_FDS || strlen(name) + 2 > room)
        return;
    snprintf(message->names + used, room, "%s\n", name);
    message->fds[message->nfds++] = fd;
}

int mg_control_find(const struct mg_control *message, const char *name)
{
    const char *at = message->names;
    size_t len = strlen(name);

    for (uint32_t i = 0; i < message->nfds; i++) {
        const char *end = strchr(at, '\n');

        if (end == NULL)
            return -1;
        if ((size_t)(end - at) == len && memcmp(at, name, len) == 0)
            return message->fds[i];
        at = end + 1;
    }
    return -1;
}
