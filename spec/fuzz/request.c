/* A libFuzzer target: what a client sends comes to the same requests whole and in pieces, and each request that would
 * be forwarded is read as that same one request again. */
#include "fuzz.h"

#include "http/parse.h"
#include "http/server.h"
#include "http/write.h"
#include "net/memory.h"

static struct mg_loop loop;
static struct mg_limits limits;
static struct mg_arena arena, answers;
static struct mg_message in;
static struct mg_buf *into; /* what this reading came to */
static bool in_body;

/* ---- a request that would be forwarded --------------------------------------------------- */

static mg_str head_of(const struct mg_message *m)
{
    char *text = mg_arena_alloc(&answers, mg_write_request_size(m));

    return mg_str_of(text, mg_write_request(m, 0, text));
}

/* Max-Forwards is one less after each parser, and no Host is Host without a name: both as they must. */
static bool is_changed(const struct mg_message *m)
{
    mg_str forwards;

    return m->authority.len == 0 ||
           mg_headers_get(&m->headers, MG_STR("max-forwards"), &forwards) == MG_OK;
}

static void check(const struct mg_message *m, mg_str head)
{
    struct mg_limits wide = limits;
    struct mg_scan scan = {0};
    struct mg_refusal why;
    struct mg_message again;

    wide.header_bytes *= 2;
    wide.header_count *= 2;
    if (is_changed(m))
        return;
    FUZZ_HOLDS(mg_scan_head(&scan, head.ptr, head.len, &wide, true, &why) == (int)head.len);
    mg_message_init(&again, &answers);
    FUZZ_HOLDS(mg_parse_request(&again, mg_arena_copy(&answers, head.ptr, head.len), &wide, &why) ==
               0);
    FUZZ_HOLDS(again.framing == m->framing || (m->framing == MG_BODY_NONE && again.length == 0));
    FUZZ_HOLDS(again.length == m->length && again.headers.n <= m->headers.n);
    FUZZ_HOLDS(fuzz_equal(again.method, m->method) && fuzz_equal(again.path, m->path));
    FUZZ_HOLDS(fuzz_equal(again.query, m->query) && fuzz_equal(again.host, m->host));
    again.framing = m->framing;
    again.accepts_trailers = m->accepts_trailers;
    FUZZ_HOLDS(fuzz_equal(head_of(&again), head));
}

/* ---- the user of the server ---------------------------------------------------------------- */

static void answer(struct mg_stream *s)
{
    struct mg_message out;

    mg_message_init(&out, &answers);
    out.status = 200;
    out.framing = MG_BODY_LENGTH;
    s->ops->send_head(s, &out);
    s->ops->send_end(s, NULL);
    s->ops->release(s, true);
    mg_arena_reset(&arena);
}

static void on_body(struct mg_stream *s, mg_str bytes)
{
    (void)s;
    fuzz_log(into, in_body ? "" : "body: ", bytes);
    in_body = true;
}

static void on_end(struct mg_stream *s)
{
    char *text = mg_arena_alloc(&answers, mg_write_trailers_size(&in.trailers));

    fuzz_log(into, "\nend: ", mg_str_of(text, mg_write_trailers(&in.trailers, text)));
    answer(s);
}

static void on_error(struct mg_stream *s, int err)
{
    FUZZ_HOLDS(err < 0);
    fuzz_log(into, err == MG_EGONE ? "\ngone\n" : "\nbroken\n", (mg_str){0});
    s->ops->release(s, false);
    mg_arena_reset(&arena);
}

static const struct mg_stream_events events = {
    .on_body = on_body, .on_end = on_end, .on_error = on_error};

static struct mg_message *on_head_bytes(struct mg_server *s, void **owner)
{
    (void)s;
    *owner = &in;
    mg_message_init(&in, &arena);
    return &in;
}

static void on_request(struct mg_server *s, struct mg_stream *stream)
{
    mg_str head = head_of(&in);

    (void)s;
    fuzz_log(into, "head: ", head);
    check(&in, head);
    in_body = false;
    stream->events = &events;
}

/* With which status depends on how much had come: the first fault is told, or the one that is nearer. */
static void on_refused(struct mg_server *s, void *owner, int status, const char *why)
{
    (void)s, (void)why;
    FUZZ_HOLDS(status >= 400 || status == 200); /* 200: Max-Forwards ends here */
    fuzz_log(into, "refused\n", (mg_str){0});
    if (owner != NULL)
        mg_arena_reset(&arena);
}

static void on_closed(struct mg_server *s)
{
    (void)s;
    fuzz_log(into, "closed\n", (mg_str){0});
}

static const struct mg_server_handler handler = {.on_head_bytes = on_head_bytes,
                                                 .on_request = on_request,
                                                 .on_refused = on_refused,
                                                 .on_closed = on_closed};

/* ---- one connection ------------------------------------------------------------------------ */

/* A turn asks the kernel, which takes longer than all the rest. */
static void deliver(struct mg_memory *m)
{
    do
        if (!mg_list_empty(&loop.deferred))
            mg_loop_turn(&loop, false);
    while (mg_memory_deliver(m));
}

static void converse(const uint8_t *data, size_t size, bool whole, struct mg_buf *log)
{
    static const struct mg_memory_peer nobody;
    struct mg_memory *m = mg_memory_new(&loop, &nobody);
    struct mg_server_opts opts = {.limits = &limits, .handler = &handler};
    struct mg_server *server;

    into = log;
    FUZZ_HOLDS(mg_server_new(mg_memory_conn(m), &opts, &server) == 0);
    for (size_t at = 0, n; at < size; at += n) {
        n = whole ? size : fuzz_piece(data + at, size - at);
        mg_memory_feed(m, mg_str_of((const char *)data + at, n), at + n == size);
        deliver(m);
    }
    deliver(m);
    if (!mg_memory_closed(m, NULL)) { /* nothing was fed */
        mg_memory_feed(m, (mg_str){"", 0}, true);
        deliver(m);
    }
    mg_loop_turn(&loop, false);
    FUZZ_HOLDS(mg_memory_closed(m, NULL) && mg_list_empty(&loop.deferred) &&
               mg_list_empty(&loop.next));
    mg_memory_free(m);
    mg_arena_reset(&answers);
}

static void start(void)
{
    static struct mg_timer awake; /* a loop with nothing open does not turn */

    FUZZ_HOLDS(mg_loop_init(&loop) == 0);
    mg_timer_init(&awake, NULL);
    mg_timer_set(&loop, &awake, UINT32_MAX);
    mg_limits_default(&limits);
    limits.body_bytes = 4096;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mg_buf whole = {0}, pieces = {0};

    if (loop.scratch == NULL)
        start();
    if (size == 0)
        return 0;
    converse(data, size, true, &whole);
    converse(data, size, false, &pieces);
    fuzz_same(&whole, &pieces);
    mg_buf_free(&whole);
    mg_buf_free(&pieces);
    return 0;
}

void fuzz_end(void)
{
    mg_arena_free(&arena);
    mg_arena_free(&answers);
    if (loop.scratch != NULL)
        mg_loop_close(&loop);
}
