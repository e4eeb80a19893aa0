#include "app/process.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

void mg_process_raise_files(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* ---- the user ------------------------------------------------------------------------------ */

static int refuse(const char *what, const char *name, const char *why)
{
    fprintf(stderr, "moongate: %s %s: %s\n", what, name, why);
    return -1;
}

static int set_groups(const char *user, gid_t gid)
{
    if (initgroups(user, gid) != 0 || setresgid(gid, gid, gid) != 0)
        return -1;
    return 0;
}

int mg_process_become(const char *user, const char *group)
{
    const struct passwd *pw = user == NULL ? NULL : getpwnam(user);
    const struct group *gr = group == NULL ? NULL : getgrnam(group);
    gid_t gid;

    if (group != NULL && gr == NULL)
        return refuse("group", group, "there is none of that name");
    if (user == NULL)
        return 0;
    if (pw == NULL)
        return refuse("user", user, "there is none of that name");
    gid = gr != NULL ? gr->gr_gid : pw->pw_gid;
    if (getuid() == pw->pw_uid && geteuid() == pw->pw_uid && getgid() == gid)
        return 0;
    if (set_groups(user, gid) != 0 || setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0)
        return refuse("user", user, strerror(errno));
    if (pw->pw_uid != 0 && setuid(0) == 0)
        return refuse("user", user, "root's rights could be taken back");
    return 0;
}

void mg_process_no_new_privileges(void)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* ---- what workers never do ------------------------------------------------------------------- */

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCH AUDIT_ARCH_AARCH64
#endif

/* The leak checker of a sanitizer traces its own process. */
#if defined(OWN_ARCH) && !defined(__SANITIZE_ADDRESS__)

#define DENY(name)                                                                                 \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 1),                                        \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

/* A list of what is refused, not of what is let through: the latter changes with each version of the C
 * library, and a call that is missed there fails in the middle of the night. */
static struct sock_filter program[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCH, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef __x86_64__
    /* The same calls by other numbers (x32). */
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
#endif
    DENY(execve),
    DENY(execveat),
    DENY(ptrace),
    DENY(process_vm_readv),
    DENY(process_vm_writev),
    DENY(kcmp),
    DENY(mount),
    DENY(umount2),
    DENY(pivot_root),
    DENY(chroot),
    DENY(unshare),
    DENY(setns),
    DENY(setuid),
    DENY(setgid),
    DENY(setreuid),
    DENY(setregid),
    DENY(setresuid),
    DENY(setresgid),
    DENY(setgroups),
    DENY(capset),
    DENY(init_module),
    DENY(finit_module),
    DENY(delete_module),
    DENY(kexec_load),
    DENY(bpf),
    DENY(perf_event_open),
    DENY(userfaultfd),
    DENY(keyctl),
    DENY(add_key),
    DENY(request_key),
    DENY(swapon),
    DENY(swapoff),
    DENY(reboot),
    DENY(acct),
    DENY(settimeofday),
    DENY(clock_settime),
    DENY(open_by_handle_at),
    DENY(personality),
    DENY(quotactl),
    DENY(fanotify_init),
#ifdef __NR_io_uring_setup
    DENY(io_uring_setup),
#endif
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

void mg_process_confine(void)
{
    struct sock_fprog filter = {sizeof(program) / sizeof(program[0]), program};

    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        mg_log(MG_LOG_WARN, "no filter of system calls: %s", strerror(errno));
}

#else

void mg_process_confine(void)
{
}

#endif

/* ---- the file with the id -------------------------------------------------------------------- */

int mg_process_write_id(const char *path)
{
    char fresh[4096];
    FILE *file;
    bool ok;

    if (path == NULL)
        return 0;
    if (snprintf(fresh, sizeof(fresh), "%s.%d", path, (int)getpid()) >= (int)sizeof(fresh))
        return refuse("pid_file", path, strerror(ENAMETOOLONG));
    file = fopen(fresh, "we");
    if (file == NULL)
        return refuse("pid_file", path, strerror(errno));
    ok = fprintf(file, "%d\n", (int)getpid()) > 0;
    ok = fclose(file) == 0 && ok;
    if (ok && rename(fresh, path) == 0)
        return 0;
    refuse("pid_file", path, strerror(errno));
    unlink(fresh);
    return -1;
}

bool mg_process_is_id(const char *text, pid_t id)
{
    char *end;

    return text != NULL && strtol(text, &end, 10) == (long)id && end != text;
}

void mg_process_remove_id(const char *path)
{
    FILE *file = path == NULL ? NULL : fopen(path, "re");
    char text[16] = "";

    if (file == NULL)
        return;
    if (fgets(text, sizeof(text), file) != NULL && mg_process_is_id(text, getpid()))
        unlink(path);
    fclose(file);
}
