#include "fs/tempfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "fs/io.h"

enum b10_reason tempfile_begin(struct tempfile *file, int dirfd, const char *stem, mode_t mode,
                               struct b10_error *error)
{
    *file = (struct tempfile){.dirfd = dirfd, .fd = -1};
    TRY(token_make(file->token, error));
    int length = snprintf(file->name, sizeof(file->name), ".%s.%s.tmp", stem, file->token);
    if (length < 0 || (size_t)length >= sizeof(file->name))
        return error_errno(error, ENAMETOOLONG, "cannot create a temporary file for '%s'", stem);
    TRY(io_open(&file->fd, dirfd, file->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode,
                file->name, error));
    file->exists = true;
    return B10_REASON_OK;
}

enum b10_reason tempfile_sync(struct tempfile *file, struct b10_error *error)
{
    return io_fsync(file->fd, file->name, error);
}

void tempfile_seen(struct tempfile *file, const struct stat *stat)
{
    file->written = *stat;
    file->is_known = true;
}

enum b10_reason tempfile_close(struct tempfile *file, struct b10_error *error)
{
    if (file->fd < 0)
        return B10_REASON_OK;
    if (!file->is_known && fstat(file->fd, &file->written) != 0)
        return error_errno(error, errno, "cannot read the state of '%s'", file->name);
    return io_close(&file->fd, file->name, error);
}

/* What stands under `name`, and whether it is ours. */
enum holder { NAME_IS_FREE, NAME_IS_OURS, NAME_IS_TAKEN };

static enum holder who_holds(int dirfd, const char *name, const struct stat *ours)
{
    struct stat found;
    if (fstatat(dirfd, name, &found, AT_SYMLINK_NOFOLLOW) != 0)
        return NAME_IS_FREE;
    return io_same_file(&found, ours) ? NAME_IS_OURS : NAME_IS_TAKEN;
}

static int rename_replacing(const struct tempfile *file, const char *final_name)
{
    return renameat(file->dirfd, file->name, file->dirfd, final_name) == 0 ? 0 : errno;
}

/* The volume can neither link nor rename without replacing. */
static bool has_no_exclusive_way(int failed)
{
    return failed == EPERM || failed == ENOSYS || failed == EINVAL || failed == EOPNOTSUPP ||
           failed == EMLINK;
}

static int rename_exclusively(const struct tempfile *file, const char *final_name,
                              const struct stat *ours)
{
    int failed = io_rename_noreplace(file->dirfd, file->name, file->dirfd, final_name, false);
    if (!has_no_exclusive_way(failed) || who_holds(file->dirfd, final_name, ours) != NAME_IS_FREE)
        return failed;
    return rename_replacing(file, final_name);
}

enum b10_reason tempfile_publish(struct tempfile *file, const char *final_name, bool replace,
                                 bool *taken, struct b10_error *error)
{
    if (taken != NULL)
        *taken = false;
    TRY(tempfile_close(file, error));

    const struct stat *ours = &file->written;
    int failed =
        replace ? rename_replacing(file, final_name) : rename_exclusively(file, final_name, ours);
    if (failed != 0) {
        /* The answer may have been lost on its way: what stands there now decides. */
        enum holder holder = who_holds(file->dirfd, final_name, ours);
        if (holder == NAME_IS_TAKEN && !replace && taken != NULL) {
            *taken = true;
            return B10_REASON_OK;
        }
        if (holder != NAME_IS_OURS)
            return error_errno(error, failed, "cannot rename '%s' to '%s'", file->name, final_name);
        (void)unlinkat(file->dirfd, file->name, 0);
    }
    file->exists = false;
    return io_fsync_directory(file->dirfd, final_name, error);
}

void tempfile_discard(struct tempfile *file)
{
    fd_guard(&file->fd);
    if (file->exists)
        (void)unlinkat(file->dirfd, file->name, 0);
    file->exists = false;
}

void tempfile_guard(struct tempfile *file)
{
    tempfile_discard(file);
}
