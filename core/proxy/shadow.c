#include "proxy/shadow.h"

struct mg_shadow {
    mg_exchange pub;
    struct mg_message req, res;
    bool responded, answered;
};

/* Edits stay in the array, so the copy gets one of its own. */
static struct mg_headers copy_headers(struct mg_arena *arena, const struct mg_headers *from)
{
    struct mg_headers to = {.n = from->n, .cap = from->n};

    if (from->n > 0) {
        to.v = mg_arena_alloc(arena, from->n * sizeof(*to.v));
        memcpy(to.v, from->v, from->n * sizeof(*to.v));
    }
    return to;
}

void mg_shadow_begin(mg_exchange *pub)
{
    struct mg_x *x = (struct mg_x *)pub;
    struct mg_shadow *s = mg_arena_alloc(&x->arena, sizeof(*s));

    s->pub = x->pub;
    s->req = x->req;
    s->res = x->res;
    s->req.headers = copy_headers(&x->arena, &x->req.headers);
    s->res.headers = copy_headers(&x->arena, &x->res.headers);
    s->responded = x->responded;
    s->answered = false;
    x->shadow = s;
}

/* An upstream's response may still be coming in, by the framing in x->res: that stays. */
void mg_shadow_respond(struct mg_x *x, uint16_t status)
{
    x->res.headers = (struct mg_headers){0};
    x->res.status = x->pub.status = status;
    x->responded = true;
    x->shadow->answered = true;
}

static bool is_same(mg_str a, mg_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static bool are_same(const struct mg_headers *a, const struct mg_headers *b)
{
    uint32_t ia = 0, ib = 0;
    mg_str name[2], value[2];

    while (mg_headers_next(a, &ia, &name[0], &value[0]) == MG_OK) {
        if (mg_headers_next(b, &ib, &name[1], &value[1]) != MG_OK)
            return false;
        if (!is_same(name[0], name[1]) || !is_same(value[0], value[1]))
            return false;
    }
    return mg_headers_next(b, &ib, &name[1], &value[1]) != MG_OK;
}

static bool request_changed(const struct mg_x *x, const struct mg_shadow *s)
{
    const mg_exchange *now = &x->pub, *then = &s->pub;

    return !is_same(now->method, then->method) || !is_same(now->path, then->path) ||
           !is_same(now->query, then->query) || now->has_query != then->has_query ||
           !is_same(now->authority, then->authority) || !are_same(&x->req.headers, &s->req.headers);
}

static bool response_changed(const struct mg_x *x, const struct mg_shadow *s)
{
    return x->pub.status != s->pub.status || !are_same(&x->res.headers, &s->res.headers);
}

/* What a policy may set; the rest of pub is the core's, and went on while the policy waited. */
static void undo_request(struct mg_x *x, const struct mg_shadow *s)
{
    struct mg_headers trailers = x->req.trailers;

    x->req = s->req;
    x->req.trailers = trailers;
    x->pub.method = s->pub.method;
    x->pub.method_id = s->pub.method_id;
    x->pub.path = s->pub.path;
    x->pub.query = s->pub.query;
    x->pub.has_query = s->pub.has_query;
    x->pub.authority = s->pub.authority;
    x->pub.host = s->pub.host;
}

int mg_shadow_end(mg_exchange *pub)
{
    struct mg_x *x = (struct mg_x *)pub;
    const struct mg_shadow *s = x->shadow;
    int found = s->answered ? MG_SHADOW_ANSWER : 0;

    found |= request_changed(x, s) ? MG_SHADOW_REQUEST : 0;
    if (!s->answered)
        found |= response_changed(x, s) ? MG_SHADOW_RESPONSE : 0;
    undo_request(x, s);
    x->res.headers = s->res.headers;
    x->res.status = s->res.status;
    x->res.reason = s->res.reason;
    x->pub.status = s->pub.status;
    x->responded = s->responded;
    x->shadow = NULL;
    return found;
}
