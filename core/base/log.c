#include "base/log.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/utf8.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

_Static_assert(MG_LOG_LINE <= PIPE_BUF, "a line must be one atomic write to a pipe");

struct mg_sink {
    struct mg_list node;
    struct mg_buf lines; /* whole lines, but for the rest of one a full disk cut */
    int fd;              /* below 0: the file could not be opened yet */
    uint32_t refs;
    bool regular; /* a plain file takes any size at once */
    char path[];
};

static struct mg_list sinks = {&sinks, &sinks};
static bool files_may_be_missing;
static uint64_t dropped; /* atomic: threads log too */
static enum mg_log_level log_least = MG_LOG_INFO;
static char log_who[32] = "moongate";
static int log_fd = STDERR_FILENO;

static void count_dropped(uint64_t lines)
{
    __atomic_fetch_add(&dropped, lines, __ATOMIC_RELAXED);
}

uint64_t mg_sink_dropped(void)
{
    return __atomic_load_n(&dropped, __ATOMIC_RELAXED);
}

/* ---- escaping ----------------------------------------------------------------------- */

/* The escape of one byte into out (6 bytes at most); its length. */
static size_t escape_byte(char *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    const char *at = c != 0 ? strchr(plain, c) : NULL;

    out[0] = '\\';
    if (at != NULL) {
        out[1] = letter[at - plain];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = hex[c >> 4];
    out[5] = hex[c & 15];
    return 6;
}

static bool is_control(unsigned char c)
{
    return c < 0x20 || c == 0x7f;
}

/* `quotes`: JSON's own marks too.  Without it text stays as readable as it was. */
static size_t escape(char *out, size_t cap, const char *ptr, size_t len, bool quotes)
{
    size_t used = 0;

    for (size_t i = 0, n; i < len; i += n) {
        char one[8];
        const char *from = ptr + i;
        size_t size = n = mg_utf8_len(ptr + i, len - i);

        if (n == 0 || is_control((unsigned char)*from) ||
            (quotes && (*from == '"' || *from == '\\'))) {
            size = escape_byte(one, (unsigned char)*from);
            from = one;
            n = 1;
        }
        if (size > cap - used)
            break;
        memcpy(out + used, from, size);
        used += size;
    }
    return used;
}

size_t mg_log_escape(char *out, size_t cap, mg_str text)
{
    return escape(out, cap, text.ptr, text.len, true);
}

/* ---- writing ------------------------------------------------------------------------ */

static bool writable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0;
}

/* What can be written without a wait.  poll() alone does not say: between the look and the write
 * another process may fill what both have open. */
static ssize_t write_now(int fd, const char *ptr, size_t len)
{
    ssize_t n = send(fd, ptr, len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n >= 0 || errno != ENOTSOCK)
        return n;
    return writable(fd) ? write(fd, ptr, len) : -1;
}

/* Opening standard output anew gives a description of our own, which may be made non-blocking
 * without surprising whoever shares it.  A socket cannot be opened, nor what is another user's. */
static int open_standard(int fd)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

/* ---- the process's own log ---------------------------------------------------------- */

/* A sink to the same file appends: lines of ours must not be written over its. */
static void append_only(int fd)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_APPEND);
}

/* What another user may not open was opened before this process became one. */
static void reopen_log(void)
{
    int own = open_standard(STDERR_FILENO);

    if (own < 0 && errno == EACCES)
        return;
    if (log_fd != STDERR_FILENO)
        close(log_fd);
    log_fd = own >= 0 ? own : STDERR_FILENO;
}

void mg_log_setup(const char *who, enum mg_log_level least)
{
    reopen_log();
    append_only(STDERR_FILENO);
    snprintf(log_who, sizeof(log_who), "%s", who);
    for (char *p = log_who; *p != '\0'; p++)
        if (*p == ' ')
            *p = '=';
    log_least = least;
}

static size_t write_prefix(char *line, size_t cap, enum mg_log_level level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    struct timespec now;
    struct tm tm;
    size_t len;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    len = strftime(line, cap, "%Y-%m-%dT%H:%M:%S", &tm);
    len += (size_t)snprintf(line + len, cap - len, ".%03ldZ %s %s ", now.tv_nsec / 1000000,
                            names[level], log_who);
    return len;
}

void mg_log(enum mg_log_level level, const char *format, ...)
{
    char text[MG_LOG_LINE], line[MG_LOG_LINE];
    va_list args;
    size_t used;
    int len;

    if (level < log_least)
        return;
    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len < 0)
        return;
    if ((size_t)len >= sizeof(text))
        len = sizeof(text) - 1;
    used = write_prefix(line, sizeof(line), level);
    used += escape(line + used, sizeof(line) - 1 - used, text, (size_t)len, false);
    line[used++] = '\n';
    if (write_now(log_fd, line, used) != (ssize_t)used)
        count_dropped(1);
}

/* ---- sinks -------------------------------------------------------------------------- */

static int share_standard(int fd)
{
    int own = open_standard(fd);

    return own >= 0 ? own : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int open_path(const char *path, bool *regular)
{
    struct stat st;
    int fd;

    if (strcmp(path, "stdout") == 0)
        fd = share_standard(STDOUT_FILENO);
    else if (strcmp(path, "stderr") == 0)
        fd = share_standard(STDERR_FILENO);
    else
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0640);
    *regular = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    return fd >= 0 ? fd : -errno;
}

/* A FIFO that nobody reads; a socket fails the same way, but for good. */
static bool lacks_reader(const struct mg_sink *s)
{
    struct stat st;

    return s->fd == -ENXIO && stat(s->path, &st) == 0 && S_ISFIFO(st.st_mode);
}

void mg_sink_wait_for_files(bool wait)
{
    files_may_be_missing = wait;
}

struct mg_sink *mg_sink_open(const char *path, int *err)
{
    struct mg_sink *s;
    size_t size = strlen(path) + 1;
    bool waits;

    *err = 0;
    for (struct mg_list *n = sinks.next; n != &sinks; n = n->next) {
        s = MG_LIST_OF(n, struct mg_sink, node);
        if (strcmp(s->path, path) == 0) {
            s->refs++;
            return s;
        }
    }
    s = calloc(1, sizeof(*s) + size);
    if (s == NULL)
        mg_err_no_memory();
    memcpy(s->path, path, size);
    s->refs = 1;
    s->fd = open_path(path, &s->regular);
    waits = lacks_reader(s);
    if (s->fd < 0 && !waits && !files_may_be_missing) {
        *err = s->fd;
        free(s);
        return NULL;
    }
    if (s->fd < 0)
        mg_log(MG_LOG_ERROR, "cannot open %s yet: %s", path,
               waits ? "nobody reads it" : mg_error_text(s->fd));
    mg_list_append(&sinks, &s->node);
    return s;
}

/* How much of the buffer one write may take: all of a file's, and of anything else whole lines up
 * to MG_LOG_LINE, which go in one piece or not at all. */
static size_t next_write(const struct mg_sink *s)
{
    size_t len = mg_buf_len(&s->lines);
    const char *last;

    if (s->regular || len <= MG_LOG_LINE)
        return len;
    last = memrchr(mg_buf_bytes(&s->lines), '\n', MG_LOG_LINE);
    return last != NULL ? (size_t)(last + 1 - mg_buf_bytes(&s->lines)) : MG_LOG_LINE;
}

static void flush(struct mg_sink *s)
{
    while (s->fd >= 0 && mg_buf_len(&s->lines) > 0) {
        ssize_t n;

        n = s->regular ? write(s->fd, mg_buf_bytes(&s->lines), next_write(s))
                       : write_now(s->fd, mg_buf_bytes(&s->lines), next_write(s));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) /* kept: the disk may have room, the pipe a reader, next time */
            return;
        mg_buf_consume(&s->lines, (size_t)n);
    }
}

static bool is_clean(const char *ptr, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (is_control((unsigned char)ptr[i]))
            return false;
    return true;
}

void mg_sink_line(struct mg_sink *s, const char *ptr, size_t len)
{
    size_t room = MG_LOG_LINE - 1;
    bool clean = len <= room && is_clean(ptr, len);
    char *out;

    if (mg_buf_len(&s->lines) + MG_LOG_LINE > MG_LOG_QUEUE)
        flush(s);
    if (mg_buf_len(&s->lines) + MG_LOG_LINE > MG_LOG_QUEUE) {
        count_dropped(1);
        return;
    }
    out = mg_buf_reserve(&s->lines, MG_LOG_LINE);
    if (clean)
        memcpy(out, ptr, len);
    else
        len = escape(out, room, ptr, len, false);
    out[len] = '\n';
    mg_buf_commit(&s->lines, len + 1);
}

void mg_sink_flush_all(void)
{
    for (struct mg_list *n = sinks.next; n != &sinks; n = n->next) {
        struct mg_sink *s = MG_LIST_OF(n, struct mg_sink, node);

        if (s->fd < 0)
            s->fd = open_path(s->path, &s->regular);
        flush(s);
    }
}

void mg_sink_reopen_all(void)
{
    for (struct mg_list *n = sinks.next; n != &sinks; n = n->next) {
        struct mg_sink *s = MG_LIST_OF(n, struct mg_sink, node);
        bool regular;
        int fd;

        flush(s);
        fd = open_path(s->path, &regular);
        if (fd < 0) {
            mg_log(MG_LOG_ERROR, "cannot open %s again: %s", s->path, mg_error_text(fd));
            continue;
        }
        if (s->fd >= 0)
            close(s->fd);
        s->fd = fd;
        s->regular = regular;
    }
}

static uint64_t count_lines(const struct mg_buf *b)
{
    const char *p = mg_buf_bytes(b), *end = p + mg_buf_len(b);
    uint64_t lines = 0;

    while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        p++;
        lines++;
    }
    return lines;
}

void mg_sink_close(struct mg_sink *s)
{
    if (--s->refs > 0)
        return;
    flush(s);
    count_dropped(count_lines(&s->lines));
    mg_list_remove(&s->node);
    mg_buf_free(&s->lines);
    if (s->fd >= 0)
        close(s->fd);
    free(s);
}
