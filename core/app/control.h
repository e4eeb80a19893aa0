/* control.h -- What the master and its children tell each other, by packets.
 *
 * Owner:      the master makes a pair a child (SOCK_SEQPACKET); each side closes its own end.
 * Ownership:  received descriptors belong to the receiver.
 * Errors:     -errno; a closed other side reads as -EPIPE, a message that ends early as -EPROTO.
 * Invariant:  a message carries at most MG_CONTROL_FDS descriptors, in the order of its names; the kernel
 *             takes 253 a packet, so a long one goes in parts of which the last has its type.
 */
#ifndef MG_CONTROL_H
#define MG_CONTROL_H
#include "app/plan.h"

enum mg_control_type {
    MG_CONTROL_READY = 'r',  /* child: the listeners accept */
    MG_CONTROL_FAILED = 'f', /* child: a reload was refused, the old model serves on */
    MG_CONTROL_RELOAD = 'l', /* master: serve this image, on these sockets */
    MG_CONTROL_DRAIN = 'd',  /* master: accept no more, end what is in progress, stop */
    MG_CONTROL_REOPEN = 'o', /* master: reopen the logs */
    MG_CONTROL_SPENT =
        's', /* child: its policies hold too much memory; may another take its place? */
    MG_CONTROL_RETIRE =
        't',              /* master: another is about to; what the two would share is that one's */
    MG_CONTROL_PART = 'p' /* the first part of what follows; nobody but control.c sees it */
};

enum { MG_CONTROL_NAME = 1024, MG_CONTROL_TEXT = 262144 }; /* bytes of one name, and of all */
enum { MG_CONTROL_FDS = MG_PLAN_LISTENERS + 1 };
#define MG_CONTROL_IMAGE "\001image" /* the name of the model's image; no listener has it */

struct mg_control {
    enum mg_control_type type;
    uint32_t slot; /* of a reload: whose sockets these are */
    uint32_t nfds;
    int fds[MG_CONTROL_FDS];
    char names[MG_CONTROL_TEXT]; /* of the listeners and the image, each ended by '\n' */
};

/* A connected pair, closed on exec; 0 or -errno. */
int mg_control_pair(int fds[2]);
/* One packet; never waits (-EAGAIN when the other side does not read).  Descriptors are copied: the
 * sender keeps its own. */
int mg_control_send(int fd, const struct mg_control *message);
/* Waits for one message.  The receiver closes the descriptors; `names` ends in NUL.  Where the process may not have so many
 * it gets none: what it looks for is not there. */
int mg_control_receive(int fd, struct mg_control *message);
/* The descriptor of the listener `name`, or -1. */
int mg_control_find(const struct mg_control *message, const char *name);
/* Adds one, where there is room. */
void mg_control_add(struct mg_control *message, const char *name, int fd);
/* The receiver has done with all of them. */
void mg_control_close(struct mg_control *message);
#endif
