/* test_signature.c -- Signatures that openssl made, checked with keys given as numbers. */
#include <stdlib.h>
#include <unistd.h>
#include "net/signature.h"
#include "test.h"

static char folder[] = "/tmp/moongate-signature-XXXXXX";

/* Keys r (RSA), s (RSA, too short), e256, e384, e521; NAME.DIGEST.SCHEME is the signature of data. */
static const char script[] =
    "set -e; cd '%s'; exec >log 2>&1; printf 'signed by openssl' >data\n"
    "number() { openssl rsa -in $1 -noout -modulus | sed 's/.*=//'; }\n"
    "for k in r:2048 s:1024; do n=${k%%:*}; openssl genrsa -out $n.pem ${k#*:}; number $n.pem "
    ">$n.hex; done\n"
    "for k in 256:P-256 384:P-384 521:P-521; do n=e${k%%:*}\n"
    "  openssl ecparam -name ${k#*:} -genkey -noout -out $n.pem\n"
    "  openssl ec -in $n.pem -pubout -conv_form uncompressed -outform DER -out $n.pub; done\n"
    "for d in 256 384 512; do\n"
    "  openssl dgst -sha$d -sign r.pem -out r.$d.1 data\n"
    "  openssl dgst -sha$d -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-1 -sign r.pem"
    " -out r.$d.2 data\n"
    "  openssl dgst -sha$d -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:8 -sign r.pem"
    " -out salt.$d data\n"
    "  for k in e256 e384 e521; do openssl dgst -sha$d -sign $k.pem -out $k.$d.3 data; done; "
    "done\n";

struct bytes {
    unsigned char at[2048];
    size_t len;
};

static mg_str str_of(const void *ptr, size_t len)
{
    return (mg_str){ptr, (uint32_t)len};
}

static const mg_str data = {"signed by openssl", 17}, exponent = {"\1\0\1", 3};

static struct bytes file(const char *name)
{
    struct bytes b = {.len = 0};
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "rb");
    CHECK(f != NULL);
    if (f != NULL) {
        b.len = fread(b.at, 1, sizeof(b.at), f);
        fclose(f);
    }
    return b;
}

static struct bytes modulus(const char *name)
{
    struct bytes hex = file(name), b = {.len = 0};

    for (size_t i = 0; i + 1 < hex.len; i += 2) {
        char pair[3] = {(char)hex.at[i], (char)hex.at[i + 1], 0};
        b.at[b.len++] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return b;
}

static struct mg_key *rsa_key(const char *name)
{
    struct bytes n = modulus(name);

    return mg_signature_rsa(str_of(n.at, n.len), exponent);
}

/* The point is what a SubjectPublicKeyInfo ends in. */
static struct mg_key *ec_key(const char *name, int bits, int broken)
{
    struct bytes pub = file(name);
    size_t size = ((size_t)bits + 7) / 8;
    unsigned char *x = pub.at + pub.len - 2 * size;

    x[size - 1] ^= (unsigned char)broken;
    return mg_signature_ec(bits, str_of(x, size), str_of(x + size, size));
}

static int verify(struct mg_key *key, int scheme, int digest, struct bytes signature)
{
    return mg_signature_verify(key, scheme, digest, data, str_of(signature.at, signature.len));
}

/* One INTEGER of a DER signature in full length. */
static const unsigned char *number(const unsigned char *der, unsigned char *out, size_t size)
{
    size_t len = der[1];
    const unsigned char *p = der + 2;

    while (len > size) {
        p++;
        len--;
    }
    memset(out, 0, size);
    memcpy(out + size - len, p, len);
    return p + len;
}

static struct bytes raw(const char *name, size_t size)
{
    struct bytes der = file(name), b = {.len = 2 * size};
    const unsigned char *p = der.at + (der.at[1] == 0x81 ? 3 : 2);

    p = number(p, b.at, size);
    number(p, b.at + size, size);
    return b;
}

static const struct {
    int digest;
    const char *name;
} digests[] = {{MG_SHA256, "256"}, {MG_SHA384, "384"}, {MG_SHA512, "512"}};

static struct bytes signature_of(const char *key, const char *digest, int scheme, size_t size)
{
    char name[32];

    snprintf(name, sizeof(name), "%s.%s.%d", key, digest, scheme);
    return scheme == MG_ECDSA ? raw(name, size) : file(name);
}

static void test_rsa(void)
{
    struct mg_key *key = rsa_key("r.hex");

    CHECK(key != NULL);
    for (size_t i = 0; i < 3; i++) {
        for (int scheme = MG_RSA_PKCS1; scheme <= MG_RSA_PSS; scheme++) {
            struct bytes s = signature_of("r", digests[i].name, scheme, 0);

            CHECK(verify(key, scheme, digests[i].digest, s) == MG_OK);
            CHECK(verify(key, 3 - scheme, digests[i].digest, s) == MG_EINVAL);
            CHECK(verify(key, MG_ECDSA, digests[i].digest, s) == MG_EINVAL);
            CHECK(verify(key, scheme, digests[(i + 1) % 3].digest, s) == MG_EINVAL);
            CHECK(verify(key, scheme, MG_SHA1, s) == MG_EINVAL);
            s.at[s.len / 2] ^= 1;
            CHECK(verify(key, scheme, digests[i].digest, s) == MG_EINVAL);
            s.at[s.len / 2] ^= 1;
            s.len--;
            CHECK(verify(key, scheme, digests[i].digest, s) == MG_EINVAL);
            s.len += 2;
            CHECK(verify(key, scheme, digests[i].digest, s) == MG_EINVAL);
        }
    }
    mg_signature_free(key);
}

static void test_a_salt_is_as_long_as_the_digest(void)
{
    struct mg_key *key = rsa_key("r.hex");

    CHECK(verify(key, MG_RSA_PSS, MG_SHA256, file("salt.256")) == MG_EINVAL);
    mg_signature_free(key);
}

static void test_ecdsa(void)
{
    static const struct {
        const char *name;
        int bits;
    } curves[] = {{"e256", 256}, {"e384", 384}, {"e521", 521}};

    for (size_t c = 0; c < 3; c++) {
        char pub[16];
        struct mg_key *key;
        size_t size = ((size_t)curves[c].bits + 7) / 8;

        snprintf(pub, sizeof(pub), "%s.pub", curves[c].name);
        key = ec_key(pub, curves[c].bits, 0);
        CHECK(key != NULL);
        for (size_t i = 0; i < 3; i++) {
            struct bytes s = signature_of(curves[c].name, digests[i].name, MG_ECDSA, size);

            CHECK(verify(key, MG_ECDSA, digests[i].digest, s) == MG_OK);
            CHECK(verify(key, MG_RSA_PKCS1, digests[i].digest, s) == MG_EINVAL);
            CHECK(verify(key, MG_ECDSA, digests[(i + 1) % 3].digest, s) == MG_EINVAL);
            s.len--;
            CHECK(verify(key, MG_ECDSA, digests[i].digest, s) == MG_EINVAL);
            s.len++;
            s.at[size + 3] ^= 1;
            CHECK(verify(key, MG_ECDSA, digests[i].digest, s) == MG_EINVAL);
        }
        mg_signature_free(key);
    }
}

/* Numbers of nothing but zeros are no signature (CVE-2022-21449). */
static void test_zeros_sign_nothing(void)
{
    struct mg_key *key = ec_key("e256.pub", 256, 0), *rsa = rsa_key("r.hex");
    struct bytes zeros = {.len = 64};

    CHECK(verify(key, MG_ECDSA, MG_SHA256, zeros) == MG_EINVAL);
    zeros.len = 256;
    CHECK(verify(rsa, MG_RSA_PKCS1, MG_SHA256, zeros) == MG_EINVAL);
    CHECK(verify(rsa, MG_RSA_PSS, MG_SHA256, zeros) == MG_EINVAL);
    zeros.len = 0;
    CHECK(verify(key, MG_ECDSA, MG_SHA256, zeros) == MG_EINVAL);
    mg_signature_free(key);
    mg_signature_free(rsa);
}

static void test_keys_that_cannot_be(void)
{
    static const unsigned char zeros[2048];
    struct bytes n = modulus("r.hex"), even = n;
    mg_str all = str_of(n.at, n.len);

    CHECK(rsa_key("s.hex") == NULL); /* 1024 bits */
    CHECK(mg_signature_rsa(all, str_of("", 0)) == NULL);
    CHECK(mg_signature_rsa(all, str_of("\1", 1)) == NULL);
    CHECK(mg_signature_rsa(all, str_of("\2", 1)) == NULL);
    CHECK(mg_signature_rsa(all, str_of(n.at, 9)) == NULL);
    even.at[even.len - 1] &= 0xfe;
    CHECK(mg_signature_rsa(str_of(even.at, even.len), exponent) == NULL);
    CHECK(mg_signature_rsa(str_of(zeros, sizeof(zeros)), exponent) == NULL);
    memset(n.at, 0xff, sizeof(n.at));
    CHECK(mg_signature_rsa(str_of(n.at, 1025), exponent) == NULL);
    CHECK(ec_key("e256.pub", 256, 1) == NULL); /* off the curve */
    CHECK(ec_key("e384.pub", 256, 0) == NULL);
    CHECK(mg_signature_ec(255, str_of(zeros, 32), str_of(zeros, 32)) == NULL);
    CHECK(mg_signature_ec(256, str_of(zeros, 32), str_of(zeros, 32)) == NULL);
    CHECK(mg_signature_ec(256, str_of(zeros, 0), str_of(zeros, 0)) == NULL);
    CHECK(mg_signature_ec(521, str_of(zeros, 67), str_of(zeros, 67)) == NULL);
    mg_signature_free(NULL);
}

static void test_leading_zeros_of_a_modulus(void)
{
    struct bytes n = modulus("r.hex"), longer = {.len = n.len + 2};
    struct mg_key *key;

    memcpy(longer.at + 2, n.at, n.len);
    key = mg_signature_rsa(str_of(longer.at, longer.len), str_of("\0\1\0\1", 4));
    CHECK(key != NULL &&
          verify(key, MG_RSA_PKCS1, MG_SHA256, signature_of("r", "256", 1, 0)) == MG_OK);
    mg_signature_free(key);
}

int main(void)
{
    static const struct test_case cases[] = {TEST(test_rsa),
                                             TEST(test_a_salt_is_as_long_as_the_digest),
                                             TEST(test_ecdsa),
                                             TEST(test_zeros_sign_nothing),
                                             TEST(test_keys_that_cannot_be),
                                             TEST(test_leading_zeros_of_a_modulus)};
    char command[4096];
    int failed;

    CHECK(mkdtemp(folder) != NULL);
    snprintf(command, sizeof(command), script, folder);
    CHECK(system(command) == 0);
    failed = test_run(cases, sizeof(cases) / sizeof(cases[0]));
    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    return system(command) != 0 || failed;
}
