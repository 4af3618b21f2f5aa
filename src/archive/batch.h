/* Cuts a tree into frames: which members go together, which files are sliced, where duplicates
 * follow.
 *
 *     tree ──▶ [ members | header, slice, slice, … ] ──▶ pack
 *
 * Order is the tree's, except that duplicates follow their original at once. A members frame closes
 * before its content would exceed FRAME_TARGET_SIZE; files larger than that are sliced. Duplicates
 * of a small file go into the original's frame up to FRAME_LINKS_SIZE; what does not fit is an
 * original again, in the next frame. The header of a large file comes with the list of its
 * duplicates, which pack places behind the last slice. Deterministic: same tree, same frames.
 * Threads: one at a time (the pool's `next` is serialised).
 */
#ifndef ARCHIVE_BATCH_H
#define ARCHIVE_BATCH_H

#include "archive/frame.h"
#include "archive/tree.h"

struct batch_member {
    uint32_t item;  /* index in the tree */
    bool duplicate; /* of the nearest member before it that is none */
};

/* One frame to be made. */
struct batch {
    enum frame_kind kind;
    /* owned. Members: what the frame holds; header: the large file's duplicates */
    struct batch_member *members;
    size_t member_count;
    uint32_t item;   /* header, slice: the large file */
    uint64_t offset; /* slice */
    uint32_t length; /* slice: content bytes without padding */
    bool last;       /* slice: the file's last */
};

void batch_release(struct batch *batch);
void batch_guard(struct batch *batch);

struct batcher; /* opaque */
/* Of the tree's items that are not stored, or of the `count` ones in `list` (ascending; NULL: all). Both are borrowed
 * for the batcher's life. */
MUST_CHECK enum b10_reason batcher_new(struct batcher **out, const struct tree *tree,
                                       const uint32_t *list, size_t count, struct b10_error *error);
/* The next frame in *batch (release it). *more false at the end (no end frame: the writer makes
 * it). */
MUST_CHECK enum b10_reason batcher_next(struct batcher *batcher, struct batch *batch, bool *more,
                                        struct b10_error *error);
/* The large file just announced by a header batch is not to be packed: its slices are not made, and
 * the first of its duplicates becomes an original. To be called before the next batcher_next. */
void batcher_drop(struct batcher *batcher);
void batcher_free(struct batcher *batcher);
void batcher_guard(struct batcher **batcher);

#endif
