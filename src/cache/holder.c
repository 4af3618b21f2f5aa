#include "cache/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "fs/dirs.h"
#include "fs/io.h"
#include "fs/path.h"

static const char prefix[] = EXCLUDE_STAGING_PREFIX;

static enum b10_reason make_name(char name[HOLDER_NAME_SIZE], struct b10_error *error)
{
    char token[TOKEN_TEXT_SIZE];
    TRY(token_make(token, error));
    memcpy(name, prefix, sizeof(prefix) - 1);
    memcpy(name + sizeof(prefix) - 1, token, sizeof(token));
    return B10_REASON_OK;
}

/* Locked by us, and still the directory of that name: a sweeper may come between mkdir and
 * flock. */
static bool lock_new(struct holder *holder)
{
    struct stat held;
    struct stat named;
    holder->fd =
        openat(holder->place, holder->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return holder->fd >= 0 && flock(holder->fd, LOCK_EX | LOCK_NB) == 0 &&
           fstat(holder->fd, &held) == 0 &&
           fstatat(holder->place, holder->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           io_same_file(&held, &named);
}

static enum b10_reason make_locked(struct holder *holder, const char *place,
                                   struct b10_error *error)
{
    for (;;) {
        TRY(make_name(holder->name, error));
        if (mkdirat(holder->place, holder->name, 0700) != 0)
            return error_errno(error, errno, "cannot create a staging directory in '%s'", place);
        if (lock_new(holder))
            return B10_REASON_OK;
        const int failure = errno;
        fd_guard(&holder->fd);
        holder->fd = -1;
        unlinkat(holder->place, holder->name, AT_REMOVEDIR);
        if (failure != EWOULDBLOCK && failure != ENOENT) /* those two: a sweeper has it; again */
            return error_errno(error, failure, "cannot lock a staging directory in '%s'", place);
    }
}

enum b10_reason holder_make(struct holder *out, const char *place, struct b10_error *error)
{
    SCOPED(holder) struct holder holder = HOLDER_NONE;
    TRY(io_open(&holder.place, AT_FDCWD, place, O_RDONLY | O_DIRECTORY, 0, place, error));
    TRY(make_locked(&holder, place, error));
    TRY(path_join(&holder.path, place, holder.name, error));
    *out = holder;
    holder = (struct holder)HOLDER_NONE;
    return B10_REASON_OK;
}

enum b10_reason holder_reaches(const struct holder *holder, const char *target,
                               struct b10_error *error)
{
    char name[HOLDER_NAME_SIZE];
    SCOPED(fd) int directory = -1;
    TRY(io_open(&directory, AT_FDCWD, target, O_PATH | O_DIRECTORY, 0, target, error));
    TRY(make_name(name, error));
    if (mkdirat(holder->fd, name, 0700) != 0)
        return error_errno(error, errno, "cannot create a directory in '%s'", holder->path);
    if (renameat(holder->fd, name, directory, name) != 0) {
        const int failure = errno;
        unlinkat(holder->fd, name, AT_REMOVEDIR);
        return error_errno(error, failure, "cannot move a directory from '%s' into '%s'",
                           holder->path, target);
    }
    unlinkat(directory, name, AT_REMOVEDIR);
    return B10_REASON_OK;
}

void holder_release(struct holder *holder)
{
    /* What cannot be removed now is left to a sweep: once closed, it is no longer locked. */
    if (holder->fd >= 0 &&
        dirs_remove_tree(holder->place, holder->name, NULL, NULL) != B10_REASON_OK)
        unlinkat(holder->place, holder->name, AT_REMOVEDIR);
    fd_guard(&holder->fd);
    fd_guard(&holder->place);
    free(holder->path);
    *holder = (struct holder)HOLDER_NONE;
}

void holder_guard(struct holder *holder)
{
    holder_release(holder);
}

static void sweep_one(int place, const char *name, struct log *log)
{
    struct stat stat;
    struct b10_error error = ERROR_NONE;
    SCOPED(fd) int holder = openat(place, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (holder < 0 || fstat(holder, &stat) != 0 || stat.st_uid != geteuid() ||
        flock(holder, LOCK_EX | LOCK_NB) != 0)
        return;
    if (dirs_remove_tree(place, name, NULL, &error) != B10_REASON_OK)
        log_warn(log, "cannot remove what a dead process left: %s", error.message);
    else
        log_info(log, "removed '%s', which a dead process left", name);
}

void holder_sweep(const char *path, struct log *log)
{
    SCOPED(dirs_names) struct dirs_names names = {0};
    SCOPED(fd) int place = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (place < 0 || dirs_list(&names, place, path, NULL) != B10_REASON_OK)
        return;
    for (size_t i = 0; i < names.count; i++)
        if (strncmp(names.names[i], prefix, sizeof(prefix) - 1) == 0)
            sweep_one(place, names.names[i], log);
}
