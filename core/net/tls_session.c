#include "net/tls_session.h"
#include <stdlib.h>
#include <string.h>

struct session {
    struct mg_list link; /* the oldest first */
    mbedtls_ssl_session saved;
    uint64_t since; /* of its full handshake, ms of mg_loop_now() */
    char *name, *verify;
};

static bool same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static struct session *find(const struct mg_tls_conn *c)
{
    for (struct mg_list *l = c->tls->sessions.next; l != &c->tls->sessions; l = l->next) {
        struct session *s = MG_LIST_OF(l, struct session, link);

        if (same(s->name, c->name) && same(s->verify, c->verify))
            return s;
    }
    return NULL;
}

static void drop(struct mg_tls *t, struct session *s)
{
    mg_list_remove(&s->link);
    t->nsessions--;
    mbedtls_ssl_session_free(&s->saved);
    free(s->name);
    free(s->verify);
    free(s);
}

static uint64_t now_ms(const struct mg_tls_conn *c)
{
    return mg_loop_now(c->base.loop);
}

void mg_tls_session_offer(struct mg_tls_conn *c)
{
    struct session *s = find(c);

    if (s == NULL)
        return;
    if (now_ms(c) - s->since >= MG_TLS_SESSION_MS)
        drop(c->tls, s);
    else
        mbedtls_ssl_set_session(&c->ssl, &s->saved);
}

void mg_tls_session_keep(struct mg_tls_conn *c)
{
    struct session *old = find(c), *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return;
    mbedtls_ssl_session_init(&s->saved);
    if (mbedtls_ssl_get_session(&c->ssl, &s->saved) != 0) {
        mbedtls_ssl_session_free(&s->saved);
        free(s);
        return;
    }
    s->name = strdup(c->name);
    s->verify = c->verify != NULL ? strdup(c->verify) : NULL;
    /* A resumed session is as old as its first handshake: trust must be looked at again. */
    s->since = old != NULL && c->resumed ? old->since : now_ms(c);
    if (old != NULL)
        drop(c->tls, old);
    if (c->tls->nsessions == MG_TLS_SESSIONS)
        drop(c->tls, MG_LIST_OF(c->tls->sessions.next, struct session, link));
    mg_list_append(&c->tls->sessions, &s->link);
    c->tls->nsessions++;
}

void mg_tls_session_drop(struct mg_tls_conn *c)
{
    struct session *s = find(c);

    if (s != NULL)
        drop(c->tls, s);
}

void mg_tls_session_free_all(struct mg_tls *t)
{
    while (!mg_list_empty(&t->sessions))
        drop(t, MG_LIST_OF(t->sessions.next, struct session, link));
}
