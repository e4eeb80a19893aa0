#include "net/signature.h"
#include <stdlib.h>
#include <string.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/md.h>
#include <mbedtls/rsa.h>
#include <mbedtls/version.h>

/* 2.28 asks for a generator and a mode that checking with a public key does not use. */
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#define RSA_INIT(rsa) mbedtls_rsa_init(rsa)
#define PUBLIC
#else
#define RSA_INIT(rsa) mbedtls_rsa_init(rsa, MBEDTLS_RSA_PKCS_V15, 0)
#define PUBLIC NULL, NULL, MBEDTLS_RSA_PUBLIC,
#endif

enum { COORDINATE_MOST = 66 }; /* bytes, of P-521 */

struct mg_key {
    unsigned refs;
    bool rsa;
    size_t size; /* bytes: of an RSA signature, or of one coordinate */
    mbedtls_rsa_context modulus;
    mbedtls_ecp_group group; /* with its table: see prime() */
    mbedtls_ecp_point point;
};

static const unsigned char *bytes_of(mg_str text)
{
    return (const unsigned char *)text.ptr;
}

static struct mg_key *key_new(bool rsa)
{
    struct mg_key *key = calloc(1, sizeof(*key));

    if (key == NULL)
        return NULL;
    key->refs = 1;
    key->rsa = rsa;
    RSA_INIT(&key->modulus);
    mbedtls_ecp_group_init(&key->group);
    mbedtls_ecp_point_init(&key->point);
    return key;
}

struct mg_key *mg_signature_share(struct mg_key *key)
{
    key->refs++;
    return key;
}

void mg_signature_free(struct mg_key *key)
{
    if (key == NULL || --key->refs > 0)
        return;
    mbedtls_rsa_free(&key->modulus);
    mbedtls_ecp_point_free(&key->point);
    mbedtls_ecp_group_free(&key->group);
    free(key);
}

/* ---- keys ---------------------------------------------------------------------------------- */

static mg_str without_zeros(mg_str number)
{
    while (number.len > 0 && number.ptr[0] == 0) {
        number.ptr++;
        number.len--;
    }
    return number;
}

static bool import_rsa(struct mg_key *key, mg_str n, mg_str e)
{
    mbedtls_rsa_context *rsa = &key->modulus;

    if (mbedtls_rsa_import_raw(rsa, bytes_of(n), n.len, NULL, 0, NULL, 0, NULL, 0, bytes_of(e),
                               e.len) != 0 ||
        mbedtls_rsa_complete(rsa) != 0 || mbedtls_rsa_check_pubkey(rsa) != 0)
        return false;
    key->size = mbedtls_rsa_get_len(rsa);
    return true;
}

struct mg_key *mg_signature_rsa(mg_str modulus, mg_str exponent)
{
    mg_str n = without_zeros(modulus), e = without_zeros(exponent);
    struct mg_key *key;

    if (n.len < MG_RSA_BITS_LEAST / 8 || (n.len == MG_RSA_BITS_LEAST / 8 && !(n.ptr[0] & 0x80)) ||
        n.len > MG_RSA_BITS_MOST / 8 || e.len == 0 || e.len > MG_RSA_EXPONENT_MOST)
        return NULL;
    key = key_new(true);
    if (key != NULL && !import_rsa(key, n, e)) {
        mg_signature_free(key);
        return NULL;
    }
    return key;
}

static mbedtls_ecp_group_id curve_of(int bits)
{
    switch (bits) {
    case 256:
        return MBEDTLS_ECP_DP_SECP256R1;
    case 384:
        return MBEDTLS_ECP_DP_SECP384R1;
    case 521:
        return MBEDTLS_ECP_DP_SECP521R1;
    default:
        return MBEDTLS_ECP_DP_NONE;
    }
}

/* The first check with a group leaves a table there that halves the time of the others, and after
 * which they only read: so one, of a signature that is none, is made before any thread may. */
static bool prime(struct mg_key *key)
{
    static const unsigned char hash[32] = {[0] = 1, [31] = 2};
    mbedtls_mpi one;
    int rc;

    mbedtls_mpi_init(&one);
    rc = mbedtls_mpi_lset(&one, 1);
    if (rc == 0)
        rc = mbedtls_ecdsa_verify(&key->group, hash, sizeof(hash), &key->point, &one, &one);
    mbedtls_mpi_free(&one);
    return rc == 0 || rc == MBEDTLS_ERR_ECP_VERIFY_FAILED;
}

static bool import_ec(struct mg_key *key, mbedtls_ecp_group_id id, mg_str x, mg_str y)
{
    unsigned char point[1 + 2 * COORDINATE_MOST];

    if (mbedtls_ecp_group_load(&key->group, id) != 0)
        return false;
    key->size = (key->group.pbits + 7) / 8;
    if (x.len != key->size || y.len != key->size)
        return false;
    point[0] = 4; /* SEC 1, 2.3.4: not compressed */
    memcpy(point + 1, x.ptr, x.len);
    memcpy(point + 1 + x.len, y.ptr, y.len);
    return mbedtls_ecp_point_read_binary(&key->group, &key->point, point, 1 + x.len + y.len) == 0 &&
           mbedtls_ecp_check_pubkey(&key->group, &key->point) == 0 && prime(key);
}

struct mg_key *mg_signature_ec(int bits, mg_str x, mg_str y)
{
    mbedtls_ecp_group_id id = curve_of(bits);
    struct mg_key *key;

    if (id == MBEDTLS_ECP_DP_NONE)
        return NULL;
    key = key_new(false);
    if (key != NULL && !import_ec(key, id, x, y)) {
        mg_signature_free(key);
        return NULL;
    }
    return key;
}

/* ---- signatures ---------------------------------------------------------------------------- */

static mbedtls_md_type_t type_of(int digest)
{
    switch (digest) {
    case MG_SHA256:
        return MBEDTLS_MD_SHA256;
    case MG_SHA384:
        return MBEDTLS_MD_SHA384;
    case MG_SHA512:
        return MBEDTLS_MD_SHA512;
    default:
        return MBEDTLS_MD_NONE; /* nothing older signs anything here */
    }
}

static int verify_rsa(struct mg_key *key, int scheme, mbedtls_md_type_t md, unsigned len,
                      const unsigned char *hash, mg_str signature)
{
    mbedtls_rsa_context *rsa = &key->modulus;

    if (signature.len != key->size)
        return -1;
    if (scheme == MG_RSA_PKCS1)
        return mbedtls_rsa_rsassa_pkcs1_v15_verify(rsa, PUBLIC md, len, hash, bytes_of(signature));
    return mbedtls_rsa_rsassa_pss_verify_ext(rsa, PUBLIC md, len, hash, md, (int)len,
                                             bytes_of(signature));
}

static int verify_ec(struct mg_key *key, unsigned len, const unsigned char *hash, mg_str signature)
{
    mbedtls_mpi r, s;
    int rc = -1;

    if (signature.len != 2 * key->size)
        return -1;
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    if (mbedtls_mpi_read_binary(&r, bytes_of(signature), key->size) == 0 &&
        mbedtls_mpi_read_binary(&s, bytes_of(signature) + key->size, key->size) == 0)
        rc = mbedtls_ecdsa_verify(&key->group, hash, len, &key->point, &r, &s);
    mbedtls_mpi_free(&r);
    mbedtls_mpi_free(&s);
    return rc;
}

int mg_signature_verify(struct mg_key *key, int scheme, int digest, mg_str data, mg_str signature)
{
    unsigned char hash[MBEDTLS_MD_MAX_SIZE];
    mbedtls_md_type_t type = type_of(digest);
    const mbedtls_md_info_t *info = mbedtls_md_info_from_type(type);
    bool rsa = scheme == MG_RSA_PKCS1 || scheme == MG_RSA_PSS;
    int rc;

    if (info == NULL || (!rsa && scheme != MG_ECDSA) || rsa != key->rsa ||
        mbedtls_md(info, bytes_of(data), data.len, hash) != 0)
        return MG_EINVAL;
    if (rsa)
        rc = verify_rsa(key, scheme, type, mbedtls_md_get_size(info), hash, signature);
    else
        rc = verify_ec(key, mbedtls_md_get_size(info), hash, signature);
    return rc == 0 ? MG_OK : MG_EINVAL;
}
