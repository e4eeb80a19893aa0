#include "http/server_state.h"

enum { LINGER_MS = 2000 };

static void gone(struct mg_server *s)
{
    s->state = SERVER_GONE;
    s->conn = NULL;
    s->writing = false;
    if (!s->busy)
        mg_loop_defer(s->loop, &s->later);
}

void mg_server_close_now(struct mg_server *s)
{
    struct mg_conn *conn = s->conn;

    gone(s);
    mg_conn_close(conn);
}

static void on_lingered(void *owner)
{
    struct mg_server *s = owner;

    s->lingers = false;
    mg_loop_defer(s->loop, &s->later);
}

void mg_server_close(struct mg_server *s)
{
    struct mg_conn *conn = s->conn;
    uint32_t ms;

    gone(s);
    mg_conn_shutdown(conn);
    /* A slow reader still gets what is queued. */
    ms = mg_conn_queued(conn) > 0 ? s->limits->write_timeout_ms : LINGER_MS;
    s->lingers = mg_conn_close_lingering(conn, ms, on_lingered);
}

void mg_server_arm(struct mg_server *s, uint32_t ms)
{
    mg_timer_set(s->loop, &s->timer, ms);
}

uint32_t mg_server_patience(const struct mg_server *s)
{
    return s->state == SERVER_HEAD                               ? s->limits->header_timeout_ms
           : s->state == SERVER_BODY || s->state == SERVER_DRAIN ? s->limits->body_timeout_ms
                                                                 : s->limits->idle_timeout_ms;
}

void mg_server_measure(struct mg_server *s)
{
    s->active->since_ns = mg_clock_ns();
    s->active->since_bytes = s->stream.bytes_in;
}

void mg_server_reset(struct mg_server *s)
{
    struct mg_conn *conn = s->conn;

    gone(s);
    mg_conn_reset(conn);
}

void mg_server_idle(struct mg_server *s)
{
    s->state = SERVER_IDLE;
    if (!s->writing)
        mg_server_arm(s, s->limits->idle_timeout_ms);
    if (s->draining)
        mg_server_close(s);
}
