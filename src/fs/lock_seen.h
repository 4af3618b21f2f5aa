/* A lock file as one look saw it, and what may be done about it: whatever stands under the name.
 *
 *     look ──▶ compare with an earlier look ──▶ remove      only if it is still what was judged
 *
 * What stands there may be anything. It is never followed, never waited for, and of a file only the
 * first bytes are read: a FIFO, a device, a directory, a symlink or a text that is no lock is a lock
 * whose content cannot be read, and is known by its device, inode, ctime and bytes.
 * Threads: any.
 */
#ifndef FS_LOCK_SEEN_H
#define FS_LOCK_SEEN_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/error.h"
#include "fs/lock_text.h"

#define LOCK_SUFFIX     ".lock"     /* .KEY.lock              the lock */
#define LOCK_NEW_SUFFIX ".lock-new" /* .KEY.<32 hex>.lock-new about to be linked to that name */
#define LOCK_OLD_SUFFIX ".lock-old" /* .KEY.<32 hex>.lock-old taken from that name, to be removed */

enum { LOCK_NAME_SIZE = 256 };

struct lock_seen {
    bool exists;
    bool is_readable;      /* text is valid: a lock as we write it */
    struct lock_text text; /* if readable */
    struct stat stat;
    size_t size;                             /* of what was read */
    unsigned char bytes[LOCK_TEXT_SIZE + 1]; /* what it begins with */
};

/* `.STEM<suffix>`, or `.STEM.<token><suffix>` with a token. IO if that is too long for a name. */
MUST_CHECK enum b10_reason lock_name(char name[LOCK_NAME_SIZE], const char *stem, const char *token,
                                     const char *suffix, struct b10_error *error);

/* Opens the name afresh and reads. Absent is no error. keep (NULL allowed): a readable lock is
 * opened for writing, too, and its descriptor handed over; -1 else. */
MUST_CHECK enum b10_reason lock_seen_look(struct lock_seen *seen, int dirfd, const char *name,
                                          int *keep, struct b10_error *error);

/* Nothing has happened between the two looks: same token and counter, or the same unreadable
 * thing. */
bool lock_seen_unchanged(const struct lock_seen *before, const struct lock_seen *now);

/* Its holder ran where `self` runs, and is dead. */
bool lock_seen_is_dead(const struct lock_seen *seen, const struct process *self);

/* Removes `.STEM.lock` if it is what was judged, so that of many who try each lock is removed by one
 * and nobody's live lock is lost (docs/locking.md has the race step by step). *removed false: it is
 * another one, or gone. An empty directory in its place is removed, another is left under its new
 * name. DENIED where the volume lets nobody else's file be renamed. */
MUST_CHECK enum b10_reason lock_seen_remove(int dirfd, const char *stem,
                                            const struct lock_seen *judged, bool *removed,
                                            struct b10_error *error);

/* The same for what was looked at a moment ago: without that last look. */
MUST_CHECK enum b10_reason lock_seen_take(int dirfd, const char *stem,
                                          const struct lock_seen *judged, bool *removed,
                                          struct b10_error *error);

/* Unlinks a name of ours: a passing fault must not leave it there. False: it stays. */
bool lock_remove_name(int dirfd, const char *name, int flags);

#endif
