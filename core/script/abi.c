#include "script/abi.h"

#include <arpa/inet.h>

#include "proxy/check.h"
#include "proxy/shadow.h"

static struct mg_x *x_of(mg_exchange *pub)
{
    return (struct mg_x *)pub; /* pub is the first field */
}

int mg_abi_version(void)
{
    return MG_ABI_VERSION;
}

/* ---- headers ---------------------------------------------------------------------------- */

/* NULL: there is no such message (yet). */
static struct mg_message *message(struct mg_x *x, int side)
{
    if (side == MG_REQUEST || side == MG_REQUEST_TRAILERS)
        return x->server != NULL ? &x->req : NULL;
    return x->responded ? &x->res : NULL;
}

static struct mg_headers *fields_of(struct mg_message *m, int side)
{
    return side == MG_REQUEST || side == MG_RESPONSE ? &m->headers : &m->trailers;
}

/* Host is not kept among the fields: it is the authority, by either of its two ways in. */
static bool is_host(int side, const char *name, uint32_t len)
{
    return side == MG_REQUEST && len == 4 && mg_str_ieq(mg_str_of(name, len), MG_STR("host"));
}

int mg_header_get(mg_exchange *x, int side, const char *name, uint32_t len, mg_str *value)
{
    struct mg_message *m = message(x_of(x), side);

    if (is_host(side, name, len) && x->authority.len > 0) {
        *value = x->authority;
        return MG_OK;
    }
    return m == NULL ? MG_ENOENT : mg_headers_get(fields_of(m, side), mg_str_of(name, len), value);
}

int mg_header_next(mg_exchange *x, int side, uint32_t *pos, mg_str *name, mg_str *value)
{
    struct mg_message *m = message(x_of(x), side);

    return m == NULL ? MG_ENOENT : mg_headers_next(fields_of(m, side), pos, name, value);
}

int mg_header_next_of(mg_exchange *x, int side, const char *name, uint32_t len, uint32_t *pos,
                      mg_str *value)
{
    struct mg_message *m = message(x_of(x), side);

    return m == NULL ? MG_ENOENT
                     : mg_headers_next_of(fields_of(m, side), mg_str_of(name, len), pos, value);
}

/* A message that may still be edited, or NULL. */
static struct mg_message *editable(mg_exchange *x, int side)
{
    bool response = side == MG_RESPONSE || side == MG_RESPONSE_TRAILERS;

    return response && x->response_started ? NULL : message(x_of(x), side);
}

/* What may stand in trailers is less than what may stand in a head. */
static bool is_forbidden(int side, const char *name, uint32_t len)
{
    return side > MG_RESPONSE && !mg_is_trailer(mg_str_of(name, len));
}

int mg_header_set(mg_exchange *x, int side, const char *name, uint32_t nlen, const char *value,
                  uint32_t vlen)
{
    struct mg_message *m = editable(x, side);

    if (is_host(side, name, nlen))
        return mg_set_authority(x, value, vlen);
    if (m == NULL || is_forbidden(side, name, nlen))
        return m == NULL ? MG_EPHASE : MG_EINVAL;
    return mg_headers_set(m, fields_of(m, side), mg_str_of(name, nlen), mg_str_of(value, vlen));
}

int mg_header_add(mg_exchange *x, int side, const char *name, uint32_t nlen, const char *value,
                  uint32_t vlen)
{
    struct mg_message *m = editable(x, side);

    if (m == NULL || is_forbidden(side, name, nlen))
        return m == NULL ? MG_EPHASE : MG_EINVAL;
    return mg_headers_add(m, fields_of(m, side), mg_str_of(name, nlen), mg_str_of(value, vlen));
}

int mg_header_remove(mg_exchange *x, int side, const char *name, uint32_t len)
{
    struct mg_message *m = editable(x, side);

    if (m != NULL && side == MG_RESPONSE && m->bodiless &&
        mg_field_of(mg_str_of(name, len)) == MG_FIELD_CONTENT_LENGTH) {
        m->framing = MG_BODY_NONE;
        return MG_OK;
    }
    return m == NULL ? MG_EPHASE : mg_headers_remove(fields_of(m, side), mg_str_of(name, len));
}

/* ---- the request ------------------------------------------------------------------------ */

int mg_set_method(mg_exchange *pub, const char *method, uint32_t len)
{
    struct mg_x *x = x_of(pub);
    mg_str text = mg_str_of(method, len);

    if (pub->attempts > 0) /* what is on the way is read by the method it was sent with */
        return MG_EPHASE;
    if (!mg_is_token(text) || mg_method_id(text) == MG_METHOD_CONNECT)
        return MG_EINVAL;
    pub->method = x->req.method = mg_arena_copy(&x->arena, method, len);
    pub->method_id = x->req.method_id = (uint16_t)mg_method_id(text);
    return MG_OK;
}

int mg_set_path(mg_exchange *pub, const char *path, uint32_t len)
{
    struct mg_x *x = x_of(pub);

    if (!mg_is_path(mg_str_of(path, len)))
        return MG_EINVAL;
    pub->path = x->req.path = mg_arena_copy(&x->arena, path, len);
    return MG_OK;
}

int mg_set_query(mg_exchange *pub, const char *query, uint32_t len)
{
    struct mg_x *x = x_of(pub);

    if (!mg_is_query(mg_str_of(query, len)))
        return MG_EINVAL;
    pub->query = x->req.query = mg_arena_copy(&x->arena, query, len);
    pub->has_query = x->req.has_query = len > 0;
    return MG_OK;
}

bool mg_path_is_plain(const mg_exchange *pub)
{
    mg_str path = pub->path;

    if (path.len == 0 || path.ptr[0] != '/')
        return false;
    for (uint32_t i = 1; i < path.len; i++) {
        char c = path.ptr[i];

        if (c == '%' || c == '\\' || (path.ptr[i - 1] == '/' && (c == '.' || c == '/')))
            return false;
    }
    return true;
}

int mg_set_authority(mg_exchange *pub, const char *authority, uint32_t len)
{
    struct mg_x *x = x_of(pub);
    int rc;

    rc = mg_message_set_authority(&x->req, mg_arena_copy(&x->arena, authority, len));
    if (rc == MG_OK) {
        pub->authority = x->req.authority;
        pub->host = x->req.host;
    }
    return rc;
}

static mg_str kept(const struct mg_relay *r)
{
    size_t len = mg_buf_len(&r->kept);

    return len > 0 ? mg_str_of(mg_buf_bytes(&r->kept), len) : (mg_str){"", 0};
}

int mg_request_body_wait(mg_exchange *x, uint64_t limit)
{
    return mg_exchange_body_gather(x_of(x), limit);
}

int mg_request_body_peek(mg_exchange *x, uint64_t enough)
{
    if (x->attempts > 0)
        return MG_EPHASE;
    return mg_exchange_body_peek(x_of(x), enough);
}

int mg_request_body(mg_exchange *x, mg_str *body)
{
    *body = kept(&x_of(x)->body_in);
    return x_of(x)->body_in.ended ? MG_OK : MG_EPHASE;
}

int mg_request_body_set(mg_exchange *x, const char *body, uint64_t len)
{
    if (x->attempts > 0)
        return MG_EPHASE;
    if (len > UINT32_MAX)
        return MG_ELIMIT;
    if (x_of(x)->shadow != NULL)
        return MG_OK;
    mg_relay_replace(&x_of(x)->body_in, mg_str_of(body, len));
    x->has_body = len > 0;
    return MG_OK;
}

int mg_request_body_next(mg_exchange *x, mg_str *chunk)
{
    return mg_exchange_body_next(x_of(x), chunk);
}

int mg_request_keep(mg_exchange *x, uint64_t limit, bool counted)
{
    x_of(x)->counted = counted;
    mg_relay_keep(&x_of(x)->body_in, limit);
    return MG_OK;
}

bool mg_breaker_retry(struct mg_breaker *b, mg_exchange *x)
{
    return mg_attempt_retry(&x_of(x)->up, b);
}

bool mg_replayable(mg_exchange *x)
{
    return !x->response_started && !x->gone && !x->expired &&
           mg_relay_replayable(&x_of(x)->body_in);
}

/* ---- upstream --------------------------------------------------------------------------- */

int mg_forward(mg_exchange *x, struct mg_endpoint *ep, uint32_t timeout_ms, bool stream)
{
    return mg_exchange_forward(x_of(x), ep, timeout_ms, stream);
}

int mg_upstream_send(mg_exchange *x, const char *bytes, uint32_t len)
{
    return mg_exchange_send(x_of(x), mg_str_of(bytes, len));
}

int mg_upstream_end(mg_exchange *x)
{
    return mg_exchange_send_end(x_of(x));
}

int mg_upstream_wait(mg_exchange *x)
{
    return mg_exchange_wait(x_of(x));
}

int mg_upstream_reason(mg_exchange *x, mg_str *out)
{
    const char *reason = x_of(x)->reason;

    if (reason == NULL)
        return MG_ENOENT;
    *out = mg_str_of(reason, strlen(reason));
    return MG_OK;
}

int mg_upstream_address(mg_exchange *x, mg_str *out)
{
    *out = x_of(x)->upstream_address;
    return out->len > 0 ? MG_OK : MG_ENOENT;
}

int mg_set_deadline(mg_exchange *x, uint32_t ms)
{
    return mg_exchange_deadline(x_of(x), ms);
}

/* ---- the response ----------------------------------------------------------------------- */

int mg_respond(mg_exchange *x, uint32_t status, const char *body, uint64_t len)
{
    if (x->response_started)
        return MG_EPHASE;
    if (status < 200 || status > 599)
        return MG_EINVAL;
    if (len > UINT32_MAX)
        return MG_ELIMIT;
    if (x_of(x)->shadow != NULL)
        mg_shadow_respond(x_of(x), (uint16_t)status);
    else
        mg_exchange_respond(x_of(x), (uint16_t)status, mg_str_of(body, len));
    return MG_OK;
}

int mg_set_status(mg_exchange *x, uint32_t status)
{
    if (x->response_started || !x_of(x)->responded)
        return MG_EPHASE;
    if (status < 200 || status > 599 || x->status == 101)
        return MG_EINVAL;
    x->status = x_of(x)->res.status = (uint16_t)status;
    x_of(x)->res.reason = (mg_str){0};
    return MG_OK;
}

int mg_response_body_wait(mg_exchange *x, uint64_t limit)
{
    return mg_exchange_response_gather(x_of(x), limit);
}

int mg_response_body_peek(mg_exchange *x, uint64_t enough)
{
    return mg_exchange_response_peek(x_of(x), enough);
}

int mg_response_body(mg_exchange *x, mg_str *body)
{
    *body = kept(&x_of(x)->body_out);
    return x_of(x)->body_out.ended ? MG_OK : MG_EPHASE;
}

int mg_response_body_set(mg_exchange *x, const char *body, uint64_t len)
{
    if (x->response_started || !x_of(x)->responded)
        return MG_EPHASE;
    if (len > UINT32_MAX)
        return MG_ELIMIT;
    if (x_of(x)->shadow == NULL)
        mg_relay_replace(&x_of(x)->body_out, mg_str_of(body, len));
    return MG_OK;
}

int mg_response_body_next(mg_exchange *x, mg_str *chunk)
{
    return mg_exchange_response_next(x_of(x), chunk);
}

int mg_reply(mg_exchange *x, bool stream)
{
    return mg_exchange_reply(x_of(x), stream);
}

int mg_reply_send(mg_exchange *x, const char *bytes, uint32_t len)
{
    return mg_exchange_reply_send(x_of(x), mg_str_of(bytes, len));
}

int mg_reply_end(mg_exchange *x)
{
    return mg_exchange_reply_end(x_of(x));
}

int mg_sleep(mg_exchange *x, uint32_t ms)
{
    return x_of(x)->shadow != NULL ? MG_OK : mg_exchange_sleep(x_of(x), ms);
}

void mg_wake(mg_exchange *x)
{
    mg_exchange_rouse(x_of(x));
}

int mg_key_verify_wait(mg_exchange *x, struct mg_key *key, int scheme, int digest, mg_str data,
                       mg_str signature)
{
    return mg_check_start(x_of(x), key, scheme, digest, data, signature);
}

void mg_settle(mg_exchange *x)
{
    mg_exchange_settle(x_of(x));
}

/* ---- the peer --------------------------------------------------------------------------- */

int mg_local_address(mg_exchange *x, mg_str *out)
{
    const struct mg_conn *conn = x_of(x)->down == NULL ? NULL : mg_server_conn(x_of(x)->server);
    struct sockaddr_storage local;
    char address[INET6_ADDRSTRLEN];
    const void *bytes = &((struct sockaddr_in *)&local)->sin_addr;

    if (conn == NULL || mg_conn_local_address(conn, &local) != 0 || local.ss_family == AF_UNIX)
        return MG_ENOENT;
    if (local.ss_family == AF_INET6)
        bytes = &((struct sockaddr_in6 *)&local)->sin6_addr;
    inet_ntop(local.ss_family, bytes, address, sizeof(address));
    *out = mg_arena_copy(&x_of(x)->arena, address, strlen(address));
    return MG_OK;
}

int mg_peer_certificate(mg_exchange *x, struct mg_certificate *out)
{
    const struct mg_conn *conn;
    const struct mg_peer *peer;

    if (x_of(x)->down == NULL)
        return MG_ENOENT;
    conn = mg_server_conn(x_of(x)->server);
    peer = conn == NULL ? NULL : mg_conn_peer(conn);
    if (peer == NULL)
        return MG_ENOENT;
    *out = (struct mg_certificate){
        .principal = peer->principal,
        .subject = peer->subject,
        .serial = peer->serial,
        .dns = peer->dns,
        .fingerprint = mg_abi_text(peer->fingerprint),
        .sni = peer->sni,
        .alpn = peer->alpn,
        .version = mg_abi_text(mg_tls_version(conn)),
        .cipher = mg_abi_text(mg_tls_cipher(conn)),
        .verified = peer->certified,
    };
    return MG_OK;
}
