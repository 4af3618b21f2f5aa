/* The index: one line per member, in archive order, for verify now and for merging later. JSON
 * Lines, compressed as one zstd frame, written and read a line at a time so that memory does not
 * grow with the number of members.
 *
 *     [root, "path", "file"|"directory"|"symlink"|"link", executable, mtime_s, mtime_ns, size, frame, void, "target"]
 *
 * root and frame are indices into the manifest's arrays; path is relative to the root; frame is
 * where the member's header stands; executable and void are 0 or 1; target is there for symlinks
 * (their text) and links (the original's path, relative to the same root). Names that are not valid
 * UTF-8: {"bytes": "<hex>"}.
 * Threads: one at a time.
 */
#ifndef ARCHIVE_INDEX_H
#define ARCHIVE_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "archive/entry.h"
#include "base/bytes.h"

struct index_line {
    /* path and target relative to the root; strings valid until the next call */
    struct entry entry;
    uint32_t root;
    uint32_t frame;
    bool is_void;
};

struct index_writer; /* opaque */
MUST_CHECK enum b10_reason index_writer_new(struct index_writer **out, struct b10_error *error);
MUST_CHECK enum b10_reason index_writer_add(struct index_writer *writer,
                                            const struct index_line *line, struct b10_error *error);
/* Adds every line of another index, as it stands; what it holds has been read with an index_reader
 * before. `name` is for messages. */
MUST_CHECK enum b10_reason index_writer_copy(struct index_writer *writer,
                                             const struct bytes *payload, const char *name,
                                             struct b10_error *error);
/* The compressed payload so far held in memory, complete: appended to `out`. */
MUST_CHECK enum b10_reason index_writer_finish(struct index_writer *writer, struct bytes *out,
                                               struct b10_error *error);
/* Bytes of compressed payload held now (the writer counts them towards the size limit). */
size_t index_writer_size(const struct index_writer *writer);
void index_writer_free(struct index_writer *writer);
void index_writer_guard(struct index_writer **writer);

struct index_reader; /* opaque */
/* `payload` is borrowed for the reader's life. */
MUST_CHECK enum b10_reason index_reader_new(struct index_reader **out, const void *payload,
                                            size_t size, const char *name, struct b10_error *error);
MUST_CHECK enum b10_reason index_reader_next(struct index_reader *reader, struct index_line *line,
                                             bool *found, struct b10_error *error);
void index_reader_free(struct index_reader *reader);
void index_reader_guard(struct index_reader **reader);

#endif
