/* Where local cache directories may lie: B10_LOCAL_PREFIXES, compared by whole components on
 * resolved paths.
 *
 * `any` (and the prefix "/") allows every directory but the system's own and a home itself.
 * Threads: read-only use from any number.
 */
#ifndef SETTINGS_ALLOWED_H
#define SETTINGS_ALLOWED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct allowed {
    char **prefixes; /* owned, each owned: resolved */
    size_t count;
    bool any;
};

#define ALLOWED_NONE                                                                               \
    {                                                                                              \
        .count = 0                                                                                 \
    }

/* Takes `prefix` (also on failure), a resolved path; "/" means any. */
MUST_CHECK enum b10_reason allowed_add(struct allowed *allowed, char *prefix,
                                       struct b10_error *error);

/* `path` (resolved) is strictly below a prefix, or `any` allows it. homes: resolved home
 * directories, NULL where there is none. */
bool allowed_contains(const struct allowed *allowed, const char *path, const char *const *homes,
                      size_t home_count);

void allowed_release(struct allowed *allowed);
void allowed_guard(struct allowed *allowed);

#endif
