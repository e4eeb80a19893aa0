#include "app/admin.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "app/profiling.h"
#include "app/summary.h"
#include "base/buf.h"
#include "base/log.h"
#include "http/server.h"
#include "net/listener.h"

enum {
    ADMIN_CONNECTIONS = 64,
    ADMIN_NICE = 10,
    PIECE = 65536,
    DRAIN_MS = 5000, /* for pages that are being made and sent */
    DRAIN_LOOK_MS = 10
};

struct admin {
    const struct mg_admin_opts *opts;
    struct mg_loop loop;
    struct mg_listener *listener;
    struct mg_list clients;
    struct mg_watch control;
    struct mg_timer drain;
    uint64_t drain_until; /* 0: it does not drain */
    struct mg_limits limits;
    struct mg_profiling profiling;
    struct mg_summary summary;
    struct mg_list asking; /* clients that wait for the summary */
};

/* One connection and the request on it. */
struct client {
    struct admin *admin;
    struct mg_list link, asks;
    struct mg_server *server;
    struct mg_stream *stream; /* of a request in progress */
    struct mg_arena arena;
    struct mg_message request;
    struct mg_buf body; /* of the answer, as far as it is not sent */
    struct mg_deferred more;
};

static const struct mg_stream_events events;

/* ---- answers ------------------------------------------------------------------------------ */

/* Being nice is not enough: from Linux 6.6 on who runs may go on for some ms before one that wakes up gets
 * the CPU, however much more that weighs; and that may be a worker.  One in ten waited 2.9 ms beside such a
 * process, and under 0.2 ms beside one that offers the CPU every 100 us. */
static int put(void *arg, const char *ptr, size_t len)
{
    mg_buf_append(arg, ptr, len);
    sched_yield();
    return 0;
}

static void metrics(struct admin *a, struct mg_buf *body)
{
    mg_metrics_write(a->opts->shared->metrics, put, body);
}

static void alive(struct admin *a, struct mg_buf *body)
{
    (void)a;
    mg_buf_append(body, "live\n", 5);
}

static void ready(struct admin *a, struct mg_buf *body)
{
    const struct mg_status *s = a->opts->shared->status;
    const char *text = s->draining ? "draining\n" : s->ready > 0 ? "ready\n" : "starting\n";

    mg_buf_append(body, text, strlen(text));
}

static uint16_t ready_status(const struct admin *a)
{
    const struct mg_status *s = a->opts->shared->status;

    return !s->draining && s->ready > 0 ? 200 : 503;
}

static void finish(struct client *c, bool whole)
{
    struct mg_stream *s = c->stream;

    c->stream = NULL;
    mg_profiling_cancel(&c->admin->profiling, c);
    mg_list_remove(&c->asks);
    mg_list_remove(&c->more.link);
    mg_buf_free(&c->body);
    if (s != NULL)
        s->ops->release(s, whole);
    mg_arena_reset(&c->arena);
}

/* One piece a turn, for the same reason. */
static void send_piece(struct client *c)
{
    struct mg_stream *s = c->stream;
    size_t len = mg_buf_len(&c->body);
    int rc = MG_OK;

    if (len > PIECE)
        len = PIECE;
    if (len > 0) {
        rc = s->ops->send_body(s, mg_str_of(mg_buf_bytes(&c->body), len));
        mg_buf_consume(&c->body, len);
    }
    if (rc >= 0 && mg_buf_len(&c->body) == 0)
        finish(c, s->ops->send_end(s, NULL) >= 0);
    else if (rc < 0)
        finish(c, false);
    else if (rc == MG_OK)
        mg_loop_defer_to_next(&c->admin->loop, &c->more);
}

static void on_more(struct mg_deferred *d)
{
    sched_yield();
    send_piece(MG_LIST_OF(d, struct client, more));
}

static void on_drain(struct mg_stream *s)
{
    send_piece(s->owner);
}

/* Takes the body over. */
static void answer(struct client *c, uint16_t status, const char *type, struct mg_buf *body)
{
    struct mg_stream *s = c->stream;
    struct mg_message m;

    mg_message_init(&m, &c->arena);
    m.status = status;
    m.framing = MG_BODY_LENGTH;
    m.length = mg_buf_len(body);
    mg_headers_push(&m, &m.headers, MG_STR("content-type"), mg_str_of(type, strlen(type)));
    c->body = *body;
    *body = (struct mg_buf){0};
    if (s->ops->send_head(s, &m) < 0)
        finish(c, false);
    else
        send_piece(c);
}

static void refuse(struct client *c, uint16_t status, const char *text)
{
    struct mg_buf body = {0};

    mg_buf_append(&body, text, strlen(text));
    answer(c, status, "text/plain", &body);
}

static void on_profiled(void *owner, const char *type, struct mg_buf *body)
{
    answer(owner, 200, type, body);
}

static void profile(struct client *c)
{
    switch (mg_profiling_begin(&c->admin->profiling, c->request.query, c)) {
    case MG_EFULL:
        refuse(c, 409, "another profile is being taken\n");
        break;
    case MG_EINVAL:
        refuse(c, 400, "expected seconds=1 to 60, format=svg or folded\n");
        break;
    }
}

static void show_config(struct client *c)
{
    const struct mg_buf *text = &c->admin->summary.text;
    struct mg_buf body = {0};

    if (!c->admin->summary.made) {
        refuse(c, 500, "the config cannot be shown; the log says why\n");
        return;
    }
    mg_buf_append(&body, mg_buf_bytes(text), mg_buf_len(text));
    answer(c, 200, "application/json", &body);
}

static void on_summary(struct mg_summary *s)
{
    struct admin *a = MG_LIST_OF(s, struct admin, summary);

    while (!mg_list_empty(&a->asking)) {
        struct client *c = MG_LIST_OF(a->asking.next, struct client, asks);

        mg_list_remove(&c->asks);
        show_config(c);
    }
}

static void config(struct client *c)
{
    struct admin *a = c->admin;

    if (a->summary.made) {
        show_config(c);
        return;
    }
    mg_list_append(&a->asking, &c->asks);
    mg_summary_make(&a->summary);
}

static const struct page {
    const char *path, *type;
    void (*write)(struct admin *, struct mg_buf *);
    uint16_t (*status)(const struct admin *); /* NULL: 200 */
    void (*begin)(struct client *);           /* instead: answers later */
} pages[] = {
    {"/stats/prometheus", "text/plain; version=0.0.4; charset=utf-8", metrics, NULL, NULL},
    {"/healthz/ready", "text/plain", ready, ready_status, NULL},
    {"/healthz/live", "text/plain", alive, NULL, NULL},
    {"/config", NULL, NULL, NULL, config},
    {"/debug/profile", NULL, NULL, NULL, profile},
};

static const struct page *find_page(mg_str path)
{
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
        if (path.len == strlen(pages[i].path) && memcmp(path.ptr, pages[i].path, path.len) == 0)
            return &pages[i];
    return NULL;
}

static void on_request(struct mg_server *server, struct mg_stream *s)
{
    struct client *c = mg_server_owner(server);
    const struct page *page = find_page(c->request.path);
    struct mg_buf body = {0};

    c->stream = s;
    s->events = &events;
    s->owner = c;
    if (page == NULL) {
        refuse(c, 404,
               "no such page; there are /stats/prometheus /healthz/ready /healthz/live /config "
               "/debug/profile\n");
    } else if (c->request.method_id != MG_METHOD_GET && c->request.method_id != MG_METHOD_HEAD) {
        refuse(c, 405, "only GET and HEAD\n");
    } else if (page->begin != NULL) {
        page->begin(c);
    } else {
        page->write(c->admin, &body);
        answer(c, page->status == NULL ? 200 : page->status(c->admin), page->type, &body);
    }
}

/* ---- connections -------------------------------------------------------------------------- */

static struct mg_message *on_head_bytes(struct mg_server *server, void **owner)
{
    struct client *c = mg_server_owner(server);

    *owner = c;
    mg_message_init(&c->request, &c->arena);
    return &c->request;
}

static void on_refused(struct mg_server *server, void *owner, int status, const char *why)
{
    struct client *c = mg_server_owner(server);

    (void)owner;
    mg_arena_reset(&c->arena);
    mg_log(MG_LOG_INFO, "admin: status=%d refused: %s", status, why);
}

static void on_closed(struct mg_server *server)
{
    struct client *c = mg_server_owner(server);

    mg_listener_release(c->admin->listener, MG_CLIENTS_NOBODY);
    mg_list_remove(&c->link);
    mg_arena_free(&c->arena);
    free(c);
}

static const struct mg_server_handler handler = {
    .on_head_bytes = on_head_bytes,
    .on_request = on_request,
    .on_refused = on_refused,
    .on_closed = on_closed,
};

static void ignore(struct mg_stream *s)
{
    (void)s; /* whether the request has a body is all the same */
}

static void ignore_body(struct mg_stream *s, mg_str bytes)
{
    (void)s;
    (void)bytes;
}

static void on_error(struct mg_stream *s, int err)
{
    (void)err;
    finish(s->owner, false);
}

static const struct mg_stream_events events = {
    .on_body = ignore_body, .on_end = ignore, .on_drain = on_drain, .on_error = on_error};

static void on_accept(struct mg_listener *l, struct mg_conn *conn, uint64_t client)
{
    struct admin *a = mg_listener_owner(l);
    struct client *c = calloc(1, sizeof(*c));
    struct mg_server_opts opts = {.limits = &a->limits, .handler = &handler, .owner = c};

    if (c == NULL)
        mg_conn_close(conn);
    if (c == NULL || mg_server_new(conn, &opts, &c->server) != 0) {
        mg_listener_release(l, client);
        free(c);
        return;
    }
    c->admin = a;
    mg_list_append(&a->clients, &c->link);
    mg_arena_init(&c->arena);
    mg_list_init(&c->more.link);
    mg_list_init(&c->asks);
    c->more.fn = on_more;
}

/* ---- the end ------------------------------------------------------------------------------ */

static void on_drain_look(struct mg_timer *t)
{
    struct admin *a = MG_LIST_OF(t, struct admin, drain);
    bool done = mg_list_empty(&a->clients) && a->loop.lingering == 0;

    if (done || mg_loop_now(&a->loop) >= a->drain_until)
        mg_loop_stop(&a->loop);
    else
        mg_timer_set(&a->loop, &a->drain, DRAIN_LOOK_MS);
}

/* Who was accepted is answered; who waits in the socket's queue is the successor's, which begins when this process has
 * ended. */
static void drain(struct admin *a)
{
    if (a->drain_until != 0)
        return;
    for (struct mg_list *at = a->clients.next; at != &a->clients; at = at->next)
        mg_server_drain(MG_LIST_OF(at, struct client, link)->server);
    mg_listener_close(a->listener);
    a->drain_until = mg_loop_now(&a->loop) + DRAIN_MS;
    on_drain_look(&a->drain);
}

/* ---- the process -------------------------------------------------------------------------- */

static void on_control(struct mg_watch *watch, uint32_t events)
{
    struct admin *a = MG_LIST_OF(watch, struct admin, control);
    static struct mg_control message;

    (void)events;
    if (mg_control_receive(a->opts->control, &message) != 0)
        mg_loop_stop(&a->loop); /* the master has gone */
    else if (message.type == MG_CONTROL_DRAIN)
        drain(a);
}

int mg_admin_run(const struct mg_admin_opts *o)
{
    static struct admin admin; /* the process ends with it, so nothing is freed */
    struct admin *a = &admin;
    struct mg_listener_opts opts = {
        .fd = o->fd, .max_conns = ADMIN_CONNECTIONS, .on_accept = on_accept, .owner = a};
    struct mg_control message = {.type = MG_CONTROL_READY};

    mg_log_setup("admin", MG_LOG_INFO);
    if (mg_loop_init(&a->loop) != 0)
        return 1;
    a->opts = o;
    mg_limits_default(&a->limits);
    mg_list_init(&a->clients);
    mg_timer_init(&a->drain, on_drain_look);
    a->profiling.loop = &a->loop;
    a->profiling.board = o->shared->profile;
    a->profiling.done = on_profiled;
    mg_profiling_init(&a->profiling);
    mg_list_init(&a->asking);
    a->summary = (struct mg_summary){.loop = &a->loop, .image = o->image, .done = on_summary};
    if (mg_listener_open(&a->loop, &opts, &a->listener) != 0 ||
        mg_watch_start(&a->loop, &a->control, o->control, EPOLLIN, on_control) != 0)
        return 1;
    /* Adding up many series must not keep the workers waiting; one that cannot be lowered serves too. */
    setpriority(PRIO_PROCESS, 0, ADMIN_NICE);
    mg_control_send(o->control, &message);
    mg_loop_run(&a->loop);
    return 0;
}
