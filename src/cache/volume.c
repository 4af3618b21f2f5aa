#include "cache/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/pause.h"
#include "fs/io.h"
#include "fs/path.h"

static enum b10_reason open_directory(struct volume *volume, struct b10_error *error)
{
    struct b10_error found = ERROR_NONE;
    enum b10_reason reason = io_open(&volume->dirfd, AT_FDCWD, volume->path, O_RDONLY | O_DIRECTORY,
                                     0, volume->path, &found);
    if (reason != B10_REASON_OK && found.sys_errno == ENOENT)
        return error_set(error, B10_REASON_ABSENT, "there is no directory '%s'", volume->path);
    if (reason != B10_REASON_OK)
        return error_copy(error, &found);
    if (fstat(volume->dirfd, &volume->stat) != 0)
        return error_errno(error, errno, "cannot examine '%s'", volume->path);
    return B10_REASON_OK;
}

/* Only the last component: a volume that is not mounted must not come into being on the container's
 * own disk. */
static enum b10_reason make_directory(const struct volume *volume, struct b10_error *error)
{
    if (mkdir(volume->path, 0777) == 0 || errno == EEXIST)
        return B10_REASON_OK;
    if (errno == ENOENT)
        return error_set(error, B10_REASON_ABSENT, "there is no directory to create '%s' in",
                         volume->path);
    return error_errno(error, errno, "cannot create directory '%s'", volume->path);
}

/* Symlinks and mounts may lead where the text of the setting does not. */
static enum b10_reason refuse_overlap(const struct volume *volume, const char *variable,
                                      const struct settings *settings, struct b10_error *error)
{
    SCOPED(heap) char *resolved = NULL;
    TRY(path_resolve(&resolved, volume->path, error));
    const char *local = settings->local_dir;
    struct stat stat_local;
    bool same = volume->dirfd >= 0 && stat(local, &stat_local) == 0 &&
                io_same_file(&stat_local, &volume->stat);
    if (same || path_is_within(resolved, local) || path_is_within(local, resolved))
        return error_set(error, B10_REASON_CONFIG,
                         "%s='%s': must be neither inside the local cache directory '%s' nor "
                         "around it",
                         variable, volume->path, local);
    for (size_t i = 0; i < settings->root_count; i++) {
        if (path_is_within(resolved, settings->roots[i].path))
            return error_set(error, B10_REASON_CONFIG,
                             "%s='%s': must not be inside the root '%s' (%s)", variable,
                             volume->path, settings->roots[i].name, settings->roots[i].path);
    }
    return B10_REASON_OK;
}

static const char shared_variable[] = "B10FS_CACHE_DIR";
static const char further_variable[] = "B10_READ_DIRS";

static enum b10_reason open_named(struct volume *volume, const char *variable, const char *path,
                                  const struct settings *settings, bool create,
                                  struct progress *progress, struct b10_error *error)
{
    SCOPED(volume) struct volume opened = VOLUME_CLOSED;
    int length = snprintf(opened.path, sizeof(opened.path), "%s", path);
    opened.progress = progress;
    if (length < 0 || (size_t)length >= sizeof(opened.path))
        return error_set(error, B10_REASON_CONFIG, "%s is too long", variable);
    struct b10_error found = ERROR_NONE;
    enum b10_reason reason = open_directory(&opened, &found);
    if (reason == B10_REASON_ABSENT && create) {
        TRY(refuse_overlap(&opened, variable, settings,
                           error)); /* before anything is created there */
        TRY(make_directory(&opened, error));
        reason = open_directory(&opened, &found);
    }
    if (reason != B10_REASON_OK)
        return error_copy(error, &found);
    TRY(refuse_overlap(&opened, variable, settings, error));
    TRY(progress_step(progress, error));
    *volume = opened;
    opened.dirfd = -1;
    return B10_REASON_OK;
}

enum b10_reason volume_open(struct volume *volume, const struct settings *settings, bool create,
                            struct progress *progress, struct b10_error *error)
{
    return open_named(volume, shared_variable, settings->shared_dir, settings, create, progress,
                      error);
}

enum b10_reason volume_open_further(struct volume *volume, const struct settings *settings,
                                    size_t number, struct progress *progress,
                                    struct b10_error *error)
{
    return open_named(volume, further_variable, settings->read_dirs[number], settings, false,
                      progress, error);
}

/* ---- the search path ---- */

/* One that does not exist, or cannot be used, is no failure of the others; *first keeps the first. */
static enum b10_reason add(struct volumes *volumes, const char *variable, const char *path,
                           const struct settings *settings, struct log *log,
                           struct progress *progress, struct b10_error *first,
                           struct b10_error *error)
{
    struct b10_error found = ERROR_NONE;
    const enum b10_reason reason = open_named(&volumes->items[volumes->count], variable, path,
                                              settings, false, progress, &found);
    if (reason == B10_REASON_OK)
        volumes->count++;
    else if (reason == B10_REASON_NO_MEMORY || reason == B10_REASON_CONFIG)
        return error_copy(error, &found);
    else if (reason != B10_REASON_ABSENT)
        log_warn(log, "%s", found.message);
    if (reason != B10_REASON_OK && first->code == B10_REASON_OK)
        *first = found;
    return progress_check(progress, error);
}

enum b10_reason volumes_open(struct volumes *volumes, const struct settings *settings,
                             struct log *log, struct progress *progress, struct b10_error *error)
{
    SCOPED(volumes) struct volumes opened = {.failure = ERROR_NONE};
    struct b10_error first = ERROR_NONE;
    opened.items = calloc(1 + settings->read_dir_count, sizeof(*opened.items));
    if (opened.items == NULL)
        return error_no_memory(error);
    TRY(add(&opened, shared_variable, settings->shared_dir, settings, log, progress, &first,
            error));
    if (first.code != B10_REASON_ABSENT)
        opened.failure = first;
    for (size_t i = 0; i < settings->read_dir_count; i++)
        TRY(add(&opened, further_variable, settings->read_dirs[i], settings, log, progress, &first,
                error));
    if (opened.count == 0)
        return error_copy(error, &first);
    *volumes = opened;
    opened = (struct volumes){0};
    return B10_REASON_OK;
}

void volumes_close(struct volumes *volumes)
{
    for (size_t i = 0; i < volumes->count; i++)
        volume_close(&volumes->items[i]);
    free(volumes->items);
    *volumes = (struct volumes){0};
}

void volumes_guard(struct volumes *volumes)
{
    volumes_close(volumes);
}

enum b10_reason volume_confirm(const struct volume *volume, struct b10_error *error)
{
    struct stat now;
    if (stat(volume->path, &now) != 0)
        return error_set(error, B10_REASON_IO, "'%s' is gone: the volume was unmounted meanwhile",
                         volume->path);
    if (!io_same_file(&volume->stat, &now))
        return error_set(error, B10_REASON_IO,
                         "'%s' is another directory now: the volume was unmounted meanwhile",
                         volume->path);
    return B10_REASON_OK;
}

bool volume_wait_a_moment(const struct volume *volume, unsigned *looks)
{
    enum { SLICE_MS = 50 };
    if (++*looks >= VOLUME_LOOKS)
        return false;
    for (int waited = 0; waited < VOLUME_MOMENT_MS; waited += SLICE_MS) {
        if (progress_step(volume->progress, NULL) != B10_REASON_OK)
            return false;
        pause_ms(SLICE_MS);
    }
    return true;
}

int volume_look(const struct volume *volume, const char *name, struct stat *stat)
{
    unsigned looks = 0;
    int failed;
    do
        failed = fstatat(volume->dirfd, name, stat, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
    while (failed == ESTALE && volume_wait_a_moment(volume, &looks));
    progress_moved(volume->progress);
    return failed;
}

void volume_close(struct volume *volume)
{
    fd_guard(&volume->dirfd);
    volume->dirfd = -1;
}

void volume_guard(struct volume *volume)
{
    volume_close(volume);
}
