/* tar headers, the only place that knows libarchive: memory in, memory out, pax format.
 *
 * libarchive makes header bytes only and reads members of one frame; content and padding are ours.
 * Its calls run under a thread-local "C" locale, so that names are bytes (under C.UTF-8 it
 * normalises them); the caller's locale is back when a call returns. Owner is 0/0 without names;
 * files 0644 or 0755, directories 0755, symlinks 0777.
 * Threads: one at a time per object; different objects at once.
 */
#ifndef ARCHIVE_TAR_CODEC_H
#define ARCHIVE_TAR_CODEC_H

#include "archive/entry.h"
#include "base/bytes.h"

/* Longest header any legal member can have; used to size buffers. */
enum { TAR_BLOCK = 512, TAR_HEADER_MAX = 32 * 1024 };

/* Appends the header blocks (pax record and ustar block) of `entry` to `out`. INTERNAL if
 * libarchive refuses. */
MUST_CHECK enum b10_reason tar_encode_header(const struct entry *entry, struct bytes *out,
                                             struct b10_error *error);

/* Appends zeros up to the next multiple of 512 of `content_size`. */
MUST_CHECK enum b10_reason tar_encode_padding(uint64_t content_size, struct bytes *out,
                                              struct b10_error *error);

struct tar_decoder; /* opaque */

/* Reads the members that lie in `data` (borrowed while decoding). Reusing one decoder over many
 * frames is the normal use. */
MUST_CHECK enum b10_reason tar_decoder_new(struct tar_decoder **out, struct b10_error *error);
void tar_decoder_free(struct tar_decoder *decoder);
void tar_decoder_guard(struct tar_decoder **decoder);

/* Begins a frame. `header_only`: the frame holds one header without its content (frame kind
 * header). `name` names the archive in messages, borrowed. */
MUST_CHECK enum b10_reason tar_decoder_begin(struct tar_decoder *decoder, const void *data,
                                             size_t size, bool header_only, const char *name,
                                             struct b10_error *error);

/* The next member: strings and content are valid until the next call. *found false at the end of
 * the frame, which is only accepted where `size` bytes were used up entirely (CORRUPT otherwise:
 * trailing bytes, an end-of-archive marker). UNSAFE: a type other than the four of entry_type,
 * set-id or sticky bits, entry_check's rules, sparse members. CORRUPT: bytes that are no tar. The
 * members' order of checks: hard link before type. */
MUST_CHECK enum b10_reason tar_decoder_next(struct tar_decoder *decoder, struct entry *entry,
                                            bool *found, struct b10_error *error);

#endif
