#include "net/crypto.h"
#include <stdlib.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/md.h>
#include <mbedtls/version.h>
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>
#endif
#include "net/tls_mbedtls.h"

/* The process's generator.  The library locks it itself (MBEDTLS_THREADING_C), so the pool's
 * threads may draw from it too. */
static struct {
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context drbg;
    bool seeded;
} generator;

/* Called again in a forked child, it seeds anew: the parent's state must not be drawn from twice.
 * Seeding runs AES on the only thread there is yet, which settles the library's unlocked detection
 * of AES instructions before the pool starts (CVE-2025-52496). */
int mg_tls_init(void)
{
    if (generator.seeded) {
        mbedtls_ctr_drbg_free(&generator.drbg);
        mbedtls_entropy_free(&generator.entropy);
    }
    generator.seeded = false;
    mbedtls_entropy_init(&generator.entropy);
    mbedtls_ctr_drbg_init(&generator.drbg);
    if (mbedtls_ctr_drbg_seed(&generator.drbg, mbedtls_entropy_func, &generator.entropy, NULL, 0) !=
        0)
        return MG_ETLS;
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    if (psa_crypto_init() != PSA_SUCCESS) /* TLS 1.3 and 4.x draw from this one */
        return MG_ETLS;
#endif
    generator.seeded = true;
    return MG_OK;
}

const char *mg_tls_library(void)
{
    static char text[32];

    mbedtls_version_get_string_full(text);
    return text;
}

int mg_crypto_rng(void *unused, unsigned char *out, size_t len)
{
    (void)unused;
    if (!generator.seeded)
        return MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED;
    while (len > 0) {
        size_t n = len < MBEDTLS_CTR_DRBG_MAX_REQUEST ? len : MBEDTLS_CTR_DRBG_MAX_REQUEST;
        int rc = mbedtls_ctr_drbg_random(&generator.drbg, out, n);

        if (rc != 0)
            return rc;
        out += n;
        len -= n;
    }
    return 0;
}

void mg_crypto_random(void *out, size_t len)
{
    if (mg_crypto_rng(NULL, out, len) != 0)
        abort(); /* a guessable secret would be worse than no gateway */
}

static const mbedtls_md_info_t *info_of(int algorithm)
{
    switch (algorithm) {
    case MG_SHA1:
        return mbedtls_md_info_from_type(MBEDTLS_MD_SHA1);
    case MG_SHA256:
        return mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    case MG_SHA384:
        return mbedtls_md_info_from_type(MBEDTLS_MD_SHA384);
    case MG_SHA512:
        return mbedtls_md_info_from_type(MBEDTLS_MD_SHA512);
    case MG_MD5:
        return mbedtls_md_info_from_type(MBEDTLS_MD_MD5);
    default:
        return NULL;
    }
}

int mg_crypto_digest(int algorithm, const void *data, size_t len, uint8_t out[64], uint32_t *outlen)
{
    const mbedtls_md_info_t *info = info_of(algorithm);

    if (info == NULL || mbedtls_md(info, data, len, out) != 0)
        return MG_EINVAL;
    *outlen = mbedtls_md_get_size(info);
    return MG_OK;
}

int mg_crypto_hmac(int algorithm, const void *key, size_t keylen, const void *data, size_t len,
                   uint8_t out[64], uint32_t *outlen)
{
    const mbedtls_md_info_t *info = info_of(algorithm);

    if (info == NULL || mbedtls_md_hmac(info, key, keylen, data, len, out) != 0)
        return MG_EINVAL;
    *outlen = mbedtls_md_get_size(info);
    return MG_OK;
}
