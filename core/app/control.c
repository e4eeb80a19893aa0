#include "app/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

union ancillary {
    struct cmsghdr header; /* for its alignment */
    char bytes[CMSG_SPACE(sizeof(int) * MG_PLAN_LISTENERS)];
};

int mg_control_pair(int fds[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0 ? 0 : -errno;
}

int mg_control_send(int fd, const struct mg_control *message)
{
    char type = (char)message->type;
    struct iovec iov[2] = {{&type, 1}, {(char *)message->names, strlen(message->names)}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    union ancillary extra;

    if (message->nfds > 0) {
        size_t size = sizeof(int) * message->nfds;
        struct cmsghdr *header;

        memset(&extra, 0, sizeof(extra));
        msg.msg_control = extra.bytes;
        msg.msg_controllen = CMSG_SPACE(size);
        header = CMSG_FIRSTHDR(&msg);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(header), message->fds, size);
    }
    /* Whoever does not read must not stop the others. */
    return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int mg_control_receive(int fd, struct mg_control *message)
{
    char type;
    struct iovec iov[2] = {{&type, 1}, {message->names, sizeof(message->names) - 1}};
    union ancillary extra;
    struct msghdr msg = {.msg_iov = iov,
                         .msg_iovlen = 2,
                         .msg_control = extra.bytes,
                         .msg_controllen = sizeof(extra)};
    ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    struct cmsghdr *header;

    if (n <= 0)
        return n == 0 ? -EPIPE : -errno;
    message->type = (enum mg_control_type)type;
    message->names[n - 1] = '\0';
    message->nfds = 0;
    header = CMSG_FIRSTHDR(&msg);
    if (header != NULL && header->cmsg_type == SCM_RIGHTS) {
        message->nfds = (uint32_t)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(message->fds, CMSG_DATA(header), message->nfds * sizeof(int));
    }
    return 0;
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
