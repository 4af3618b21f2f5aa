/* What this host has compiled that the stored cache lacks: whether the cache was effective.
 *
 * Compared by names, as a merge would (archive/missing.h): what a save in mode `merge` would add.
 * Threads: any.
 */
#ifndef CACHE_DIFF_H
#define CACHE_DIFF_H

#include "base/log.h"
#include "base/progress.h"
#include "settings/config.h"

/* `archive`: path of the one to compare with; NULL or "": this environment's, the first one of the search path.
 * *list is one block. Without an archive everything is new. NOTHING_LOCAL, NO_KEY; CORRUPT, IO, …: there is
 * one and it cannot be read. */
MUST_CHECK enum b10_reason diff_cache(const struct settings *settings, const char *archive,
                                      struct b10_diff_list **list, struct log *log,
                                      struct progress *progress, struct b10_error *error);

#endif
