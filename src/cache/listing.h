/* The archives of a shared directory, by their names.
 * Threads: any.
 */
#ifndef CACHE_LISTING_H
#define CACHE_LISTING_H

#include <time.h>

#include "cache/names.h"

struct listed {
    const struct volume *volume; /* borrowed: where it lies */
    struct timespec modified;
    struct b10_cache_entry entry;
};

/* Lists the archives of an open directory whose key begins with `prefix` ("": all), newest first (by
 * modification time, then name); others are not examined. Appended to *out (NULL before the first
 * time; to be freed), *count of which are there. `current`: this environment's key, "" to mark
 * none. */
MUST_CHECK enum b10_reason listing_read(struct listed **out, size_t *count,
                                        const struct volume *volume, const char *prefix,
                                        const char *current, struct b10_error *error);

#endif
