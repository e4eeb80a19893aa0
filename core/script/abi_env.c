/* The part of the ABI that is not about one exchange: services, listeners, shared state. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/re2.h"
#include "net/crypto.h"
#include "net/signature.h"
#include "proxy/socket.h"
#include "script/abi.h"
#include "script/budget.h"
#include "script/lane.h"

enum { MAX_ALPN = 8, MAX_CERTS = 256 };

/* One worker a process, so one env; NULL while a config is only checked. */
static struct mg_env *env;
static struct mg_list timers = {&timers, &timers};
static uint32_t ntimers;

void mg_abi_setup(struct mg_env *e)
{
    env = e;
}

/* ---- services and listeners ------------------------------------------------------------- */

struct mg_breaker *mg_breaker_get(const struct mg_breaker_conf *conf, mg_str *why)
{
    struct mg_breaker *b =
        mg_breaker_open(conf, env != NULL ? env->shm : NULL, env != NULL ? env->worker : 0);

    if (b == NULL)
        *why = mg_abi_text(mg_error_text(MG_ENOMEM));
    return b;
}

void mg_breaker_put(struct mg_breaker *b)
{
    mg_breaker_unref(b);
}

struct mg_endpoint *mg_endpoint_get(const struct mg_endpoint_conf *conf, mg_str *why)
{
    const char *reason = "endpoints exist in a worker only";
    struct mg_endpoint *ep = NULL;

    if (env != NULL)
        ep = mg_endpoints_get(env->proxy->endpoints, conf, &reason);
    if (ep == NULL)
        *why = mg_abi_text(reason);
    return ep;
}

void mg_endpoint_put(struct mg_endpoint *ep)
{
    mg_endpoints_put(ep);
}

uint32_t mg_endpoint_active(const struct mg_endpoint *ep)
{
    return ep->active;
}

struct mg_socket *mg_socket_new(struct mg_endpoint *ep, mg_str *why)
{
    struct mg_socket *s = mg_socket_make(env->proxy, ep); /* an endpoint exists in a worker only */

    if (s == NULL)
        *why = MG_STR("too many sockets");
    return s;
}

static struct mg_tls *tls_result(struct mg_tls *tls, const char *err, mg_str *why)
{
    if (tls == NULL)
        *why = mg_abi_text(err);
    return tls;
}

struct mg_tls *mg_tls_client(mg_str ca, mg_str cert, mg_str key, mg_str name, bool insecure,
                             mg_str *why)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    static char err[256];
    struct mg_tls_client_opts opts = {
        .ca = ca,
        .cert = {.cert = cert, .key = key, .name = name.len > 0 ? name.ptr : "client certificate"},
        .alpn = alpn,
        .insecure = insecure,
    };

    return tls_result(mg_tls_client_new(&opts, err, sizeof(err)), err, why);
}

/* "h2,http/1.1" to a list; the texts go to `buffer`. */
static int split_alpn(mg_str list, char buffer[128], const char *out[MAX_ALPN + 1])
{
    int n = 0;
    char *at, *save = NULL;

    if (list.len >= 128)
        return MG_EINVAL;
    memcpy(buffer, list.ptr, list.len);
    buffer[list.len] = '\0';
    for (at = strtok_r(buffer, ",", &save); at != NULL; at = strtok_r(NULL, ",", &save)) {
        if (n == MAX_ALPN)
            return MG_EINVAL;
        out[n++] = at;
    }
    out[n] = NULL;
    return MG_OK;
}

struct mg_tls *mg_tls_server(const struct mg_tls_pem *certs, uint32_t ncerts, mg_str client_ca,
                             int auth, mg_str alpn, int min_version, bool tickets, mg_str *why)
{
    static char err[256];
    struct mg_tls_cert list[MAX_CERTS];
    const char *protocols[MAX_ALPN + 1];
    char buffer[128];
    struct mg_tls_server_opts opts = {
        .ncerts = ncerts,
        .client_ca = client_ca,
        .auth = (enum mg_tls_auth)auth,
        .alpn = protocols,
        .min_version = min_version,
        .tickets = tickets && env != NULL,
        .ticket_keys = env != NULL ? env->ticket_keys : NULL,
    };

    if (ncerts > MAX_CERTS || split_alpn(alpn, buffer, protocols) != MG_OK) {
        *why = MG_STR("too many certificates or protocols");
        return NULL;
    }
    for (uint32_t i = 0; i < ncerts; i++)
        list[i] = (struct mg_tls_cert){certs[i].cert, certs[i].key, certs[i].name.ptr};
    opts.certs = list;
    return tls_result(mg_tls_server_new(&opts, err, sizeof(err)), err, why);
}

void mg_tls_put(struct mg_tls *tls)
{
    mg_tls_unref(tls);
}

int mg_tls_times(mg_str pem, double *from, double *until)
{
    time_t first, last;
    int rc = mg_tls_validity(pem, &first, &last);

    if (rc == MG_OK) {
        *from = (double)first;
        *until = (double)last;
    }
    return rc;
}

int mg_listener_configure(uint32_t index, const struct mg_listener_conf *conf)
{
    struct mg_listener_conf *kept;

    if (index >= MG_PROXY_LISTENERS)
        return MG_ELIMIT;
    if (env == NULL)
        return MG_OK;
    kept = &env->proxy->listeners[index];
    if (kept->tls != NULL)
        mg_tls_unref(kept->tls);
    *kept = *conf;
    return MG_OK;
}

void mg_overload_configure(uint64_t memory)
{
    if (env != NULL)
        mg_overload_limit(&env->proxy->overload, memory > 0 ? memory : env->memory);
}

/* ---- metrics and the dictionary ----------------------------------------------------------- */

/* While a config is only checked, shared state is there but shared with nobody: so policies are prepared
 * as in a worker. */
static struct mg_shm *region(void)
{
    static struct mg_shm *own;

    if (env != NULL)
        return env->shm;
    if (own == NULL)
        own = mg_shm_new((size_t)1 << 32);
    return own;
}

/* NULL: no memory, which mg_metric_family() tells before anyone can have a series. */
static struct mg_metrics *metrics(void)
{
    static struct mg_metrics *own;

    if (env != NULL)
        return env->metrics;
    if (own == NULL && region() != NULL)
        own = mg_metrics_new(region(), 1);
    return own;
}

void mg_abi_alone(struct mg_env *e)
{
    e->shm = region();
    e->metrics = metrics();
}

int mg_metric_family(int type, const char *name, const char *help, const mg_str *labels,
                     uint32_t nlabels, const double *bounds, uint32_t nbounds, uint32_t max_series)
{
    struct mg_metrics *m = metrics();

    if (m == NULL)
        return MG_ENOMEM;
    return mg_metrics_family(m, (enum mg_metric_type)type, mg_abi_text(name), mg_abi_text(help),
                             labels, nlabels, bounds, nbounds, max_series);
}

uint64_t *mg_metric_series(int family, const mg_str *values, uint32_t nvalues)
{
    return mg_metrics_series(metrics(), family, env == NULL ? 0 : env->worker, values, nvalues);
}

void mg_metric_observe(int family, uint64_t *slots, double value)
{
    mg_metrics_observe(metrics(), family, slots, value);
}

static uint64_t wall_ms(void)
{
    return (uint64_t)(mg_wall_time() * 1000);
}

struct mg_dict *mg_shared_open(const char *name, uint32_t len, uint64_t size)
{
    struct mg_shm *shm = region();

    return shm == NULL ? NULL : mg_dict_open(shm, mg_str_of(name, len), size);
}

int mg_shared_get(struct mg_dict *d, mg_str key, char *out, uint64_t cap, uint64_t *len)
{
    size_t n = 0;
    int rc = mg_dict_get(d, key, wall_ms(), out, cap, &n);

    *len = n;
    return rc;
}

int mg_shared_set(struct mg_dict *d, mg_str key, mg_str value, uint64_t ttl_ms, bool only_new)
{
    return mg_dict_set(d, key, value, wall_ms(), ttl_ms, only_new);
}

int mg_shared_swap(struct mg_dict *d, mg_str key, mg_str old, mg_str value, uint64_t ttl_ms)
{
    return mg_dict_swap(d, key, old, value, wall_ms(), ttl_ms);
}

int mg_shared_delete(struct mg_dict *d, mg_str key)
{
    return mg_dict_delete(d, key);
}

int mg_shared_incr(struct mg_dict *d, mg_str key, double by, double init, uint64_t ttl_ms,
                   double *out)
{
    return mg_dict_incr(d, key, by, init, wall_ms(), ttl_ms, out);
}

int mg_shared_ttl(struct mg_dict *d, mg_str key, uint64_t *ttl_ms)
{
    return mg_dict_ttl(d, key, wall_ms(), ttl_ms);
}

/* ---- regular expressions ------------------------------------------------------------------ */

struct mg_regex *mg_regex_get(mg_str pattern, mg_str *why)
{
    return mg_re2_new(pattern, why);
}

void mg_regex_put(struct mg_regex *re)
{
    mg_re2_free(re);
}

bool mg_regex_match(const struct mg_regex *re, const char *bytes, uint32_t len)
{
    return mg_re2_match(re, bytes, len);
}

bool mg_regex_find(const struct mg_regex *re, const char *bytes, uint32_t len)
{
    return mg_re2_find(re, bytes, len);
}

bool mg_regex_check(const struct mg_regex *re, mg_str rewrite, mg_str *why)
{
    return mg_re2_check(re, rewrite, why);
}

int mg_regex_replace(const struct mg_regex *re, mg_str from, mg_str rewrite, mg_str *out)
{
    return mg_re2_replace(re, from, rewrite, out);
}

/* ---- signatures ---------------------------------------------------------------------------- */

struct mg_key *mg_key_rsa(mg_str modulus, mg_str exponent)
{
    return mg_signature_rsa(modulus, exponent);
}

struct mg_key *mg_key_ec(int bits, mg_str x, mg_str y)
{
    return mg_signature_ec(bits, x, y);
}

void mg_key_free(struct mg_key *key)
{
    mg_signature_free(key);
}

int mg_key_verify(struct mg_key *key, int scheme, int digest, mg_str data, mg_str signature)
{
    return mg_signature_verify(key, scheme, digest, data, signature);
}

/* ---- budgets ------------------------------------------------------------------------------ */

uint64_t mg_load_begins(void)
{
    return env == NULL ? 0 : mg_budget_begin_load();
}

void mg_load_ends(uint64_t most, uint64_t held)
{
    if (env != NULL)
        mg_budget_end_load(most, held);
}

/* ---- the rest ------------------------------------------------------------------------------ */

int mg_digest(int algorithm, mg_str data, uint8_t *out64, uint32_t *outlen)
{
    return mg_crypto_digest(algorithm, data.ptr, data.len, out64, outlen);
}

int mg_hmac(int algorithm, mg_str key, mg_str data, uint8_t *out64, uint32_t *outlen)
{
    return mg_crypto_hmac(algorithm, key.ptr, key.len, data.ptr, data.len, out64, outlen);
}

void mg_random(void *out, uint32_t len)
{
    mg_crypto_random(out, len);
}

uint64_t mg_now_ns(void)
{
    return mg_clock_ns();
}

double mg_wall_time(void)
{
    return mg_clock_wall();
}

void mg_log_text(int level, const char *bytes, uint32_t len)
{
    mg_log((enum mg_log_level)level, "%.*s", (int)len, bytes);
}

struct abi_timer {
    struct mg_list link;
    struct mg_timer timer;
    uint32_t id;
};

static void forget(struct abi_timer *at)
{
    mg_timer_clear(&at->timer);
    mg_list_remove(&at->link);
    free(at);
    ntimers--;
}

static void on_timer(struct mg_timer *t)
{
    struct abi_timer *at = MG_LIST_OF(t, struct abi_timer, timer);
    uint32_t id = at->id;
    struct mg_x *x = mg_proxy_background(env->proxy);

    forget(at);
    if (x == NULL)
        mg_log(MG_LOG_ERROR, "no memory to run a timer");
    else
        mg_lane_timer(x, id);
}

int mg_timer_start(uint32_t id, uint32_t ms)
{
    struct abi_timer *at;

    if (env == NULL)
        return MG_OK; /* it would run later, and nothing does */
    if (ntimers == MG_ABI_TIMERS)
        return MG_EFULL;
    at = malloc(sizeof(*at));
    if (at == NULL)
        return MG_ENOMEM;
    ntimers++;
    mg_list_append(&timers, &at->link);
    at->id = id;
    mg_timer_init(&at->timer, on_timer);
    mg_timer_set(env->proxy->loop, &at->timer, ms);
    return MG_OK;
}

void mg_timer_stop(uint32_t id)
{
    for (struct mg_list *n = timers.next; n != &timers; n = n->next) {
        struct abi_timer *at = MG_LIST_OF(n, struct abi_timer, link);

        if (at->id == id) {
            forget(at);
            return;
        }
    }
}

void mg_abi_cleanup(void)
{
    while (!mg_list_empty(&timers))
        forget(MG_LIST_OF(timers.next, struct abi_timer, link));
    for (uint32_t i = 0; env != NULL && i < MG_PROXY_LISTENERS; i++) {
        if (env->proxy->listeners[i].tls != NULL)
            mg_tls_unref(env->proxy->listeners[i].tls);
        env->proxy->listeners[i].tls = NULL;
    }
    mg_abi_close_sinks();
}
