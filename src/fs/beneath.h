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
#include <stdint.h>

#include "base/error.h"

/* *out = O_PATH descriptor of the directory `path` below `root` ("" is the root itself), the
 * caller's. */
MUST_CHECK enum b10_reason beneath_directory(int *out, int root, const char *path,
                                             struct b10_error *error);

enum { BENEATH_KEPT = 8, BENEATH_KEPT_PATH = 512 };

/* The directories of the last paths asked for, kept open: neighbours in an archive share one, and a
 * file and its duplicates take turns with the same few. (Of 2,880 files of Triton kernels with 1,694
 * duplicates, 2,424 needed another directory than the one before.) */
struct beneath_cache {
    int root;       /* borrowed */
    uint64_t asked; /* counts the calls */
    struct {
        int fd;         /* owned, -1 if none */
        uint64_t asked; /* when last */
        size_t length;  /* of path */
        char path[BENEATH_KEPT_PATH];
    } kept[BENEATH_KEPT];
    int single; /* owned: a directory whose path is too long to be kept, -1 if none */
};

void beneath_cache_init(struct beneath_cache *cache, int root);
void beneath_cache_release(struct beneath_cache *cache);
void beneath_cache_guard(struct beneath_cache *cache);

/* Directory of `path` in *dirfd (borrowed, until the next call) and its last component in *leaf
 * (points into path). `path` must satisfy path_is_member(), else UNSAFE. */
MUST_CHECK enum b10_reason beneath_parent(struct beneath_cache *cache, const char *path, int *dirfd,
                                          const char **leaf, struct b10_error *error);

#endif
