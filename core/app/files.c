#include "app/files.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "moongate.h"

enum { POLL_MS = 100, FILES_A_POLL_MS = 50 /* files that one more millisecond of it pays for */ };
enum { LINKS = 40 /* as the kernel follows */, FOLDERS = 4096 };

/* What happens to the entries of a folder, and to the files that they are. */
static const uint32_t ENTRIES =
    IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF;
static const uint32_t WRITES = IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB;

/* A folder on the way to what is watched: only the entry that leads there counts. */
struct way {
    int watch;
    char *name; /* NULL: all entries count */
};

struct mg_files {
    char *paths;
    size_t size;
    uint64_t fingerprint;
    int fd;               /* of inotify, or -1 */
    bool blind;           /* some folder cannot be watched: look every so often */
    bool polls;           /* asked not to use inotify */
    bool again;           /* what was loaded is old already */
    uint64_t next;        /* ms: when to look, if blind */
    uint64_t first, last; /* ms: the events since it was looked; 0: none */
    uint32_t npaths, nways, room;
    struct way *ways;
    char folder[PATH_MAX]; /* the last one watched: most files are neighbours */
};

/* ---- the fingerprint ------------------------------------------------------------------------ */

static uint64_t mix(uint64_t h, uint64_t value)
{
    h = (h ^ value) * 0x9E3779B97F4A7C15u;
    return h ^ (h >> 32);
}

static uint64_t mix_text(uint64_t h, const char *text)
{
    for (; *text != '\0'; text++)
        h = mix(h, (unsigned char)*text);
    return h;
}

static bool ends_in(const char *name, const char *end)
{
    size_t length = strlen(name), tail = strlen(end);

    return length > tail && strcmp(name + length - tail, end) == 0;
}

/* The names that moongate.config takes from a folder. */
static bool is_config(const char *name)
{
    return name[0] != '.' &&
           (ends_in(name, ".yaml") || ends_in(name, ".yml") || ends_in(name, ".json"));
}

/* A sum, since a folder has no order. */
static uint64_t names_in(const char *path)
{
    DIR *dir = opendir(path);
    uint64_t sum = 0;
    struct dirent *entry;

    if (dir == NULL)
        return 1;
    while ((entry = readdir(dir)) != NULL)
        if (is_config(entry->d_name))
            sum += mix_text(2, entry->d_name);
    closedir(dir);
    return sum;
}

static uint64_t print_of(uint64_t h, const char *path)
{
    struct stat s;

    if (stat(path, &s) != 0)
        return mix(h, (uint64_t)errno);
    h = mix(mix(h, s.st_dev), s.st_ino);
    if (S_ISDIR(s.st_mode))
        return mix(h, names_in(path));
    h = mix(mix(h, (uint64_t)s.st_size), s.st_mode);
    h = mix(mix(h, (uint64_t)s.st_mtim.tv_sec), (uint64_t)s.st_mtim.tv_nsec);
    return mix(mix(h, (uint64_t)s.st_ctim.tv_sec), (uint64_t)s.st_ctim.tv_nsec);
}

/* The path after `path` (NULL: the first one), or NULL. */
static const char *next_path(const struct mg_files *f, const char *path)
{
    const char *next = path == NULL ? f->paths : path + strlen(path) + 1;

    return next != NULL && next < f->paths + f->size ? next : NULL;
}

static uint64_t take_fingerprint(const struct mg_files *f)
{
    uint64_t h = 1;

    for (const char *path = next_path(f, NULL); path != NULL; path = next_path(f, path))
        h = print_of(h, path);
    return h;
}

/* A folder's time says nothing: a log may have been made in it. */
static bool has_changed_since(const struct mg_files *f, uint64_t began)
{
    for (const char *path = next_path(f, NULL); path != NULL; path = next_path(f, path)) {
        struct stat s;

        if (stat(path, &s) == 0 && !S_ISDIR(s.st_mode) &&
            (uint64_t)s.st_ctim.tv_sec * 1000000000u + (uint64_t)s.st_ctim.tv_nsec > began)
            return true;
    }
    return false;
}

/* ---- inotify -------------------------------------------------------------------------------- */

static void clear_ways(struct mg_files *f)
{
    for (uint32_t i = 0; i < f->nways; i++)
        free(f->ways[i].name);
    free(f->ways);
    f->ways = NULL;
    f->nways = f->room = 0;
    f->folder[0] = '\0';
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

static void add_way(struct mg_files *f, int watch, const char *name)
{
    for (uint32_t i = 0; i < f->nways; i++)
        if (f->ways[i].watch == watch && (f->ways[i].name == NULL || name != NULL) &&
            (f->ways[i].name == NULL || strcmp(f->ways[i].name, name) == 0))
            return;
    if (f->nways == f->room) {
        uint32_t room = f->room == 0 ? 16 : 2 * f->room;
        struct way *ways = room <= FOLDERS ? realloc(f->ways, room * sizeof(*ways)) : NULL;

        if (ways == NULL) {
            f->blind = true;
            return;
        }
        f->ways = ways;
        f->room = room;
    }
    f->ways[f->nways++] = (struct way){watch, name == NULL ? NULL : strdup(name)};
}

/* A folder that is not there will come as an entry of the one above. */
static void watch_folder(struct mg_files *f, const char *folder, const char *name)
{
    int watch = inotify_add_watch(f->fd, folder,
                                  ENTRIES | (name == NULL ? WRITES : 0) | IN_ONLYDIR | IN_MASK_ADD);

    if (watch >= 0)
        add_way(f, watch, name);
    else if (errno != ENOENT && errno != ENOTDIR)
        f->blind = true;
}

static void watch_path(struct mg_files *f, const char *path, int links);

/* The link stands in `folder`, which ends in '/'. */
static void follow(struct mg_files *f, const char *folder, const char *link, int links)
{
    char target[PATH_MAX], path[2 * PATH_MAX];
    ssize_t n = readlink(link, target, sizeof(target) - 1);

    if (n <= 0)
        return;
    target[n] = '\0';
    snprintf(path, sizeof(path), "%s%s", target[0] == '/' ? "" : folder, target);
    watch_path(f, path, links - 1);
}

/* Each step of an absolute path: its folder, for that name; behind links too. */
static void watch_path(struct mg_files *f, const char *path, int links)
{
    char folder[PATH_MAX], step[PATH_MAX];
    const char *at = path;

    if (links == 0 || strlen(path) >= sizeof(step))
        return;
    while (*(at += strspn(at, "/")) != '\0') {
        size_t length = strcspn(at, "/");
        bool last = at[length + strspn(at + length, "/")] == '\0';
        struct stat s;

        snprintf(folder, sizeof(folder), "%.*s", (int)(at - path), path);
        snprintf(step, sizeof(step), "%.*s", (int)(at - path + (ptrdiff_t)length), path);
        if (!last || strcmp(folder, f->folder) != 0)
            watch_folder(f, folder, last ? NULL : step + (at - path));
        if (last)
            memcpy(f->folder, folder, strlen(folder) + 1);
        if (lstat(step, &s) == 0 && S_ISLNK(s.st_mode))
            follow(f, folder, step, links);
        if (last && stat(step, &s) == 0 && S_ISDIR(s.st_mode))
            watch_folder(f, step, NULL);
        at += length;
    }
}

/* Files side by side have the same way: only their last step is looked at. */
static bool is_neighbour(const struct mg_files *f, const char *path)
{
    size_t length = strlen(f->folder);
    struct stat s;

    return length > 0 && strncmp(path, f->folder, length) == 0 &&
           strchr(path + length, '/') == NULL && lstat(path, &s) == 0 && S_ISREG(s.st_mode);
}

static void watch_all(struct mg_files *f)
{
    char here[PATH_MAX], full[2 * PATH_MAX];

    clear_ways(f);
    f->blind = f->polls || getcwd(here, sizeof(here)) == NULL;
    f->fd = f->blind ? -1 : inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (f->fd < 0) {
        f->blind = true;
        return;
    }
    for (const char *path = next_path(f, NULL); path != NULL; path = next_path(f, path)) {
        snprintf(full, sizeof(full), "%s/%s", path[0] == '/' ? "" : here, path);
        if (!is_neighbour(f, full))
            watch_path(f, full, LINKS);
    }
}

static bool counts(const struct mg_files *f, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW)
        return true;
    for (uint32_t i = 0; i < f->nways; i++)
        if (f->ways[i].watch == event->wd && (f->ways[i].name == NULL || event->len == 0 ||
                                              strcmp(f->ways[i].name, event->name) == 0))
            return true;
    return false;
}

/* ---- the whole ------------------------------------------------------------------------------ */

struct mg_files *mg_files_new(bool poll)
{
    struct mg_files *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return NULL;
    f->fd = -1;
    f->polls = poll;
    return f;
}

void mg_files_free(struct mg_files *f)
{
    if (f == NULL)
        return;
    clear_ways(f);
    free(f->paths);
    free(f);
}

static uint64_t next_look(const struct mg_files *f, uint64_t now)
{
    return now + POLL_MS + f->npaths / FILES_A_POLL_MS;
}

int mg_files_set(struct mg_files *f, const char *paths, size_t size, uint64_t began, uint64_t now)
{
    char *copy = malloc(size + 1);

    if (copy == NULL)
        return MG_ENOMEM;
    f->again = f->paths != NULL && take_fingerprint(f) != f->fingerprint;
    memcpy(copy, paths, size);
    copy[size] = '\0';
    free(f->paths);
    f->paths = copy;
    f->size = size;
    f->npaths = 0;
    for (const char *path = next_path(f, NULL); path != NULL; path = next_path(f, path))
        f->npaths++;
    watch_all(f);
    f->fingerprint = take_fingerprint(f);
    f->again = f->again || has_changed_since(f, began);
    f->first = f->last = f->again ? now : 0;
    f->next = next_look(f, now);
    return 0;
}

int mg_files_fd(const struct mg_files *f)
{
    return f->fd;
}

void mg_files_read(struct mg_files *f, uint64_t now)
{
    char buffer[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool some = false;
    ssize_t n;

    while ((n = read(f->fd, buffer, sizeof(buffer))) > 0)
        for (char *at = buffer; at < buffer + n;) {
            const struct inotify_event *event = (const struct inotify_event *)at;

            some = some || counts(f, event);
            at += sizeof(*event) + event->len;
        }
    if (!some)
        return;
    f->first = f->first == 0 ? now : f->first;
    f->last = now;
}

static uint64_t due(const struct mg_files *f)
{
    uint64_t quiet = f->last + MG_FILES_QUIET_MS, most = f->first + MG_FILES_MOST_MS;

    if (f->first == 0)
        return f->blind ? f->next : UINT64_MAX;
    return quiet < most ? quiet : most;
}

int mg_files_wait(const struct mg_files *f, uint64_t now)
{
    uint64_t at = due(f);

    if (at == UINT64_MAX)
        return -1;
    return at > now ? (int)(at - now) : 0;
}

/* Looked at every so often, a change may be half made: it is told when the next look finds the same. */
static bool settle(struct mg_files *f, uint64_t now)
{
    uint64_t found = take_fingerprint(f);
    bool changed = found != f->fingerprint;

    f->next = next_look(f, now);
    if (!changed && f->first == 0)
        return false;
    if (changed && f->first == 0) {
        f->fingerprint = found;
        f->first = f->last = now;
        f->again = true;
        return false;
    }
    f->fingerprint = found;
    f->first = f->last = 0;
    changed = changed || f->again;
    f->again = false;
    return changed;
}

bool mg_files_changed(struct mg_files *f, uint64_t now)
{
    return due(f) <= now && settle(f, now);
}
