#include "app/shared.h"
#include "proxy/breaker.h"

/* Reserved, not used: pages cost memory when they are touched. */
static const size_t REGION = (size_t)1 << 32;

int mg_shared_make(struct mg_shared *s, uint32_t workers)
{
    s->workers = workers;
    s->shm = mg_shm_new(REGION);
    if (s->shm == NULL)
        return MG_ENOMEM;
    s->metrics = mg_metrics_new(s->shm, workers + 2);
    s->ticket_keys = mg_shm_alloc(s->shm, mg_tls_ticket_keys_size());
    s->status = mg_shm_alloc(s->shm, sizeof(*s->status));
    s->profile = mg_shm_alloc(s->shm, mg_profile_board_size(workers));
    if (s->metrics == NULL || s->ticket_keys == NULL || s->status == NULL || s->profile == NULL)
        return MG_ENOMEM;
    s->profile->nshares = workers;
    return mg_tls_ticket_keys_init(s->ticket_keys);
}

void mg_shared_forget(const struct mg_shared *s, uint32_t column)
{
    mg_breaker_forget(s->shm, column);
    mg_metrics_forget(s->metrics, column);
}
