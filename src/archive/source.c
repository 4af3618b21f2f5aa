#include "archive/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/link_text.h"
#include "base/guard.h"
#include "fs/io.h"
#include "fs/path.h"

void source_init(struct source *source, const struct tree *tree)
{
    source->tree = tree;
    source->root = UINT16_MAX;
    beneath_cache_init(&source->directory, -1);
}

void source_release(struct source *source)
{
    beneath_cache_release(&source->directory);
}

static const struct tree_root *root_of(const struct source *source, const struct tree_item *item)
{
    return &source->tree->roots[item->root];
}

/* *dirfd is -1 when the directory is not there any more, or is a link now. */
static enum b10_reason open_parent(struct source *source, const struct tree_item *item, int *dirfd,
                                   const char **leaf, struct b10_error *error)
{
    if (source->root != item->root) {
        beneath_cache_release(&source->directory);
        beneath_cache_init(&source->directory, root_of(source, item)->dirfd);
        source->root = item->root;
    }
    struct b10_error found = ERROR_NONE;
    tree_path(source->tree, item, source->path);
    switch (beneath_parent(&source->directory, source->path, dirfd, leaf, &found)) {
    case B10_REASON_OK:
        return B10_REASON_OK;
    case B10_REASON_UNSAFE:
    case B10_REASON_CORRUPT:
    case B10_REASON_DENIED:
        *dirfd = -1;
        return B10_REASON_OK;
    default:
        return error_copy(error, &found);
    }
}

static int open_leaf(int dirfd, const char *leaf)
{
    int fd;
    do {
        fd = openat(dirfd, leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

enum b10_reason source_open(struct source *source, const struct tree_item *item, int *fd,
                            struct b10_error *error)
{
    int dirfd = -1;
    const char *leaf = NULL;
    *fd = -1;
    TRY(open_parent(source, item, &dirfd, &leaf, error));
    if (dirfd < 0)
        return B10_REASON_OK;
    SCOPED(fd) int file = open_leaf(dirfd, leaf);
    if (file < 0 && !io_is_absence(errno))
        return error_errno(error, errno, "cannot open '%s/%s'", root_of(source, item)->origin,
                           source->path);
    if (file >= 0 && source_unchanged(item, file))
        *fd = fd_take(&file);
    return B10_REASON_OK;
}

enum b10_reason source_read(const struct tree *tree, const struct tree_item *item, int fd,
                            uint64_t offset, void *buffer, size_t size, bool *whole,
                            struct b10_error *error)
{
    size_t got = 0;
    struct b10_error found = ERROR_NONE;
    enum b10_reason reason = io_pread(fd, buffer, size, offset, &got, item->name, &found);
    *whole = reason == B10_REASON_OK && got == size;
    if (reason == B10_REASON_OK || io_is_absence(found.sys_errno))
        return B10_REASON_OK;
    return error_set(error, reason, "%s, in '%s'", found.message, tree->roots[item->root].origin);
}

bool source_unchanged(const struct tree_item *item, int fd)
{
    struct stat now;
    return fstat(fd, &now) == 0 && tree_item_unchanged(item, &now);
}

enum b10_reason source_equals(struct source *source, const struct tree_item *item, uint64_t offset,
                              const void *expected, size_t size, unsigned char *buffer, bool *equal,
                              struct b10_error *error)
{
    SCOPED(fd) int fd = -1;
    TRY(source_open(source, item, &fd, error));
    *equal = fd >= 0;
    for (size_t done = 0; *equal && done < size; done += SOURCE_PIECE) {
        const size_t piece = size - done < SOURCE_PIECE ? size - done : SOURCE_PIECE;
        TRY(source_read(source->tree, item, fd, offset + done, buffer, piece, equal, error));
        *equal = *equal && memcmp(buffer, (const unsigned char *)expected + done, piece) == 0;
    }
    *equal = *equal && source_unchanged(item, fd);
    return B10_REASON_OK;
}

/* OK if the link has only changed; EINVAL: into something that is not a link. */
static enum b10_reason link_failed(const struct source *source, const struct tree_item *item,
                                   int failed, struct b10_error *error)
{
    if (io_is_absence(failed) || failed == EINVAL)
        return B10_REASON_OK;
    return error_errno(error, failed, "cannot read the symlink '%s/%s'",
                       root_of(source, item)->origin, source->path);
}

enum b10_reason source_link(struct source *source, const struct tree_item *item, char *text,
                            enum source_link *state, struct b10_error *error)
{
    int dirfd = -1;
    const char *leaf = NULL;
    char target[PATH_LIMIT + 1];
    struct stat now;
    TRY(open_parent(source, item, &dirfd, &leaf, error));
    *state = SOURCE_LINK_CHANGED;
    if (dirfd < 0)
        return B10_REASON_OK;
    if (fstatat(dirfd, leaf, &now, AT_SYMLINK_NOFOLLOW) != 0)
        return link_failed(source, item, errno, error);
    if (!tree_item_unchanged(item, &now))
        return B10_REASON_OK;
    const ssize_t length = readlinkat(dirfd, leaf, target, sizeof(target));
    if (length < 0)
        return link_failed(source, item, errno, error);
    *state = SOURCE_LINK_UNSAFE;
    if (length > PATH_LIMIT)
        return B10_REASON_OK;
    target[length] = '\0';
    bool inside = false;
    TRY(link_text(text, root_of(source, item)->origin, source->path, target, &inside, error));
    if (inside)
        *state = SOURCE_LINK_KEPT;
    return B10_REASON_OK;
}
