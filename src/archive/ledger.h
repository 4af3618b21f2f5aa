/* The books of a save: what the manifest and the index say about the members that were written.
 *
 * Members come in the archive's order, which for directories is the tree's: parents first, sorted
 * by components, as the manifest lists them; they go behind what it lists already.
 * Threads: one at a time (the window sees to it).
 */
#ifndef ARCHIVE_LEDGER_H
#define ARCHIVE_LEDGER_H

#include "archive/packed.h"
#include "archive/writer.h"

struct ledger {
    const struct tree *tree;   /* borrowed */
    struct writer *writer;     /* borrowed */
    struct manifest *manifest; /* borrowed */
    const uint32_t *roots;     /* borrowed: of the tree's roots, their indices in the manifest */
    char path[PATH_LIMIT + 1]; /* of the member at hand */
    char original[PATH_LIMIT + 1];
};

/* Index line, totals and, for a directory, its root's list. `frame` holds the member's header. */
MUST_CHECK enum b10_reason ledger_member(struct ledger *ledger, const struct packed_member *member,
                                         const char *target, size_t frame, struct b10_error *error);

/* A sliced member's place in the manifest; *index is its number. */
MUST_CHECK enum b10_reason ledger_sliced(struct ledger *ledger, uint32_t item, uint32_t *index,
                                         struct b10_error *error);

/* A sliced member that changed while it was read: marked in manifest and index, in no total. */
MUST_CHECK enum b10_reason ledger_void(struct ledger *ledger, uint32_t item, uint32_t index,
                                       size_t frame, struct b10_error *error);

#endif
