#include "proxy/attempt.h"

static void send_head(struct mg_attempt *a, struct mg_client *c, bool reused)
{
    a->reused = reused;
    a->sent_ns = mg_clock_ns();
    a->stream = mg_client_start(c, a->request, a->response);
    a->stream->events = a->events;
    a->stream->owner = a->owner;
}

static void on_connection(struct mg_pool_wait *w, struct mg_client *c, int err, const char *reason)
{
    struct mg_attempt *a = MG_LIST_OF(w, struct mg_attempt, wait);

    if (err != 0) {
        a->ep = NULL;
        a->on_fail(a, err, reason);
        return;
    }
    send_head(a, c, false);
    a->on_ready(a);
}

int mg_attempt_start(struct mg_attempt *a, struct mg_endpoint *ep, const struct mg_message *request,
                     struct mg_message *response, bool fresh)
{
    struct mg_client *c;
    int rc;

    a->ep = ep;
    a->stream = NULL;
    a->request = request;
    a->response = response;
    a->wait.fn = on_connection;
    rc = mg_pool_get(ep, fresh, &a->wait, &c);
    if (rc == MG_OK)
        send_head(a, c, true);
    else if (rc < 0)
        a->ep = NULL;
    return rc;
}

void mg_attempt_end(struct mg_attempt *a, bool whole)
{
    struct mg_stream *stream = a->stream;

    if (a->ep == NULL)
        return;
    a->ep = NULL;
    a->stream = NULL;
    if (stream != NULL)
        stream->ops->release(stream, whole);
    else
        mg_pool_cancel(&a->wait);
}
