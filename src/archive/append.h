/* The members of an archive that is there already, at the beginning of a new one.
 *
 *     append_books ──▶ append_begin ──▶ pack: what is added ──▶ manifest_sort_directories ──▶ writer_finish
 *                            └── (a thread: index, frames) ──▶ append_wait, before pack writes anything
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
#include "base/cancel.h"
#include "base/progress.h"
#include "par/aside.h"

struct append {
    struct writer *writer; /* borrowed, like all of these; nobody else's until append_wait */
    const struct reader *stored;
    const struct bytes *index;
    const struct cancel *cancel;
    struct progress *progress;
    struct aside aside;
};

#define APPEND_NONE                                                                                \
    {                                                                                              \
        .aside = ASIDE_NONE                                                                        \
    }

/* Moves roots, directories, sliced members and totals from the manifest of the archive that is
 * there to the new one, which has none. */
void append_books(struct manifest *manifest, struct manifest *stored);

/* Begins to copy frames and index lines, on a thread of its own if `is_beside` and one can be had, so
 * that what is added is read and compressed meanwhile. progress may be NULL. `append` must not move. */
void append_begin(struct append *append, struct writer *writer, const struct reader *stored,
                  const struct bytes *index, bool is_beside, const struct cancel *cancel,
                  struct progress *progress);

/* Until everything is copied; also a second time. CORRUPT: a frame is not what its digest says. What
 * trips `cancel` ends it. */
MUST_CHECK enum b10_reason append_wait(struct append *append, struct b10_error *error);

void append_guard(struct append *append);

#endif
