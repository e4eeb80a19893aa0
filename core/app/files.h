/* files.h -- Tells when the files that the config was read from have changed.
 *
 * Owner:      the master, for `run --watch`.
 * Ownership:  paths are copied; mg_files_free() frees all.
 * Errors:     where inotify cannot watch, the files are looked at every so often instead.
 * Invariant:  an event only says when to look.  What counts is the fingerprint: which file stands at
 *             each path, its size and times, and which names of a config's kind each folder has.  So
 *             renames, links that are swapped and folders that are replaced are all changes, and what
 *             else happens in those folders (a log, an editor's own file) is none.
 */
#ifndef MG_FILES_H
#define MG_FILES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MG_FILES_QUIET_MS = 50, MG_FILES_MOST_MS = 200 };

struct mg_files;

/* Nothing is watched yet; NULL: out of memory.  `poll`: without inotify. */
struct mg_files *mg_files_new(bool poll);
void mg_files_free(struct mg_files *f);
/* Watches `paths` (each ended by NUL, `size` bytes in all) from now on, in place of those before,
 * which were read by a load that began at `began` (ns of CLOCK_REALTIME_COARSE, as files' times are).  What has changed since then will be
 * told.  0, or MG_ENOMEM: then what was watched still is. */
int mg_files_set(struct mg_files *f, const char *paths, size_t size, uint64_t began, uint64_t now);
/* Readable when something may have changed: then call mg_files_read(); -1: there is nothing to wait
 * for.  It changes with mg_files_set(). */
int mg_files_fd(const struct mg_files *f);
void mg_files_read(struct mg_files *f, uint64_t now);
/* Milliseconds from `now` until mg_files_changed() should be asked; -1: only after an event. */
int mg_files_wait(const struct mg_files *f, uint64_t now);
/* Whether it is time to load again: the files have changed, and been left alone for
 * MG_FILES_QUIET_MS, or not for MG_FILES_MOST_MS.  Tells each change once. */
bool mg_files_changed(struct mg_files *f, uint64_t now);
#endif
