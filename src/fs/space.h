/* Free bytes and inodes of a file system, against a need and a floor.
 *
 * A statvfs that says 0 blocks (or 0 inodes) in all means unknown, not full: then only ENOSPC and
 * EDQUOT decide. For bytes f_bavail counts (what this user may still write).
 * Threads: any.
 */
#ifndef FS_SPACE_H
#define FS_SPACE_H

#include <stdint.h>

#include "base/error.h"

struct space {
    uint64_t free_bytes;  /* UINT64_MAX if unknown */
    uint64_t free_inodes; /* UINT64_MAX if unknown */
};

MUST_CHECK enum b10_reason space_read(struct space *space, int fd, const char *name,
                                      struct b10_error *error);

/* NO_SPACE, with all numbers in the message, unless need_bytes + floor_bytes and need_inodes are
 * free where fd lies. */
MUST_CHECK enum b10_reason space_require(int fd, const char *name, uint64_t need_bytes,
                                         uint64_t need_inodes, uint64_t floor_bytes,
                                         struct b10_error *error);

#endif
