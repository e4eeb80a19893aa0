#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "net/clients.h"
#include "test.h"

enum { CLIENTS = 1000, MOST = 3 };

static uint64_t key_of(uint32_t n)
{
    uint8_t address[4] = {10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};

    return mg_clients_key(true, address);
}

static void test_counts_each_client(void)
{
    struct mg_clients *c = mg_clients_new();

    for (int i = 0; i < MOST; i++)
        CHECK(mg_clients_add(c, key_of(1), MOST));
    CHECK(!mg_clients_add(c, key_of(1), MOST));
    CHECK(mg_clients_add(c, key_of(2), MOST));
    mg_clients_remove(c, key_of(1));
    CHECK(mg_clients_add(c, key_of(1), MOST));
    CHECK(!mg_clients_add(c, key_of(1), MOST));
    mg_clients_free(c);
}

/* Coming and going in any order leaves every count right: against an array that counts too. */
static void test_stays_right(void)
{
    static uint32_t counts[CLIENTS];
    struct mg_clients *c = mg_clients_new();

    srand(1);
    for (int i = 0; i < 200000; i++) {
        uint32_t n = (uint32_t)rand() % CLIENTS;

        if (rand() % 2 == 0) {
            bool added = mg_clients_add(c, key_of(n), MOST);

            CHECK(added == (counts[n] < MOST));
            counts[n] += added;
        } else if (counts[n] > 0) {
            counts[n]--;
            mg_clients_remove(c, key_of(n));
        }
    }
    for (uint32_t n = 0; n < CLIENTS; n++) {
        for (; counts[n] < MOST; counts[n]++)
            CHECK(mg_clients_add(c, key_of(n), MOST));
        CHECK(!mg_clients_add(c, key_of(n), MOST));
    }
    mg_clients_free(c);
}

static void test_keys(void)
{
    uint8_t a[16] = {0x20, 1, 0xd, 0xb8, 0, 1}, b[16] = {0x20, 1, 0xd, 0xb8, 0, 1, [15] = 9};
    uint8_t v4[4] = {10, 0, 0, 1}, seems[16] = {0, 0, 10, 0, 0, 1};

    CHECK(mg_clients_key(false, a) == mg_clients_key(false, b)); /* one /64 */
    b[7] = 1;
    CHECK(mg_clients_key(false, a) != mg_clients_key(false, b));
    CHECK(mg_clients_key(true, v4) != mg_clients_key(false, seems));
}

static void test_keys_of_addresses(void)
{
    struct sockaddr_storage at = {.ss_family = AF_UNIX};
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    uint8_t v4[4] = {10, 0, 0, 1};

    CHECK(mg_clients_key_of(&at) == MG_CLIENTS_NOBODY);
    memcpy(&four.sin_addr, v4, 4);
    memcpy(&at, &four, sizeof(four));
    CHECK(mg_clients_key_of(&at) == mg_clients_key(true, v4));
    six.sin6_addr = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
    memcpy(&at, &six, sizeof(six));
    CHECK(mg_clients_key_of(&at) == mg_clients_key(false, six.sin6_addr.s6_addr));
    memset(&six.sin6_addr.s6_addr, 0, 16);
    memset(&six.sin6_addr.s6_addr[10], 0xff, 2); /* ::ffff:10.0.0.1 */
    memcpy(&six.sin6_addr.s6_addr[12], v4, 4);
    memcpy(&at, &six, sizeof(six));
    CHECK(mg_clients_key_of(&at) == mg_clients_key(true, v4));
}

static void test_removing_what_is_not_there(void)
{
    struct mg_clients *c = mg_clients_new();

    mg_clients_remove(c, 7);
    CHECK(mg_clients_add(c, 8, 1));
    mg_clients_remove(c, 7);
    CHECK(!mg_clients_add(c, 8, 1));
    mg_clients_free(c);
}

TEST_MAIN(TEST(test_counts_each_client), TEST(test_stays_right), TEST(test_keys),
          TEST(test_keys_of_addresses), TEST(test_removing_what_is_not_there))
