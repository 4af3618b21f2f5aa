/* What a lock file says: text of fixed width, so that the heartbeat overwrites its counter in place.
 *
 *     b10transfer lock 1
 *     token 5b1c…                      32 hexadecimal digits, of one acquisition
 *     host replica-7                   for people; 64 wide
 *     boot 0d9c6f2e-…                  36 wide
 *     pid 00000000000000004711
 *     pid-namespace 00000000004026531836
 *     start 00000000000001234567       ticks since boot
 *     counter 00000000000000000042     goes up while the holder lives
 *
 * Threads: any.
 */
#ifndef FS_LOCK_TEXT_H
#define FS_LOCK_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "fs/process.h"

enum {
    LOCK_COUNTER_SIZE = 20,
    LOCK_TEXT_SIZE = 286,
    LOCK_COUNTER_OFFSET = LOCK_TEXT_SIZE - LOCK_COUNTER_SIZE - 1
};

struct lock_text {
    char token[TOKEN_TEXT_SIZE];
    struct process holder;
    uint64_t counter;
};

/* LOCK_TEXT_SIZE bytes and NUL. */
void lock_text_format(char text[LOCK_TEXT_SIZE + 1], const struct lock_text *lock);

/* LOCK_COUNTER_SIZE digits and NUL: what belongs at LOCK_COUNTER_OFFSET. */
void lock_text_counter(char text[LOCK_COUNTER_SIZE + 1], uint64_t counter);

/* Strict: true only for what lock_text_format writes, byte for byte. */
bool lock_text_parse(struct lock_text *lock, const void *data, size_t size);

#endif
