/* walk.c: one level per directory on the current path, its names read once and sorted.
 *
 *     next name of the deepest level ──▶ report it ──▶ (a directory: at the next call, go down)
 *                  no name left ──▶ go up
 */
#include "fs/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "fs/dirs.h"
#include "fs/io.h"
#include "fs/path.h"

/* Levels that keep their descriptor; the deepest one and the one being opened come on top. */
enum { KEPT_LEVELS = WALK_OPEN_LIMIT - 2 };

struct level {
    int fd; /* owned, -1 while closed */
    struct stat stat;
    struct dirs_names names; /* owned */
    size_t next;             /* index of the first name not yet taken */
    size_t end;              /* and of the first that is not to be taken */
    size_t path_length;      /* of the directory, 0 for the root */
};

struct walk {
    const char *name; /* borrowed */
    walk_skip_fn skip;
    void *user;
    struct level *levels; /* owned */
    size_t depth;         /* levels in use */
    size_t capacity;
    uint64_t unreadable;
    bool enter;       /* the entry last reported is a directory, to be gone into */
    struct stat stat; /* of the entry last reported */
    /* A directory beyond PATH_LIMIT is reported, but not gone into. */
    char path[PATH_LIMIT + 1 + PATH_NAME_LIMIT + 1];
    size_t path_length;
    size_t name_length;
};

static struct level *current(struct walk *walk)
{
    return &walk->levels[walk->depth - 1];
}

static enum b10_reason make_room(struct walk *walk, struct b10_error *error)
{
    if (walk->depth < walk->capacity)
        return B10_REASON_OK;
    size_t capacity = walk->capacity == 0 ? 16 : walk->capacity * 2;
    struct level *levels = reallocarray(walk->levels, capacity, sizeof(*levels));
    if (levels == NULL)
        return error_no_memory(error);
    walk->levels = levels;
    walk->capacity = capacity;
    return B10_REASON_OK;
}

/* Opens `name` in dirfd, the directory at walk->path, and reads its names as the next level. */
static enum b10_reason push(struct walk *walk, int dirfd, const char *name, struct b10_error *error)
{
    SCOPED(fd) int fd = -1;
    SCOPED(dirs_names) struct dirs_names names = {0};
    TRY(make_room(walk, error));
    TRY(io_open(&fd, dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, walk->name, error));
    TRY(dirs_read(&names, fd, walk->name, error));
    if (walk->depth > KEPT_LEVELS)
        fd_guard(&current(walk)->fd);
    walk->levels[walk->depth++] = (struct level){.fd = fd_take(&fd),
                                                 .stat = walk->stat,
                                                 .names = names,
                                                 .end = names.count,
                                                 .path_length = walk->path_length};
    names = (struct dirs_names){0};
    return B10_REASON_OK;
}

static void pop(struct walk *walk)
{
    fd_guard(&current(walk)->fd);
    dirs_names_release(&current(walk)->names);
    walk->depth--;
}

static enum b10_reason go_down(struct walk *walk, struct b10_error *error)
{
    struct b10_error failure = ERROR_NONE;
    const char *name = walk->path + walk->path_length - walk->name_length;
    walk->enter = false;
    if (walk->path_length > PATH_LIMIT) {
        walk->unreadable++;
    } else if (push(walk, current(walk)->fd, name, &failure) != B10_REASON_OK) {
        if (!io_is_absence(failure.sys_errno))
            return error_copy(error, &failure);
        walk->unreadable++;
    }
    return B10_REASON_OK;
}

/* Opens a parent that was closed, through ".." of `below`; it stays closed if that is not the
 * directory that was left. */
static void reopen(struct level *parent, int below)
{
    struct stat found;
    if (parent->fd >= 0)
        return;
    parent->fd = openat(below, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent->fd >= 0 && (fstat(parent->fd, &found) != 0 || !io_same_file(&found, &parent->stat)))
        fd_guard(&parent->fd);
}

/* Leaves the deepest level, and those above it that cannot be reached again because somebody moved
 * them. */
static void go_up(struct walk *walk)
{
    if (walk->depth > 1)
        reopen(current(walk) - 1, current(walk)->fd);
    pop(walk);
    for (; walk->depth > 0 && current(walk)->fd < 0; pop(walk))
        walk->unreadable++;
}

/* Puts the name behind the path of its directory; false if it cannot be one. */
static bool set_path(struct walk *walk, const struct level *level, const char *name)
{
    size_t at = level->path_length;
    size_t length = strlen(name);
    if (at > 0)
        walk->path[at++] = '/';
    if (length >= sizeof(walk->path) - at)
        return false;
    memcpy(walk->path + at, name, length + 1);
    walk->path_length = at + length;
    walk->name_length = length;
    return true;
}

/* Fills entry->stat for the name at walk->path; *found false if it is no more. */
static enum b10_reason examine(struct walk *walk, int dirfd, const char *name,
                               struct walk_entry *entry, bool *found, struct b10_error *error)
{
    *found = fstatat(dirfd, name, &entry->stat, AT_SYMLINK_NOFOLLOW) == 0;
    if (!*found && !io_is_absence(errno))
        return error_errno(error, errno, "cannot examine '%s/%s'", walk->name, walk->path);
    walk->unreadable += !*found;
    return B10_REASON_OK;
}

/* Takes the next name of the deepest level; *found false if it is not to be reported. */
static enum b10_reason take(struct walk *walk, struct walk_entry *entry, bool *found,
                            struct b10_error *error)
{
    struct level *level = current(walk);
    const char *name = level->names.names[level->next++];
    if (!set_path(walk, level, name)) {
        walk->unreadable++;
        return B10_REASON_OK;
    }
    TRY(examine(walk, level->fd, name, entry, found, error));
    if (!*found)
        return B10_REASON_OK;
    entry->path = walk->path;
    entry->name = walk->path + walk->path_length - walk->name_length;
    entry->dirfd = level->fd;
    *found = walk->skip == NULL || !walk->skip(walk->user, entry);
    if (!*found)
        return B10_REASON_OK;
    walk->enter = S_ISDIR(entry->stat.st_mode);
    walk->stat = entry->stat;
    return B10_REASON_OK;
}

enum b10_reason walk_open(struct walk **out, int root, const char *name, walk_skip_fn skip,
                          void *user, struct b10_error *error)
{
    SCOPED(walk) struct walk *walk = calloc(1, sizeof(*walk));
    if (walk == NULL)
        return error_no_memory(error);
    walk->name = name;
    walk->skip = skip;
    walk->user = user;
    if (fstat(root, &walk->stat) != 0)
        return error_errno(error, errno, "cannot read directory '%s'", name);
    TRY(push(walk, root, ".", error));
    *out = HEAP_TAKE(walk);
    return B10_REASON_OK;
}

const char *walk_middle(const struct walk *walk, size_t fewest)
{
    const struct dirs_names *names = &walk->levels[0].names;
    return names->count < fewest ? NULL : names->names[names->count / 2];
}

void walk_from(struct walk *walk, const char *name)
{
    struct level *root = &walk->levels[0];
    while (root->next < root->names.count && strcmp(root->names.names[root->next], name) < 0)
        root->next++;
}

void walk_until(struct walk *walk, const char *name)
{
    struct level *root = &walk->levels[0];
    root->end = root->next;
    while (root->end < root->names.count && strcmp(root->names.names[root->end], name) < 0)
        root->end++;
}

enum b10_reason walk_next(struct walk *walk, struct walk_entry *entry, bool *found,
                          struct b10_error *error)
{
    *found = false;
    if (walk->enter)
        TRY(go_down(walk, error));
    while (walk->depth > 0 && !*found) {
        if (current(walk)->next == current(walk)->end)
            go_up(walk);
        else
            TRY(take(walk, entry, found, error));
    }
    return B10_REASON_OK;
}

uint64_t walk_unreadable(const struct walk *walk)
{
    return walk->unreadable;
}

void walk_close(struct walk *walk)
{
    if (walk == NULL)
        return;
    while (walk->depth > 0)
        pop(walk);
    free(walk->levels);
    free(walk);
}

void walk_guard(struct walk **walk)
{
    walk_close(*walk);
    *walk = NULL;
}
