#include "archive/writer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "archive/reader.h"
#include "archive/seek_table.h"
#include "archive/zstd_codec.h"
#include "base/guard.h"
#include "fs/io.h"
#include "par/aside.h"

enum { TAIL_FRAMES = 2 /* index, manifest */, FIRST_CAPACITY = 64 };

struct piece {
    size_t size;
    unsigned char data[WRITER_PIECE_SIZE];
};

struct writer {
    int fd;                    /* borrowed */
    char *name;                /* owned */
    struct manifest *manifest; /* borrowed */
    struct index_writer *index;
    struct progress *progress; /* borrowed */
    uint64_t size_limit;
    uint64_t size;         /* of the file so far, what is buffered included */
    size_t frame_capacity; /* of manifest->frames */
    bool is_behind;
    struct piece *filling; /* owned */
    struct piece *writing; /* owned: the other one; NULL until a second is needed */
    struct aside behind;   /* writes `writing` */
};

static enum b10_reason new_piece(struct piece **piece, struct b10_error *error)
{
    *piece = malloc(sizeof(**piece));
    if (*piece == NULL)
        return error_no_memory(error);
    (*piece)->size = 0;
    return B10_REASON_OK;
}

enum b10_reason writer_open(struct writer **out, int fd, const char *name, uint64_t size_limit,
                            bool is_behind, struct progress *progress, struct manifest *manifest,
                            struct b10_error *error)
{
    *out = NULL;
    SCOPED(writer) struct writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL)
        return error_no_memory(error);
    writer->fd = fd;
    writer->name = strdup(name);
    writer->manifest = manifest;
    writer->progress = progress;
    writer->size_limit = size_limit;
    writer->is_behind = is_behind;
    writer->behind = (struct aside)ASIDE_NONE;
    if (writer->name == NULL)
        return error_no_memory(error);
    TRY(new_piece(&writer->filling, error));
    TRY(index_writer_new(&writer->index, error));
    *out = HEAP_TAKE(writer);
    return B10_REASON_OK;
}

/* ---- onto the volume ---- */

static enum b10_reason write_piece(struct writer *writer, struct piece *piece,
                                   struct b10_error *error)
{
    TRY(io_write_full(writer->fd, piece->data, piece->size, writer->name, error));
    piece->size = 0;
    return progress_step(writer->progress, error);
}

static enum b10_reason write_behind(void *user, struct b10_error *error)
{
    struct writer *writer = user;
    return write_piece(writer, writer->writing, error);
}

/* The piece that is full goes its way, and the other one is filled meanwhile; where no second piece can
 * be had it is written here. */
static enum b10_reason flush(struct writer *writer, struct b10_error *error)
{
    TRY(aside_wait(&writer->behind, error));
    if (!writer->is_behind ||
        (writer->writing == NULL && new_piece(&writer->writing, NULL) != B10_REASON_OK))
        return write_piece(writer, writer->filling, error);
    struct piece *full = writer->filling;
    writer->filling = writer->writing;
    writer->writing = full;
    aside_begin(&writer->behind, true, write_behind, writer, writer->progress);
    return B10_REASON_OK;
}

static enum b10_reason put(struct writer *writer, const void *data, size_t size,
                           struct b10_error *error)
{
    const unsigned char *from = data;
    for (size_t left = size; left > 0;) {
        struct piece *piece = writer->filling;
        const size_t room = WRITER_PIECE_SIZE - piece->size;
        const size_t part = left < room ? left : room;
        memcpy(piece->data + piece->size, from, part);
        piece->size += part;
        from += part;
        left -= part;
        if (piece->size == WRITER_PIECE_SIZE)
            TRY(flush(writer, error));
    }
    writer->size += size;
    return B10_REASON_OK;
}

static enum b10_reason require_within_limit(const struct writer *writer, uint64_t size,
                                            struct b10_error *error)
{
    if (size <= writer->size_limit)
        return B10_REASON_OK;
    return error_set(error, B10_REASON_TOO_LARGE,
                     "'%s' would be larger than the %" PRIu64 " bytes of MAX_CACHE_SIZE_MB",
                     writer->name, writer->size_limit);
}

static enum b10_reason make_room(struct writer *writer, struct b10_error *error)
{
    struct manifest *manifest = writer->manifest;
    if (manifest->frame_count >= FRAME_COUNT_LIMIT)
        return error_set(error, B10_REASON_TOO_LARGE, "'%s' would have more than %d frames",
                         writer->name, FRAME_COUNT_LIMIT);
    if (manifest->frame_count < writer->frame_capacity)
        return B10_REASON_OK;
    const size_t capacity =
        writer->frame_capacity == 0 ? FIRST_CAPACITY : writer->frame_capacity * 2;
    struct frame *frames = realloc(manifest->frames, capacity * sizeof(*frames));
    if (frames == NULL)
        return error_no_memory(error);
    manifest->frames = frames;
    writer->frame_capacity = capacity;
    return B10_REASON_OK;
}

enum b10_reason writer_frame(struct writer *writer, const struct frame *frame,
                             const void *compressed, struct b10_error *error)
{
    if (frame->content_size > FRAME_CONTENT_LIMIT)
        return error_set(error, B10_REASON_INTERNAL, "a frame of %" PRIu32 " bytes",
                         frame->content_size);
    TRY(make_room(writer, error));
    writer->manifest->frames[writer->manifest->frame_count++] = *frame;
    const uint64_t tail = index_writer_size(writer->index) +
                          (uint64_t)writer->manifest->frame_count * WRITER_TAIL_PER_FRAME;
    TRY(require_within_limit(writer, writer->size + frame->compressed_size + tail, error));
    return put(writer, compressed, frame->compressed_size, error);
}

enum b10_reason writer_member(struct writer *writer, const struct index_line *line,
                              struct b10_error *error)
{
    return index_writer_add(writer->index, line, error);
}

enum b10_reason writer_index(struct writer *writer, const struct bytes *payload, const char *name,
                             struct b10_error *error)
{
    return index_writer_copy(writer->index, payload, name, error);
}

/* A frame of its own, so that a later writer can append before it. */
static enum b10_reason put_end(struct writer *writer, struct b10_error *error)
{
    static const unsigned char zeros[ARCHIVE_END_SIZE];
    SCOPED(zstd_encoder) struct zstd_encoder *encoder = NULL;
    SCOPED(bytes) struct bytes compressed = BYTES_EMPTY;
    TRY(zstd_encoder_new(&encoder, ZSTD_CODEC_LEVEL_MIN, error));
    TRY(zstd_encode(encoder, zeros, sizeof(zeros), &compressed, error));
    struct frame frame = {.kind = FRAME_END,
                          .content_size = ARCHIVE_END_SIZE,
                          .compressed_size = (uint32_t)compressed.size};
    digest_256(frame.digest, compressed.data, compressed.size);
    return writer_frame(writer, &frame, compressed.data, error);
}

static enum b10_reason put_skippable(struct writer *writer, uint32_t magic,
                                     const struct bytes *payload, struct seek_row *row,
                                     struct b10_error *error)
{
    unsigned char header[SKIPPABLE_HEADER_SIZE];
    if (payload->size > READER_INDEX_LIMIT)
        return error_set(error, B10_REASON_TOO_LARGE,
                         "'%s' has more members than an index can hold", writer->name);
    skippable_header(header, magic, (uint32_t)payload->size);
    *row = (struct seek_row){.compressed_size = (uint32_t)(payload->size + sizeof(header))};
    TRY(put(writer, header, sizeof(header), error));
    return put(writer, payload->data, payload->size, error);
}

static enum b10_reason put_table(struct writer *writer, struct seek_row *rows,
                                 struct b10_error *error)
{
    SCOPED(bytes) struct bytes table = BYTES_EMPTY;
    const struct manifest *manifest = writer->manifest;
    for (size_t i = 0; i < manifest->frame_count; i++)
        rows[i] = (struct seek_row){.compressed_size = manifest->frames[i].compressed_size,
                                    .content_size = manifest->frames[i].content_size};
    TRY(seek_table_encode(rows, manifest->frame_count + TAIL_FRAMES, &table, error));
    return put(writer, table.data, table.size, error);
}

enum b10_reason writer_finish(struct writer *writer, uint64_t *size, struct b10_error *error)
{
    struct manifest *manifest = writer->manifest;
    SCOPED(bytes) struct bytes index = BYTES_EMPTY;
    SCOPED(bytes) struct bytes description = BYTES_EMPTY;
    TRY(put_end(writer, error));
    TRY(index_writer_finish(writer->index, &index, error));
    manifest->index_size = index.size;
    digest_256(manifest->index_digest, index.data, index.size);
    TRY(manifest_encode(manifest, &description, error));

    const size_t rows_count = manifest->frame_count + TAIL_FRAMES;
    const uint64_t total = writer->size + index.size + description.size +
                           TAIL_FRAMES * SKIPPABLE_HEADER_SIZE + seek_table_size(rows_count);
    TRY(require_within_limit(writer, total, error));

    SCOPED(heap) struct seek_row *rows = calloc(rows_count, sizeof(*rows));
    if (rows == NULL)
        return error_no_memory(error);
    struct seek_row *tail = rows + manifest->frame_count;
    TRY(put_skippable(writer, SKIPPABLE_INDEX, &index, &tail[0], error));
    TRY(put_skippable(writer, SKIPPABLE_MANIFEST, &description, &tail[1], error));
    TRY(put_table(writer, rows, error));
    TRY(aside_wait(&writer->behind, error));
    TRY(write_piece(writer, writer->filling, error));
    *size = writer->size;
    return B10_REASON_OK;
}

void writer_free(struct writer *writer)
{
    if (writer == NULL)
        return;
    aside_guard(&writer->behind);
    free(writer->filling);
    free(writer->writing);
    index_writer_free(writer->index);
    free(writer->name);
    free(writer);
}

void writer_guard(struct writer **writer)
{
    writer_free(*writer);
    *writer = NULL;
}
