/* What has come out of an archive so far, against what its manifest announces: never more, and in
 * the end exactly that.
 *
 * Threads: any.
 */
#ifndef ARCHIVE_TALLY_H
#define ARCHIVE_TALLY_H

#include <stdatomic.h>

#include "archive/decode.h"

struct tally {
    _Atomic uint64_t files;
    _Atomic uint64_t symlinks;
    _Atomic uint64_t directories;
    _Atomic uint64_t duplicates;
    _Atomic uint64_t bytes;
    _Atomic uint64_t disk_bytes;
};

#define TALLY_EMPTY                                                                                \
    {                                                                                              \
        0                                                                                          \
    }

/* Counts a member (a void one counts nothing). CORRUPT as soon as the manifest's totals are
 * exceeded, before anything is written for it. */
MUST_CHECK enum b10_reason tally_add(struct tally *tally, const struct reader *reader,
                                     const struct decoded *decoded, struct b10_error *error);

/* CORRUPT unless everything announced has come. */
MUST_CHECK enum b10_reason tally_complete(const struct tally *tally, const struct reader *reader,
                                          struct b10_error *error);

#endif
