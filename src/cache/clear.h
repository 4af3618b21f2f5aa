/* Removes the contents of the main root: renamed aside, then deleted, with an empty directory in its
 * place; a mount point entry by entry. Never follows a link out; refuses `/`, a temporary directory
 * itself and a home directory (CONFIG). Absent is fine.
 */
#ifndef CACHE_CLEAR_H
#define CACHE_CLEAR_H

#include "base/log.h"
#include "base/progress.h"
#include "settings/config.h"

MUST_CHECK enum b10_reason clear_local(const struct settings *settings, struct log *log,
                                       struct progress *progress, struct b10_report *report,
                                       struct b10_error *error);

#endif
