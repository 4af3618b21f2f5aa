/* How long this host has seen something stand still, across operations that are each too short to
 * tell.
 *
 *     read ──▶ unchanged_ms, unchanged_ms, … ──▶ write      each asks, and remembers what it asked about
 *
 * A file of this user in the temporary directory, of at most OBSERVED_MOST lines: since when (on
 * this boot's CLOCK_BOOTTIME) which state of which name on which volume has been seen. So the age of
 * what others left is known without comparing clocks of two hosts: it is what has passed here. A
 * state is known by what was written to it (name, size, times, content), not by its inode: many a
 * network volume gives a file a new one now and then, and our names do not come twice.
 *
 * Nothing depends on the file. If it cannot be read or written, is not ours or says something else,
 * it is as if everything had been seen for the first time: less is swept.
 * Threads: one at a time.
 */
#ifndef CACHE_OBSERVED_H
#define CACHE_OBSERVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/process.h"

#define OBSERVED_PREFIX ".b10transfer-observed-" /* and the user's number */

enum { OBSERVED_MOST = 1000, OBSERVED_VOLUME_SIZE = 17, OBSERVED_STATE_SIZE = 33 };

struct observation {
    uint64_t since_ms;
    char volume[OBSERVED_VOLUME_SIZE];
    char state[OBSERVED_STATE_SIZE];
    bool asked; /* in this operation */
};

struct observed {
    int dirfd; /* owned: the temporary directory; -1: nothing is remembered */
    char name[64];
    char boot[PROCESS_BOOT_SIZE];
    char volume[OBSERVED_VOLUME_SIZE];
    uint64_t now_ms;
    struct observation *all; /* owned: room for OBSERVED_MOST */
    size_t count;
    bool has_news; /* something was seen for the first time */
};

#define OBSERVED_NONE                                                                              \
    {                                                                                              \
        .dirfd = -1                                                                                \
    }

/* What earlier operations have seen. `volume_path` tells volumes apart. Cannot fail. */
void observed_read(struct observed *observed, const char *directory, const char *volume_path,
                   const struct process *self);

/* Since when `name` has been seen in this state: 0 the first time, and whenever that is unknown. */
uint64_t observed_unchanged_ms(struct observed *observed, const char *name, const void *state,
                               size_t size);

/* Keeps what is remembered, if there is any news. `complete`: everything on this volume was asked
 * about, so the rest of it is gone and forgotten. */
void observed_write(struct observed *observed, bool complete);

void observed_release(struct observed *observed);
void observed_guard(struct observed *observed);

#endif
