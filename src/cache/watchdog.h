/* Is it still wise to go on? Watches over an operation that writes, on a thread of its own.
 *
 *     start ──▶ every 250 ms: free bytes and inodes where it writes, against the floor
 *               every beat_ms: the heartbeat of its lock (a save)            ──▶ stop
 *
 * What it finds trips the operation's stop sign (progress->stop) with reason and words: NO_SPACE,
 * or what the heartbeat says. Where no thread can be had nobody watches: then ENOSPC, EDQUOT and
 * the look before publishing decide.
 * Threads: start and stop one.
 */
#ifndef CACHE_WATCHDOG_H
#define CACHE_WATCHDOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/progress.h"

enum { WATCHDOG_INTERVAL_MS = 250 };

/* What is watched; all borrowed until stop. */
struct watchdog_ward {
    const int *fds; /* one on each file system that is written; -1: none */
    size_t fd_count;
    const char *name; /* of what lies there, for messages */
    uint64_t floor_bytes;
    /* NULL: no lock. Any reason but OK stops the operation */
    enum b10_reason (*beat)(void *user, struct b10_error *error);
    void *beat_user;
    unsigned beat_ms;
};

struct watchdog; /* opaque */

MUST_CHECK enum b10_reason watchdog_start(struct watchdog **out, const struct watchdog_ward *ward,
                                          struct log *log, struct progress *progress,
                                          struct b10_error *error);
void watchdog_stop(struct watchdog *watchdog); /* NULL is fine */
void watchdog_guard(struct watchdog **watchdog);

#endif
