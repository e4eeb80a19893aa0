#include "proxy/attempt.h"

static void send_head(struct mg_attempt *a, struct mg_client *c, bool reused)
{
    a->reused = reused;
    a->sent_ns = mg_clock_ns();
    a->stream = mg_client_start(c, a->request, a->response);
    a->stream->events = a->events;
    a->stream->owner = a->owner;
}

/* ---- retries ---------------------------------------------------------------------------- */

static void uncount_retry(struct mg_breaker **counting)
{
    if (*counting == NULL)
        return;
    mg_breaker_sub(*counting, MG_BREAKER_RETRIES);
    mg_breaker_unref(*counting);
    *counting = NULL;
}

/* As Envoy has it: the try before counts no more, whatever becomes of the next one. */
bool mg_attempt_retry(struct mg_attempt *a, struct mg_breaker *b)
{
    uncount_retry(&a->retry);
    uncount_retry(&a->next_retry);
    if (!mg_breaker_may(b, MG_BREAKER_RETRIES))
        return false;
    mg_breaker_ref(b);
    mg_breaker_add(b, MG_BREAKER_RETRIES);
    a->next_retry = b;
    return true;
}

void mg_attempt_go_on(struct mg_attempt *a)
{
    if (a->retry == NULL)
        return;
    a->next_retry = a->retry;
    a->retry = NULL;
}

void mg_attempt_give_up(struct mg_attempt *a)
{
    uncount_retry(&a->next_retry);
}

/* ---- the attempt ------------------------------------------------------------------------ */

/* Whether the service's limits let one more in, which is then counted. */
static bool enter(struct mg_attempt *a, struct mg_endpoint *ep)
{
    struct mg_breaker *b = ep->conf.breaker;

    a->ep = ep;
    if (b == NULL)
        return true;
    if (!mg_breaker_may(b, MG_BREAKER_REQUESTS)) {
        a->ep = NULL;
        return false;
    }
    a->retry = a->next_retry;
    a->next_retry = NULL;
    mg_breaker_add(b, MG_BREAKER_REQUESTS);
    return true;
}

static void leave(struct mg_attempt *a)
{
    struct mg_breaker *b = a->ep->conf.breaker;

    a->ep = NULL;
    if (b == NULL)
        return;
    mg_breaker_sub(b, MG_BREAKER_REQUESTS);
    uncount_retry(&a->retry);
}

static void on_connection(struct mg_pool_wait *w, struct mg_client *c, int err, const char *reason)
{
    struct mg_attempt *a = MG_LIST_OF(w, struct mg_attempt, wait);

    if (err != 0) {
        leave(a);
        a->on_fail(a, err, reason);
        return;
    }
    send_head(a, c, mg_client_requests(c) > 0);
    a->on_ready(a);
}

int mg_attempt_start(struct mg_attempt *a, struct mg_endpoint *ep, const struct mg_message *request,
                     struct mg_message *response, bool fresh)
{
    struct mg_client *c;
    int rc;

    if (!enter(a, ep))
        return MG_EFULL;
    a->stream = NULL;
    a->request = request;
    a->response = response;
    a->wait.fn = on_connection;
    rc = mg_pool_get(ep, fresh, &a->wait, &c);
    if (rc == MG_OK)
        send_head(a, c, true);
    else if (rc < 0)
        leave(a);
    return rc;
}

void mg_attempt_set_ends(struct mg_attempt *a, const struct mg_proxy_ends *ends)
{
    a->wait.ends = ends;
}

void mg_attempt_end(struct mg_attempt *a, bool whole)
{
    struct mg_stream *stream = a->stream;

    if (a->ep == NULL)
        return;
    leave(a);
    a->stream = NULL;
    if (stream != NULL)
        stream->ops->release(stream, whole);
    else
        mg_pool_cancel(&a->wait);
}
