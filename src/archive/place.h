/* Members onto the disk, below one staged directory per root, in a way that nothing can lead
 * elsewhere.
 *
 * Directories are resolved by beneath.h; leaves are created with O_EXCL|O_NOFOLLOW and their final
 * mode under the umask (0666, or 0777 if executable); the modification time is set before close. A
 * name that exists already is UNSAFE (a duplicate member). Write errors are NO_SPACE or IO. Paths
 * are relative to the root.
 *
 *     small:  place_file                             one open, write, close
 *     large:  place_create ──▶ place_slice … ──▶ place_time      slices by any placer, in any order
 *
 * Threads: one placer per worker.
 */
#ifndef ARCHIVE_PLACE_H
#define ARCHIVE_PLACE_H

#include "archive/entry.h"
#include "base/cancel.h"
#include "fs/beneath.h"

struct placer {
    struct beneath_cache directory; /* of the staged root given at init */
    const char *archive;            /* borrowed, for messages */
};

/* `root` (borrowed) is the staged directory of the root; `archive` names where the members come
 * from. */
void placer_init(struct placer *placer, int root, const char *archive);
void placer_release(struct placer *placer);
void placer_guard(struct placer *placer);

/* A directory of the manifest: mkdir 0777 under the umask; parents come first. */
MUST_CHECK enum b10_reason place_directory(struct placer *placer, const char *path,
                                           struct b10_error *error);
/* A directory member met in a frame: it must exist already as a directory (CORRUPT otherwise). */
MUST_CHECK enum b10_reason place_known_directory(struct placer *placer, const char *path,
                                                 struct b10_error *error);

/* A file with these `size` bytes; mode and time from `entry`. */
MUST_CHECK enum b10_reason place_file(struct placer *placer, const char *path,
                                      const struct entry *entry, const void *content, uint64_t size,
                                      struct b10_error *error);
MUST_CHECK enum b10_reason place_symlink(struct placer *placer, const char *path,
                                         const struct entry *entry, struct b10_error *error);

/* A file of `size` bytes that is one hole. */
MUST_CHECK enum b10_reason place_create(struct placer *placer, const char *path, bool executable,
                                        uint64_t size, struct b10_error *error);
/* Bytes of a created file. */
MUST_CHECK enum b10_reason place_slice(struct placer *placer, const char *path, const void *data,
                                       size_t size, uint64_t offset, struct b10_error *error);
/* Its modification time, after the last byte. */
MUST_CHECK enum b10_reason place_time(struct placer *placer, const char *path, int64_t mtime_s,
                                      uint32_t mtime_ns, struct b10_error *error);

/* A copy of the file `from`, which is complete, of the same root; a reflink where the file system
 * has it. CANCELLED when the stop sign goes up. */
MUST_CHECK enum b10_reason place_copy(struct placer *placer, const char *path,
                                      const struct entry *entry, const char *from, uint64_t size,
                                      const struct cancel *cancel, struct b10_error *error);

#endif
