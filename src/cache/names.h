/* The shared directory and the names in it.
 *
 *     KEY.v1.tar.zst            the archive
 *     .KEY.<32 hex>.tmp         being written
 *     .KEY.<32 hex>.bad         set aside because it was damaged; one per key is kept
 *
 * Everything is relative to one descriptor of the directory, opened once per operation.
 * Threads: any.
 */
#ifndef CACHE_NAMES_H
#define CACHE_NAMES_H

#include <sys/stat.h>

#include "archive/reader.h"
#include "cache/config.h"
#include "env/key.h"

enum { NAMES_SIZE = 256 };

/* KEY.v1.tar.zst */
void names_archive(char name[NAMES_SIZE], const char *key);

/* Parses an archive's file name; false if it is not one. */
bool names_parse(const char *name, char key[B10_KEY_SIZE]);

struct volume {
    int dirfd;                 /* owned, -1 when closed */
    char path[4096];           /* as configured */
    struct stat stat;          /* identity at open */
    struct progress *progress; /* borrowed: of the operation; NULL: none */
};

#define VOLUME_CLOSED                                                                              \
    {                                                                                              \
        .dirfd = -1                                                                                \
    }

/* Opens B10FS_CACHE_DIR; `progress` (borrowed, NULL allowed) is that of the operation. create: its last component is made if its parent exists. ABSENT when it
 * (or, with create, its parent) does not exist; CONFIG when it resolves to inside the local
 * directory or around it. */
MUST_CHECK enum b10_reason volume_open(struct volume *volume, const struct settings *settings,
                                       bool create, struct progress *progress,
                                       struct b10_error *error);

/* Opens the directory by name again: IO unless it is still the same one (a volume that was
 * unmounted meanwhile would leave a file on the container's own disk). */
MUST_CHECK enum b10_reason volume_confirm(const struct volume *volume, struct b10_error *error);

void volume_close(struct volume *volume);
void volume_guard(struct volume *volume);

/* Opens the archive of `key`. ABSENT if there is none. */
MUST_CHECK enum b10_reason names_open_archive(struct reader *reader, const struct volume *volume,
                                              const char *key, struct b10_error *error);

/* Renames a damaged archive to `.KEY.<token>.bad` if it is still the file judged (device and inode
 * of `judged`); another file that turns out to have been renamed is put back. Removes older .bad
 * files of the key. *done false when it was another file or the volume is read-only (no error). */
MUST_CHECK enum b10_reason names_set_aside(const struct volume *volume, const char *key,
                                           const struct stat *judged, bool *done,
                                           struct b10_error *error);

#endif
