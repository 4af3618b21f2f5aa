/* One worker of pack: reads what a batch names and makes the frame of it.
 *
 * What changed, is torn or may be in no archive is left out of the frame and counted. A duplicate
 * becomes a link only if it equals, byte for byte, what stands in the same frame; where its
 * original had to be left out it takes its place. One that does not equal it is stored itself,
 * behind the links, because a link follows its original at once.
 * Threads: one packer per worker.
 */
#ifndef ARCHIVE_PACKER_H
#define ARCHIVE_PACKER_H

#include "archive/filler.h"
#include "archive/sliced.h"
#include "archive/source.h"
#include "base/progress.h"

struct pack_counts {
    uint64_t left_out_changed;
    uint64_t left_out_torn;
    uint64_t left_out_unsafe;
};

struct packer {
    const struct tree *tree;   /* borrowed */
    struct progress *progress; /* borrowed, may be NULL */
    struct filler filler;
    struct source files;
    /* a source of their own: they lie in other directories than their originals */
    struct source duplicates;
    struct pack_counts counts;
    uint32_t original;     /* what duplicates are compared with, TREE_NO_ORIGINAL if nothing */
    size_t original_start; /* where its content begins in the frame */
    struct packed **end;   /* where the task's next frame goes */
    unsigned char buffer[SOURCE_PIECE];
};

MUST_CHECK enum b10_reason packer_init(struct packer *packer, const struct tree *tree,
                                       struct packed_spares *spares, int level,
                                       struct progress *progress, struct b10_error *error);
void packer_release(struct packer *packer);

/* *out is NULL when every member was left out; seldom more than one frame (packed.h: next).
 * Reorders the batch's members. */
MUST_CHECK enum b10_reason packer_members(struct packer *packer, struct batch *batch,
                                          struct packed **out, struct b10_error *error);

/* The header frame of a large file, and one of its slices. */
MUST_CHECK enum b10_reason packer_header(struct packer *packer, struct sliced *sliced,
                                         struct packed **out, struct b10_error *error);
MUST_CHECK enum b10_reason packer_slice(struct packer *packer, struct sliced *sliced,
                                        const struct batch *batch, struct packed **out,
                                        struct b10_error *error);

#endif
