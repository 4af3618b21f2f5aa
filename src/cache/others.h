/* What other savers hold or left on the shared directory, as one listing of it shows it.
 *
 *     list, while our own lock is held ──▶ live_savers (MAX_CONCURRENT_SAVES) ──▶ sweep (sweep.h)
 *
 * Dead is a holder that ran here and does no more, or a lock that has not changed for
 * CLEANUP_LOCK_TIMEOUT_SECONDS as this host observed it. Everything else counts as live.
 * Threads: one at a time.
 */
#ifndef CACHE_OTHERS_H
#define CACHE_OTHERS_H

#include "cache/names.h"
#include "cache/observed.h"
#include "fs/dirs.h"
#include "fs/lockfile.h"

struct others {
    const struct volume *volume; /* borrowed, like all of these */
    const struct settings *settings;
    const char *key; /* whose savers are not "others" */
    const struct process *self;
    struct log *log;
    struct progress *progress;
    struct observed *observed;
    struct dirs_names names; /* owned: what is on the volume */
};

/* Reads the names afresh. */
MUST_CHECK enum b10_reason others_list(struct others *others, struct b10_error *error);
void others_release(struct others *others);
void others_guard(struct others *others);

/* Looks at the lock of `key`. */
MUST_CHECK enum b10_reason others_look_at_lock(struct others *others, const char *key,
                                               struct lock_seen *seen, bool *is_dead,
                                               struct b10_error *error);

/* *is_reached: at least `limit` savers of other keys are live. Locks are only looked at when there
 * are that many, and only until it is clear. */
MUST_CHECK enum b10_reason others_limit_reached(struct others *others, unsigned limit,
                                                bool *is_reached, struct b10_error *error);

#endif
