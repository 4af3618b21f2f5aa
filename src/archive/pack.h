/* Tree → frames: [ read, tar, compress ] × N → window → writer.
 *
 * Files that change or vanish while they are read, and torn ones, are left out and counted. A large file found changed when
 * some of its slices are written already is completed with zeros and marked void. Equality of duplicates is decided
 * here, against the bytes as packed.
 */
#ifndef ARCHIVE_PACK_H
#define ARCHIVE_PACK_H

#include "archive/tree.h"
#include "archive/writer.h"
#include "base/cancel.h"
#include "base/progress.h"

struct pack_counts {
    uint64_t left_out_changed;
    uint64_t left_out_torn;
    uint64_t left_out_unsafe;
};

/* Packs every item of `tree` into `writer` (whose manifest has its roots set, without directories). `tree` keeps its roots
 * open. Adds up counts. */
MUST_CHECK enum b10_reason pack(struct tree *tree, struct writer *writer, struct manifest *manifest, int level,
                                unsigned threads, struct cancel *cancel, struct progress *progress,
                                struct pack_counts *counts, struct b10_error *error);

#endif
