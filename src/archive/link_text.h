/* What an archive stores as the text of a symlink.
 *
 * A relative target that stays inside its root is stored as it is; an absolute one that leads into
 * its own root becomes relative, so that it holds wherever the root is restored; everything else
 * leaves the root.
 * Threads: any.
 */
#ifndef ARCHIVE_LINK_TEXT_H
#define ARCHIVE_LINK_TEXT_H

#include <stdbool.h>

#include "base/error.h"

/* `origin`: the root's resolved absolute path; `path`: the link's, relative to the root; `text`:
 * PATH_LIMIT + 1 bytes. *inside false: it leaves the root, `text` is undefined. */
MUST_CHECK enum b10_reason link_text(char *text, const char *origin, const char *path,
                                     const char *target, bool *inside, struct b10_error *error);

#endif
