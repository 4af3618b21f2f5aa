/* The archives of the shared directory, by their names.
 * Threads: any.
 */
#ifndef CACHE_LISTING_H
#define CACHE_LISTING_H

#include <time.h>

#include "cache/names.h"

struct listed {
    struct timespec modified;
    struct b10_cache_entry entry;
};

/* Opens the shared directory into *volume (closed before; the caller's) and lists its archives,
 * newest first (by modification time, then name); *out is to be freed. `current`: this
 * environment's key. Without a shared directory there are none, and *volume stays closed. */
MUST_CHECK enum b10_reason listing_read(struct listed **out, size_t *count, struct volume *volume,
                                        const struct settings *settings, const char *current,
                                        struct progress *progress, struct b10_error *error);

/* The same for an open directory: only archives whose key begins with `prefix`; others are not
 * examined, and none is marked as this environment's. */
MUST_CHECK enum b10_reason listing_similar(struct listed **out, size_t *count,
                                           const struct volume *volume, const char *prefix,
                                           struct b10_error *error);

#endif
