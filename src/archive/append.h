/* The members of an archive that is there already, at the beginning of a new one.
 *
 *     append_books ──▶ append_members ──▶ pack: what is added ──▶ manifest_sort_directories ──▶ writer_finish
 *
 * Frames are copied as they are, their digests checked, never decompressed; all but the end frame,
 * which stands alone for this. Frames, sliced members and roots keep their numbers, so the lines of
 * the index are copied as text. Whoever calls this has compared index and manifest (missing.h).
 * Threads: one at a time.
 */
#ifndef ARCHIVE_APPEND_H
#define ARCHIVE_APPEND_H

#include "archive/reader.h"
#include "archive/writer.h"
#include "base/progress.h"

/* Moves roots, directories, sliced members and totals from the manifest of the archive that is
 * there to the new one, which has none. */
void append_books(struct manifest *manifest, struct manifest *stored);

/* Copies frames and index lines. progress may be NULL; its phase becomes "merge". CORRUPT: a frame
 * is not what its digest says. */
MUST_CHECK enum b10_reason append_members(struct writer *writer, const struct reader *stored,
                                          const struct bytes *index, struct progress *progress,
                                          struct b10_error *error);

#endif
