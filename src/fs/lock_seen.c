#include "fs/lock_seen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/guard.h"
#include "fs/io.h"

enum b10_reason lock_name(char name[LOCK_NAME_SIZE], const char *stem, const char *token,
                          const char *suffix, struct b10_error *error)
{
    int length = snprintf(name, LOCK_NAME_SIZE, ".%s%s%s%s", stem, token != NULL ? "." : "",
                          token != NULL ? token : "", suffix);
    if (length < 0 || length >= LOCK_NAME_SIZE)
        return error_errno(error, ENAMETOOLONG, "cannot name the lock of '%s'", stem);
    return B10_REASON_OK;
}

/* ---- looking ---- */

/* Reads what `fd` begins with; pages that this host kept of an earlier look say nothing about
 * now. */
static enum b10_reason read_bytes(struct lock_seen *seen, int fd, const char *name,
                                  struct b10_error *error)
{
    struct stat stat;
    if (fstat(fd, &stat) != 0)
        return error_errno(error, errno, "cannot examine '%s'", name);
    seen->stat = stat;
    if (!S_ISREG(stat.st_mode))
        return B10_REASON_OK;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    TRY(io_pread(fd, seen->bytes, sizeof(seen->bytes), 0, &seen->size, name, error));
    seen->is_readable = lock_text_parse(&seen->text, seen->bytes, seen->size);
    return B10_REASON_OK;
}

/* A name may lead to something else by the time it is opened: hence the flags. *refused: there is a
 * file that may not be opened. */
static enum b10_reason look_once(struct lock_seen *seen, int dirfd, const char *name, int *keep,
                                 bool *refused, struct b10_error *error)
{
    SCOPED(fd) int fd = -1;
    *refused = false;
    *seen = (struct lock_seen){.exists = false};
    if (fstatat(dirfd, name, &seen->stat, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? B10_REASON_OK
                               : error_errno(error, errno, "cannot examine '%s'", name);
    seen->exists = true;
    if (!S_ISREG(seen->stat.st_mode))
        return B10_REASON_OK;
    const int access = keep != NULL ? O_RDWR : O_RDONLY;
    fd = openat(dirfd, name, access | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        seen->exists = false;
        return B10_REASON_OK;
    }
    *refused = fd < 0 && errno != ESTALE && io_is_absence(errno);
    if (*refused)
        return B10_REASON_OK; /* not ours to read */
    if (fd < 0)
        return error_errno(error, errno, "cannot open '%s'", name);
    TRY(read_bytes(seen, fd, name, error));
    if (keep != NULL && seen->is_readable)
        *keep = fd_take(&fd);
    return B10_REASON_OK;
}

/* Twice before a failure counts: on a network volume a name may have been renamed away on another
 * host between lookup and open (ESTALE), and a passing fault must not cost a holder its lock. */
enum b10_reason lock_seen_look(struct lock_seen *seen, int dirfd, const char *name, int *keep,
                               struct b10_error *error)
{
    bool refused;
    if (keep != NULL)
        *keep = -1;
    if (look_once(seen, dirfd, name, keep, &refused, NULL) == B10_REASON_OK && !refused)
        return B10_REASON_OK;
    return look_once(seen, dirfd, name, keep, &refused, error);
}

/* ---- comparing ---- */

static bool same_text(const struct lock_seen *a, const struct lock_seen *b)
{
    return strcmp(a->text.token, b->text.token) == 0 && a->text.counter == b->text.counter;
}

/* By everything that a rename leaves as it is. */
static bool is_judged(const struct lock_seen *judged, const struct lock_seen *now)
{
    if (!now->exists || judged->is_readable != now->is_readable)
        return false;
    if (now->is_readable)
        return same_text(judged, now);
    return io_same_file(&judged->stat, &now->stat) && judged->stat.st_size == now->stat.st_size &&
           judged->size == now->size && memcmp(judged->bytes, now->bytes, now->size) == 0;
}

bool lock_seen_unchanged(const struct lock_seen *before, const struct lock_seen *now)
{
    if (before->exists != now->exists)
        return false;
    if (!now->exists)
        return true;
    return is_judged(before, now) && (now->is_readable || io_unchanged(&before->stat, &now->stat));
}

bool lock_seen_is_dead(const struct lock_seen *seen, const struct process *self)
{
    return seen->is_readable && process_is_dead(&seen->text.holder, self);
}

/* ---- removing ---- */

bool lock_remove_name(int dirfd, const char *name, int flags)
{
    return unlinkat(dirfd, name, flags) == 0 || errno == ENOENT ||
           unlinkat(dirfd, name, flags) == 0 || errno == ENOENT;
}

/* The name of a lock that should not have been taken. Where it is taken again, the holder of the
 * one in our hands has lost, and finds out by its token. */
static void put_back(int dirfd, const char *aside, const char *name, bool is_directory)
{
    struct stat stat;
    int failed = io_rename_noreplace(dirfd, aside, dirfd, name, is_directory);
    if (failed == 0)
        return;
    /* No way to do it exclusively; two who do this at once leave one lock, which is enough. */
    if (failed != EEXIST && fstatat(dirfd, name, &stat, AT_SYMLINK_NOFOLLOW) != 0 &&
        errno == ENOENT && renameat(dirfd, aside, dirfd, name) == 0)
        return;
    lock_remove_name(dirfd, aside, 0);
}

/* Steps 3 to 5: what came along is looked at again, because between the last look and the rename
 * another saver may have broken the same lock and set up its own. */
static enum b10_reason settle_aside(int dirfd, const char *aside, const char *name,
                                    const struct lock_seen *judged, int failed, bool *removed,
                                    struct b10_error *error)
{
    struct lock_seen taken;
    TRY(lock_seen_look(&taken, dirfd, aside, NULL, error));
    if (!taken.exists)
        return failed == 0 ? B10_REASON_OK
                           : error_errno(error, failed, "cannot rename '%s' to '%s'", name, aside);
    if (!is_judged(judged, &taken)) {
        put_back(dirfd, aside, name, S_ISDIR(taken.stat.st_mode));
        return B10_REASON_OK;
    }
    *removed = true;
    lock_remove_name(dirfd, aside, S_ISDIR(taken.stat.st_mode) ? AT_REMOVEDIR : 0);
    return B10_REASON_OK;
}

static int rename_aside(int dirfd, const char *name, const char *aside)
{
    if (renameat(dirfd, name, dirfd, aside) == 0)
        return 0;
    const int failed = errno;
    /* An answer that was lost leaves nothing to rename; a passing fault does. */
    return failed == ENOENT || renameat(dirfd, name, dirfd, aside) == 0 ? 0 : failed;
}

enum b10_reason lock_seen_remove(int dirfd, const char *stem, const struct lock_seen *judged,
                                 bool *removed, struct b10_error *error)
{
    char name[LOCK_NAME_SIZE];
    struct lock_seen now;
    *removed = false;
    TRY(lock_name(name, stem, NULL, LOCK_SUFFIX, error));
    TRY(lock_seen_look(&now, dirfd, name, NULL, error));
    return is_judged(judged, &now) ? lock_seen_take(dirfd, stem, judged, removed, error)
                                   : B10_REASON_OK;
}

enum b10_reason lock_seen_take(int dirfd, const char *stem, const struct lock_seen *judged,
                               bool *removed, struct b10_error *error)
{
    char token[TOKEN_TEXT_SIZE];
    char name[LOCK_NAME_SIZE];
    char aside[LOCK_NAME_SIZE];
    *removed = false;
    TRY(token_make(token, error));
    TRY(lock_name(name, stem, NULL, LOCK_SUFFIX, error));
    TRY(lock_name(aside, stem, token, LOCK_OLD_SUFFIX, error));
    int failed = rename_aside(dirfd, name, aside);
    return settle_aside(dirfd, aside, name, judged, failed, removed, error);
}
