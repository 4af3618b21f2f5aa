/* save.c: the local tree becomes an archive on the volume, whole or not at all. */
#ifndef CACHE_SAVE_H
#define CACHE_SAVE_H

#include "base/log.h"
#include "base/progress.h"
#include "settings/config.h"

MUST_CHECK enum b10_reason save_cache(const struct settings *settings, struct log *log,
                                      struct progress *progress, struct b10_report *report,
                                      struct b10_error *error);

#endif
