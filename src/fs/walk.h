/* Everything below one directory, in the order of sorted names, without following a link.
 *
 *     open ──▶ next … ──▶ close
 *
 * An entry is reported before what is below it. Symlinks are entries, never followed. Mounts below
 * the root are entered: their files belong to the cache. What vanishes meanwhile, a directory that
 * may not be read and what lies below a path longer than PATH_LIMIT is left out and counted
 * (`unreadable`); for the root itself, and for any other failure of disk or process, it is an
 * error. Descriptors: one per level currently open, at most WALK_OPEN_LIMIT; deeper levels are
 * closed while what is below them is read and reopened through "..", if that is still the same
 * directory.
 * Threads: one at a time.
 */
#ifndef FS_WALK_H
#define FS_WALK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"

enum { WALK_OPEN_LIMIT = 64 };

struct walk; /* opaque */

struct walk_entry {
    const char *path; /* relative to the root; valid until the next call */
    const char *name; /* last component, points into path */
    int dirfd;        /* of the directory that holds it; valid until the next call */
    struct stat stat; /* lstat */
};

/* Decides before an entry is even reported; a skipped directory is not entered. `entry->stat` is
 * filled. */
typedef bool (*walk_skip_fn)(void *user, const struct walk_entry *entry);

/* `root` is borrowed (an open directory), `name` is for messages. skip may be NULL. */
MUST_CHECK enum b10_reason walk_open(struct walk **out, int root, const char *name,
                                     walk_skip_fn skip, void *user, struct b10_error *error);
/* For two that share one directory: the name in the root at which the second begins and before which
 * the first ends (walk_from, walk_until); NULL where there are fewer than `fewest`. Before the first
 * walk_next; borrowed until close. */
const char *walk_middle(const struct walk *walk, size_t fewest);
void walk_from(struct walk *walk, const char *name);
void walk_until(struct walk *walk, const char *name);

/* *found false at the end. */
MUST_CHECK enum b10_reason walk_next(struct walk *walk, struct walk_entry *entry, bool *found,
                                     struct b10_error *error);
/* Directories or entries that vanished or could not be read. */
uint64_t walk_unreadable(const struct walk *walk);
void walk_close(struct walk *walk); /* NULL is fine */
void walk_guard(struct walk **walk);

#endif
