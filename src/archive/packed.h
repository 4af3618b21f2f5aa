/* A finished frame on its way from the worker that made it, through the window, to the writer.
 *
 * Threads: one owner at a time.
 */
#ifndef ARCHIVE_PACKED_H
#define ARCHIVE_PACKED_H

#include "archive/frame.h"
#include "archive/tree.h"
#include "base/bytes.h"

struct sliced;

struct packed_member {
    uint32_t item;     /* index in the tree */
    uint32_t original; /* of a link member: index in the tree, else TREE_NO_ORIGINAL */
    uint32_t target;   /* of a symlink: where its text begins in `targets` */
    bool host_code;
};

struct packed {
    /* owned: a further frame of the same task, written right behind this one */
    struct packed *next;
    struct frame frame; /* `sliced` is set when the manifest's entry is made */
    struct bytes compressed;
    struct packed_member *members; /* owned; of a members frame */
    size_t member_count;
    struct bytes targets;  /* texts of symlinks, each with its NUL */
    struct sliced *sliced; /* borrowed: header and slice frames */
    bool last;             /* slice: the file's last */
};

/* With everything that follows; NULL is fine. */
void packed_free(struct packed *packed);
void packed_guard(struct packed **packed);

#endif
