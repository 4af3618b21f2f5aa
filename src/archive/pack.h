/* Tree → frames: [ read, tar, compress ] × N → window → writer.
 *
 *     batcher_next (one at a time) ──▶ packer (any worker) ──▶ window ──▶ writer_frame, writer_member (in order)
 *
 * Files that change or vanish while they are read, and torn ones, are left out and counted. A large
 * file found changed when some of its slices are written already is completed with zeros and marked
 * void. Equality of duplicates is decided here, against the bytes as packed. What became of a large
 * file is known when its last slice leaves the window: then its index line is written and the links
 * to it, in members frames right behind that slice. Duplicates that do not equal it after all are
 * packed by a further pass over just them, at the end. Modification times of directories are not
 * kept by a load and are stored as 0, so that the same files make the same bytes.
 * Threads: the caller's waits and ticks the progress (pool.h).
 */
#ifndef ARCHIVE_PACK_H
#define ARCHIVE_PACK_H

#include "archive/append.h"
#include "archive/packer.h"
#include "archive/writer.h"
#include "base/cancel.h"

/* Packs every item of `tree` that is not stored into `writer`, whose manifest names the tree's roots,
 * maybe among others: directories, sliced members and totals are added to what it has, after `before`
 * has ended (NULL: nothing comes before). `tree` keeps its
 * roots open; its `original`s may change. threads 0: one per processor. progress may be NULL. Adds
 * up counts (of pack_counts, packer.h). */
MUST_CHECK enum b10_reason pack(struct tree *tree, struct writer *writer, struct manifest *manifest,
                                struct append *before, int level, unsigned threads,
                                struct cancel *cancel, struct progress *progress,
                                struct pack_counts *counts, struct b10_error *error);

#endif
