/* Whether a manifest agrees with itself: everything manifest.h promises that needs no other part of
 * the file. */
#ifndef ARCHIVE_MANIFEST_CHECK_H
#define ARCHIVE_MANIFEST_CHECK_H

#include "archive/manifest.h"

enum {
    MANIFEST_ROOTS_LIMIT = 64,
    MANIFEST_FACTS_LIMIT = 256,
};

/* CORRUPT for what does not add up, UNSAFE for paths and limits. `name` names the archive. */
MUST_CHECK enum b10_reason manifest_check(const struct manifest *manifest, const char *name,
                                          struct b10_error *error);

#endif
