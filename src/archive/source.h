/* Local files as a save reads them: opened below their root, and only while they are still what was
 * scanned.
 *
 *     source_open ──▶ source_read … ──▶ source_unchanged ──▶ close
 *
 * A file that vanished, may not be read or is another one now is no failure: the functions say so
 * and the save goes on without it. Failures are this process's own (descriptors, memory) and a disk
 * that cannot read (IO).
 * Threads: one source per worker.
 */
#ifndef ARCHIVE_SOURCE_H
#define ARCHIVE_SOURCE_H

#include "archive/tree.h"
#include "fs/beneath.h"

struct source {
    const struct tree *tree;        /* borrowed */
    struct beneath_cache directory; /* of the item opened last */
    uint16_t root;                  /* that item's */
    char path[PATH_LIMIT + 1];      /* that item's */
};

void source_init(struct source *source, const struct tree *tree);
void source_release(struct source *source);

/* *fd is the caller's; -1 when the file is not any more what was scanned. */
MUST_CHECK enum b10_reason source_open(struct source *source, const struct tree_item *item, int *fd,
                                       struct b10_error *error);

/* Reads exactly `size` bytes at `offset`. *whole false when the file ends before. */
MUST_CHECK enum b10_reason source_read(const struct tree *tree, const struct tree_item *item,
                                       int fd, uint64_t offset, void *buffer, size_t size,
                                       bool *whole, struct b10_error *error);

/* The open file is the one that was scanned, untouched since. To be asked after the last byte was
 * read. */
bool source_unchanged(const struct tree_item *item, int fd);

/* The range of the item's file holds these bytes, and the file is what was scanned. `buffer` of
 * SOURCE_PIECE bytes is scratch memory. */
enum { SOURCE_PIECE = 128 << 10 };
MUST_CHECK enum b10_reason source_equals(struct source *source, const struct tree_item *item,
                                         uint64_t offset, const void *expected, size_t size,
                                         unsigned char *buffer, bool *equal,
                                         struct b10_error *error);

/* The symlink's text as an archive holds it, in `text` (PATH_LIMIT + 1 bytes): relative, inside its
 * root. An absolute target inside the root becomes relative. *state says what else it is. */
enum source_link { SOURCE_LINK_KEPT, SOURCE_LINK_CHANGED, SOURCE_LINK_UNSAFE };
MUST_CHECK enum b10_reason source_link(struct source *source, const struct tree_item *item,
                                       char *text, enum source_link *state,
                                       struct b10_error *error);

#endif
