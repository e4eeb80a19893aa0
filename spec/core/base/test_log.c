#include "base/log.h"
#include "test.h"
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static bool all_writable;

/* In place of the C library's.  `all_writable`: as if others filled it between this look and the write. */
int poll(struct pollfd *fds, nfds_t n, int ms)
{
    struct timespec limit = {.tv_sec = ms / 1000};

    for (nfds_t i = 0; all_writable && i < n; i++)
        fds[i].revents = POLLOUT;
    return all_writable ? (int)n : ppoll(fds, n, &limit, NULL);
}

static char folder[] = P_tmpdir "/moongate-log-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

/* The file's bytes, NUL-ended, in one buffer that the next call reuses. */
static const char *content(const char *path)
{
    static char text[1 << 20];
    FILE *f = fopen(path, "r");
    size_t n = f != NULL ? fread(text, 1, sizeof(text) - 1, f) : 0;

    if (f != NULL)
        fclose(f);
    text[n] = '\0';
    return text;
}

static mg_str escaped(const char *text, size_t len, size_t cap)
{
    static char out[256];

    return mg_str_of(out, mg_log_escape(out, cap, mg_str_of(text, len)));
}

static void escapes_as_json_does(void)
{
    CHECK_STR(escaped("a\"b\\c", 5, 256), "a\\\"b\\\\c");
    CHECK_STR(escaped("\n\r\t\b\f\0\x1f\x7f", 8, 256), "\\n\\r\\t\\b\\f\\u0000\\u001f\\u007f");
    CHECK_STR(escaped("\xc3\xa9\xe2\x82\xac", 5, 256), "\xc3\xa9\xe2\x82\xac");
    CHECK_STR(escaped("\xff\xc3(\xed\xa0\x80", 6, 256), "\\u00ff\\u00c3(\\u00ed\\u00a0\\u0080");
    CHECK_STR(escaped("\xf0\x9f\x98", 3, 256), "\\u00f0\\u009f\\u0098");
}

static void never_cuts_an_escape_or_a_character(void)
{
    CHECK_STR(escaped("ab\x01", 3, 7), "ab");
    CHECK_STR(escaped("ab\xe2\x82\xac", 5, 4), "ab");
    CHECK_STR(escaped("ab\xe2\x82\xac", 5, 5), "ab\xe2\x82\xac");
    CHECK_STR(escaped("ab", 2, 0), "");
}

/* Runs fn with standard error in a file and gives what it wrote. */
static const char *stderr_of(void (*fn)(void))
{
    const char *path = path_of("stderr");
    int saved = dup(STDERR_FILENO), fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    dup2(fd, STDERR_FILENO);
    fn();
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fd);
    return content(path);
}

static void write_lines(void)
{
    static char flood[10000];

    memset(flood, 'z', sizeof(flood) - 1);
    mg_log_setup("worker 2", MG_LOG_INFO);
    mg_log(MG_LOG_DEBUG, "not shown");
    mg_log(MG_LOG_WARN, "path %s", "/a\n2026-01-01T00:00:00.000Z error forged \"x\"");
    mg_log(MG_LOG_ERROR, "%s", flood);
}

static void a_line_is_stamped_bounded_and_cannot_be_forged(void)
{
    const char *text = stderr_of(write_lines), *second = strchr(text, '\n') + 1;
    int year, ms;

    CHECK(sscanf(text, "%4d-%*2d-%*2dT%*2d:%*2d:%*2d.%3dZ", &year, &ms) == 2 && year > 2000);
    CHECK(strstr(text, "Z warn worker=2 path /a\\n2026-01-01T00:00:00.000Z error forged \"x\"\n") ==
          text + 23);
    CHECK(strstr(text, "not shown") == NULL);
    CHECK(strlen(second) == MG_LOG_LINE && second[MG_LOG_LINE - 1] == '\n');
}

static void a_sink_writes_whole_lines_when_flushed(void)
{
    char path[256];
    int err;
    struct mg_sink *s, *same;

    snprintf(path, sizeof(path), "%s", path_of("access"));
    s = mg_sink_open(path, &err);
    same = mg_sink_open(path, &err);
    CHECK(s != NULL && s == same && err == 0);
    mg_sink_line(s, "one", 3);
    mg_sink_line(s, "t\nwo", 4);
    CHECK(strcmp(content(path), "") == 0);
    mg_sink_flush_all();
    CHECK(strcmp(content(path), "one\nt\\nwo\n") == 0);
    mg_sink_line(s, "three", 5);
    mg_sink_close(same);
    CHECK(strcmp(content(path), "one\nt\\nwo\n") == 0);
    mg_sink_close(s);
    CHECK(strcmp(content(path), "one\nt\\nwo\nthree\n") == 0);
}

static void a_sink_goes_on_in_a_new_file_after_rotation(void)
{
    char path[256], old[300];
    int err;
    struct mg_sink *s;

    snprintf(path, sizeof(path), "%s", path_of("rotated"));
    snprintf(old, sizeof(old), "%s.1", path);
    s = mg_sink_open(path, &err);
    mg_sink_line(s, "before", 6);
    CHECK(rename(path, old) == 0);
    mg_sink_reopen_all();
    mg_sink_line(s, "after", 5);
    mg_sink_close(s);
    CHECK(strcmp(content(old), "before\n") == 0);
    CHECK(strcmp(content(path), "after\n") == 0);
}

static void a_path_that_cannot_be_opened_says_why(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int err = 0, fd = socket(AF_UNIX, SOCK_STREAM, 0);

    CHECK(mg_sink_open("/nonexistent/folder/log", &err) == NULL);
    CHECK(err == -2);
    CHECK((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder) <
          sizeof(address.sun_path));
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    CHECK(mg_sink_open(address.sun_path, &err) == NULL && err < 0);
    close(fd);
    unlink(address.sun_path);
}

static void a_path_that_cannot_be_opened_yet_is_waited_for(void)
{
    char later[256], path[300];
    struct mg_sink *s;
    int err;

    snprintf(later, sizeof(later), "%s", path_of("later"));
    snprintf(path, sizeof(path), "%s/log", later);
    mg_sink_wait_for_files(true);
    s = mg_sink_open(path, &err);
    mg_sink_wait_for_files(false);
    CHECK(s != NULL && err == 0);
    mg_sink_line(s, "one", 3);
    mg_sink_flush_all();
    mg_sink_reopen_all();
    CHECK(mkdir(later, 0700) == 0);
    mg_sink_flush_all();
    CHECK(strcmp(content(path), "one\n") == 0);
    mg_sink_close(s);
    CHECK(unlink(path) == 0 && rmdir(later) == 0);
}

/* A pipe nobody reads: the sink must drop and count, never wait. */
static void a_full_pipe_drops_and_counts(void)
{
    char line[1000];
    uint64_t before = mg_sink_dropped();
    struct mg_sink *s;
    size_t got = 0;
    ssize_t n;
    int reader, err;

    CHECK(mkfifo(path_of("fifo"), 0600) == 0);
    reader = open(path_of("fifo"), O_RDONLY | O_NONBLOCK);
    s = mg_sink_open(path_of("fifo"), &err);
    memset(line, 'p', sizeof(line));
    for (int i = 0; i < 1000; i++)
        mg_sink_line(s, line, 999);
    CHECK(mg_sink_dropped() - before > 500);
    do {
        mg_sink_flush_all();
        n = read(reader, line, sizeof(line));
        got += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    CHECK(got == (1000 - (mg_sink_dropped() - before)) * 1000);
    mg_sink_close(s);
    close(reader);
}

static void a_fifo_that_nobody_reads_yet_is_waited_for(void)
{
    char line[16];
    struct mg_sink *s;
    int reader, err;

    s = mg_sink_open(path_of("fifo"), &err);
    CHECK(s != NULL && err == 0);
    mg_sink_line(s, "one", 3);
    mg_sink_flush_all();
    reader = open(path_of("fifo"), O_RDONLY | O_NONBLOCK);
    CHECK(read(reader, line, sizeof(line)) == 0);
    mg_sink_flush_all();
    CHECK(read(reader, line, sizeof(line)) == 4 && memcmp(line, "one\n", 4) == 0);
    mg_sink_close(s);
    close(reader);
}

/* An alarm ends the test if one of the lines waits. */
static void fill(int reader, int writer)
{
    int saved = dup(STDERR_FILENO), err;
    uint64_t before = mg_sink_dropped();
    struct mg_sink *s;

    dup2(writer, STDERR_FILENO);
    mg_log_setup("test", MG_LOG_INFO);
    s = mg_sink_open("stderr", &err);
    all_writable = true;
    alarm(30);
    for (int i = 0; i < 20000; i++) {
        mg_log(MG_LOG_INFO, "line %0200d", i);
        mg_sink_line(s, "line", 4);
    }
    mg_sink_flush_all();
    alarm(0);
    all_writable = false;
    CHECK(mg_sink_dropped() > before);
    mg_sink_close(s);
    dup2(saved, STDERR_FILENO);
    mg_log_setup("test", MG_LOG_INFO);
    close(saved);
    close(reader);
    close(writer);
}

static void lines_wait_for_nobody_though_poll_says_so(void)
{
    int pair[2];

    CHECK(pipe(pair) == 0);
    fill(pair[0], pair[1]);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    fill(pair[0], pair[1]);
}

/* Four processes append to one file: no line may be torn. */
static void lines_of_several_processes_stay_whole(void)
{
    char path[256];
    const char *p;
    int lines = 0, torn = 0, status;

    snprintf(path, sizeof(path), "%s", path_of("shared"));
    for (int c = 'a'; c < 'e'; c++) {
        if (fork() == 0) {
            struct mg_sink *s = mg_sink_open(path, &status);
            char line[64];

            memset(line, c, sizeof(line));
            for (int i = 0; i < 2000; i++) {
                mg_sink_line(s, line, sizeof(line));
                if (i % 100 == 0)
                    mg_sink_flush_all();
            }
            mg_sink_close(s);
            _exit(0);
        }
    }
    for (int i = 0; i < 4; i++)
        CHECK(wait(&status) > 0 && status == 0);
    for (p = content(path); *p != '\0'; p += 65, lines++)
        torn += p[64] != '\n' || strspn(p, (char[]){*p, 0}) != 64;
    CHECK(lines == 8000 && torn == 0);
}

static void clean_up(void)
{
    static const char *const names[] = {"stderr",    "access", "rotated",
                                        "rotated.1", "fifo",   "shared"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(path_of(names[i]));
    CHECK(rmdir(folder) == 0);
}

static void set_up(void)
{
    CHECK(mkdtemp(folder) != NULL);
}

TEST_MAIN(TEST(set_up), TEST(escapes_as_json_does), TEST(never_cuts_an_escape_or_a_character),
          TEST(a_line_is_stamped_bounded_and_cannot_be_forged),
          TEST(a_sink_writes_whole_lines_when_flushed),
          TEST(a_sink_goes_on_in_a_new_file_after_rotation),
          TEST(a_path_that_cannot_be_opened_says_why),
          TEST(a_path_that_cannot_be_opened_yet_is_waited_for), TEST(a_full_pipe_drops_and_counts),
          TEST(a_fifo_that_nobody_reads_yet_is_waited_for),
          TEST(lines_wait_for_nobody_though_poll_says_so),
          TEST(lines_of_several_processes_stay_whole), TEST(clean_up))
