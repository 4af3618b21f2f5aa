/* transfer.c: one file, published like an archive. */
#include "cache/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "cache/watchdog.h"
#include "fs/clone.h"
#include "fs/dirs.h"
#include "fs/io.h"
#include "fs/path.h"
#include "fs/space.h"
#include "fs/tempfile.h"

/* Bytes of the destination's name that fit into a temporary name: `.` NAME `.` token `.tmp`. */
enum { STEM_LIMIT = PATH_NAME_LIMIT - TOKEN_TEXT_SIZE - 5 };

static enum b10_reason open_source(int *fd, struct stat *stat, const char *source,
                                   struct b10_error *error)
{
    /* O_NONBLOCK: opening a FIFO must not wait for its writer. */
    *fd = open(source, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (*fd < 0 && errno == ENOENT)
        return error_set(error, B10_REASON_ABSENT, "there is no file '%s'", source);
    if (*fd < 0 || fstat(*fd, stat) != 0)
        return error_errno(error, errno, "cannot open '%s'", source);
    if (!S_ISREG(stat->st_mode))
        return error_set(error, B10_REASON_CONFIG, "'%s' is not a regular file", source);
    return B10_REASON_OK;
}

/* *out = dest, made absolute with the working directory. */
static enum b10_reason absolute(char **out, const char *dest, struct b10_error *error)
{
    SCOPED(heap) char *here = NULL;
    size_t length = strlen(dest);
    if (length == 0 || dest[length - 1] == '/')
        return error_set(error, B10_REASON_CONFIG, "'%s' does not name a file", dest);
    if (*dest != '/' && (here = getcwd(NULL, 0)) == NULL)
        return error_errno(error, errno, "cannot find the working directory for '%s'", dest);
    return path_join(out, here == NULL ? "" : here, dest, error);
}

/* The shared volume has a floor of its own. Its path is compared as text: looking at it could
 * hang. */
static enum b10_reason floor_for(uint64_t *floor_bytes, const struct settings *settings,
                                 const char *directory, struct b10_error *error)
{
    SCOPED(heap) char *resolved = realpath(directory, NULL);
    if (resolved == NULL)
        return error_errno(error, errno, "cannot resolve '%s'", directory);
    bool shared = path_is_within(resolved, settings->shared_dir) ||
                  (path_is_within(directory, settings->shared_dir) && !path_has_dotdot(directory));
    *floor_bytes = shared ? settings->min_shared_bytes : settings->min_local_bytes;
    return B10_REASON_OK;
}

struct copying {
    struct progress *progress;
    uint64_t reported;
};

static enum b10_reason after_piece(void *user, uint64_t copied, struct b10_error *error)
{
    struct copying *copying = user;
    progress_add(copying->progress, copied - copying->reported, 0);
    copying->reported = copied;
    return progress_tick(copying->progress, error);
}

/* Volumes without permissions or times of their own are no reason to refuse the content. */
static bool is_unsupported(int failed)
{
    return failed == EPERM || failed == ENOTSUP || failed == ENOSYS;
}

/* Permission bits without set-id and sticky bits, and the modification time, as at the source. */
static enum b10_reason keep_attributes(int fd, const struct stat *source, const char *dest,
                                       struct b10_error *error)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, source->st_mtim};
    if (fchmod(fd, source->st_mode & 0777) != 0 && !is_unsupported(errno))
        return error_errno(error, errno, "cannot set the permissions of '%s'", dest);
    if (futimens(fd, times) != 0 && !is_unsupported(errno))
        return error_errno(error, errno, "cannot set the modification time of '%s'", dest);
    return B10_REASON_OK;
}

static enum b10_reason confirm_unchanged(int fd, const struct stat *before, const char *source,
                                         struct b10_error *error)
{
    struct stat after;
    if (fstat(fd, &after) != 0)
        return error_errno(error, errno, "cannot read the state of '%s'", source);
    if (!io_unchanged(before, &after))
        return error_set(error, B10_REASON_IO, "'%s' changed while it was copied", source);
    return B10_REASON_OK;
}

struct source {
    const char *path; /* borrowed */
    int fd;           /* owned by transfer_file */
    struct stat stat;
};

/* Copies into `directory`, which exists, as the file `dest` (absolute) names. */
static enum b10_reason copy_into(const struct settings *settings, const struct source *source,
                                 const char *directory, const char *dest, struct log *log,
                                 struct progress *progress, struct b10_error *error)
{
    SCOPED(fd) int dirfd = -1;
    SCOPED(tempfile) struct tempfile file = TEMPFILE_NONE;
    SCOPED(watchdog) struct watchdog *watchdog = NULL;
    struct copying copying = {.progress = progress};
    struct watchdog_ward ward = {.fds = &dirfd, .fd_count = 1, .name = directory};
    const uint64_t size = (uint64_t)source->stat.st_size;
    const char *name = path_base(dest);
    char stem[STEM_LIMIT + 1];
    struct stat found;

    TRY(io_open(&dirfd, AT_FDCWD, directory, O_RDONLY | O_DIRECTORY, 0, directory, error));
    if (fstatat(dirfd, name, &found, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(found.st_mode))
        return error_set(error, B10_REASON_CONFIG, "'%s' is a directory", dest);
    TRY(floor_for(&ward.floor_bytes, settings, directory, error));
    TRY(space_require(dirfd, directory, size, 1, ward.floor_bytes, error));
    TRY(watchdog_start(&watchdog, &ward, log, progress, error));

    snprintf(stem, sizeof(stem), "%s", name);
    TRY(tempfile_begin(&file, dirfd, stem, source->stat.st_mode & 0777, error));
    TRY(clone_file(source->fd, file.fd, size, source->path, after_piece, &copying, error));
    TRY(confirm_unchanged(source->fd, &source->stat, source->path, error));
    TRY(keep_attributes(file.fd, &source->stat, dest, error));
    TRY(tempfile_sync(&file, error));
    TRY(space_require(dirfd, directory, 0, 0, ward.floor_bytes, error));
    TRY(tempfile_close(&file, error));
    TRY(progress_step(progress, error));
    return tempfile_publish(&file, name, true, NULL, error);
}

enum b10_reason transfer_file(const struct settings *settings, const char *source, const char *dest,
                              struct log *log, struct progress *progress, struct b10_error *error)
{
    SCOPED(fd) int fd = -1;
    SCOPED(heap) char *target = NULL;
    SCOPED(heap) char *directory = NULL;
    struct source from = {.path = source};
    size_t made = 0;

    TRY(open_source(&fd, &from.stat, source, error));
    from.fd = fd;
    TRY(absolute(&target, dest, error));
    TRY(path_parent(&directory, target, error));
    TRY(progress_phase(progress, "copy", (uint64_t)from.stat.st_size, 1, error));
    TRY(dirs_make_all(directory, &made, error));
    enum b10_reason reason = copy_into(settings, &from, directory, target, log, progress, error);
    if (reason != B10_REASON_OK) {
        dirs_unmake(directory, made);
        return reason;
    }
    progress_add(progress, 0, 1);
    return B10_REASON_OK;
}
