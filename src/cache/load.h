/* load.c: an archive on the volume becomes a tree on the local disk, all or nothing. */
#ifndef CACHE_LOAD_H
#define CACHE_LOAD_H

#include "base/log.h"
#include "base/progress.h"
#include "settings/config.h"

/* Reasons as in the contract of b10_load. `report` is complete (struct_size that of this
 * version). */
MUST_CHECK enum b10_reason load_cache(const struct settings *settings, struct log *log,
                                      struct progress *progress, struct b10_report *report,
                                      struct b10_error *error);

#endif
