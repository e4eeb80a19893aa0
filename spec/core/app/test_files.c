/* test_files.c -- Edits, renames and bursts are told, once, with inotify and without. */
#include "app/files.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

static char folder[] = "/tmp/moongate-files-XXXXXX";
static char path[64], other[64];

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void put(const char *file, const char *text)
{
    FILE *f = fopen(file, "w");

    CHECK(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

static struct mg_files *watching(bool poll)
{
    struct mg_files *f = mg_files_new(poll);
    struct timespec t;
    char paths[64];
    int n = snprintf(paths, sizeof(paths), "%s", path);

    put(path, "one");
    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    CHECK(f != NULL);
    CHECK(mg_files_set(f, paths, (size_t)n + 1, (uint64_t)(t.tv_sec + 1) * 1000000000u, now_ms()) ==
          0);
    return f;
}

/* How often a change is told within `ms`. */
static int told(struct mg_files *f, uint64_t ms)
{
    uint64_t last = now_ms() + ms;
    int count = 0;

    while (now_ms() < last) {
        struct pollfd fd = {.fd = mg_files_fd(f), .events = POLLIN};

        if (poll(&fd, 1, 10) > 0)
            mg_files_read(f, now_ms());
        count += mg_files_changed(f, now_ms());
    }
    return count;
}

static void edits(bool poll)
{
    struct mg_files *f = watching(poll);

    CHECK(told(f, 300) == 0);
    put(path, "another text");
    CHECK(told(f, 3000) == 1);
    put(other, "by a rename, as editors do");
    CHECK(rename(other, path) == 0);
    CHECK(told(f, 3000) == 1);
    CHECK(unlink(path) == 0);
    CHECK(told(f, 3000) == 1);
    put(path, "back");
    CHECK(told(f, 3000) == 1);
    mg_files_free(f);
}

static void test_edits_by_inotify(void)
{
    edits(false);
}

static void test_edits_by_looking(void)
{
    edits(true);
}

static void test_what_else_happens_is_no_change(void)
{
    struct mg_files *f = watching(false);

    put(other, "a file that was not read");
    CHECK(told(f, 500) == 0);
    mg_files_free(f);
    unlink(other);
}

static void begin(void)
{
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/config.yaml", folder);
    snprintf(other, sizeof(other), "%s/other.txt", folder);
}

static void end(void)
{
    unlink(path);
    CHECK(rmdir(folder) == 0);
}

TEST_MAIN(TEST(begin), TEST(test_edits_by_inotify), TEST(test_edits_by_looking),
          TEST(test_what_else_happens_is_no_change), TEST(end))
