/* A shared directory, and the path of those that a load searches.
 *
 *     open ──▶ (everything relative to its one descriptor) ──▶ confirm: still the same? ──▶ close
 *
 * Threads: any.
 */
#ifndef CACHE_VOLUME_H
#define CACHE_VOLUME_H

#include <sys/stat.h>

#include "base/log.h"
#include "base/progress.h"
#include "settings/config.h"

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

/* The search path of a load: B10FS_CACHE_DIR, then B10_READ_DIRS. */
struct volumes {
    struct volume *items; /* owned, open */
    size_t count;
    struct b10_error failure; /* of B10FS_CACHE_DIR where it is there and cannot be used */
};

/* Those that can be used, at least one: ABSENT where none exists, else the first one's failure. One
 * that cannot be used is left out with a warning; CONFIG for one that overlaps a local directory. */
MUST_CHECK enum b10_reason volumes_open(struct volumes *volumes, const struct settings *settings,
                                        struct log *log, struct progress *progress,
                                        struct b10_error *error);
void volumes_close(struct volumes *volumes);
void volumes_guard(struct volumes *volumes);

/* Opens B10FS_CACHE_DIR; `progress` (borrowed, NULL allowed) is that of the operation. create: its last component is made if its parent exists. ABSENT when it
 * (or, with create, its parent) does not exist; CONFIG when it resolves to inside the local
 * directory or around it. */
MUST_CHECK enum b10_reason volume_open(struct volume *volume, const struct settings *settings,
                                       bool create, struct progress *progress,
                                       struct b10_error *error);

/* The same of the directory with that number in B10_READ_DIRS. */
MUST_CHECK enum b10_reason volume_open_further(struct volume *volume,
                                               const struct settings *settings, size_t number,
                                               struct progress *progress, struct b10_error *error);

/* Opens the directory by name again: IO unless it is still the same one (a volume that was
 * unmounted meanwhile would leave a file on the container's own disk). */
MUST_CHECK enum b10_reason volume_confirm(const struct volume *volume, struct b10_error *error);

/* ESTALE, or a file that seems damaged or gone while another host replaces it: clients keep names and
 * attributes for about a second. Waits a moment before the next look; false after VOLUME_LOOKS of
 * them, or when the operation must stop. */
enum { VOLUME_LOOKS = 5, VOLUME_MOMENT_MS = 300 };
bool volume_wait_a_moment(const struct volume *volume, unsigned *looks);

/* fstatat of a name in it, never following a link. 0 or an errno value; a stale name is looked at
 * again. */
int volume_look(const struct volume *volume, const char *name, struct stat *stat);

void volume_close(struct volume *volume);
void volume_guard(struct volume *volume);

#endif
