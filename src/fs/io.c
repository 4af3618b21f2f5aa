#include "fs/io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/guard.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1 << 0)
#endif

/* Most bytes in one call: below the kernel's own limit, so that no count is ever cut by it. */
static const size_t piece_limit = (size_t)1 << 30;

enum b10_reason io_open(int *fd, int dirfd, const char *path, int flags, mode_t mode,
                        const char *name, struct b10_error *error)
{
    do {
        *fd = openat(dirfd, path, flags | O_CLOEXEC, mode);
    } while (*fd < 0 && errno == EINTR);
    if (*fd < 0)
        return error_errno(error, errno, "cannot open '%s'", name);
    return B10_REASON_OK;
}

static size_t piece_of(size_t size)
{
    return size < piece_limit ? size : piece_limit;
}

/* The kernel's offsets are signed: what cannot be a position in any file is refused here. */
static bool offset_is_valid(uint64_t offset, size_t size)
{
    return offset <= INT64_MAX && size <= INT64_MAX - offset;
}

enum b10_reason io_pread(int fd, void *buffer, size_t size, uint64_t offset, size_t *got,
                         const char *name, struct b10_error *error)
{
    *got = 0;
    if (!offset_is_valid(offset, size))
        return error_errno(error, EOVERFLOW, "cannot read '%s'", name);
    while (*got < size) {
        ssize_t n = pread(fd, (char *)buffer + *got, piece_of(size - *got), (off_t)(offset + *got));
        if (n == 0)
            break;
        if (n > 0)
            *got += (size_t)n;
        else if (errno != EINTR)
            return error_errno(error, errno, "cannot read '%s'", name);
    }
    return B10_REASON_OK;
}

enum b10_reason io_pread_full(int fd, void *buffer, size_t size, uint64_t offset, const char *name,
                              struct b10_error *error)
{
    size_t got = 0;
    TRY(io_pread(fd, buffer, size, offset, &got, name, error));
    if (got < size)
        return error_set(error, B10_REASON_IO,
                         "'%s' ended early: %zu of %zu bytes at offset %" PRIu64, name, got, size,
                         offset);
    return B10_REASON_OK;
}

/* A write that takes nothing would be repeated for ever. */
static enum b10_reason write_failed(ssize_t n, const char *name, struct b10_error *error)
{
    return error_errno(error, n == 0 ? EIO : errno, "cannot write '%s'", name);
}

enum b10_reason io_write_full(int fd, const void *data, size_t size, const char *name,
                              struct b10_error *error)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, (const char *)data + done, piece_of(size - done));
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            return write_failed(n, name, error);
    }
    return B10_REASON_OK;
}

enum b10_reason io_pwrite_full(int fd, const void *data, size_t size, uint64_t offset,
                               const char *name, struct b10_error *error)
{
    if (!offset_is_valid(offset, size))
        return error_errno(error, EFBIG, "cannot write '%s'", name);
    for (size_t done = 0; done < size;) {
        ssize_t n =
            pwrite(fd, (const char *)data + done, piece_of(size - done), (off_t)(offset + done));
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            return write_failed(n, name, error);
    }
    return B10_REASON_OK;
}

static int sync_fd(int fd)
{
    int result;
    do {
        result = fsync(fd);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : errno;
}

enum b10_reason io_fsync(int fd, const char *name, struct b10_error *error)
{
    int failed = sync_fd(fd);
    return failed == 0 ? B10_REASON_OK : error_errno(error, failed, "cannot sync '%s'", name);
}

enum b10_reason io_close(int *fd, const char *name, struct b10_error *error)
{
    /* Never repeated, not even after EINTR: Linux has freed the number, which may already be
     * another thread's. The error counts: a network file system that was interrupted may not have
     * taken the last bytes. */
    if (*fd < 0 || close(fd_take(fd)) == 0)
        return B10_REASON_OK;
    return error_errno(error, errno, "cannot close '%s'", name);
}

enum b10_reason io_fsync_directory(int dirfd, const char *name, struct b10_error *error)
{
    int failed = sync_fd(dirfd);
    if (failed == 0 || failed == EINVAL || failed == ENOTSUP)
        return B10_REASON_OK;
    return error_errno(error, failed, "cannot sync directory '%s'", name);
}

static bool name_exists(int dirfd, const char *name)
{
    struct stat stat;
    return fstatat(dirfd, name, &stat, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Replaces nothing but an empty directory; any other name taken is EEXIST, as renameat2 would
 * say. */
static int rename_directory(int from_dir, const char *from, int to_dir, const char *to)
{
    if (renameat(from_dir, from, to_dir, to) == 0)
        return 0;
    int failed = errno;
    if (failed == ENOTEMPTY)
        return EEXIST;
    return failed == ENOTDIR && name_exists(to_dir, to) ? EEXIST : failed;
}

static int rename_by_link(int from_dir, const char *from, int to_dir, const char *to)
{
    if (linkat(from_dir, from, to_dir, to, 0) != 0) {
        int failed = errno;
        /* Who loses a race for a name on a network file system may see EPERM. */
        return failed == EPERM && name_exists(to_dir, to) ? EEXIST : failed;
    }
    /* The file has its final name whatever becomes of the old one. */
    (void)unlinkat(from_dir, from, 0);
    return 0;
}

int io_rename_noreplace(int from_dir, const char *from, int to_dir, const char *to, bool directory)
{
#ifdef SYS_renameat2
    if (syscall(SYS_renameat2, from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != ENOSYS && errno != EINVAL && errno != EPERM)
        return errno;
#endif
    return directory ? rename_directory(from_dir, from, to_dir, to)
                     : rename_by_link(from_dir, from, to_dir, to);
}

bool io_is_absence(int sys_errno)
{
    switch (sys_errno) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case EACCES:
    case EPERM:
    case ENXIO:
    case ENODEV:
    case ESTALE:
    case EWOULDBLOCK: /* a lease that another process must give up first */
        return true;
    default:
        return false;
    }
}

bool io_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool io_unchanged(const struct stat *before, const struct stat *after)
{
    return io_same_file(before, after) && before->st_size == after->st_size &&
           same_time(&before->st_mtim, &after->st_mtim) &&
           same_time(&before->st_ctim, &after->st_ctim);
}
