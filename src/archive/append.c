#include "archive/append.h"

#include <string.h>

#include "base/guard.h"

void append_books(struct manifest *manifest, struct manifest *stored)
{
    manifest->roots = stored->roots;
    manifest->root_count = stored->root_count;
    manifest->sliced = stored->sliced;
    manifest->sliced_count = stored->sliced_count;
    manifest->totals = stored->totals;
    stored->roots = NULL;
    stored->root_count = 0;
    stored->sliced = NULL;
    stored->sliced_count = 0;
}

static enum b10_reason copy_frame(struct writer *writer, const struct reader *stored, size_t index,
                                  const unsigned char *data, struct b10_error *error)
{
    const struct frame *frame = &stored->manifest.frames[index];
    unsigned char digest[DIGEST_SIZE];
    digest_256(digest, data, frame->compressed_size);
    if (memcmp(digest, frame->digest, sizeof(digest)) != 0)
        return error_set(error, B10_REASON_CORRUPT, "frame %zu of '%s' is damaged", index,
                         stored->name);
    return writer_frame(writer, frame, data, error);
}

static enum b10_reason copy_run(struct append *append, const struct reader_run *run,
                                struct bytes *buffer, struct b10_error *error)
{
    const struct reader *stored = append->stored;
    const size_t end_frame = stored->manifest.frame_count - 1;
    const uint64_t *offsets = stored->offsets;
    TRY(reader_read(stored, run, buffer, error));
    TRY(progress_step(append->progress, error));
    TRY(cancel_check(append->cancel, error));
    for (size_t i = run->first; i < run->first + run->count && i < end_frame; i++)
        TRY(copy_frame(append->writer, stored, i, buffer->data + (offsets[i] - offsets[run->first]),
                       error));
    return B10_REASON_OK;
}

static enum b10_reason copy(void *user, struct b10_error *error)
{
    struct append *append = user;
    SCOPED(heap) struct reader_run *runs = NULL;
    SCOPED(bytes) struct bytes buffer = BYTES_EMPTY;
    size_t count = 0;
    TRY(writer_index(append->writer, append->index, append->stored->name, error));
    TRY(reader_plan(append->stored, READER_RUN_SIZE, NULL, &runs, &count, error));
    for (size_t i = 0; i < count; i++)
        TRY(copy_run(append, &runs[i], &buffer, error));
    return B10_REASON_OK;
}

void append_begin(struct append *append, struct writer *writer, const struct reader *stored,
                  const struct bytes *index, bool is_beside, const struct cancel *cancel,
                  struct progress *progress)
{
    *append = (struct append){.writer = writer,
                              .stored = stored,
                              .index = index,
                              .cancel = cancel,
                              .progress = progress,
                              .aside = ASIDE_NONE};
    aside_begin(&append->aside, is_beside, copy, append, progress);
}

enum b10_reason append_wait(struct append *append, struct b10_error *error)
{
    return aside_wait(&append->aside, error);
}

void append_guard(struct append *append)
{
    aside_guard(&append->aside);
}
