/* This host's word that an archive makes its server die (suspect.h): found by its token, marked where
 * it lies.
 *
 * Threads: any.
 */
#ifndef CACHE_ACCUSE_H
#define CACHE_ACCUSE_H

#include "base/log.h"
#include "base/progress.h"
#include "settings/config.h"

/* ABSENT: no archive that a load here may take has that token any more, or came from the one that had by
 * merging; CONFIG: it is no token. Else
 * why the mark could not be left. */
MUST_CHECK enum b10_reason accuse_archive(const struct settings *settings, const char *token,
                                          struct log *log, struct progress *progress,
                                          struct b10_error *error);

#endif
