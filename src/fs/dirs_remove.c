/* dirs_remove.c: removing trees.
 *
 *     take the next name ──▶ not a directory: unlink
 *          ▲    │            empty directory: rmdir
 *          │    └──────────▶ anything else:   go down, names of its own
 *          └── rmdir ◀────── no name left:    go up
 *
 * A name is never trusted twice: going down opens with O_NOFOLLOW, and going up through ".." (deep
 * levels keep no descriptor) ends the removal unless the directory there is the one that was left,
 * since somebody may have moved the tree meanwhile. rmdir is tried first on every directory: the
 * kernel answers EBUSY for a mount point before it looks whether it is empty, also for a bind mount
 * of the same file system, which no device number tells.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "fs/dirs.h"
#include "fs/io.h"
#include "fs/path.h"

enum {
    OPEN_LEVELS = 32, /* levels that keep their descriptor while what is below is removed */
    RETRIES = 1000,   /* of a directory in which names appear while it is emptied: a load may be
                         filling its staging there, as fast as this empties it */
};

struct level {
    int fd; /* owned, -1 while closed; the first level's belongs to the caller */
    struct stat stat;
    struct dirs_names names; /* owned */
    size_t next;             /* index of the first name not yet taken */
    unsigned retries;        /* of the name last taken */
    bool stuck;              /* something in it could not be removed */
};

struct removal {
    struct level *levels; /* owned */
    size_t depth;         /* levels in use */
    size_t capacity;
    const char *root;          /* for messages */
    struct progress *progress; /* NULL: nobody is told */
    enum b10_reason first;     /* what the first failure was */
    struct b10_error *error;   /* its record */
};

static void removal_guard(struct removal *removal)
{
    for (size_t i = 0; i < removal->depth; i++) {
        if (i > 0)
            fd_guard(&removal->levels[i].fd);
        dirs_names_release(&removal->levels[i].names);
    }
    free(removal->levels);
}

static struct level *current(struct removal *removal)
{
    return &removal->levels[removal->depth - 1];
}

/* Where a failure is written: nowhere once there has been one. */
static struct b10_error *record(struct removal *removal)
{
    return removal->first == B10_REASON_OK ? removal->error : NULL;
}

/* Something stays; the removal goes on. */
static void leave(struct removal *removal, enum b10_reason reason)
{
    current(removal)->stuck = true;
    if (removal->first == B10_REASON_OK)
        removal->first = reason;
}

static void leave_entry(struct removal *removal, int failed, const char *name)
{
    char quoted[256];
    path_quote(quoted, sizeof(quoted), name);
    leave(removal, error_errno(record(removal), failed, "cannot remove '%s' in '%s'", quoted,
                               removal->root));
}

/* Takes *fd and the names in it as the next level. */
static enum b10_reason push(struct removal *removal, int *fd, const struct stat *stat,
                            struct dirs_names *names)
{
    if (removal->depth == removal->capacity) {
        size_t capacity = removal->capacity == 0 ? 16 : removal->capacity * 2;
        struct level *levels = reallocarray(removal->levels, capacity, sizeof(*levels));
        if (levels == NULL)
            return error_no_memory(record(removal));
        removal->levels = levels;
        removal->capacity = capacity;
    }
    if (removal->depth > OPEN_LEVELS)
        fd_guard(&current(removal)->fd);
    removal->levels[removal->depth++] =
        (struct level){.fd = fd_take(fd), .stat = *stat, .names = *names};
    *names = (struct dirs_names){0};
    return B10_REASON_OK;
}

/* chmod through a descriptor of exactly this directory: fchmodat would follow a link put in its
 * place. */
static void make_accessible(int dirfd, const char *name)
{
    struct stat found;
    char path[64];
    SCOPED(fd) int fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &found) != 0)
        return;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    (void)chmod(path, (found.st_mode & 07777) | S_IRWXU);
}

/* A descriptor, or -1 and errno. */
static int open_accessible(int dirfd, const char *name, struct stat *found)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    SCOPED(fd) int fd = openat(dirfd, name, flags);
    if (fd < 0 && errno == EACCES) {
        make_accessible(dirfd, name);
        fd = openat(dirfd, name, flags);
    }
    if (fd < 0 || fstat(fd, found) != 0)
        return -1;
    if ((found->st_mode & S_IRWXU) != S_IRWXU)
        (void)fchmod(fd, (found->st_mode & 07777) | S_IRWXU);
    return fd_take(&fd);
}

/* The names in an open directory; none if somebody else has just removed it. */
static enum b10_reason list_present(struct dirs_names *names, int fd, const char *root,
                                    struct b10_error *error)
{
    struct b10_error failure = ERROR_NONE;
    if (dirs_list(names, fd, root, &failure) == B10_REASON_OK || failure.sys_errno == ENOENT)
        return B10_REASON_OK;
    return error_copy(error, &failure);
}

static enum b10_reason go_down(struct removal *removal, const char *name)
{
    struct stat found;
    SCOPED(dirs_names) struct dirs_names names = {0};
    SCOPED(fd) int fd = open_accessible(current(removal)->fd, name, &found);
    if (fd < 0 || found.st_dev != current(removal)->stat.st_dev) {
        if (fd >= 0 || errno != ENOENT)
            leave_entry(removal, fd >= 0 ? EBUSY : errno, name);
        return B10_REASON_OK;
    }
    enum b10_reason reason = list_present(&names, fd, removal->root, record(removal));
    if (reason == B10_REASON_OK)
        return push(removal, &fd, &found, &names);
    leave(removal, reason);
    return B10_REASON_OK;
}

static enum b10_reason remove_entry(struct removal *removal, const char *name, unsigned char type)
{
    int dirfd = current(removal)->fd;
    int flags = type == DT_DIR ? AT_REMOVEDIR : 0;
    /* First as what it was listed as, then as the other kind: it may have been replaced since. */
    for (int attempt = 0; attempt < 2; attempt++) {
        if (unlinkat(dirfd, name, flags) == 0 || errno == ENOENT)
            return B10_REASON_OK;
        if (errno != (flags == 0 ? EISDIR : ENOTDIR))
            break;
        flags ^= AT_REMOVEDIR;
    }
    if (flags == AT_REMOVEDIR && (errno == ENOTEMPTY || errno == EEXIST))
        return go_down(removal, name);
    leave_entry(removal, errno, name);
    return B10_REASON_OK;
}

static enum b10_reason reopen_parent(struct removal *removal, struct level *parent)
{
    struct stat found;
    if (parent->fd != -1) /* AT_FDCWD is negative too */
        return B10_REASON_OK;
    parent->fd = openat(current(removal)->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent->fd < 0 || fstat(parent->fd, &found) != 0)
        return error_errno(record(removal), errno, "cannot go back up in '%s'", removal->root);
    if (!io_same_file(&found, &parent->stat))
        return error_set(record(removal), B10_REASON_IO, "'%s' was moved while it was removed",
                         removal->root);
    return B10_REASON_OK;
}

static enum b10_reason go_up(struct removal *removal)
{
    struct level *parent = current(removal) - 1;
    bool stuck = current(removal)->stuck;
    TRY(reopen_parent(removal, parent));
    fd_guard(&current(removal)->fd);
    dirs_names_release(&current(removal)->names);
    removal->depth--;

    const char *name = parent->names.names[parent->next - 1];
    if (stuck)
        parent->stuck = true;
    else if (unlinkat(parent->fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        parent->retries = 0;
    else if ((errno == ENOTEMPTY || errno == EEXIST) && parent->retries++ < RETRIES)
        parent->next--;
    else
        leave_entry(removal, errno, name);
    return B10_REASON_OK;
}

/* Removes all names of the first level and what is below them. */
static enum b10_reason remove_all(struct removal *removal)
{
    for (;;) {
        struct level *level = current(removal);
        if (level->next < level->names.count) {
            size_t next = level->next++;
            progress_moved(removal->progress);
            TRY(remove_entry(removal, level->names.names[next], level->names.types[next]));
        } else if (removal->depth == 1) {
            return B10_REASON_OK;
        } else {
            TRY(go_up(removal));
        }
    }
}

/* Removes `names` (taken) from dirfd; they lie on the file system of `stat`. */
static enum b10_reason remove_names(int dirfd, const struct stat *stat, struct dirs_names *names,
                                    const char *root, struct progress *progress,
                                    struct b10_error *error)
{
    SCOPED(removal) struct removal removal = {.root = root, .progress = progress, .error = error};
    TRY(push(&removal, &dirfd, stat, names));
    enum b10_reason reason = remove_all(&removal);
    return removal.first != B10_REASON_OK ? removal.first : reason;
}

enum b10_reason dirs_remove_tree(int dirfd, const char *name, struct progress *progress,
                                 struct b10_error *error)
{
    struct stat found;
    SCOPED(dirs_names) struct dirs_names names = {0};
    if (fstatat(dirfd, name, &found, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? B10_REASON_OK
                               : error_errno(error, errno, "cannot remove '%s'", name);
    names.names = calloc(1, sizeof(*names.names));
    names.types = calloc(1, sizeof(*names.types)); /* DT_UNKNOWN */
    if (names.names == NULL || names.types == NULL || (names.names[0] = strdup(name)) == NULL)
        return error_no_memory(error);
    names.count = 1;
    return remove_names(dirfd, &found, &names, name, progress, error);
}

enum b10_reason dirs_remove_contents(int dirfd, const char *name, struct progress *progress,
                                     struct b10_error *error)
{
    struct stat found;
    SCOPED(dirs_names) struct dirs_names names = {0};
    if (fstat(dirfd, &found) != 0)
        return error_errno(error, errno, "cannot read directory '%s'", name);
    TRY(list_present(&names, dirfd, name, error));
    return remove_names(dirfd, &found, &names, name, progress, error);
}
