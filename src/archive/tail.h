/* The end of an archive: seek table, manifest and the frames' places, checked against each other.
 *
 *     … data frames | index | manifest | (signature) | seek table      ◀── read from here, 128 KiB at once
 *
 * What holds after tail_read: the rows of the seek table and the table itself sum up to the file's
 * size; there is a row for each data frame of the manifest with exactly its sizes, then one for the
 * index, one for the manifest, at most one for a signature, and nothing else; the skippable headers
 * are byte for byte what a writer makes of those sizes; the manifest's digest is right. So every
 * byte of the file belongs to a frame whose size and kind are known.
 * Threads: any.
 */
#ifndef ARCHIVE_TAIL_H
#define ARCHIVE_TAIL_H

#include "archive/manifest.h"

enum {
    TAIL_SIZE = 128 << 10, /* of the first read */
    /* bytes of the manifest's frame: what zstd can make of it */
    TAIL_MANIFEST_LIMIT = MANIFEST_LIMIT + (1 << 20),
    TAIL_SIGNATURE_LIMIT = 64 << 10, /* bytes of a signature's frame */
};

/* Reads and checks the tail of the file `fd` of `file_size` bytes. *manifest (empty before) is the
 * caller's, also when the reason is FORMAT; *offsets, to be freed, holds where each data frame
 * begins and, last, where the index does. */
MUST_CHECK enum b10_reason tail_read(int fd, uint64_t file_size, const char *name,
                                     struct manifest *manifest, uint64_t **offsets,
                                     struct b10_error *error);

#endif
