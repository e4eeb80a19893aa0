#include "app/flame.h"
#include "test.h"

static struct mg_flame flame;
static struct mg_buf out;
static char text[65536];

#define CHECK_TEXT(text, literal) CHECK(strcmp(text, literal) == 0)

static void add(const char *lines)
{
    CHECK(mg_flame_add(&flame, mg_str_of(lines, strlen(lines))) == MG_OK);
}

static const char *taken(void)
{
    size_t len = mg_buf_len(&out);

    CHECK(len < sizeof(text));
    len = len < sizeof(text) ? len : 0;
    memcpy(text, mg_buf_bytes(&out), len);
    text[len] = '\0';
    mg_buf_free(&out);
    mg_flame_free(&flame);
    return text;
}

static void stacks_of_workers_become_one(void)
{
    add("a;b 2\na;c 1\n");
    add("core 5\na;b 3\n");
    mg_flame_merge(&flame);
    CHECK(flame.total == 11 && flame.nstacks == 3);
    mg_flame_folded(&flame, &out);
    CHECK_TEXT(taken(), "a;b 5\na;c 1\ncore 5\n");
}

static void what_is_no_line_is_left_out(void)
{
    add("\nx\n 7\na b 3\nlast 1");
    mg_flame_merge(&flame);
    mg_flame_folded(&flame, &out);
    CHECK_TEXT(taken(), "a b 3\n");
}

static void a_frame_is_as_wide_as_its_samples(void)
{
    const char *svg;

    add("a;b 1\na;c 2\nd 1\n");
    mg_flame_merge(&flame);
    mg_flame_svg(&flame, "title", &out);
    svg = taken();
    CHECK(strstr(svg, "<title>all: 4 samples, 100.0 %</title><rect x=\"10.0\"") != NULL);
    CHECK(strstr(svg,
                 "<title>a: 3 samples, 75.0 %</title><rect x=\"10.0\" y=\"77\" width=\"900.0\"") !=
          NULL);
    CHECK(strstr(svg,
                 "<title>b: 1 samples, 25.0 %</title><rect x=\"10.0\" y=\"60\" width=\"300.0\"") !=
          NULL);
    CHECK(strstr(svg,
                 "<title>c: 2 samples, 50.0 %</title><rect x=\"310.0\" y=\"60\" width=\"600.0\"") !=
          NULL);
    CHECK(strstr(svg,
                 "<title>d: 1 samples, 25.0 %</title><rect x=\"910.0\" y=\"77\" width=\"300.0\"") !=
          NULL);
}

static void the_same_name_under_another_frame_is_another(void)
{
    const char *svg;

    add("a;x;y 1\nb;x;y 1\n");
    mg_flame_merge(&flame);
    mg_flame_svg(&flame, "title", &out);
    svg = strstr(taken(), "<title>x: 1 samples");
    CHECK(svg != NULL && strstr(svg + 1, "<title>x: 1 samples") != NULL);
}

static void names_cannot_be_markup(void)
{
    const char *svg;

    add("<script>&</script> 1\n");
    mg_flame_merge(&flame);
    mg_flame_svg(&flame, "title", &out);
    svg = taken();
    CHECK(strstr(svg, "<script>") == NULL &&
          strstr(svg, "&lt;script&gt;&amp;&lt;/script&gt;") != NULL);
}

static void nothing_seen_is_a_picture_too(void)
{
    const char *svg;

    mg_flame_merge(&flame);
    mg_flame_svg(&flame, "0 samples", &out);
    svg = taken();
    CHECK(strstr(svg, "0 samples") != NULL && strstr(svg, "nan") == NULL);
    CHECK(strcmp(svg + strlen(svg) - 7, "</svg>\n") == 0);
}

TEST_MAIN(TEST(stacks_of_workers_become_one), TEST(what_is_no_line_is_left_out),
          TEST(a_frame_is_as_wide_as_its_samples),
          TEST(the_same_name_under_another_frame_is_another), TEST(names_cannot_be_markup),
          TEST(nothing_seen_is_a_picture_too))
