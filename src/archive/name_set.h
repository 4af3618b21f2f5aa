/* A set of member names, 8 bytes each: which names an archive has used already.
 *
 * Names are kept as the first 64 bits of their BLAKE2b. Two different names with the same bits
 * would make an intact archive look damaged; for a million names that happens once in 36 million
 * archives.
 * Threads: one at a time.
 */
#ifndef ARCHIVE_NAME_SET_H
#define ARCHIVE_NAME_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct name_set {
    uint64_t *slots; /* owned; 0 is free */
    size_t mask;     /* slots - 1 */
    size_t count;
    size_t capacity; /* names it was made for */
};

#define NAME_SET_EMPTY                                                                             \
    {                                                                                              \
        0                                                                                          \
    }

/* For at most `capacity` names. */
MUST_CHECK enum b10_reason name_set_init(struct name_set *set, size_t capacity,
                                         struct b10_error *error);

/* The name of `length` bytes in root `root`. False when it is there already, or the set is full. */
bool name_set_add(struct name_set *set, uint32_t root, const char *name, size_t length);
bool name_set_has(const struct name_set *set, uint32_t root, const char *name, size_t length);

void name_set_release(struct name_set *set);
void name_set_guard(struct name_set *set);

#endif
