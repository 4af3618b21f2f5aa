/* A finished frame on its way from the worker that made it, through the window, to the writer.
 *
 *     packed_new ──▶ filled by a worker ──▶ window ──▶ writer ──▶ packed_free ──▶ (a spare for the next packed_new)
 *
 * Frames are handed from thread to thread and all of about one size: used again they cost no more memory than there are of
 * them at once, whereas an allocator keeps freed ones for each thread.
 * Threads: a frame has one owner at a time; the spares any.
 */
#ifndef ARCHIVE_PACKED_H
#define ARCHIVE_PACKED_H

#include <stdatomic.h>

#include "archive/frame.h"
#include "archive/tree.h"
#include "base/bytes.h"

struct sliced;
struct packed_spares;

struct packed_member {
    uint32_t item;     /* index in the tree */
    uint32_t original; /* of a link member: index in the tree, else TREE_NO_ORIGINAL */
    uint32_t target;   /* of a symlink: where its text begins in `targets` */
    bool host_code;
};

struct packed {
    struct packed_spares *spares; /* borrowed: where it goes when it is freed */
    struct packed
        *next;          /* owned: a further frame of the same task, written right behind this one */
    struct frame frame; /* `sliced` is set when the manifest's entry is made */
    struct bytes compressed;
    struct bytes members;  /* of a members frame: frame.members of struct packed_member */
    struct bytes targets;  /* texts of symlinks, each with its NUL */
    struct sliced *sliced; /* borrowed: header and slice frames */
    bool last;             /* slice: the file's last */
};

/* A frame kept by the spares may hold this much; a larger one is freed. */
enum { PACKED_SPARES = 64, PACKED_SPARE_SIZE = 2 * FRAME_TARGET_SIZE };

struct packed_spares {
    _Atomic(struct packed *) slots[PACKED_SPARES]; /* owned, NULL: empty */
};

/* An empty frame. */
MUST_CHECK enum b10_reason packed_new(struct packed **out, struct packed_spares *spares,
                                      struct b10_error *error);

/* Back to the spares, with everything that follows; NULL is fine. */
void packed_free(struct packed *packed);
void packed_guard(struct packed **packed);

const struct packed_member *packed_members(const struct packed *packed);

/* Frees the spares; no frame of theirs may be in use. */
void packed_spares_release(struct packed_spares *spares);

#endif
