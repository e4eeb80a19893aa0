/* log.h -- Lines of text or JSON to standard error or a file, never blocking.
 *
 * Owner:      one sink a process, set up by app/; access logs open sinks of their own, in the
 *             process that writes them (after the fork: a line in a buffer would be doubled).
 * Ownership:  bytes are copied before the call returns.
 * Errors:     a line that does not fit (queue full, disk full) is dropped and counted; a line that
 *             is too long is cut.
 * Invariant:  control bytes are escaped and a line has at most MG_LOG_LINE bytes, so no request
 *             can forge or flood a line.
 */
#ifndef MG_LOG_H
#define MG_LOG_H
#include "base/str.h"

/* MG_LOG_LINE is PIPE_BUF: a pipe that poll() calls writable takes a line at once and whole. */
enum { MG_LOG_LINE = 4096, MG_LOG_QUEUE = 262144 };
enum mg_log_level { MG_LOG_DEBUG, MG_LOG_INFO, MG_LOG_WARN, MG_LOG_ERROR };

/* The process's own log: "2026-11-22T20:05:15.123Z warn worker=2 text".  Who: "master", "worker=0". */
void mg_log_setup(const char *who, enum mg_log_level least);
/* One line, cut at MG_LOG_LINE bytes; nothing below the least level. */
void mg_log(enum mg_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A sink for whole lines (access logs): appends to a file, or "stdout"/"stderr".  Lines gather in a
 * bounded buffer; mg_sink_flush_all() writes what the file takes (the worker calls it each turn of
 * its timer and at the end).  O_APPEND and one write of whole lines keep workers' lines apart. */
struct mg_sink;
/* The same path: the same sink, counted.  NULL: *err is -errno.  A FIFO that nobody reads is opened when somebody does:
 * its reader may be the one that is being started again. */
struct mg_sink *mg_sink_open(const char *path, int *err);
/* Whether from now on a file that cannot be opened gives a sink all the same, whose lines wait until it can. */
void mg_sink_wait_for_files(bool wait);
void mg_sink_line(struct mg_sink *s, const char *ptr, size_t len); /* the newline is added */
void mg_sink_flush_all(void);
/* After a rotation (SIGUSR1); a file that cannot be opened again keeps its old descriptor. */
void mg_sink_reopen_all(void);
uint64_t mg_sink_dropped(void); /* lines of this process: all sinks and mg_log() */
/* Gives one reference back; the last one writes what it can and closes the file. */
void mg_sink_close(struct mg_sink *s);

/* Writes `text` to out as the inside of a JSON string: control bytes, quotes and backslashes are
 * escaped, a byte that is no UTF-8 becomes \u00XX.  Returns the bytes written, at most `cap`; what
 * does not fit is left out, never cutting an escape or a character. */
size_t mg_log_escape(char *out, size_t cap, mg_str text);
#endif
