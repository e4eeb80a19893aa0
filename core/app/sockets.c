#include "app/sockets.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/bind.h"

enum { BACKLOG = 4096 };

static void close_set(struct mg_socket_set *set, uint32_t slots)
{
    for (uint32_t i = 0; i < slots; i++)
        if (set->fds[i] >= 0)
            close(set->fds[i]);
    if (set->address != NULL)
        mg_bind_unlink(set->address);
    free(set->name);
    free(set->address);
}

/* Said as other mistakes of the config are. */
static int refuse(const struct mg_plan_listener *l, int rc)
{
    fprintf(stderr, "%s%slistener %s: cannot listen on %s: %s\n", l->at != NULL ? l->at : "",
            l->at != NULL ? ": " : "", l->name, l->address, mg_error_text(rc));
    return -1;
}

static const char *port_of(const char *address)
{
    return strrchr(address, ':');
}

/* Whether we hold this port ourselves, at that address or another: then the probe would find nobody else. */
static bool is_own_port(const struct mg_sockets *s, const char *address)
{
    const char *port = port_of(address);

    if (s->admin >= 0 && strcmp(port_of(s->admin_address), port) == 0)
        return true;
    for (uint32_t i = 0; i < s->n; i++)
        if (strcmp(port_of(s->sets[i].address), port) == 0)
            return true;
    return false;
}

/* One of those that this process was started with, or -1. */
static int take_given(const struct mg_sockets *s, const char *address)
{
    for (uint32_t i = 0; i < s->ngiven; i++) {
        int fd = s->given[i];

        if (fd < 0 || !mg_bind_is_at(fd, address))
            continue;
        s->given[i] = -1;
        return fd;
    }
    return -1;
}

/* A bound and listening socket, or an error, which has been said. */
static int open_one(const struct mg_sockets *s, const struct mg_plan_listener *l)
{
    int rc, given = take_given(s, l->address);

    if (given >= 0)
        return given;
    rc = is_own_port(s, l->address) ? 0 : mg_bind_probe(l->address);

    if (rc == 0)
        rc = mg_bind_open(l->address, BACKLOG, l->mode);
    return rc < 0 ? refuse(l, rc) : rc;
}

/* The socket of a slot beyond the first; one without a neighbour at its address is shared. */
static int open_next(const struct mg_sockets *s, const struct mg_plan_listener *l, int first,
                     bool share)
{
    int given = take_given(s, l->address);

    if (given >= 0)
        return given;
    return share || mg_bind_is_unix(l->address) ? fcntl(first, F_DUPFD_CLOEXEC, 0)
                                                : mg_bind_open(l->address, BACKLOG, l->mode);
}

/* Such as systemd's: no second socket can stand beside it. */
static bool is_alone(int fd)
{
    int shared = 1;
    socklen_t len = sizeof(shared);

    return getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shared, &len) == 0 && shared == 0;
}

static int open_set(const struct mg_sockets *s, struct mg_socket_set *set,
                    const struct mg_plan_listener *l)
{
    int first = open_one(s, l);

    if (first < 0)
        return -1;
    *set = (struct mg_socket_set){.name = strdup(l->name), .address = strdup(l->address)};
    for (uint32_t i = 0; i < s->slots; i++)
        set->fds[i] = i == 0 ? first : -1;
    for (uint32_t i = 1; i < s->slots; i++) {
        set->fds[i] = open_next(s, l, first, is_alone(first));
        if (set->fds[i] < 0) {
            refuse(l, set->fds[i]);
            close_set(set, s->slots);
            return -1;
        }
    }
    return 0;
}

static struct mg_socket_set *find(struct mg_sockets *s, const char *address)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (strcmp(s->sets[i].address, address) == 0)
            return &s->sets[i];
    return NULL;
}

/* What a change makes before it is sure to succeed. */
struct change {
    const struct mg_plan *plan;
    struct mg_socket_set *made; /* by the plan's index; no address: one that stands is kept */
    struct mg_socket_set *old[MG_PLAN_LISTENERS];
    int admin; /* made anew, or -1 */
    bool same_admin, failed;
};

static bool is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void open_admin(struct mg_sockets *s, struct change *c)
{
    const struct mg_plan_listener admin = {
        .name = "admin", .address = c->plan->admin, .at = c->plan->admin_at};

    c->admin = -1;
    c->same_admin = is_same(s->admin_address, c->plan->admin);
    if (c->same_admin || admin.address == NULL)
        return;
    c->admin = open_one(s, &admin);
    c->failed = c->failed || c->admin < 0;
}

static void check_name(struct change *c, const struct mg_plan_listener *l, size_t *total)
{
    size_t len = strlen(l->name);

    *total += len + 1;
    if (len < MG_CONTROL_NAME && *total < MG_CONTROL_TEXT)
        return;
    c->failed = true;
    fprintf(stderr, "%s%slistener %.64s...: its name, or all names together, are too long\n",
            l->at != NULL ? l->at : "", l->at != NULL ? ": " : "", l->name);
}

/* Opens all that is new, and says what cannot be. */
static void prepare(struct mg_sockets *s, struct change *c)
{
    size_t names = 0;

    for (uint32_t i = 0; i < c->plan->nlisteners; i++) {
        const struct mg_plan_listener *l = &c->plan->listeners[i];

        check_name(c, l, &names);
        c->old[i] = find(s, l->address);
        if (c->old[i] == NULL && open_set(s, &c->made[i], l) != 0)
            c->failed = true;
    }
    open_admin(s, c);
}

static void undo(struct mg_sockets *s, struct change *c)
{
    for (uint32_t i = 0; i < c->plan->nlisteners; i++)
        if (c->made[i].address != NULL)
            close_set(&c->made[i], s->slots);
    if (c->admin >= 0) {
        close(c->admin);
        mg_bind_unlink(c->plan->admin);
    }
}

static void change_admin(struct mg_sockets *s, struct change *c)
{
    if (c->same_admin)
        return;
    if (s->admin >= 0) {
        /* Not only closed: the admin process that has it too may take its time to end. */
        shutdown(s->admin, SHUT_RD);
        close(s->admin);
        mg_bind_unlink(s->admin_address);
    }
    free(s->admin_address);
    s->admin = c->admin;
    s->admin_address = c->plan->admin != NULL ? strdup(c->plan->admin) : NULL;
}

static void commit(struct mg_sockets *s, struct change *c)
{
    for (uint32_t i = 0; i < c->plan->nlisteners; i++) {
        struct mg_socket_set *old = c->old[i];

        if (old == NULL)
            continue;
        c->made[i] = *old;
        c->made[i].name = strdup(c->plan->listeners[i].name);
        free(old->name);
        *old = (struct mg_socket_set){0}; /* the rest lives on in the new set */
        for (uint32_t j = 0; j < s->slots; j++)
            old->fds[j] = -1;
    }
    for (uint32_t i = 0; i < s->n; i++)
        close_set(&s->sets[i], s->slots);
    s->n = c->plan->nlisteners;
    memcpy(s->sets, c->made, s->n * sizeof(s->sets[0]));
    change_admin(s, c);
}

int mg_sockets_change(struct mg_sockets *s, const struct mg_plan *plan)
{
    struct change c = {.plan = plan};

    c.made = calloc(plan->nlisteners + 1, sizeof(*c.made));
    if (c.made == NULL)
        return -1;
    prepare(s, &c);
    if (c.failed)
        undo(s, &c);
    else
        commit(s, &c);
    free(c.made);
    return c.failed ? -1 : 0;
}

int mg_sockets_open(struct mg_sockets *s, const struct mg_plan *plan, uint32_t slots, int *given,
                    uint32_t ngiven)
{
    int rc;

    memset(s, 0, sizeof(*s));
    s->slots = slots;
    s->admin = -1;
    s->given = given;
    s->ngiven = ngiven;
    rc = mg_sockets_change(s, plan);
    for (uint32_t i = 0; i < ngiven; i++)
        if (given[i] >= 0)
            close(given[i]);
    s->given = NULL;
    s->ngiven = 0;
    return rc;
}

int *mg_sockets_list(const struct mg_sockets *s, uint32_t *n)
{
    int *fds = calloc((size_t)s->n * s->slots + 1, sizeof(*fds));

    *n = 0;
    if (fds == NULL)
        return NULL;
    for (uint32_t i = 0; i < s->n; i++)
        for (uint32_t j = 0; j < s->slots; j++)
            fds[(*n)++] = s->sets[i].fds[j];
    if (s->admin >= 0)
        fds[(*n)++] = s->admin;
    return fds;
}

void mg_sockets_keep(struct mg_sockets *s, int slot)
{
    for (uint32_t i = 0; i < s->n; i++)
        for (uint32_t j = 0; j < s->slots; j++)
            if ((int)j != slot)
                close(s->sets[i].fds[j]);
    if (slot >= 0 && s->admin >= 0)
        close(s->admin);
}

void mg_sockets_end(const struct mg_sockets *s)
{
    for (uint32_t i = 0; i < s->n; i++)
        mg_bind_unlink(s->sets[i].address);
    if (s->admin >= 0)
        mg_bind_unlink(s->admin_address);
}

void mg_sockets_message(const struct mg_sockets *s, uint32_t slot, struct mg_control *message)
{
    message->type = MG_CONTROL_RELOAD;
    message->slot = slot;
    message->nfds = 0;
    message->names[0] = '\0';
    for (uint32_t i = 0; i < s->n; i++)
        mg_control_add(message, s->sets[i].name, s->sets[i].fds[slot]);
}
