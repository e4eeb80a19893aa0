/* test_plan.c -- A plan gets through a file whole, or not at all. */
#include "app/plan.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

static const char IMAGE[] = "an\0image";

static struct mg_plan made(void)
{
    struct mg_plan plan = {.workers = 3, .nlisteners = 1, .confined = true, .began = 7};

    plan.admin = strdup("127.0.0.1:9");
    plan.sources = strdup("a.lua");
    plan.sources_size = 6;
    plan.listeners[0] = (struct mg_plan_listener){strdup("web"), strdup("unix:/a"), 0600, NULL};
    plan.image = memfd_create("test", MFD_CLOEXEC);
    return plan;
}

static FILE *written(void)
{
    static struct mg_plan plan;
    FILE *file = tmpfile();

    plan = made();
    CHECK(mg_plan_write(&plan, file) == 0);
    mg_plan_free(&plan);
    CHECK(plan.image == -1);
    return file;
}

static void test_a_plan_is_the_same_again(void)
{
    static struct mg_plan plan;
    FILE *file = written();

    rewind(file);
    CHECK(mg_plan_read(&plan, file) == 0);
    CHECK(plan.workers == 3 && plan.nlisteners == 1 && plan.confined && plan.began == 7);
    CHECK(strcmp(plan.admin, "127.0.0.1:9") == 0 && plan.admin_at == NULL && plan.user == NULL);
    CHECK(plan.sources_size == 6);
    CHECK(strcmp(plan.listeners[0].name, "web") == 0 && plan.listeners[0].mode == 0600);
    CHECK(plan.image == -1);
    mg_plan_free(&plan);
    fclose(file);
}

/* As after a loader that was killed while it wrote. */
static void test_a_part_is_no_plan(void)
{
    static struct mg_plan plan;
    FILE *file = written();
    long size = ftell(file);

    for (long len = 0; len < size; len++) {
        CHECK(ftruncate(fileno(file), size - len - 1) == 0);
        rewind(file);
        CHECK(mg_plan_read(&plan, file) == -1);
        CHECK(plan.image == -1 && plan.sources == NULL && plan.nlisteners == 0);
    }
    fclose(file);
}

static void test_an_image(void)
{
    int file = memfd_create("test", MFD_CLOEXEC);
    size_t size;
    void *bytes;

    CHECK(write(file, IMAGE, sizeof(IMAGE)) == sizeof(IMAGE));
    bytes = mg_plan_map(file, &size);
    CHECK(size == sizeof(IMAGE) && memcmp(bytes, IMAGE, size) == 0);
    munmap(bytes, size);
    close(file);
    CHECK(mg_plan_map(-1, &size) == NULL);
}

TEST_MAIN(TEST(test_a_plan_is_the_same_again), TEST(test_a_part_is_no_plan), TEST(test_an_image))
