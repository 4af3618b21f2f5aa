/* What a save found on the local disk: every file, directory and symlink of every root, in a fixed
 * order.
 *
 * Built by cache/scan.c, read by same.c, batch.c and pack.c. Compact on purpose: a cache may have a
 * million files (at most 250 bytes a file in all, this and the index together). So the path of what
 * lies in a directory is only its name there; tree_path puts it together.
 * Threads: built by one, then read-only, except `stored`, which missing.c sets, and `original`,
 * which same.c sets and pack.c changes between its passes.
 */
#ifndef ARCHIVE_TREE_H
#define ARCHIVE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "archive/entry.h"
#include "base/error.h"
#include "fs/path.h"

#define TREE_NO_ORIGINAL UINT32_MAX
#define TREE_NO_PARENT   UINT32_MAX

struct tree_item {
    /* in the tree's arena: last component of the path; the whole path if `parent` is none */
    const char *name;
    uint64_t size;    /* files; 0 for all others */
    uint64_t touched; /* fingerprint of device, inode and ctime, in place of their 28 bytes */
    int64_t mtime_s;
    uint32_t mtime_ns;
    uint32_t original; /* index of the identical file before it, or TREE_NO_ORIGINAL */
    uint32_t parent;   /* index of the directory it lies in, or TREE_NO_PARENT */
    uint16_t root;     /* index */
    uint8_t type;      /* enum entry_type, never ENTRY_HARDLINK */
    bool executable : 1;
    bool stored : 1; /* the archive that is added to has it (missing.h): not packed */
};

struct tree_root {
    char *name;   /* owned */
    char *origin; /* owned: resolved absolute path on this host */
    int dirfd;    /* owned */
};

struct tree {
    struct tree_root *roots; /* owned */
    size_t root_count;
    struct tree_item *items; /* owned; by root, then as walked: a directory before what is in it */
    size_t item_count;
    size_t item_capacity;
    struct tree_arena *arena; /* owned: the paths */
    uint64_t bytes;           /* content of all files that are not stored */
    uint64_t files;           /* regular files and symlinks, the same */
};

#define TREE_EMPTY                                                                                 \
    {                                                                                              \
        0                                                                                          \
    }

/* Adds a root; takes dirfd (also on failure). *index is its number. */
MUST_CHECK enum b10_reason tree_add_root(struct tree *tree, const char *name, const char *origin,
                                         int dirfd, size_t *index, struct b10_error *error);

/* Adds an entry of that root by its path there; type and times from `stat`. TOO_LARGE beyond
 * ARCHIVE_FILES_LIMIT. */
MUST_CHECK enum b10_reason tree_add(struct tree *tree, size_t root, const char *path,
                                    const struct stat *stat, struct b10_error *error);

/* Moves all entries of `from`, whose only root is the tree's `root`, behind the tree's own. `from` keeps
 * its root alone, to be released. TOO_LARGE. */
MUST_CHECK enum b10_reason tree_append(struct tree *tree, size_t root, struct tree *from,
                                       struct b10_error *error);

/* Writes the item's path, relative to its root, into `path` (PATH_LIMIT + 1 bytes); returns its
 * length. */
size_t tree_path(const struct tree *tree, const struct tree_item *item, char *path);

/* That length alone. */
size_t tree_path_length(const struct tree *tree, const struct tree_item *item);

/* Path of the directory the item lies in as far as it is at hand: at least its last component; ""
 * where the item lies in none of the tree. */
const char *tree_directory(const struct tree *tree, const struct tree_item *item);

/* Whether the archive that is added to has the item. */
void tree_set_stored(struct tree *tree, size_t item, bool stored);

/* The item's file is still the one that was scanned: type, size, mtime, device, inode and ctime are
 * the same. */
bool tree_item_unchanged(const struct tree_item *item, const struct stat *now);

void tree_release(struct tree *tree);
void tree_guard(struct tree *tree);

#endif
