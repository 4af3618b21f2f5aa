/* Who may do the work that one is enough for: a lock file that a dead holder never keeps.
 *
 *     acquire ──▶ beat, beat, … ──▶ still_ours ──▶ (publish) ──▶ release     removed
 *        │          └── another token under the name: lost, IN_PROGRESS ──▶ release     left alone
 *        └── another's lock: it beats, or is new: IN_PROGRESS at once
 *                            its holder ran here and is dead, or it stands still for the timeout:
 *                            removed (lock_seen.h), and competed for
 *
 * Only the text under the name decides who holds it, read afresh: return codes of network file
 * systems do not. Whoever waits counts on its own monotonic clock how long it saw the lock stand
 * still; clocks of two hosts are never compared. A beat writes into the file that was acquired,
 * never a new file under the name, so that a broken lock stays broken.
 *
 * It only saves work. A volume that allows no lock is worked on without (is_held false); and a
 * holder that stalls for longer than the timeout between still_ours and what it does then does it
 * beside its successor.
 * Threads: beat one, still_ours another; acquire and release alone.
 */
#ifndef FS_LOCKFILE_H
#define FS_LOCKFILE_H

#include <stdatomic.h>

#include "base/progress.h"
#include "fs/lock_seen.h"

struct lockfile {
    int dirfd;                   /* borrowed */
    int fd;                      /* owned: the file with our token; -1 while none is held */
    int refused;                 /* why the volume allows no lock: an errno value, else 0 */
    char stem[LOCK_NAME_SIZE];   /* what it is the lock of */
    char name[LOCK_NAME_SIZE];   /* .STEM.lock */
    char token[TOKEN_TEXT_SIZE]; /* of this acquisition */
    _Atomic uint64_t counter;    /* of the last beat */
    unsigned missing;            /* beats in a row that found nothing under the name */
    unsigned timeout_ms;         /* after which others take the holder for dead */
    bool is_confirmed;           /* the last still_ours found it, */
    uint64_t confirmed_ns;       /* by a look that began then */
};

#define LOCKFILE_NONE                                                                              \
    {                                                                                              \
        .dirfd = -1, .fd = -1                                                                      \
    }

/* Acquires `.STEM.lock` in dirfd (borrowed as long as it is held). Waits up to about timeout_ms for
 * another's lock to beat or to be stale, stepping `progress` after every look. OK: is_held, or this
 * volume allows no lock (refused says why). IN_PROGRESS: somebody else lives. */
MUST_CHECK enum b10_reason lockfile_acquire(struct lockfile *lock, int dirfd, const char *stem,
                                            const struct process *self, unsigned timeout_ms,
                                            struct progress *progress, struct b10_error *error);

bool lockfile_is_held(const struct lockfile *lock);

/* How often to beat, so that nobody who waits timeout_ms takes the holder for dead. */
unsigned lockfile_beat_ms(unsigned timeout_ms);

/* One heartbeat, then a look: IN_PROGRESS if another's lock stands under the name, or none at two
 * beats in a row (for a moment a lock may be in the hands of somebody who puts it back). What the
 * volume refuses is no loss. OK if none is held. */
MUST_CHECK enum b10_reason lockfile_beat(struct lockfile *lock, struct b10_error *error);

/* The last look before something others see: a beat, then IN_PROGRESS unless our own lock stands
 * there. The beat comes first, so that whoever took us for dead just before sees that it was wrong.
 * OK if none is held. */
MUST_CHECK enum b10_reason lockfile_still_ours(struct lockfile *lock, struct progress *progress,
                                               struct b10_error *error);

/* Removes the lock if it is still ours; harmless on LOCKFILE_NONE, also twice. */
void lockfile_release(struct lockfile *lock);
void lockfile_guard(struct lockfile *lock);

#endif
