/* One member of an archive, as every module of this folder passes it around, and the rules it must
 * keep.
 *
 * A member's path begins with its root's name: "inductor/ab/cabc.py". The rules are the format's
 * own, fixed, and hold whoever wrote the archive; breaking one is UNSAFE.
 */
#ifndef ARCHIVE_ENTRY_H
#define ARCHIVE_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum entry_type { ENTRY_FILE, ENTRY_DIRECTORY, ENTRY_SYMLINK, ENTRY_HARDLINK };

struct entry {
    enum entry_type type;
    bool executable;  /* files: the owner may execute it */
    const char *path; /* borrowed: root name, '/', path inside the root */
    /* borrowed: symlink text, or the path of a hard link's original (with its root); else NULL */
    const char *target;
    uint64_t size;   /* of a file's content; 0 otherwise */
    int64_t mtime_s; /* seconds since the epoch */
    uint32_t mtime_ns;
    /* borrowed: `size` bytes inside the frame, NULL in a header frame or if size is 0 */
    const void *content;
};

/* Path rules of path.h; first component a root name by entry_is_root_name; a symlink stays inside
 * its root; a hard link names a member of the same root; mtime_ns < 10^9. UNSAFE otherwise, the
 * message naming the member and `archive`. */
MUST_CHECK enum b10_reason entry_check(const struct entry *entry, const char *archive,
                                       struct b10_error *error);

/* 1 to 32 characters of [a-z0-9_], not beginning with a digit or '_'. */
bool entry_is_root_name(const char *name, size_t length);

/* A file of this name (last component) makes its directory one unit: Triton's group files name what
 * lies beside them, so nothing is added to a directory that is there already and holds one. */
bool entry_marks_unit(const char *name);

/* The path inside the root: behind the first '/'. */
const char *entry_inner_path(const char *path);

/* Bytes of a content rounded up to the tar block of 512. */
uint64_t entry_padded(uint64_t size);

/* Bytes that a file of this size, or a directory (0), takes on a disk with blocks of 4 KiB: whole
 * ones, at least one. */
uint64_t entry_on_disk(uint64_t size);

#endif
