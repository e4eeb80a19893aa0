#include "app/flame.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { WIDTH = 1200, ROW = 17, TOP = 60, MARGIN = 10, LETTER = 7, DEEPEST = 128 };

static const double THINNEST = 0.2; /* pixels; what is thinner nobody sees */

/* ---- stacks ----------------------------------------------------------------------------- */

static int add_line(struct mg_flame *f, mg_str line)
{
    uint32_t space = line.len;

    while (space > 0 && line.ptr[space - 1] != ' ')
        space--;
    if (space < 2)
        return MG_OK;
    if (f->nstacks == MG_FLAME_STACKS)
        return MG_ELIMIT;
    if (f->stacks == NULL && (f->stacks = calloc(MG_FLAME_STACKS, sizeof(*f->stacks))) == NULL)
        return MG_ELIMIT;
    f->stacks[f->nstacks].frames = mg_str_of(line.ptr, space - 1);
    f->stacks[f->nstacks].count = strtoull(line.ptr + space, NULL, 10);
    f->total += f->stacks[f->nstacks++].count;
    return MG_OK;
}

int mg_flame_add(struct mg_flame *f, mg_str text)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    int rc = MG_OK;

    while (at < end && rc == MG_OK) {
        const char *eol = memchr(at, '\n', (size_t)(end - at));

        if (eol == NULL)
            break;
        rc = add_line(f, mg_str_of(at, (size_t)(eol - at)));
        at = eol + 1;
    }
    return rc;
}

static int compare(const void *left, const void *right)
{
    const struct mg_flame_stack *a = left, *b = right;
    uint32_t len = a->frames.len < b->frames.len ? a->frames.len : b->frames.len;
    int order = memcmp(a->frames.ptr, b->frames.ptr, len);

    return order != 0 ? order : (a->frames.len > b->frames.len) - (a->frames.len < b->frames.len);
}

void mg_flame_merge(struct mg_flame *f)
{
    uint32_t kept = 0;

    if (f->nstacks == 0)
        return;
    qsort(f->stacks, f->nstacks, sizeof(*f->stacks), compare);
    for (uint32_t i = 1; i < f->nstacks; i++) {
        if (compare(&f->stacks[kept], &f->stacks[i]) == 0)
            f->stacks[kept].count += f->stacks[i].count;
        else
            f->stacks[++kept] = f->stacks[i];
    }
    f->nstacks = kept + 1;
}

void mg_flame_free(struct mg_flame *f)
{
    free(f->stacks);
    *f = (struct mg_flame){0};
}

/* ---- text ------------------------------------------------------------------------------- */

static void print(struct mg_buf *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void print(struct mg_buf *out, const char *format, ...)
{
    char text[1024];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n > 0)
        mg_buf_append(out, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

void mg_flame_folded(const struct mg_flame *f, struct mg_buf *out)
{
    for (uint32_t i = 0; i < f->nstacks; i++) {
        mg_buf_append(out, f->stacks[i].frames.ptr, f->stacks[i].frames.len);
        print(out, " %llu\n", (unsigned long long)f->stacks[i].count);
    }
}

/* ---- the picture ------------------------------------------------------------------------ */

/* What a frame is, by how its name begins; the first that fits. */
static const struct kind {
    const char *begins, *fill, *legend;
} kinds[] = {
    {"[compiled]", "#74c476", "compiled"},
    {"[interpreted]", "#ef6548", "interpreted"},
    {"[C]", "#fec44f", "C called from Lua"},
    {"[collector]", "#9e9ac8", "garbage collector"},
    {"[compiler]", "#bf812d", "JIT compiler"},
    {"core", "#bdbdbd", "core"},
    {"all", "#d9d9d9", NULL},
    {"[no room]", "#d9d9d9", NULL},
    {"moongate/", "#9ecae1", "moongate"},
    {"chain:", "#9ecae1", NULL},
    {"xpcall", "#9ecae1", NULL},
    {"", "#fdae6b", "policies"},
};

static const char *fill_of(mg_str name)
{
    const struct kind *k = kinds;

    while (name.len < strlen(k->begins) || memcmp(name.ptr, k->begins, strlen(k->begins)) != 0)
        k++;
    return k->fill;
}

static void escape(struct mg_buf *out, mg_str text)
{
    for (uint32_t i = 0; i < text.len; i++) {
        switch (text.ptr[i]) {
        case '&':
            mg_buf_append(out, "&amp;", 5);
            break;
        case '<':
            mg_buf_append(out, "&lt;", 4);
            break;
        case '>':
            mg_buf_append(out, "&gt;", 4);
            break;
        default:
            mg_buf_append(out, text.ptr + i, 1);
        }
    }
}

struct picture {
    const struct mg_flame *flame;
    struct mg_buf *out;
    uint32_t rows;
    uint64_t at;    /* samples drawn so far */
    uint32_t depth; /* open frames */
    struct {
        mg_str name;
        uint64_t from;
    } open[DEEPEST];
};

static void draw(const struct picture *p, uint32_t row, mg_str name, uint64_t from, uint64_t to)
{
    double scale = (double)WIDTH / (double)p->flame->total;
    double x = MARGIN + (double)from * scale, width = (double)(to - from) * scale;
    uint32_t y = TOP + (p->rows - 1 - row) * ROW, fit = (uint32_t)(width / LETTER);

    if (width < THINNEST)
        return;
    print(p->out, "<g><title>");
    escape(p->out, name);
    print(p->out, ": %llu samples, %.1f %%</title>", (unsigned long long)(to - from),
          100.0 * (double)(to - from) / (double)p->flame->total);
    print(p->out, "<rect x=\"%.1f\" y=\"%u\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>", x, y,
          width, ROW - 1, fill_of(name));
    if (fit >= 3) {
        bool cut = name.len > fit;

        print(p->out, "<text x=\"%.1f\" y=\"%u\">", x + 3, y + 12);
        escape(p->out, mg_str_of(name.ptr, cut ? fit - 2 : name.len));
        print(p->out, "%s</text>", cut ? ".." : "");
    }
    print(p->out, "</g>\n");
}

static void close_to(struct picture *p, uint32_t depth)
{
    for (; p->depth > depth; p->depth--)
        draw(p, p->depth, p->open[p->depth - 1].name, p->open[p->depth - 1].from, p->at);
}

/* A frame that the stack before had, too, goes on; at the first that differs all above are closed. */
static void draw_stack(struct picture *p, mg_str frames, uint64_t count)
{
    const char *at = frames.ptr, *end = frames.ptr + frames.len;
    bool same = true;

    for (uint32_t depth = 0; at < end && depth < DEEPEST; depth++) {
        const char *stop = memchr(at, ';', (size_t)(end - at));
        mg_str name = mg_str_of(at, (size_t)((stop == NULL ? end : stop) - at));

        same = same && depth < p->depth && mg_str_eq(p->open[depth].name, name);
        if (!same) {
            close_to(p, depth);
            p->open[depth].name = name;
            p->open[depth].from = p->at;
            p->depth = depth + 1;
        }
        at += name.len + 1;
    }
    p->at += count;
}

static uint32_t depth_of(mg_str frames)
{
    uint32_t n = 1;

    for (uint32_t i = 0; i < frames.len; i++)
        n += frames.ptr[i] == ';';
    return n < DEEPEST ? n : DEEPEST;
}

static void draw_head(const struct picture *p, const char *title)
{
    uint32_t x = MARGIN;

    print(p->out,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%u\" "
          "font-family=\"monospace\" font-size=\"11\">\n"
          "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
          "<text x=\"%d\" y=\"20\" font-size=\"14\">%s</text>\n",
          WIDTH + 2 * MARGIN, TOP + p->rows * ROW + MARGIN, MARGIN, title);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].legend == NULL)
            continue;
        print(p->out,
              "<rect x=\"%u\" y=\"32\" width=\"12\" height=\"12\" fill=\"%s\"/>"
              "<text x=\"%u\" y=\"42\">%s</text>\n",
              x, kinds[i].fill, x + 16, kinds[i].legend);
        x += 32 + LETTER * (uint32_t)strlen(kinds[i].legend);
    }
}

void mg_flame_svg(const struct mg_flame *f, const char *title, struct mg_buf *out)
{
    struct picture p = {.flame = f, .out = out, .rows = 1};

    for (uint32_t i = 0; i < f->nstacks; i++)
        if (depth_of(f->stacks[i].frames) + 1 > p.rows)
            p.rows = depth_of(f->stacks[i].frames) + 1;
    draw_head(&p, title);
    for (uint32_t i = 0; i < f->nstacks; i++)
        draw_stack(&p, f->stacks[i].frames, f->stacks[i].count);
    close_to(&p, 0);
    if (f->total > 0)
        draw(&p, 0, MG_STR("all"), 0, f->total);
    print(out, "</svg>\n");
}
