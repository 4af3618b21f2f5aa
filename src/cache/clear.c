/* clear.c: what stands in the main root goes, in one rename where possible; an empty directory
 * stays. */
#include "cache/clear.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "cache/holder.h"
#include "fs/dirs.h"
#include "fs/path.h"

/* The names in the holder of the main root and of the empty one that takes its place. */
static const char aside[] = "cleared";
static const char fresh[] = "fresh";

/* Directories that hold more than a cache: these, and whatever they lie in. */
static enum b10_reason refuse_precious(const struct settings *settings, struct b10_error *error)
{
    const char *precious[] = {"/tmp",  "/var/tmp", "/dev/shm", settings->temporary_dir,
                              "/root", "/home",    "/",        settings->home_dir};
    for (size_t i = 0; i < sizeof(precious) / sizeof(*precious); i++)
        if (precious[i] != NULL && path_is_within(precious[i], settings->local_dir))
            return error_set(error, B10_REASON_CONFIG,
                             "refusing to clear the cache directory '%s': it is, or holds, '%s'",
                             settings->local_dir, precious[i]);
    return B10_REASON_OK;
}

/* *fd = the main root, or -1 if there is none. */
static enum b10_reason open_root(int *fd, const char *path, struct b10_error *error)
{
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*fd < 0 && errno != ENOENT)
        return error_errno(error, errno, "cannot open the cache directory '%s'", path);
    return B10_REASON_OK;
}

/* What could not be deleted, such as a mount inside, goes back to where people look for it: onto the
 * empty directory there. */
static enum b10_reason delete_aside(const struct holder *holder, const char *name,
                                    struct progress *progress, struct b10_error *error)
{
    enum b10_reason reason = dirs_remove_tree(holder->fd, aside, progress, error);
    if (reason != B10_REASON_OK)
        (void)!renameat(holder->fd, aside, holder->place, name);
    return reason;
}

/* A link to the directory, or whoever may not make one, must find it again: an empty one with its
 * mode and, as far as we may, its owner. */
static void make_again(const struct holder *holder, const char *name, const struct stat *before)
{
    if (mkdirat(holder->fd, fresh, 0700) != 0)
        return;
    SCOPED(fd) int fd = openat(holder->fd, fresh, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!fchown(fd, before->st_uid, before->st_gid);
    (void)!fchmod(fd, before->st_mode & 07777);
    (void)!renameat(holder->fd, fresh, holder->place, name);
}

/* Somebody else cleared it in the meantime. */
static bool has_vanished(int failed, int parent, const char *name)
{
    struct stat found;
    return failed == ENOENT && fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW) != 0 &&
           errno == ENOENT;
}

/* *done false: there is no way to rename it aside, and nothing has changed. */
static enum b10_reason clear_by_rename(const char *path, const struct stat *root, bool *done,
                                       struct log *log, struct progress *progress,
                                       struct b10_error *error)
{
    struct b10_error obstacle = ERROR_NONE;
    SCOPED(holder) struct holder holder = HOLDER_NONE;
    SCOPED(heap) char *parent = NULL;
    const char *name = path_base(path);
    *done = false;
    TRY(path_parent(&parent, path, error));
    if (holder_make(&holder, parent, &obstacle) == B10_REASON_OK) {
        int failed = renameat(holder.place, name, holder.fd, aside) == 0 ? 0 : errno;
        *done = failed == 0 || has_vanished(failed, holder.place, name);
        if (failed == 0) {
            make_again(&holder, name, root);
            return delete_aside(&holder, name, progress, error);
        }
        if (*done)
            return B10_REASON_OK;
        (void)error_errno(&obstacle, failed, "cannot rename '%s'", path);
    }
    log_debug(log, "clearing '%s' entry by entry: %s", path, obstacle.message);
    return B10_REASON_OK;
}

enum b10_reason clear_local(const struct settings *settings, struct log *log,
                            struct progress *progress, struct b10_report *report,
                            struct b10_error *error)
{
    const char *path = settings->local_dir;
    SCOPED(fd) int root = -1;
    struct stat stat;
    bool done = false;
    snprintf(report->destination, sizeof(report->destination), "%s", path);
    TRY(refuse_precious(settings, error));
    TRY(open_root(&root, path, error));
    if (root < 0)
        return B10_REASON_OK;
    if (fstat(root, &stat) != 0)
        return error_errno(error, errno, "cannot examine the cache directory '%s'", path);
    TRY(clear_by_rename(path, &stat, &done, log, progress, error));
    if (!done)
        TRY(dirs_remove_contents(root, path, progress, error));
    log_info(log, "cleared '%s'", path);
    return B10_REASON_OK;
}
