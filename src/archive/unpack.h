/* Archive → staged trees: [ place ← untar ← decompress ← read ] × N.
 *
 *     directories and empty large files ──▶ runs of frames, any order ──▶ copies of large files
 *
 * Directories of the manifest are made first, and large files as one hole each, so that every frame
 * can be placed whenever it comes; zero slices stay holes. Frames with duplicates of large files
 * are remembered and decoded once more when all slices are down: that costs little (they hold
 * nothing but headers) and no list of deferred members that a hostile archive could make long.
 * Counts never exceed the manifest's totals, and in the end they are equal (CORRUPT otherwise);
 * they are those of the archive's own content, whatever a filter makes of it.
 */
#ifndef ARCHIVE_UNPACK_H
#define ARCHIVE_UNPACK_H

#include "archive/decode.h"
#include "archive/reader.h"
#include "base/bytes.h"
#include "base/cancel.h"
#include "base/progress.h"

/* unless the caller says otherwise: they hide the volume's latency, too */
enum { UNPACK_THREADS = 8 };

struct unpack_counts {
    uint64_t files; /* regular files and symlinks placed, duplicates included */
    uint64_t directories;
    uint64_t duplicates;
    uint64_t bytes; /* content placed */
};

/* Other content than the archive's for some files that are placed. Called by the workers, several at
 * once; a failure ends the unpacking. Large files themselves are left to the caller: they must stay
 * as they are until the last copy is made. */
struct unpack_filter {
    void *user;
    /* A small file, or a duplicate of one, before it is written: *changed if `out` (empty before)
     * is to be written in place of its content. */
    enum b10_reason (*content)(void *user, const struct decoded *member, struct bytes *out,
                               bool *changed, struct b10_error *error);
    /* A duplicate of a large file stands, complete, its time set: nobody else touches it now. */
    enum b10_reason (*copied)(void *user, const struct decoded *copy, struct b10_error *error);
};

/* root_fds[i] (borrowed) is the staged, empty directory for the manifest's root i, or -1: that
 * root's members are checked but not placed. filter may be NULL. threads 0 means UNPACK_THREADS.
 * progress may be NULL; its phase becomes "unpack". */
MUST_CHECK enum b10_reason unpack(const struct reader *reader, const int *root_fds,
                                  const struct unpack_filter *filter, unsigned threads,
                                  struct cancel *cancel, struct progress *progress,
                                  struct unpack_counts *counts, struct b10_error *error);

#endif
