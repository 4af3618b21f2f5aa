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

/* A floor checked now and then while something is written. */
struct space_watch {
    int fd;           /* borrowed */
    const char *name; /* borrowed */
    uint64_t floor_bytes;
    uint64_t last_ns; /* of the last look */
};
enum { SPACE_WATCH_INTERVAL_MS = 250 };

/* Looks if SPACE_WATCH_INTERVAL_MS have passed since the last look: NO_SPACE when free bytes fell
 * below the floor or no inode is left. Cheap otherwise. */
MUST_CHECK enum b10_reason space_watch_check(struct space_watch *watch, struct b10_error *error);

#endif
