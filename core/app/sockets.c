#include "app/sockets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "net/listener.h"

enum { BACKLOG = 4096 };

static void close_set(struct mg_socket_set *set, uint32_t slots)
{
    for (uint32_t i = 0; i < slots; i++)
        if (set->fds[i] >= 0)
            close(set->fds[i]);
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

static int open_set(struct mg_socket_set *set, const struct mg_plan_listener *l, uint32_t slots)
{
    int rc = mg_listener_probe(l->address);

    if (rc != 0)
        return refuse(l, rc);
    *set = (struct mg_socket_set){.name = strdup(l->name), .address = strdup(l->address)};
    for (uint32_t i = 0; i < slots; i++)
        set->fds[i] = -1;
    for (uint32_t i = 0; i < slots; i++) {
        set->fds[i] = mg_listener_bind(l->address, BACKLOG);
        if (set->fds[i] < 0) {
            rc = refuse(l, set->fds[i]);
            close_set(set, slots);
            return rc;
        }
    }
    return 0;
}

static int open_admin(struct mg_sockets *s, char *address)
{
    const struct mg_plan_listener admin = {.name = "admin", .address = address};
    int rc;

    s->admin = -1;
    if (address == NULL)
        return 0;
    rc = mg_listener_probe(address);
    if (rc == 0)
        rc = s->admin = mg_listener_bind(address, BACKLOG);
    if (rc < 0)
        return refuse(&admin, rc);
    s->admin_address = strdup(address);
    return 0;
}

static struct mg_socket_set *find(struct mg_sockets *s, const char *address)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (s->sets[i].address != NULL && strcmp(s->sets[i].address, address) == 0)
            return &s->sets[i];
    return NULL;
}

int mg_sockets_open(struct mg_sockets *s, const struct mg_plan *plan, uint32_t slots)
{
    memset(s, 0, sizeof(*s));
    s->slots = slots;
    s->admin = -1;
    if (mg_sockets_change(s, plan) != 0)
        return -1;
    return open_admin(s, plan->admin);
}

int mg_sockets_change(struct mg_sockets *s, const struct mg_plan *plan)
{
    struct mg_sockets *fresh = calloc(1, sizeof(*fresh));
    bool kept[MG_PLAN_LISTENERS] = {false};

    if (fresh == NULL)
        return -1;
    for (uint32_t i = 0; i < plan->nlisteners; i++) {
        const struct mg_plan_listener *l = &plan->listeners[i];
        struct mg_socket_set *old = find(s, l->address);

        if (old != NULL) {
            fresh->sets[fresh->n] = *old;
            fresh->sets[fresh->n].name = strdup(l->name);
            kept[fresh->n++] = true;
        } else if (open_set(&fresh->sets[fresh->n], l, s->slots) == 0) {
            fresh->n++;
        } else {
            while (fresh->n-- > 0)
                if (!kept[fresh->n])
                    close_set(&fresh->sets[fresh->n], s->slots);
                else
                    free(fresh->sets[fresh->n].name);
            free(fresh);
            return -1;
        }
    }
    for (uint32_t i = 0; i < fresh->n; i++) {
        struct mg_socket_set *old = kept[i] ? find(s, fresh->sets[i].address) : NULL;

        if (old == NULL)
            continue;
        free(old->name); /* the rest lives on in the new set */
        old->address = old->name = NULL;
        for (uint32_t j = 0; j < s->slots; j++)
            old->fds[j] = -1;
    }
    for (uint32_t i = 0; i < s->n; i++)
        close_set(&s->sets[i], s->slots);
    memcpy(s->sets, fresh->sets, sizeof(s->sets));
    s->n = fresh->n;
    free(fresh);
    return 0;
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

void mg_sockets_message(const struct mg_sockets *s, uint32_t slot, struct mg_control *message)
{
    size_t used = 0;

    message->type = MG_CONTROL_RELOAD;
    message->nfds = s->n;
    message->names[0] = '\0';
    for (uint32_t i = 0; i < s->n && used < sizeof(message->names); i++) {
        message->fds[i] = s->sets[i].fds[slot];
        used += (size_t)snprintf(message->names + used, sizeof(message->names) - used, "%s\n",
                                 s->sets[i].name);
    }
}
