/* Directories: making them, reading them in order, removing what is in them without following a
 * link.
 *
 * Threads: any, on different directories.
 */
#ifndef FS_DIRS_H
#define FS_DIRS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/progress.h"

/* mkdir -p of an absolute path, 0777 under the umask; existing directories (also through symlinks)
 * are fine. *made (NULL allowed) counts the last components of path that were created, so that
 * dirs_unmake can undo it. After a failure nothing that was made is left. */
MUST_CHECK enum b10_reason dirs_make_all(const char *path, size_t *made, struct b10_error *error);

/* Removes the last `made` components of path while they are empty directories; failures are
 * ignored. */
void dirs_unmake(const char *path, size_t made);

/* Names in a directory, without `.` and `..`, sorted by bytes. One that was removed since it was
 * opened, as by a rename onto it, has none. */
struct dirs_names {
    char **names;         /* owned, each owned */
    unsigned char *types; /* owned; DT_* as readdir said */
    size_t count;
};

/* DT_UNKNOWN is resolved by fstatat; what vanished meanwhile is left out. dirfd may be O_PATH; its
 * position is not used. */
MUST_CHECK enum b10_reason dirs_list(struct dirs_names *out, int dirfd, const char *name,
                                     struct b10_error *error);

/* For callers that stat every entry anyway: reads from `fd` itself, types stay as readdir said. */
MUST_CHECK enum b10_reason dirs_read(struct dirs_names *out, int fd, const char *name,
                                     struct b10_error *error);
void dirs_names_release(struct dirs_names *names);
void dirs_names_guard(struct dirs_names *names);

MUST_CHECK enum b10_reason dirs_is_empty(bool *empty, int dirfd, const char *name,
                                         struct b10_error *error);

/* Removes everything below `name` in dirfd (which may be AT_FDCWD, `name` a path) and then `name`
 * itself; a symlink is unlinked, never followed; what another mounts in it is reported (EBUSY), not
 * crossed. Absent is fine. What can be removed is removed, also after a failure; the first failure
 * is returned. Depth is limited by memory only: no recursion, and a descriptor per level only for
 * the first few. Directories without owner permissions are made accessible first. `progress` (NULL
 * allowed) is only told that something moves: a removal is not stopped half-way. */
MUST_CHECK enum b10_reason dirs_remove_tree(int dirfd, const char *name, struct progress *progress,
                                            struct b10_error *error);

/* Removes the contents of the open directory, entry by entry, in the same way, keeping the
 * directory. */
MUST_CHECK enum b10_reason dirs_remove_contents(int dirfd, const char *name,
                                                struct progress *progress, struct b10_error *error);

#endif
