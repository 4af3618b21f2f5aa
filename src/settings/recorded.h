/* What an archive records of the environment in which it was saved, beside the facts of its key:
 * variables that the servers' own cache keys may hold, and the path of the Python environment. It
 * decides nothing; b10_explain compares it.
 *
 *     recorded_take (each "NAME=value" of the process) … recorded_add ──▶ sorted list ──▶ manifest
 *
 * Values that may be secret, are long or are not printable are digests from here on: nothing else
 * of them is kept. Threads: one at a time.
 */
#ifndef SETTINGS_RECORDED_H
#define SETTINGS_RECORDED_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/fact.h"

struct recorded {
    struct fact *items; /* owned; sorted by name, at most MANIFEST_RECORDED_LIMIT */
    size_t count;
};

#define RECORDED_NONE                                                                              \
    {                                                                                              \
        .count = 0                                                                                 \
    }

/* Adds a variable of the environment, "NAME=value", if it is one that is recorded. */
MUST_CHECK enum b10_reason recorded_take(struct recorded *recorded, const char *variable,
                                         struct b10_error *error);

/* Adds a value under any name; a name that is there already stays as it is. Beyond the limit the
 * last ones by name are left out. */
MUST_CHECK enum b10_reason recorded_add(struct recorded *recorded, const char *name,
                                        const char *value, struct b10_error *error);

/* "NAME: 'a' there, 'b' here" ("none" where it is missing), a line for each that differs, sorted,
 * NUL-terminated. `there` is sorted; what this release does not record is passed over. A digest is
 * compared with the digest of the other value. */
MUST_CHECK enum b10_reason recorded_describe(const struct fact *there, size_t there_count,
                                             const struct recorded *here, struct bytes *lines,
                                             struct b10_error *error);

void recorded_release(struct recorded *recorded);
void recorded_guard(struct recorded *recorded);

#endif
