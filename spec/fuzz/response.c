/* A libFuzzer target: what an upstream sends comes to the same response whole and in pieces, and what would be passed
 * on of it is read as that same response again.  The first byte chooses the request. */
#include "fuzz.h"

#include "http/client.h"
#include "http/parse.h"
#include "http/write.h"
#include "net/memory.h"

static struct mg_loop loop;
static struct mg_arena arena, texts;
static struct mg_message request, response;
static struct mg_stream *stream; /* NULL: released */
static struct mg_buf *into;      /* what this reading came to */
static bool in_body;

/* ---- a response that would be passed on ---------------------------------------------------- */

static mg_str head_of(const struct mg_message *m)
{
    char *text = mg_arena_alloc(&texts, mg_write_response_size(m));

    return mg_str_of(text, mg_write_response(m, m->framing, 0, text));
}

static void check(const struct mg_message *m, mg_str head)
{
    static const struct mg_limits wide = {
        .request_line_bytes = 65536, .header_bytes = 262144, .header_count = 400};
    struct mg_scan scan = {0};
    struct mg_refusal why;
    struct mg_message again;

    FUZZ_HOLDS(m->status >= 100 && m->status <= 599);
    FUZZ_HOLDS(mg_scan_head(&scan, head.ptr, head.len, &wide, false, &why) == (int)head.len);
    mg_message_init(&again, &texts);
    FUZZ_HOLDS(mg_parse_response(&again, mg_arena_copy(&texts, head.ptr, head.len),
                                 request.method_id, &why) == 0);
    FUZZ_HOLDS(again.status == m->status && again.bodiless == m->bodiless);
    FUZZ_HOLDS(again.length == m->length && again.headers.n <= m->headers.n);
    again.framing = m->framing;
    FUZZ_HOLDS(fuzz_equal(head_of(&again), head));
}

/* ---- the user of the client ---------------------------------------------------------------- */

static void release(bool whole)
{
    struct mg_stream *s = stream;

    stream = NULL;
    s->ops->release(s, whole);
}

static void log_head(const char *kind, const struct mg_message *m)
{
    mg_str head = head_of(m);

    fuzz_log(into, kind, head);
    check(m, head);
}

static void on_interim(struct mg_stream *s)
{
    FUZZ_HOLDS(s->in->status < 200 && s->in->status != 101);
    log_head("interim: ", s->in);
}

static void on_body(struct mg_stream *s, mg_str bytes)
{
    (void)s;
    fuzz_log(into, in_body ? "" : "body: ", bytes);
    in_body = true;
}

static void on_end(struct mg_stream *s)
{
    char *text = mg_arena_alloc(&texts, mg_write_trailers_size(&s->in->trailers));

    fuzz_log(into, "\nend: ", mg_str_of(text, mg_write_trailers(&s->in->trailers, text)));
    release(true);
}

static void on_head(struct mg_stream *s)
{
    bool bodiless = s->in->bodiless;

    log_head("head: ", s->in);
    if (s->in->status == 101)
        s->ops->tunnel(s);
    if (s->at_once.len == 0 || bodiless)
        return;
    on_body(s, s->at_once); /* the shorter way must come to the same */
    s->at_once.len = 0;
    on_end(s);
}

static void on_error(struct mg_stream *s, int err)
{
    (void)s;
    FUZZ_HOLDS(err < 0);
    fuzz_log(into, "\nfailed\n", (mg_str){0});
    release(false);
}

static const struct mg_stream_events stream_events = {.on_head = on_head,
                                                      .on_interim = on_interim,
                                                      .on_body = on_body,
                                                      .on_end = on_end,
                                                      .on_error = on_error};

static void on_free(struct mg_client *c, void *owner, bool reusable)
{
    *(struct mg_client **)owner = reusable ? c : NULL;
}

static void on_closed(struct mg_client *c, void *owner)
{
    (void)c;
    *(struct mg_client **)owner = NULL;
}

static const struct mg_client_events client_events = {.on_free = on_free, .on_closed = on_closed};

/* ---- one connection ------------------------------------------------------------------------ */

static void ask(uint8_t choice)
{
    static const mg_str methods[] = {MG_STR("GET"), MG_STR("HEAD"), MG_STR("POST"), MG_STR("GET")};

    mg_message_init(&request, &arena);
    mg_message_init(&response, &arena);
    request.method = methods[choice % 4];
    request.method_id = (uint16_t)mg_method_id(request.method);
    request.minor = 1;
    request.path = MG_STR("/");
    mg_message_set_authority(&request, MG_STR("t"));
    if (choice % 4 == 3)
        request.upgrade = MG_STR("websocket");
}

/* A turn asks the kernel, which takes longer than all the rest. */
static void deliver(struct mg_memory *m)
{
    while (mg_memory_deliver(m))
        if (!mg_list_empty(&loop.deferred))
            mg_loop_turn(&loop, false);
}

static void converse(const uint8_t *data, size_t size, bool whole, struct mg_buf *log)
{
    static const struct mg_memory_peer nobody;
    struct mg_memory *m = mg_memory_new(&loop, &nobody);
    struct mg_client *client = mg_client_new(mg_memory_conn(m), &client_events, &client);

    into = log;
    in_body = false;
    ask(data[0]);
    data++, size--;
    stream = mg_client_start(client, &request, &response);
    stream->events = &stream_events;
    stream->ops->send_end(stream, NULL);
    for (size_t at = 0, n; at < size; at += n) {
        n = whole ? size : fuzz_piece(data + at, size - at);
        mg_memory_feed(m, mg_str_of((const char *)data + at, n), false);
        deliver(m);
    }
    mg_memory_feed(m, (mg_str){"", 0}, true);
    deliver(m);
    if (stream != NULL) /* a tunnel, whose end the exchange sees to */
        release(false);
    if (client != NULL)
        mg_client_close(client);
    mg_loop_turn(&loop, false);
    FUZZ_HOLDS(mg_memory_closed(m, NULL) && mg_list_empty(&loop.deferred));
    mg_memory_free(m);
    mg_arena_reset(&arena);
    mg_arena_reset(&texts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mg_buf whole = {0}, pieces = {0};

    if (size == 0)
        return 0;
    if (loop.scratch == NULL)
        FUZZ_HOLDS(mg_loop_init(&loop) == 0);
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
    mg_arena_free(&texts);
    if (loop.scratch != NULL)
        mg_loop_close(&loop);
}
