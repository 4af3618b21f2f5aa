/* Archive → staged trees: [ place ← untar ← decompress ← read ] × N.
 *
 * Directories of the manifest are made first; then runs of frames in any order; then copies of sliced files. At the end the counts
 * must be the manifest's totals (CORRUPT otherwise), so that nothing is missing. Zero slices stay holes.
 */
#ifndef ARCHIVE_UNPACK_H
#define ARCHIVE_UNPACK_H

#include "archive/reader.h"
#include "base/cancel.h"
#include "base/progress.h"

struct unpack_counts {
    uint64_t files; /* regular files and symlinks placed, duplicates included */
    uint64_t directories;
    uint64_t duplicates;
    uint64_t bytes; /* content placed */
};

/* root_fds[i] (borrowed) is the staged, empty directory for the manifest's root i, or -1: that root's members are checked
 * but not placed. */
MUST_CHECK enum b10_reason unpack(const struct reader *reader, const int *root_fds, unsigned threads,
                                  struct cancel *cancel, struct progress *progress, struct unpack_counts *counts,
                                  struct b10_error *error);

#endif
