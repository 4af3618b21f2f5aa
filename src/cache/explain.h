/* Every archive of the search path against this environment: what a load takes, what keeps it
 * from the others, and what may leave a loaded one cold. Only tails are read.
 * Threads: any.
 */
#ifndef CACHE_EXPLAIN_H
#define CACHE_EXPLAIN_H

#include "base/log.h"
#include "base/progress.h"
#include "settings/config.h"

/* *list is one block, to be freed; see b10_explain. */
MUST_CHECK enum b10_reason explain_archives(const struct settings *settings,
                                            struct b10_comparison_list **list, struct log *log,
                                            struct progress *progress, struct b10_error *error);

#endif
