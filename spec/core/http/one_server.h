/* one_server.h -- A server on a connection without a socket, and a user of it that writes down what it hears. */
#ifndef MG_ONE_SERVER_H
#define MG_ONE_SERVER_H
#include "base/buf.h"
#include "fake_conn.h"
#include "http/server.h"
#include "test.h"

#define HOST "Host: t\r\n"

/* What the user of the server does with each request; a test sets the plan, then reads the rest. */
static struct {
    bool hold;  /* no answer until answer() is called */
    bool early; /* answers inside on_request */
    bool pause; /* pauses inside on_request */
    bool keep;  /* takes no message: refused with 503 */
    enum mg_framing framing;
    int status;
    struct mg_arena arena, response_arena;
    struct mg_message in, out;
    struct mg_stream *stream;
    struct mg_buf body;
    int requests, ends, errors, last_error, refused, closed, drains;
    char log[4096]; /* "GET /a;body|" a request */
} user;
static struct mg_limits limits;
static struct mg_server *server;

static inline void log_request(void)
{
    size_t n = strlen(user.log);

    snprintf(user.log + n, sizeof(user.log) - n, "%.*s %.*s;%.*s|", (int)user.in.method.len,
             user.in.method.ptr, (int)user.in.path.len, user.in.path.ptr,
             (int)mg_buf_len(&user.body),
             mg_buf_len(&user.body) > 0 ? mg_buf_bytes(&user.body) : "");
}

static inline void start_answer(const char *body, uint64_t length)
{
    mg_message_init(&user.out, &user.response_arena);
    user.out.status = (uint16_t)user.status;
    user.out.framing = user.framing;
    user.out.length = length;
    CHECK(user.stream->ops->send_head(user.stream, &user.out) == MG_OK);
    user.stream->ops->send_body(user.stream, mg_str_of(body, strlen(body)));
}

static inline void release(bool whole)
{
    struct mg_stream *s = user.stream;

    user.stream = NULL;
    s->ops->release(s, whole);
    mg_buf_free(&user.body);
}

static inline void answer(void)
{
    start_answer("hello", 5);
    user.stream->ops->send_end(user.stream, NULL);
    release(true);
}

static inline void on_body(struct mg_stream *s, mg_str bytes)
{
    CHECK(s == user.stream && user.ends == 0);
    mg_buf_append(&user.body, bytes.ptr, bytes.len);
}

static inline void on_end(struct mg_stream *s)
{
    CHECK(s == user.stream);
    user.ends++;
    log_request();
    if (!user.hold)
        answer();
}

static inline void on_drain(struct mg_stream *s)
{
    CHECK(s == user.stream);
    user.drains++;
}

static inline void on_error(struct mg_stream *s, int err)
{
    CHECK(s == user.stream);
    user.errors++;
    user.last_error = err;
    release(false);
}

static const struct mg_stream_events events = {
    .on_body = on_body, .on_end = on_end, .on_drain = on_drain, .on_error = on_error};

static inline struct mg_message *on_head_bytes(struct mg_server *s, void **owner)
{
    CHECK(s == server && user.stream == NULL);
    if (user.keep)
        return NULL;
    *owner = &user;
    mg_arena_reset(&user.arena);
    mg_arena_reset(&user.response_arena);
    mg_message_init(&user.in, &user.arena);
    return &user.in;
}

static inline void on_request(struct mg_server *s, struct mg_stream *stream)
{
    CHECK(s == server && stream->owner == &user && mg_server_of(stream) == s);
    user.requests++;
    user.ends = 0;
    user.stream = stream;
    stream->events = &events;
    if (user.pause)
        stream->ops->pause(stream);
    if (user.early)
        answer();
}

static inline void on_refused(struct mg_server *s, void *owner, int status, const char *why)
{
    CHECK(s == server && (owner == NULL || owner == &user) && why != NULL);
    user.refused = status;
}

static inline void on_closed(struct mg_server *s)
{
    CHECK(s == server && user.stream == NULL);
    user.closed++;
    server = NULL;
}

static const struct mg_server_handler handler = {.on_head_bytes = on_head_bytes,
                                                 .on_request = on_request,
                                                 .on_refused = on_refused,
                                                 .on_closed = on_closed};

static inline void open_server(void)
{
    struct mg_server_opts opts = {&limits, &handler, NULL};

    mg_arena_free(&user.arena);
    mg_arena_free(&user.response_arena);
    memset(&user, 0, sizeof(user));
    user.status = 200;
    user.framing = MG_BODY_LENGTH;
    mg_limits_default(&limits);
    CHECK(mg_server_new(fake_open(), &opts, &server) == MG_OK);
}

/* Ends the connection from the peer's side, if it stands, and sees that all is freed. */
static inline void close_server(void)
{
    if (user.stream != NULL)
        release(false);
    fake_turn();
    fake_eof();
    fake_turn();
    CHECK(user.closed == 1 && server == NULL);
    CHECK(wire.closed);
}

static inline bool feed(const char *text)
{
    return fake_feed(text, strlen(text));
}

#define SAYS(text) (strstr(wire.out, text) != NULL)
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#endif
