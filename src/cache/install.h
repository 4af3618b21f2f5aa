/* A staged directory takes its place: by one rename, or entry by entry; never over an existing
 * name.
 *
 *     rename onto the absent or empty destination ──▶ done
 *              │ ENOTEMPTY, EEXIST (xfs), EBUSY (mount point), EXDEV (overlay lower layer),
 *              │ EACCES or EPERM (it is ours to fill, but the directory around it is not ours)
 *              ▼
 *     marker .b10transfer.partial, flock'ed ──▶ the topmost absent directories and single
 *              files, each by one rename ──▶ marker removed
 *
 * Entry by entry: a directory absent at the destination moves whole; present on both sides it is
 * entered, unless it holds a `__grp__*.json` on either side: that is one unit, and stays as it is
 * here. A process that dies on the way leaves whole entries and the marker, unlocked; the next load
 * that can lock it adds what is missing. The same holds for an operation that must stop on the way.
 * Threads: any; two at once into one destination are safe (whoever comes second finds the names
 * taken).
 */
#ifndef CACHE_INSTALL_H
#define CACHE_INSTALL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/progress.h"

struct install {
    struct progress *progress; /* borrowed; NULL: nothing stops it */
    uint64_t existing;         /* entries left out because the name existed */
    uint64_t entries;          /* renames made; 1 for a whole tree */
};

/* Moves directory `staged` (name in staged_dir) to the absolute path `destination`, whose parent
 * exists. */
MUST_CHECK enum b10_reason install_tree(int staged_dir, const char *staged, const char *destination,
                                        struct install *install, struct b10_error *error);

/* What the destination's marker says. */
enum install_marker { INSTALL_NO_MARKER, INSTALL_MARKER_DEAD, INSTALL_MARKER_HELD };
MUST_CHECK enum b10_reason install_marker_state(const char *destination, enum install_marker *state,
                                                struct b10_error *error);

#endif
