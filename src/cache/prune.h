/* Removes archives from the shared directory, the oldest first, by rules: age, number, size in all.
 *
 *     list, newest first ──▶ choose ──▶ for each, oldest first: lock of its key ──▶ still the one listed?
 *       ──▶ unlinked, with its .bad and its marks ──▶ lock released
 *
 * Never that of this environment unless asked. A key that somebody saves is skipped. Who has an
 * archive open reads on; a load that comes later finds none.
 * Threads: any.
 */
#ifndef CACHE_PRUNE_H
#define CACHE_PRUNE_H

#include "base/log.h"
#include "base/progress.h"
#include "settings/config.h"

/* *list is one block, to be freed. A shared directory that does not exist holds none. */
MUST_CHECK enum b10_reason prune_archives(const struct settings *settings,
                                          const struct b10_prune_rules *rules,
                                          struct b10_prune_list **list, struct log *log,
                                          struct progress *progress, struct b10_error *error);

#endif
