/* Frames into the temporary file, in order; then the tail that makes it an archive.
 *
 *     open ──▶ frame … ──▶ finish       end frame, index, manifest, seek table; everything flushed
 *
 * Writes in pieces of at least 1 MiB. Keeps MAX_CACHE_SIZE (TOO_LARGE as soon as what is written and what the tail will
 * need exceed it) and looks at the floor at least every 250 ms (NO_SPACE); ENOSPC and EDQUOT mean the same.
 * Threads: one at a time (window.h sees to it).
 */
#ifndef ARCHIVE_WRITER_H
#define ARCHIVE_WRITER_H

#include "archive/index.h"
#include "archive/manifest.h"
#include "fs/space.h"

/* A compressed frame on its way to the file. */
struct writer_frame {
    struct frame frame;
    struct bytes compressed;
};

struct writer; /* opaque */

/* `manifest` (borrowed) is filled as frames come: frames, sliced, totals, index; the caller has set everything else. */
MUST_CHECK enum b10_reason writer_open(struct writer **out, int fd, const char *name, uint64_t size_limit,
                                       uint64_t floor_bytes, struct manifest *manifest, struct b10_error *error);
/* Appends a data frame; its index in the manifest is frame_count before the call. TOO_LARGE, NO_SPACE, IO. */
MUST_CHECK enum b10_reason writer_frame(struct writer *writer, const struct frame *frame, const void *compressed,
                                        struct b10_error *error);
/* Adds the index line of a member. */
MUST_CHECK enum b10_reason writer_member(struct writer *writer, const struct index_line *line,
                                         struct b10_error *error);
/* Ends the archive; *size is the file's size. */
MUST_CHECK enum b10_reason writer_finish(struct writer *writer, uint64_t *size, struct b10_error *error);
void writer_free(struct writer *writer); /* NULL is fine; does not close fd */
void writer_guard(struct writer **writer);

#endif
