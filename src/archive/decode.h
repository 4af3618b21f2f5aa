/* Frame bytes → members: digest, decompress, untar, with every rule of the format on the way. Used by unpack (which
 * places the members) and check (which compares them with the index).
 *
 * Threads: one decoder per worker.
 */
#ifndef ARCHIVE_DECODE_H
#define ARCHIVE_DECODE_H

#include "archive/entry.h"
#include "archive/reader.h"

struct decoder; /* opaque: decompressor, content buffer, tar reader */

MUST_CHECK enum b10_reason decoder_new(struct decoder **out, struct b10_error *error);
void decoder_free(struct decoder *decoder);
void decoder_guard(struct decoder **decoder);

/* Checks the digest of frame `index` (its compressed bytes at `data`) and decompresses it. For a slice *content and *size are
 * its bytes (padding checked to be zero and not included); an end frame must be zeros. For members and header frames
 * go on with decoder_next. */
MUST_CHECK enum b10_reason decoder_begin(struct decoder *decoder, const struct reader *reader, size_t index,
                                         const void *data, const unsigned char **content, size_t *size,
                                         struct b10_error *error);

/* The next member of a members or header frame. Besides tar_decoder_next's rules: its root is in the manifest, a header frame's
 * member equals the manifest's sliced member, the number of members is the manifest's (CORRUPT at the end otherwise).
 * *root is the manifest's root index. */
MUST_CHECK enum b10_reason decoder_next(struct decoder *decoder, struct entry *entry, uint32_t *root, bool *found,
                                        struct b10_error *error);

#endif
