/* Takes out of the local roots what a load put there and nobody has changed since.
 *
 *     index of the archive ──▶ local files with the same path, type, size and mtime to the nanosecond
 *       ──▶ topmost directories that hold nothing else, and single files, each renamed into a holder
 *           beside its root ──▶ holder removed
 *
 * So whole entries disappear at once, and what the server wrote itself stays. A main root that holds
 * nothing else goes as one. Of a duplicate the index does not tell the size, and of files that
 * a load may rewrite it is another one: for them path and time must do.
 *
 * Several archives may have been loaded: the exact one of every directory of the search path counts;
 * similar ones only when none of those is here.
 * Threads: any.
 */
#ifndef CACHE_UNLOAD_H
#define CACHE_UNLOAD_H

#include "base/log.h"
#include "base/progress.h"
#include "settings/config.h"

/* ABSENT: there is no archive; NOTHING_LOCAL: nothing of it is here. report: files, content_bytes,
 * and the archive that they came from. */
MUST_CHECK enum b10_reason unload_cache(const struct settings *settings, struct log *log,
                                        struct progress *progress, struct b10_report *report,
                                        struct b10_error *error);

#endif
