#include "proxy/check.h"
#include <stdlib.h>
#include <string.h>

struct mg_check {
    struct mg_job job;
    struct mg_x *x; /* NULL: nobody waits */
    struct mg_proxy *proxy;
    struct mg_key *key;
    int scheme, digest, outcome;
    mg_str data, signature;
    char bytes[];
};

static void work(struct mg_job *job)
{
    struct mg_check *c = MG_LIST_OF(job, struct mg_check, job);

    c->outcome = mg_signature_verify(c->key, c->scheme, c->digest, c->data, c->signature);
}

static void discard(struct mg_check *c)
{
    mg_signature_free(c->key);
    free(c);
}

static void done(struct mg_job *job)
{
    struct mg_check *c = MG_LIST_OF(job, struct mg_check, job);
    struct mg_x *x = c->x;
    int outcome = c->outcome;

    c->proxy->checks--;
    discard(c);
    if (x == NULL)
        return;
    x->check = NULL;
    mg_exchange_wake(x, MG_WAIT_CHECK, outcome);
}

static mg_str copy(char *to, mg_str from)
{
    memcpy(to, from.ptr, from.len);
    return mg_str_of(to, from.len);
}

int mg_check_start(struct mg_x *x, struct mg_key *key, int scheme, int digest, mg_str data,
                   mg_str signature)
{
    int rc = mg_exchange_may_wait(x);
    struct mg_check *c;

    if (rc != MG_OK)
        return rc;
    if (x->proxy->checks == MG_CHECKS_MOST)
        return MG_EFULL;
    c = malloc(sizeof(*c) + data.len + signature.len);
    if (c == NULL)
        return MG_EFULL;
    *c = (struct mg_check){.job = {.work = work, .done = done}, .x = x, .proxy = x->proxy};
    c->key = mg_signature_share(key);
    c->scheme = scheme;
    c->digest = digest;
    c->data = copy(c->bytes, data);
    c->signature = copy(c->bytes + data.len, signature);
    mg_loop_submit(x->proxy->loop, &c->job);
    x->proxy->checks++;
    x->check = c;
    x->wait = MG_WAIT_CHECK;
    return MG_AGAIN;
}

void mg_check_forget(struct mg_x *x)
{
    x->check->x = NULL;
    x->check = NULL;
}
