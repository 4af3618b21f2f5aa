#include "archive/place.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/guard.h"
#include "fs/clone.h"
#include "fs/io.h"
#include "fs/path.h"

enum { QUOTED_SIZE = 512 };

void placer_init(struct placer *placer, int root, const char *archive)
{
    beneath_cache_init(&placer->directory, root);
    placer->archive = archive;
}

void placer_release(struct placer *placer)
{
    beneath_cache_release(&placer->directory);
}

void placer_guard(struct placer *placer)
{
    placer_release(placer);
}

static enum b10_reason refuse(const struct placer *placer, const char *path, enum b10_reason reason,
                              const char *what, struct b10_error *error)
{
    char quoted[QUOTED_SIZE];
    return error_set(error, reason, "member '%s' of '%s' %s",
                     path_quote(quoted, sizeof(quoted), path), placer->archive, what);
}

static enum b10_reason failed(const char *path, struct b10_error *error)
{
    int sys_errno = errno;
    char quoted[QUOTED_SIZE];
    return error_errno(error, sys_errno, "cannot write '%s'",
                       path_quote(quoted, sizeof(quoted), path));
}

/* beneath.h does not know the archive; where the archive is to blame, the message must name it. */
static enum b10_reason find_parent(struct placer *placer, const char *path, int *dirfd,
                                   const char **leaf, struct b10_error *error)
{
    enum b10_reason reason = beneath_parent(&placer->directory, path, dirfd, leaf, error);
    if (reason == B10_REASON_UNSAFE || reason == B10_REASON_CORRUPT)
        return refuse(placer, path, reason, "does not lie in a directory of the archive", error);
    return reason;
}

static enum b10_reason name_taken(const struct placer *placer, const char *path,
                                  struct b10_error *error)
{
    return refuse(placer, path, B10_REASON_UNSAFE, "exists already: two members have this name",
                  error);
}

enum b10_reason place_directory(struct placer *placer, const char *path, struct b10_error *error)
{
    int dirfd = -1;
    const char *leaf = NULL;
    TRY(find_parent(placer, path, &dirfd, &leaf, error));
    if (mkdirat(dirfd, leaf, 0777) == 0)
        return B10_REASON_OK;
    return errno == EEXIST ? name_taken(placer, path, error) : failed(path, error);
}

enum b10_reason place_known_directory(struct placer *placer, const char *path,
                                      struct b10_error *error)
{
    int dirfd = -1;
    const char *leaf = NULL;
    TRY(find_parent(placer, path, &dirfd, &leaf, error));
    struct stat stat;
    if (fstatat(dirfd, leaf, &stat, AT_SYMLINK_NOFOLLOW) == 0) {
        if (S_ISDIR(stat.st_mode))
            return B10_REASON_OK;
    } else if (errno != ENOENT) {
        return failed(path, error);
    }
    return refuse(placer, path, B10_REASON_CORRUPT, "is no directory of the manifest", error);
}

static enum b10_reason create(struct placer *placer, const char *path, bool executable, int *fd,
                              struct b10_error *error)
{
    int dirfd = -1;
    const char *leaf = NULL;
    TRY(find_parent(placer, path, &dirfd, &leaf, error));
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    do
        *fd = openat(dirfd, leaf, flags, executable ? 0777 : 0666);
    while (*fd < 0 && errno == EINTR);
    if (*fd >= 0)
        return B10_REASON_OK;
    return errno == EEXIST ? name_taken(placer, path, error) : failed(path, error);
}

/* Access time is left as it is: nobody asked for it. */
static void mtime_only(struct timespec times[2], int64_t mtime_s, uint32_t mtime_ns)
{
    times[0] = (struct timespec){.tv_nsec = UTIME_OMIT};
    times[1] = (struct timespec){.tv_sec = (time_t)mtime_s, .tv_nsec = (long)mtime_ns};
}

static enum b10_reason finish(int *fd, const char *path, const struct entry *entry,
                              struct b10_error *error)
{
    struct timespec times[2];
    mtime_only(times, entry->mtime_s, entry->mtime_ns);
    if (futimens(*fd, times) != 0)
        return failed(path, error);
    return io_close(fd, path, error);
}

enum b10_reason place_file(struct placer *placer, const char *path, const struct entry *entry,
                           const void *content, uint64_t size, struct b10_error *error)
{
    SCOPED(fd) int fd = -1;
    TRY(create(placer, path, entry->executable, &fd, error));
    if (size > 0)
        TRY(io_write_full(fd, content, (size_t)size, path, error));
    return finish(&fd, path, entry, error);
}

enum b10_reason place_time(struct placer *placer, const char *path, int64_t mtime_s,
                           uint32_t mtime_ns, struct b10_error *error)
{
    int dirfd = -1;
    const char *leaf = NULL;
    TRY(find_parent(placer, path, &dirfd, &leaf, error));
    struct timespec times[2];
    mtime_only(times, mtime_s, mtime_ns);
    if (utimensat(dirfd, leaf, times, AT_SYMLINK_NOFOLLOW) != 0)
        return failed(path, error);
    return B10_REASON_OK;
}

enum b10_reason place_symlink(struct placer *placer, const char *path, const struct entry *entry,
                              struct b10_error *error)
{
    int dirfd = -1;
    const char *leaf = NULL;
    TRY(find_parent(placer, path, &dirfd, &leaf, error));
    if (symlinkat(entry->target, dirfd, leaf) != 0)
        return errno == EEXIST ? name_taken(placer, path, error) : failed(path, error);
    return place_time(placer, path, entry->mtime_s, entry->mtime_ns, error);
}

enum b10_reason place_create(struct placer *placer, const char *path, bool executable,
                             uint64_t size, struct b10_error *error)
{
    SCOPED(fd) int fd = -1;
    TRY(create(placer, path, executable, &fd, error));
    if (ftruncate(fd, (off_t)size) != 0)
        return failed(path, error);
    return io_close(&fd, path, error);
}

static enum b10_reason reopen(struct placer *placer, const char *path, int flags, int *fd,
                              struct b10_error *error)
{
    int dirfd = -1;
    const char *leaf = NULL;
    TRY(find_parent(placer, path, &dirfd, &leaf, error));
    return io_open(fd, dirfd, leaf, flags | O_NOFOLLOW, 0, path, error);
}

enum b10_reason place_slice(struct placer *placer, const char *path, const void *data, size_t size,
                            uint64_t offset, struct b10_error *error)
{
    SCOPED(fd) int fd = -1;
    TRY(reopen(placer, path, O_WRONLY, &fd, error));
    TRY(io_pwrite_full(fd, data, size, offset, path, error));
    return io_close(&fd, path, error);
}

static enum b10_reason stop_copy(void *user, uint64_t copied, struct b10_error *error)
{
    (void)copied;
    if (user != NULL && cancel_tripped(user))
        return error_set(error, B10_REASON_CANCELLED, "cancelled");
    return B10_REASON_OK;
}

enum b10_reason place_copy(struct placer *placer, const char *path, const struct entry *entry,
                           const char *from, uint64_t size, const struct cancel *cancel,
                           struct b10_error *error)
{
    SCOPED(fd) int source = -1;
    SCOPED(fd) int fd = -1;
    TRY(reopen(placer, from, O_RDONLY, &source, error));
    TRY(create(placer, path, entry->executable, &fd, error));
    TRY(clone_file(source, fd, size, path, stop_copy, (void *)(uintptr_t)cancel, error));
    return finish(&fd, path, entry, error);
}
