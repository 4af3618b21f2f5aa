/* Members onto the disk, below one staged directory per root, in a way that nothing can lead elsewhere.
 *
 * Directories are resolved by beneath.h; leaves are created with O_EXCL|O_NOFOLLOW and their final mode under the umask
 * (0666, or 0777 if executable); the modification time is set before close. A name that exists already is UNSAFE (a
 * duplicate member). Write errors are NO_SPACE or IO.
 * Threads: one placer per worker.
 */
#ifndef ARCHIVE_PLACE_H
#define ARCHIVE_PLACE_H

#include "archive/entry.h"
#include "fs/beneath.h"

struct placer {
    struct beneath_cache directory; /* of the staged root given at init */
};

/* `root` (borrowed) is the staged directory of the root. */
void placer_init(struct placer *placer, int root);
void placer_release(struct placer *placer);

/* A directory of the manifest: mkdir 0777 under the umask; parents come first. UNSAFE if the name exists. */
MUST_CHECK enum b10_reason place_directory(struct placer *placer, const char *path, struct b10_error *error);
/* A directory member met in a frame: it must exist already as a directory (CORRUPT otherwise). */
MUST_CHECK enum b10_reason place_known_directory(struct placer *placer, const char *path, struct b10_error *error);

/* A file whose content is in memory: entry->content, or the original's content for a duplicate. `path` is relative to the
 * root. */
MUST_CHECK enum b10_reason place_file(struct placer *placer, const char *path, const struct entry *entry,
                                      const void *content, uint64_t size, struct b10_error *error);
MUST_CHECK enum b10_reason place_symlink(struct placer *placer, const char *path, const struct entry *entry,
                                         struct b10_error *error);

/* Creates an empty file of that size; *fd is the caller's, open for reading and writing. place_finish sets the
 * modification time and closes. */
MUST_CHECK enum b10_reason place_create(struct placer *placer, const char *path, bool executable, uint64_t size, int *fd,
                                        struct b10_error *error);
MUST_CHECK enum b10_reason place_finish(int *fd, const char *path, int64_t mtime_s, uint32_t mtime_ns,
                                        struct b10_error *error);

/* A copy of the file `from`, which is complete, of the same root. */
MUST_CHECK enum b10_reason place_copy(struct placer *placer, const char *path, const struct entry *entry,
                                      const char *from, uint64_t size, struct b10_error *error);

#endif
