/* Looking without touching: info, list, verify. */
#ifndef CACHE_INSPECT_H
#define CACHE_INSPECT_H

#include "base/log.h"
#include "base/progress.h"
#include "settings/config.h"

/* OK also with the volume absent, disabled or failing (then the fields about it stay empty). */
MUST_CHECK enum b10_reason inspect_info(const struct settings *settings, struct log *log,
                                        struct b10_cache_info *info, struct progress *progress,
                                        struct b10_error *error);

/* *list is one block, newest first (by modification time, then name). */
MUST_CHECK enum b10_reason inspect_list(const struct settings *settings,
                                        struct b10_cache_list **list, struct progress *progress,
                                        struct b10_error *error);

/* `archive`: a path or a key, see b10_verify. *result is filled as far as it is known. */
MUST_CHECK enum b10_reason inspect_verify(const struct settings *settings, const char *archive,
                                          struct log *log, struct progress *progress,
                                          struct b10_verify_report *result,
                                          struct b10_error *error);

#endif
