/* plan.h -- What the command line and the checked config ask the processes to do.
 *
 * Owner:      main.c makes the first, the master one for each reload.
 * Ownership:  texts belong to the plan; mg_plan_free() frees them.
 * Errors:     mistakes are printed by Lua (moongate.cli); the exit code says it.
 */
#ifndef MG_PLAN_H
#define MG_PLAN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { MG_PLAN_LISTENERS = 1024, MG_PLAN_WORKERS = 64 };

struct mg_plan_listener {
    char *name, *address; /* the address to bind, offset and --bind applied */
    uint32_t mode;        /* of a Unix socket; 0: as the umask says */
    char *at;             /* "file:line" where it stands in the config */
};

struct mg_plan {
    uint32_t workers, nlisteners;
    char *admin; /* address to bind, or NULL */
    char *admin_at;
    char *user, *group; /* to become once the sockets are open; NULL: stay */
    char *pid_file;     /* NULL: none */
    bool confined;      /* workers by a filter of system calls */
    int image;      /* an unnamed file: what workers serve from (moongate.model.image); -1: none */
    uint64_t began; /* when the load began: ns of CLOCK_REALTIME_COARSE, as files' times are */
    char *sources;  /* to be read again when they change: paths, each ended by NUL */
    size_t sources_size;
    struct mg_plan_listener listeners[MG_PLAN_LISTENERS];
};

/* Runs the command; a signal that it is to send (`reload`, `upgrade`) is sent.  -1: it was `run` and *plan is what to
 * do, but for the image, which is in the file `image`; else the exit code, and *plan has the sources only.  A process
 * that makes an image ends after it: what a large config holds of memory is not given back piece by piece, which takes a
 * while.  `image` -1: nobody will serve. */
int mg_plan_make(int argc, char **argv, int image, struct mg_plan *plan);

/* ---- plan_file.c ---- */

/* Puts a plan without its image into a file, and takes it out again in another process; 0, or -1: what is there is no
 * whole plan, and *plan is empty. */
int mg_plan_write(const struct mg_plan *plan, FILE *file);
int mg_plan_read(struct mg_plan *plan, FILE *file);
/* The bytes of an image; NULL: they cannot be had.  The caller unmaps them. */
void *mg_plan_map(int image, size_t *size);
/* Frees its texts and closes the image; the plan itself is the caller's, and empty (image: -1). */
void mg_plan_free(struct mg_plan *plan);
#endif
