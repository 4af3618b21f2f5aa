/* One frame being filled: tar headers and contents one behind the other, then compressed and
 * digested.
 *
 *     filler_header ──▶ filler_room, filler_content ──▶ … ──▶ filler_close ──▶ struct packed
 *             └──────────────▶ filler_undo                     the member is not in the frame after all
 *
 * The buffers are kept from frame to frame. Threads: one filler per worker.
 */
#ifndef ARCHIVE_FILLER_H
#define ARCHIVE_FILLER_H

#include "archive/packed.h"
#include "archive/zstd_codec.h"
#include "fs/path.h"

struct filler {
    const struct tree *tree;      /* borrowed */
    struct packed_spares *spares; /* borrowed */
    struct zstd_encoder *encoder; /* owned */
    struct bytes content;         /* of the frame, uncompressed */
    struct bytes targets;         /* of its symlinks */
    struct bytes members;         /* of struct packed_member */
    size_t mark;                  /* content before the last header */
    size_t target_mark;           /* targets before it */
    char path[PATH_LIMIT + 64];
    char original[PATH_LIMIT + 64];
};

/* Frames are made of `spares` (borrowed, longer than the filler). */
MUST_CHECK enum b10_reason filler_init(struct filler *filler, const struct tree *tree,
                                       struct packed_spares *spares, int level,
                                       struct b10_error *error);
void filler_release(struct filler *filler);

/* An archive may hold a member of this item's path. */
bool filler_accepts(const struct tree *tree, uint32_t item);

/* Appends the header of `item`: a link to `original`, a symlink to `target`, or neither
 * (TREE_NO_ORIGINAL, NULL). *kept false: no archive may hold such a member; nothing was
 * appended. */
MUST_CHECK enum b10_reason filler_header(struct filler *filler, uint32_t item, uint32_t original,
                                         const char *target, bool *kept, struct b10_error *error);

/* Takes the member of the last filler_header back, its content included. */
void filler_undo(struct filler *filler);

/* Where `size` bytes of the last member's content go; filler_content then counts them and pads. */
MUST_CHECK enum b10_reason filler_room(struct filler *filler, size_t size, unsigned char **room,
                                       struct b10_error *error);
MUST_CHECK enum b10_reason filler_content(struct filler *filler, size_t size, bool pad,
                                          struct b10_error *error);

/* Marks the last member as host code. */
void filler_host_code(struct filler *filler);

/* The frame of this kind, its members with it; *out NULL when nothing was appended. The filler is
 * empty again. */
MUST_CHECK enum b10_reason filler_close(struct filler *filler, enum frame_kind kind,
                                        struct packed **out, struct b10_error *error);

#endif
