/* Frame bytes → members: digest, decompress, untar, with every rule of the format on the way. Used
 * by unpack (which places the members) and check (which compares them with the index).
 *
 *     begin ──▶ next … until there is none      per frame; one decoder for many frames
 *
 * A hard link means a copy of the file it follows in its frame (only other links of that file in
 * between), or of a sliced member that is not void. Anything else a link could name is UNSAFE.
 * Threads: one decoder per worker.
 */
#ifndef ARCHIVE_DECODE_H
#define ARCHIVE_DECODE_H

#include "archive/entry.h"
#include "archive/reader.h"

enum { DECODED_NOT_SLICED = -1 };

/* A member, and what its words mean. */
struct decoded {
    struct entry entry; /* strings valid until the next call */
    uint32_t root;      /* index in the manifest */
    const char *path;   /* inside the root */
    /* file: its own; duplicate: the original's, in memory until the next frame */
    const void *content;
    uint64_t size; /* of that content, or of the sliced member */
    /* header frame: the member; duplicate of a sliced one: the original; else DECODED_NOT_SLICED */
    int64_t sliced;
    bool is_void; /* sliced and found changed: not to be placed */
};

struct decoder; /* opaque: decompressor, content buffer, tar reader */

MUST_CHECK enum b10_reason decoder_new(struct decoder **out, struct b10_error *error);
void decoder_free(struct decoder *decoder);
void decoder_guard(struct decoder **decoder);

/* Checks the digest of frame `index` (its compressed bytes at `data`) and decompresses it. For a
 * slice *content and *size are its bytes (padding checked to be zero and not included); an end
 * frame must be zeros. For members and header frames go on with decoder_next. */
MUST_CHECK enum b10_reason decoder_begin(struct decoder *decoder, const struct reader *reader,
                                         size_t index, const void *data,
                                         const unsigned char **content, size_t *size,
                                         struct b10_error *error);

/* The next member of a members or header frame. Besides tar_decoder_next's rules: its root is in
 * the manifest, a header frame's member equals the manifest's sliced member, the number of members
 * is the manifest's (CORRUPT otherwise). */
MUST_CHECK enum b10_reason decoder_next(struct decoder *decoder, struct decoded *decoded,
                                        bool *found, struct b10_error *error);

/* `size` zero bytes: an end frame, padding, a slice that stays a hole. */
bool decode_all_zero(const unsigned char *data, size_t size);

#endif
