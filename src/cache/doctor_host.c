/* doctor_host.c: the local side: where a load installs, and what a loaded cache still needs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/guard.h"
#include "cache/doctor.h"
#include "cache/identity.h"
#include "fs/io.h"
#include "fs/path.h"

/* ---- the local cache directory ---- */

/* *path: the directory itself, or the nearest one above it that exists; to be freed. *fd -1: there is
 * none that can be opened, why in *failed. */
static enum b10_reason open_nearest(int *fd, char **path, int *failed, const char *directory,
                                    struct progress *progress, struct b10_error *error)
{
    SCOPED(heap) char *at = strdup(directory);
    while (at != NULL) {
        *fd = open(at, O_PATH | O_DIRECTORY | O_CLOEXEC);
        *failed = *fd < 0 ? errno : 0;
        TRY(progress_step(progress, error));
        if (*failed != ENOENT || strcmp(at, "/") == 0) {
            *path = HEAP_TAKE(at);
            return B10_REASON_OK;
        }
        char *parent = NULL;
        TRY(path_parent(&parent, at, error));
        free(at);
        at = parent;
    }
    return error_no_memory(error);
}

static void judge_directory(struct findings *findings, const char *directory, const char *nearest,
                            int fd, int failed)
{
    const bool there = strcmp(directory, nearest) == 0;
    const bool writable = fd >= 0 && faccessat(AT_FDCWD, nearest, W_OK | X_OK, AT_EACCESS) == 0;
    if (failed == 0 && !writable)
        failed = errno;
    if (writable && there)
        findings_add(findings, "local.directory", B10_VERDICT_OK, "'%.800s' is there", directory);
    else if (writable)
        findings_add(findings, "local.directory", B10_VERDICT_OK,
                     "'%.800s' does not exist; a load makes it", directory);
    else
        findings_add_errno(findings, "local.directory", B10_VERDICT_FAIL, failed,
                           "no load can install in '%.600s', which %s", directory,
                           there ? "cannot be written" : "does not exist and cannot be made");
}

/* Shared objects of a cache are mapped executable. */
static void judge_exec(struct findings *findings, int fd)
{
    struct statvfs found;
    if (fstatvfs(fd, &found) != 0)
        findings_add_errno(findings, "local.exec", B10_VERDICT_WARN, errno,
                           "whether compiled code can be used there cannot be told");
    else if ((found.f_flag & ST_NOEXEC) != 0)
        findings_add(findings, "local.exec", B10_VERDICT_FAIL,
                     "is mounted noexec: compiled code in the cache cannot be used, so every start "
                     "is cold or fails");
    else
        findings_add(findings, "local.exec", B10_VERDICT_OK, "compiled code can be used there");
}

/* Only words: where LOCAL_WORK_DIR cannot be used a load unpacks beside the destination. */
static void judge_work_dir(struct findings *findings, const char *work_dir, int fd)
{
    struct stat local;
    struct stat work;
    const char *verdict = NULL;
    if (stat(work_dir, &work) != 0)
        verdict = "does not exist";
    else if (access(work_dir, W_OK | X_OK) != 0)
        verdict = "cannot be written";
    else if (fstat(fd, &local) != 0 || local.st_dev != work.st_dev)
        verdict = "lies on another file system than the local cache directory";
    if (verdict == NULL)
        findings_add(findings, "local.work_dir", B10_VERDICT_OK, "loads unpack in '%.800s'",
                     work_dir);
    else
        findings_add(findings, "local.work_dir", B10_VERDICT_OK,
                     "LOCAL_WORK_DIR '%.800s' %s: loads unpack beside their destination", work_dir,
                     verdict);
}

static enum b10_reason check_local(struct findings *findings, const struct settings *settings,
                                   struct progress *progress, struct b10_error *error)
{
    SCOPED(fd) int fd = -1;
    SCOPED(heap) char *nearest = NULL;
    int failed;
    TRY(open_nearest(&fd, &nearest, &failed, settings->local_dir, progress, error));
    judge_directory(findings, settings->local_dir, nearest, fd, failed);
    TRY(progress_step(progress, error));
    if (fd < 0)
        return B10_REASON_OK;
    TRY(doctor_space(findings, "local", fd, settings->min_local_bytes, "MIN_LOCAL_SPACE_MB",
                     "loads end", progress, error));
    judge_exec(findings, fd);
    judge_work_dir(findings, settings->work_dir, fd);
    return progress_step(progress, error);
}

/* ---- a compiler ---- */

static bool is_program(const char *path)
{
    struct stat stat_now;
    return stat(path, &stat_now) == 0 && S_ISREG(stat_now.st_mode) && access(path, X_OK) == 0;
}

/* The program `name` (of `length` bytes), by its path or in PATH; "" if there is none. */
static enum b10_reason find_program(char out[PATH_LIMIT], const char *name, size_t length,
                                    const char *search, struct progress *progress,
                                    struct b10_error *error)
{
    if (memchr(name, '/', length) != NULL) {
        snprintf(out, PATH_LIMIT, "%.*s", (int)length, name);
        if (!is_program(out))
            out[0] = '\0';
        return progress_step(progress, error);
    }
    while (search != NULL && *search != '\0') {
        const size_t part = strcspn(search, ":");
        const int needed =
            snprintf(out, PATH_LIMIT, "%.*s/%.*s", (int)part, search, (int)length, name);
        const bool found = part > 0 && needed < PATH_LIMIT && is_program(out);
        TRY(progress_step(progress, error));
        if (found)
            return B10_REASON_OK;
        search += part + (search[part] == ':');
    }
    out[0] = '\0';
    return B10_REASON_OK;
}

/* CXX (its first word), else the usual names. */
static enum b10_reason find_compiler(char out[PATH_LIMIT], const struct settings *settings,
                                     struct progress *progress, struct b10_error *error)
{
    static const char *const names[] = {"g++", "c++", "clang++"};
    const char *search = settings->program_path;
    out[0] = '\0';
    if (settings->cxx != NULL && *settings->cxx != '\0')
        return find_program(out, settings->cxx, strcspn(settings->cxx, " \t"), search, progress,
                            error);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names) && out[0] == '\0'; i++)
        TRY(find_program(out, names[i], strlen(names[i]), search, progress, error));
    return B10_REASON_OK;
}

static bool is_cpu_host(const struct settings *settings)
{
    SCOPED(identity) struct identity identity = IDENTITY_NONE;
    struct b10_error ignored = ERROR_NONE;
    if (identity_collect(&identity, settings, &ignored) != B10_REASON_OK)
        return false;
    const char *device = facts_get(&identity.facts, "device");
    return device != NULL && strcmp(device, "cpu") == 0;
}

static enum b10_reason check_compiler(struct findings *findings, const struct settings *settings,
                                      struct progress *progress, struct b10_error *error)
{
    char found[PATH_LIMIT];
    TRY(find_compiler(found, settings, progress, error));
    const char *named = settings->cxx != NULL && *settings->cxx != '\0' ? settings->cxx : NULL;
    if (found[0] != '\0')
        findings_add(findings, "local.compiler", B10_VERDICT_OK, "'%.800s'", found);
    else if (is_cpu_host(settings))
        findings_add(findings, "local.compiler", B10_VERDICT_FAIL,
                     "no C++ compiler (%.300s): torch on the CPU asks one even when everything is "
                     "in the cache, so every start fails or is cold",
                     named != NULL ? named : "g++, c++, clang++ in PATH; CXX is not set");
    else
        findings_add(findings, "local.compiler", B10_VERDICT_WARN,
                     "no C++ compiler (%.300s): what torch compiles for the CPU beside the GPU "
                     "needs one",
                     named != NULL ? named : "g++, c++, clang++ in PATH; CXX is not set");
    return B10_REASON_OK;
}

enum b10_reason doctor_host(struct findings *findings, const struct settings *settings,
                            struct progress *progress, struct b10_error *error)
{
    TRY(check_local(findings, settings, progress, error));
    return check_compiler(findings, settings, progress, error);
}
