/* How a plan gets from the process that made it to another one. */
#include "app/plan.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool put(FILE *file, const void *bytes, size_t size)
{
    return fwrite(&size, sizeof(size), 1, file) == 1 && fwrite(bytes, 1, size, file) == size;
}

/* With its NUL; NULL is nothing at all. */
static bool put_text(FILE *file, const char *text)
{
    return put(file, text == NULL ? "" : text, text == NULL ? 0 : strlen(text) + 1);
}

/* A text is as long as it says, and ends in NUL. */
static bool take(FILE *file, char **text, size_t *size)
{
    *text = NULL;
    if (fread(size, sizeof(*size), 1, file) != 1 || *size > SIZE_MAX / 2)
        return false;
    if (*size == 0)
        return true;
    *text = malloc(*size);
    return *text != NULL && fread(*text, 1, *size, file) == *size && (*text)[*size - 1] == '\0';
}

static bool take_text(FILE *file, char **text)
{
    size_t size;

    return take(file, text, &size);
}

void *mg_plan_map(int image, size_t *size)
{
    struct stat s;
    void *bytes;

    if (fstat(image, &s) != 0)
        return NULL;
    *size = (size_t)s.st_size;
    bytes = mmap(NULL, *size, PROT_READ, MAP_SHARED, image, 0);
    return bytes == MAP_FAILED ? NULL : bytes;
}

int mg_plan_write(const struct mg_plan *plan, FILE *file)
{
    uint32_t numbers[3] = {plan->workers, plan->nlisteners, plan->confined};
    bool ok = fwrite(numbers, sizeof(numbers), 1, file) == 1 &&
              fwrite(&plan->began, sizeof(plan->began), 1, file) == 1 &&
              put_text(file, plan->admin) && put_text(file, plan->admin_at) &&
              put_text(file, plan->user) && put_text(file, plan->group) &&
              put_text(file, plan->pid_file) && put(file, plan->sources, plan->sources_size);

    for (uint32_t i = 0; ok && i < plan->nlisteners; i++)
        ok = put_text(file, plan->listeners[i].name) &&
             put_text(file, plan->listeners[i].address) && put_text(file, plan->listeners[i].at) &&
             fwrite(&plan->listeners[i].mode, sizeof(uint32_t), 1, file) == 1;
    return ok && fflush(file) == 0 ? 0 : -1;
}

int mg_plan_read(struct mg_plan *plan, FILE *file)
{
    uint32_t numbers[3];
    bool ok;

    *plan = (struct mg_plan){.image = -1};
    if (fread(numbers, sizeof(numbers), 1, file) != 1 || numbers[1] > MG_PLAN_LISTENERS ||
        fread(&plan->began, sizeof(plan->began), 1, file) != 1)
        return -1;
    plan->workers = numbers[0];
    plan->nlisteners = numbers[1];
    plan->confined = numbers[2] != 0;
    ok = take_text(file, &plan->admin) && take_text(file, &plan->admin_at) &&
         take_text(file, &plan->user) && take_text(file, &plan->group) &&
         take_text(file, &plan->pid_file) && take(file, &plan->sources, &plan->sources_size);
    for (uint32_t i = 0; ok && i < plan->nlisteners; i++)
        ok = take_text(file, &plan->listeners[i].name) &&
             take_text(file, &plan->listeners[i].address) &&
             take_text(file, &plan->listeners[i].at) &&
             fread(&plan->listeners[i].mode, sizeof(uint32_t), 1, file) == 1;
    if (!ok)
        mg_plan_free(plan);
    return ok ? 0 : -1;
}

void mg_plan_free(struct mg_plan *plan)
{
    for (uint32_t i = 0; i < plan->nlisteners; i++) {
        free(plan->listeners[i].name);
        free(plan->listeners[i].address);
        free(plan->listeners[i].at);
    }
    free(plan->admin);
    free(plan->admin_at);
    free(plan->user);
    free(plan->group);
    free(plan->pid_file);
    free(plan->sources);
    if (plan->image >= 0)
        close(plan->image);
    *plan = (struct mg_plan){.image = -1};
}
