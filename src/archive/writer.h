/* Frames into the temporary file, in order; then the tail that makes it an archive.
 *
 *     open ──▶ frame, its members, frame, … ──▶ finish       end frame, index, manifest, seek table; everything flushed
 *
 * Writes in pieces of 1 MiB, straight to the volume and in order; only the last is shorter. With
 * `is_behind` a thread writes each piece while the next one is filled, so that whoever compresses does
 * not wait for the volume; what went wrong is said one piece later. Keeps MAX_CACHE_SIZE
 * (TOO_LARGE as soon as what is written and what the tail will need exceed it); ENOSPC and EDQUOT
 * are NO_SPACE. Looks at the operation's stop sign after each write.
 * Threads: one at a time (window.h sees to it).
 */
#ifndef ARCHIVE_WRITER_H
#define ARCHIVE_WRITER_H

#include "archive/index.h"
#include "archive/manifest.h"
#include "base/progress.h"

/* What the tail needs for each data frame, generously: its entry in the manifest and its row in the
 * seek table. */
enum { WRITER_PIECE_SIZE = 1 << 20, WRITER_TAIL_PER_FRAME = 200 };

struct writer; /* opaque */

/* `fd` (borrowed until writer_free) is written from its position on; `name` is for messages; `progress` (borrowed, NULL allowed)
 * is that of the operation. `manifest` (borrowed) gets its
 * frames, index size and index digest here; the caller sets everything else. */
MUST_CHECK enum b10_reason writer_open(struct writer **out, int fd, const char *name,
                                       uint64_t size_limit, bool is_behind,
                                       struct progress *progress, struct manifest *manifest,
                                       struct b10_error *error);
/* Appends a data frame of frame->compressed_size bytes; its index in the manifest is frame_count
 * before the call. TOO_LARGE, NO_SPACE, IO. */
MUST_CHECK enum b10_reason writer_frame(struct writer *writer, const struct frame *frame,
                                        const void *compressed, struct b10_error *error);
/* Adds the index line of a member. */
MUST_CHECK enum b10_reason writer_member(struct writer *writer, const struct index_line *line,
                                         struct b10_error *error);
/* Adds the lines of another archive's index (index_writer_copy). */
MUST_CHECK enum b10_reason writer_index(struct writer *writer, const struct bytes *payload,
                                        const char *name, struct b10_error *error);
/* Ends the archive, which then ends exactly with its seek table; *size is the file's size. */
MUST_CHECK enum b10_reason writer_finish(struct writer *writer, uint64_t *size,
                                         struct b10_error *error);
void writer_free(struct writer *writer); /* NULL is fine; does not close fd */
void writer_guard(struct writer **writer);

#endif
