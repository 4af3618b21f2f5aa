/* Opens below a directory that nothing, hostile names or links planted meanwhile, can leave.
 *
 * beneath_directory resolves *directories only*: openat2(RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS) where
 * the kernel and the process's filters allow it, else component by component with O_NOFOLLOW. The
 * leaf is then opened by the caller with O_NOFOLLOW (and O_EXCL when it creates). `..` and absolute
 * paths are refused here, because openat2 allows `d/../d`. EXDEV, ELOOP and ENOTDIR are UNSAFE,
 * never a reason to fall back; ENOENT is CORRUPT (a member without its directory). openat2 is
 * probed once per process with "/" (the probe's answer is one of three mutable globals).
 * Threads: any.
 */
#ifndef FS_BENEATH_H
#define FS_BENEATH_H

#include <stddef.h>

#include "base/error.h"

/* *out = O_PATH descriptor of the directory `path` below `root` ("" is the root itself), the
 * caller's. */
MUST_CHECK enum b10_reason beneath_directory(int *out, int root, const char *path,
                                             struct b10_error *error);

/* The directory of the last path asked for, kept open: neighbours in an archive share it. */
struct beneath_cache {
    int root;        /* borrowed */
    int fd;          /* owned, -1 if none */
    size_t length;   /* of path */
    char path[4097]; /* directory that fd is */
};

void beneath_cache_init(struct beneath_cache *cache, int root);
void beneath_cache_release(struct beneath_cache *cache);

/* Directory of `path` in *dirfd (borrowed, until the next call) and its last component in *leaf
 * (points into path). `path` must satisfy path_is_member(), else UNSAFE. */
MUST_CHECK enum b10_reason beneath_parent(struct beneath_cache *cache, const char *path, int *dirfd,
                                          const char **leaf, struct b10_error *error);

#endif
