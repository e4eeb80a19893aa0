#include "net/tls_trust.h"
#include <stdlib.h>

static struct {
    mbedtls_x509_crt chain;
    unsigned refs;
} roots;

bool mg_tls_trust_has(mg_str pem, const char *text)
{
    return pem.len > 0 && memmem(pem.ptr, pem.len, text, strlen(text)) != NULL;
}

int mg_tls_trust_parse(mbedtls_x509_crt *chain, mg_str pem)
{
    char *copy = strndup(pem.ptr, pem.len); /* the library wants the NUL counted */
    int rc;

    if (copy == NULL)
        return MBEDTLS_ERR_X509_ALLOC_FAILED;
    rc = mbedtls_x509_crt_parse(chain, (const unsigned char *)copy, strlen(copy) + 1);
    free(copy);
    return rc;
}

mbedtls_x509_crt *mg_tls_trust_system(void)
{
    if (roots.refs == 0) {
        mbedtls_x509_crt_init(&roots.chain);
        /* A root of a kind the library cannot read is one it could not have used. */
        if (mbedtls_x509_crt_parse_file(&roots.chain, MG_TLS_TRUST_FILE) < 0) {
            mbedtls_x509_crt_free(&roots.chain);
            return NULL;
        }
    }
    roots.refs++;
    return &roots.chain;
}

void mg_tls_trust_release(void)
{
    if (--roots.refs == 0)
        mbedtls_x509_crt_free(&roots.chain);
}
