#include "requests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void refuse(const char *path, int line, const char *why)
{
    fprintf(stderr, "%s:%d: %s\n", path, line, why);
    exit(2);
}

/* Writes the fields left in *fields to `out`, one a line, and Host unless it is among them. */
static void write_fields(FILE *out, char **fields)
{
    bool host = false;
    char *field;

    while ((field = strsep(fields, "\t")) != NULL) {
        host = host || strncasecmp(field, "host:", 5) == 0;
        fprintf(out, "%s\r\n", field);
    }
    fputs(host ? "\r\n" : "Host: bench\r\n\r\n", out);
}

/* Makes one request of a line, which it cuts up; NULL or what is missing. */
static const char *parse_line(char *line, struct request *r)
{
    const char *status = strsep(&line, "\t");
    const char *length = strsep(&line, "\t");
    const char *method = strsep(&line, "\t");
    const char *path = strsep(&line, "\t");
    FILE *out;

    if (path == NULL)
        return "expected STATUS, LENGTH, METHOD and PATH, parted by tabs";
    r->status = atoi(status);
    if (r->status < 200 || r->status > 599)
        return "expected a status from 200 to 599";
    r->length = strcmp(length, "-") == 0 ? -1 : atol(length);
    r->bodiless_answer = strcmp(method, "HEAD") == 0 || r->status == 204 || r->status == 304;
    out = open_memstream(&r->bytes, &r->len);
    if (out == NULL)
        return "out of memory";
    fprintf(out, "%s %s HTTP/1.1\r\n", method, path);
    write_fields(out, &line);
    return fclose(out) == 0 ? NULL : "out of memory";
}

struct requests requests_load(const char *path)
{
    struct requests all = {NULL, 0};
    FILE *in = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;

    if (in == NULL)
        refuse(path, 0, "cannot be read");
    for (int number = 1; getline(&line, &room, in) >= 0; number++) {
        const char *wrong;

        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] == '\0' || line[0] == '#')
            continue;
        all.items = realloc(all.items, (all.count + 1) * sizeof(*all.items));
        wrong = all.items == NULL ? "out of memory" : parse_line(line, &all.items[all.count++]);
        if (wrong != NULL)
            refuse(path, number, wrong);
    }
    free(line);
    fclose(in);
    if (all.count == 0)
        refuse(path, 1, "no request");
    return all;
}
