/* One file copied under the watch of free space, into a temporary name beside its destination and
 * by rename. The final progress report is the caller's. */
#ifndef CACHE_TRANSFER_H
#define CACHE_TRANSFER_H

#include "base/log.h"
#include "base/progress.h"
#include "settings/config.h"

MUST_CHECK enum b10_reason transfer_file(const struct settings *settings, const char *source,
                                         const char *dest, struct log *log,
                                         struct progress *progress, struct b10_error *error);

#endif
