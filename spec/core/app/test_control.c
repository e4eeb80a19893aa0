#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "app/control.h"
#include "test.h"

static struct mg_control sent, got;
static int pair[2];

static void open_pair(void)
{
    CHECK(mg_control_pair(pair) == 0);
}

static void close_pair(void)
{
    close(pair[0]);
    close(pair[1]);
}

static ino_t inode(int fd)
{
    struct stat s;

    return fstat(fd, &s) == 0 ? s.st_ino : 0;
}

/* Descriptors of a few files, again and again, under names of `len` bytes. */
static void fill(uint32_t n, int len)
{
    static int files[7];
    size_t at = 0;

    sent.type = MG_CONTROL_RELOAD;
    sent.slot = MG_PLAN_WORKERS - 1;
    sent.nfds = n;
    sent.names[0] = '\0';
    for (int i = 0; i < 7; i++)
        if (files[i] == 0)
            files[i] = fileno(tmpfile());
    for (uint32_t i = 0; i < n; i++) {
        sent.fds[i] = files[i % 7];
        at += (size_t)sprintf(sent.names + at, "%0*u\n", len, i);
    }
}

static void passes(uint32_t n, int len)
{
    char name[MG_CONTROL_NAME];

    open_pair();
    fill(n, len);
    CHECK(mg_control_send(pair[0], &sent) == 0);
    CHECK(mg_control_receive(pair[1], &got) == 0);
    CHECK(got.type == MG_CONTROL_RELOAD && got.slot == sent.slot && got.nfds == n &&
          strcmp(got.names, sent.names) == 0);
    for (uint32_t i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "%0*u", len, i);
        CHECK(mg_control_find(&got, name) == got.fds[i]);
        CHECK(inode(got.fds[i]) == inode(sent.fds[i]));
        close(got.fds[i]);
    }
    CHECK(mg_control_find(&got, "nobody") == -1);
    close_pair();
}

static void test_any_number_of_sockets(void)
{
    static const uint32_t counts[] = {0, 1, 249, 250, 251, 500, 501};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        passes(counts[i], 20);
}

static void test_long_names(void)
{
    passes(100, 1000);
    passes(250, 300);
}

static void test_an_image_beside_all_sockets(void)
{
    open_pair();
    fill(MG_PLAN_LISTENERS, 5);
    mg_control_add(&sent, MG_CONTROL_IMAGE, sent.fds[3]);
    mg_control_add(&sent, "one too many", sent.fds[3]);
    CHECK(mg_control_send(pair[0], &sent) == 0 && mg_control_receive(pair[1], &got) == 0);
    CHECK(inode(mg_control_find(&got, MG_CONTROL_IMAGE)) == inode(sent.fds[3]));
    CHECK(mg_control_find(&got, "one too many") == -1);
    mg_control_close(&got);
    CHECK(got.nfds == 0);
    close_pair();
}

static void test_a_message_without_sockets(void)
{
    struct mg_control drain = {.type = MG_CONTROL_DRAIN};

    open_pair();
    CHECK(mg_control_send(pair[0], &drain) == 0);
    CHECK(mg_control_receive(pair[1], &got) == 0);
    CHECK(got.type == MG_CONTROL_DRAIN && got.nfds == 0 && got.names[0] == '\0');
    close_pair();
}

/* The sockets must not come under each other's names. */
static void test_too_few_descriptors(void)
{
    struct rlimit before, few;

    for (uint32_t n = 2; n <= 300; n += 298) {
        open_pair();
        fill(n, 8);
        CHECK(mg_control_send(pair[0], &sent) == 0);
        CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
        few = before;
        few.rlim_cur = (rlim_t)pair[1] + 2;
        CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
        CHECK(mg_control_receive(pair[1], &got) == 0);
        CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
        CHECK(got.type == MG_CONTROL_RELOAD && got.nfds == 0 &&
              mg_control_find(&got, "00000000") == -1);
        close_pair();
    }
}

static void test_a_side_that_is_gone(void)
{
    open_pair();
    close(pair[0]);
    CHECK(mg_control_receive(pair[1], &got) == -EPIPE);
    close(pair[1]);
    open_pair();
    close(pair[1]);
    fill(1, 5);
    CHECK(mg_control_send(pair[0], &sent) == -EPIPE);
    close(pair[0]);
}

/* The next descriptor, which tells whether any were left open. */
static int next_fd(void)
{
    int fd = open("/dev/null", O_RDONLY);

    close(fd);
    return fd;
}

static void test_a_message_that_ends_early(void)
{
    struct mg_control part = {.type = MG_CONTROL_PART};
    int before;

    open_pair();
    fill(1, 5);
    before = next_fd();
    part.nfds = 1;
    part.fds[0] = sent.fds[0];
    strcpy(part.names, "a\n");
    CHECK(mg_control_send(pair[0], &part) == 0);
    close(pair[0]);
    CHECK(mg_control_receive(pair[1], &got) < 0 && got.nfds == 0);
    CHECK(next_fd() <= before);
    close(pair[1]);
}

static void test_a_reader_that_does_not_read(void)
{
    int rc = 0;

    open_pair();
    fill(200, 1000);
    for (int i = 0; i < 100 && rc == 0; i++)
        rc = mg_control_send(pair[0], &sent);
    CHECK(rc == -EAGAIN || rc == -ETOOMANYREFS);
    close_pair();
}

TEST_MAIN(TEST(test_any_number_of_sockets), TEST(test_long_names),
          TEST(test_an_image_beside_all_sockets), TEST(test_a_message_without_sockets),
          TEST(test_too_few_descriptors), TEST(test_a_side_that_is_gone),
          TEST(test_a_message_that_ends_early), TEST(test_a_reader_that_does_not_read))
