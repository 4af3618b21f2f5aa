/* Directories: making them, reading them in order, removing what is in them without following a link.
 *
 * Threads: any, on different directories.
 */
#ifndef FS_DIRS_H
#define FS_DIRS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* mkdir -p of an absolute path, 0777 under the umask; existing directories (also through symlinks) are fine.
 * *made (NULL allowed) counts the components created, so that dirs_unmake can undo it. */
MUST_CHECK enum b10_reason dirs_make_all(const char *path, size_t *made, struct b10_error *error);

/* Removes the last `made` components of path while they are empty directories; failures are ignored. */
void dirs_unmake(const char *path, size_t made);

/* Names in a directory, without `.` and `..`, sorted by bytes. */
struct dirs_names {
    char **names;         /* owned, each owned */
    unsigned char *types; /* owned; DT_* as readdir said, DT_UNKNOWN resolved by fstatat */
    size_t count;
};
MUST_CHECK enum b10_reason dirs_list(struct dirs_names *out, int dirfd, const char *name, struct b10_error *error);
void dirs_names_release(struct dirs_names *names);
void dirs_names_guard(struct dirs_names *names);

MUST_CHECK enum b10_reason dirs_is_empty(bool *empty, int dirfd, const char *name, struct b10_error *error);

/* Removes everything below `name` in dirfd and then `name` itself; a symlink is unlinked, never followed; what another
 * mounts in it is reported (EBUSY), not crossed. Absent is fine. Needs no recursion deeper than the limits of
 * the stack: depth is unbounded by using one descriptor and names relative to it. Directories without owner permissions
 * are made accessible first. */
MUST_CHECK enum b10_reason dirs_remove_tree(int dirfd, const char *name, struct b10_error *error);

/* Removes the contents of the open directory, entry by entry, keeping the directory. */
MUST_CHECK enum b10_reason dirs_remove_contents(int dirfd, const char *name, struct b10_error *error);

#endif
