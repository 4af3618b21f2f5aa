/* Cuts a tree into frames: which members go together, which files are sliced, where duplicates follow.
 *
 *     tree ──▶ [ members | header, slice, slice, … ] ──▶ pack
 *
 * Order is the tree's, except that duplicates follow their original at once. A members frame closes at FRAME_TARGET_SIZE
 * of content; files larger than that are sliced. Duplicates of a small file go into the original's frame up to
 * FRAME_LINKS_SIZE; what does not fit is an original again. Duplicates of a sliced file fill members frames of their own
 * right behind its last slice.
 * Deterministic: same tree, same frames. Threads: one at a time (the pool's `next` is serialised).
 */
#ifndef ARCHIVE_BATCH_H
#define ARCHIVE_BATCH_H

#include "archive/frame.h"
#include "archive/tree.h"

/* One frame to be made. */
struct batch {
    enum frame_kind kind;
    uint32_t *items;   /* members: owned by the batch; tree indices, duplicates right behind their original */
    size_t item_count;
    uint32_t item;     /* header, slice: the large file */
    uint64_t offset;   /* slice */
    uint32_t length;   /* slice: content bytes without padding */
    bool last;         /* slice: the file's last */
    bool links_only;   /* members: duplicates of the sliced file `item` */
};

void batch_release(struct batch *batch);

struct batcher; /* opaque */
/* `tree` is borrowed for the batcher's life. */
MUST_CHECK enum b10_reason batcher_new(struct batcher **out, const struct tree *tree, struct b10_error *error);
/* The next frame in *batch (release it). *more false at the end (no end frame: the writer makes it). */
MUST_CHECK enum b10_reason batcher_next(struct batcher *batcher, struct batch *batch, bool *more,
                                        struct b10_error *error);
/* The large file just announced by a header batch is not to be packed: its slices are not made. To be called before the
 * next batcher_next. Its duplicates become ordinary files again. */
void batcher_drop(struct batcher *batcher);
void batcher_free(struct batcher *batcher);
void batcher_guard(struct batcher **batcher);

#endif
