#include "cache/install.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "archive/entry.h"
#include "base/clock.h"
#include "base/guard.h"
#include "cache/exclude.h"
#include "fs/dirs.h"
#include "fs/io.h"
#include "fs/path.h"

/* How long to wait for another process that is moving entries into the same destination. It only
 * renames, so this is never reached unless that process is stopped; going on without the marker is
 * safe then, because no name is ever replaced. */
enum { MARKER_WAIT_MS = 5000, MARKER_POLL_MS = 10 };

static enum b10_reason merge_directory(int from, int to, const char *name, struct install *install,
                                       struct b10_error *error);

static bool has_group_file(const struct dirs_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        if (entry_marks_unit(names->names[i]))
            return true;
    return false;
}

static enum b10_reason holds_group(bool *answer, int dirfd, const char *name,
                                   struct b10_error *error)
{
    SCOPED(dirs_names) struct dirs_names names = {0};
    TRY(dirs_list(&names, dirfd, name, error));
    *answer = has_group_file(&names);
    return B10_REASON_OK;
}

/* The directory exists on both sides: enter it, unless it is a unit on either. */
static enum b10_reason merge_existing(int from, int to, const char *name, struct install *install,
                                      struct b10_error *error)
{
    SCOPED(fd) int source = -1;
    SCOPED(fd) int target = -1;
    bool unit = false;
    TRY(io_open(&source, from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, name, error));
    target = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (target < 0 && (errno == ENOTDIR || errno == ELOOP)) {
        install->existing++; /* a file or a link has that name here: it stays */
        return B10_REASON_OK;
    }
    if (target < 0)
        return error_errno(error, errno, "cannot open directory '%s'", name);
    TRY(holds_group(&unit, source, name, error));
    if (!unit)
        TRY(holds_group(&unit, target, name, error));
    if (unit) {
        install->existing++;
        return B10_REASON_OK;
    }
    return merge_directory(source, target, name, install, error);
}

static enum b10_reason move_directory(int from, int to, const char *name, struct install *install,
                                      struct b10_error *error)
{
    if (renameat(from, name, to, name) == 0) { /* absent there, or empty */
        install->entries++;
        return B10_REASON_OK;
    }
    switch (errno) {
    case ENOTEMPTY:
    case EEXIST:
    case EBUSY:
        return merge_existing(from, to, name, install, error);
    /* a directory of an overlay's lower layer, or another mount below the destination */
    case EXDEV:
        if (mkdirat(to, name, 0777) != 0 && errno != EEXIST)
            return error_errno(error, errno, "cannot create directory '%s'", name);
        return merge_existing(from, to, name, install, error);
    case ENOTDIR:
        install->existing++;
        return B10_REASON_OK;
    default:
        return error_errno(error, errno, "cannot move directory '%s' into place", name);
    }
}

static enum b10_reason move_file(int from, int to, const char *name, struct install *install,
                                 struct b10_error *error)
{
    int failure = io_rename_noreplace(from, name, to, name, false);
    if (failure == EEXIST)
        install->existing++;
    else if (failure != 0)
        return error_errno(error, failure, "cannot move '%s' into place", name);
    else
        install->entries++;
    return B10_REASON_OK;
}

static enum b10_reason merge_directory(int from, int to, const char *name, struct install *install,
                                       struct b10_error *error)
{
    SCOPED(dirs_names) struct dirs_names names = {0};
    TRY(dirs_list(&names, from, name, error));
    for (size_t i = 0; i < names.count; i++) {
        TRY(progress_step(install->progress, error));
        if (names.types[i] == DT_DIR)
            TRY(move_directory(from, to, names.names[i], install, error));
        else
            TRY(move_file(from, to, names.names[i], install, error));
    }
    return B10_REASON_OK;
}

/* The descriptor still is the file that has the marker's name: its last holder unlinks it. */
static bool marker_is_current(int directory, int marker)
{
    struct stat named;
    struct stat held;
    return fstatat(directory, EXCLUDE_PARTIAL_MARKER, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstat(marker, &held) == 0 && io_same_file(&named, &held);
}

/* Takes the marker of `directory` (at `path`); *marker stays -1 when its holder does not let go in
 * time. */
static enum b10_reason marker_take(int directory, const char *path, int *marker,
                                   struct b10_error *error)
{
    SCOPED(heap) char *name = NULL;
    TRY(path_join(&name, path, EXCLUDE_PARTIAL_MARKER, error));
    const uint64_t end = clock_now_ns() + MARKER_WAIT_MS * UINT64_C(1000000);
    do {
        SCOPED(fd) int fd = -1;
        /* 0600: whoever can open it can hold its lock, and with it every later load. */
        TRY(io_open(&fd, directory, EXCLUDE_PARTIAL_MARKER, O_RDWR | O_CREAT | O_NOFOLLOW, 0600,
                    name, error));
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            if (!marker_is_current(directory, fd))
                continue;
            *marker = fd_take(&fd);
            return B10_REASON_OK;
        }
        const struct timespec pause = {.tv_nsec = MARKER_POLL_MS * 1000000L};
        nanosleep(&pause, NULL);
    } while (clock_now_ns() < end);
    return B10_REASON_OK;
}

/* A child that the host forked meanwhile shares the descriptor: closing ours would leave the lock
 * with it for as long as it lives. */
static void marker_guard(int *marker)
{
    if (*marker >= 0)
        flock(*marker, LOCK_UN);
    fd_guard(marker);
}

static enum b10_reason install_entries(int staged_dir, const char *staged, const char *destination,
                                       struct install *install, struct b10_error *error)
{
    SCOPED(fd) int source = -1;
    SCOPED(fd) int target = -1;
    SCOPED(marker) int marker = -1;
    TRY(io_open(&source, staged_dir, staged, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, staged,
                error));
    TRY(io_open(&target, AT_FDCWD, destination, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, destination,
                error));
    struct stat found;
    const bool begun = fstatat(target, EXCLUDE_PARTIAL_MARKER, &found, AT_SYMLINK_NOFOLLOW) == 0;
    TRY(marker_take(target, destination, &marker, error));
    const uint64_t before = install->entries;
    enum b10_reason reason = merge_directory(source, target, destination, install, error);
    /* After a failure on the way, ours or that of a dead load, the marker stays for the next load to
     * complete what is missing. */
    const bool untouched = !begun && install->entries == before;
    if (marker >= 0 && (reason == B10_REASON_OK || untouched))
        unlinkat(target, EXCLUDE_PARTIAL_MARKER, 0);
    return reason;
}

enum b10_reason install_tree(int staged_dir, const char *staged, const char *destination,
                             struct install *install, struct b10_error *error)
{
    TRY(progress_check(install->progress, error));
    if (renameat(staged_dir, staged, AT_FDCWD, destination) == 0) {
        install->entries++;
        return B10_REASON_OK;
    }
    const int failure = errno;
    struct stat stat;
    switch (failure) {
    case EACCES: /* the directory is ours to fill, the one around it is not; */
    case EPERM:  /* in a sticky one like /tmp it belongs to somebody else */
        if (lstat(destination, &stat) != 0 || !S_ISDIR(stat.st_mode))
            break;
        return install_entries(staged_dir, staged, destination, install, error);
    case ENOTEMPTY:
    case EEXIST:
    case EBUSY:
    case EXDEV:
        return install_entries(staged_dir, staged, destination, install, error);
    default:
        break;
    }
    return error_errno(error, failure, "cannot rename the unpacked cache to '%s'", destination);
}

enum b10_reason install_marker_state(const char *destination, enum install_marker *state,
                                     struct b10_error *error)
{
    SCOPED(heap) char *path = NULL;
    TRY(path_join(&path, destination, EXCLUDE_PARTIAL_MARKER, error));
    SCOPED(marker) int marker = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat stat;
    /* none, not ours to judge, or none that a load made */
    if (marker < 0 || fstat(marker, &stat) != 0 || !S_ISREG(stat.st_mode))
        *state = INSTALL_NO_MARKER;
    else
        *state = flock(marker, LOCK_EX | LOCK_NB) == 0 ? INSTALL_MARKER_DEAD : INSTALL_MARKER_HELD;
    return B10_REASON_OK;
}
