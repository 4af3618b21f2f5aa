/* One saver's turn: the lock of its key, a place among MAX_CONCURRENT_SAVES, and order on the
 * volume.
 *
 *     take ──▶ (watchdog: beat, beat, …) ──▶ tidy ──▶ … ──▶ confirm ──▶ (publish) ──▶ release
 *      ├── another live saver holds the key ──▶ IN_PROGRESS
 *      └── that many savers of other keys are live, also after some tries ──▶ BUSY
 *
 * Where the volume allows no lock a save goes on without: it only saves work.
 * Threads: beat one, confirm another; the rest alone.
 */
#ifndef CACHE_TURN_H
#define CACHE_TURN_H

#include "cache/observed.h"
#include "cache/others.h"
#include "fs/lockfile.h"

struct turn {
    struct process self;
    struct observed observed; /* owned */
    struct others others;     /* owned */
    struct lockfile lock;     /* owned */
};

#define TURN_NONE                                                                                  \
    {                                                                                              \
        .observed = OBSERVED_NONE, .lock = LOCKFILE_NONE                                           \
    }

/* All borrowed as long as the turn is. May wait about CLEANUP_LOCK_TIMEOUT_SECONDS for a silent
 * holder of the key. The turn must not move afterwards. */
MUST_CHECK enum b10_reason turn_take(struct turn *turn, const struct volume *volume,
                                     const char *key, const struct settings *settings,
                                     struct log *log, struct b10_error *error);

/* Removes what dead savers left. */
MUST_CHECK enum b10_reason turn_tidy(struct turn *turn, struct b10_error *error);

/* The heartbeat, every turn_beat_ms; `user` is the struct turn. IN_PROGRESS when the lock is lost. */
unsigned turn_beat_ms(const struct turn *turn);
MUST_CHECK enum b10_reason turn_beat(void *user, struct b10_error *error);

/* The last look before publishing: IN_PROGRESS unless the lock is still ours. */
MUST_CHECK enum b10_reason turn_confirm(struct turn *turn, struct b10_error *error);

void turn_release(struct turn *turn);
void turn_guard(struct turn *turn);

#endif
