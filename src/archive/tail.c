#include "archive/tail.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "archive/seek_table.h"
#include "base/guard.h"
#include "fs/io.h"

enum { ROWS_MIN = 3 }; /* end frame, index, manifest */

struct tail {
    int fd;
    const char *name;
    uint64_t file_size;
    uint64_t start;        /* offset in the file of data[0]; data reaches to the end of the file */
    unsigned char *data;   /* owned */
    struct seek_row *rows; /* owned */
    size_t row_count;
    size_t manifest_row;
    uint64_t manifest_offset;
};

static void tail_guard(struct tail *tail)
{
    free(tail->data);
    free(tail->rows);
}

static enum b10_reason corrupt(const struct tail *tail, const char *what, struct b10_error *error)
{
    return error_set(error, B10_REASON_CORRUPT, "'%s' is no intact archive: %s", tail->name, what);
}

/* Has everything from `offset` to the end of the file in memory. Callers have bounded how far that
 * is. */
static enum b10_reason reach(struct tail *tail, uint64_t offset, struct b10_error *error)
{
    if (offset >= tail->start)
        return B10_REASON_OK;
    size_t missing = (size_t)(tail->start - offset);
    size_t held = (size_t)(tail->file_size - tail->start);
    SCOPED(heap) unsigned char *data = malloc(missing + held);
    if (data == NULL)
        return error_no_memory(error);
    TRY(io_pread_full(tail->fd, data, missing, offset, tail->name, error));
    if (held > 0)
        memcpy(data + missing, tail->data, held);
    free(tail->data);
    tail->data = HEAP_TAKE(data);
    tail->start = offset;
    return B10_REASON_OK;
}

static const unsigned char *at(const struct tail *tail, uint64_t offset)
{
    return tail->data + (offset - tail->start);
}

static enum b10_reason read_table(struct tail *tail, uint64_t *table_offset,
                                  struct b10_error *error)
{
    if (tail->file_size < SKIPPABLE_HEADER_SIZE + SEEK_TABLE_FOOTER_SIZE)
        return corrupt(tail, "it is too short", error);
    TRY(reach(tail, tail->file_size > TAIL_SIZE ? tail->file_size - TAIL_SIZE : 0, error));
    TRY(seek_table_count(at(tail, tail->file_size - SEEK_TABLE_FOOTER_SIZE), &tail->row_count,
                         tail->name, error));
    uint64_t size = seek_table_size(tail->row_count);
    if (size > tail->file_size)
        return corrupt(tail, "its seek table is longer than the file", error);
    if (tail->row_count < ROWS_MIN)
        return corrupt(tail, "its seek table has too few rows", error);
    *table_offset = tail->file_size - size;
    TRY(reach(tail, *table_offset, error));
    tail->rows = calloc(tail->row_count, sizeof(*tail->rows));
    if (tail->rows == NULL)
        return error_no_memory(error);
    return seek_table_decode(at(tail, *table_offset), tail->row_count, tail->file_size, tail->rows,
                             tail->name, error);
}

/* The skippable frame of `row`, which ends at *offset; *offset becomes its beginning. */
static enum b10_reason reach_frame(struct tail *tail, size_t row, uint64_t *offset,
                                   struct b10_error *error)
{
    uint32_t size = tail->rows[row].compressed_size;
    if (tail->rows[row].content_size != 0 || size < SKIPPABLE_HEADER_SIZE ||
        size > TAIL_MANIFEST_LIMIT || size > *offset)
        return corrupt(tail, "the seek table's last rows are not those of a manifest", error);
    *offset -= size;
    return reach(tail, *offset, error);
}

static bool header_is(const unsigned char *found, uint32_t magic, uint32_t frame_size)
{
    unsigned char expected[SKIPPABLE_HEADER_SIZE];
    skippable_header(expected, magic, frame_size - SKIPPABLE_HEADER_SIZE);
    return memcmp(found, expected, sizeof(expected)) == 0;
}

/* The manifest stands before the table, or before a signature that does. */
static enum b10_reason find_manifest(struct tail *tail, uint64_t table_offset,
                                     struct b10_error *error)
{
    size_t row = tail->row_count - 1;
    uint64_t offset = table_offset;
    TRY(reach_frame(tail, row, &offset, error));
    uint32_t size = tail->rows[row].compressed_size;
    if (size <= TAIL_SIGNATURE_LIMIT && header_is(at(tail, offset), SKIPPABLE_SIGNATURE, size)) {
        row--;
        TRY(reach_frame(tail, row, &offset, error));
        size = tail->rows[row].compressed_size;
    }
    if (!header_is(at(tail, offset), SKIPPABLE_MANIFEST, size))
        return corrupt(tail, "there is no manifest before its seek table", error);
    tail->manifest_row = row;
    tail->manifest_offset = offset;
    return B10_REASON_OK;
}

static enum b10_reason check_rows(const struct tail *tail, const struct manifest *manifest,
                                  struct b10_error *error)
{
    if (manifest->frame_count != tail->manifest_row - 1)
        return corrupt(tail, "seek table and manifest count different frames", error);
    for (size_t i = 0; i < manifest->frame_count; i++) {
        const struct frame *frame = &manifest->frames[i];
        if (tail->rows[i].compressed_size != frame->compressed_size ||
            tail->rows[i].content_size != frame->content_size)
            return error_set(
                error, B10_REASON_CORRUPT,
                "frame %zu of '%s' has one size in the seek table, another in the manifest", i,
                tail->name);
    }
    const struct seek_row *index = &tail->rows[manifest->frame_count];
    if (index->content_size != 0 || index->compressed_size < SKIPPABLE_HEADER_SIZE ||
        index->compressed_size - SKIPPABLE_HEADER_SIZE != manifest->index_size)
        return corrupt(tail, "its index has one size in the seek table, another in the manifest",
                       error);
    return B10_REASON_OK;
}

/* A large index begins before what is in memory: then only its header is read. */
static enum b10_reason check_index_header(const struct tail *tail, uint32_t frame_size,
                                          struct b10_error *error)
{
    uint64_t offset = tail->manifest_offset - frame_size;
    unsigned char header[SKIPPABLE_HEADER_SIZE];
    if (offset >= tail->start)
        memcpy(header, at(tail, offset), sizeof(header));
    else
        TRY(io_pread_full(tail->fd, header, sizeof(header), offset, tail->name, error));
    if (!header_is(header, SKIPPABLE_INDEX, frame_size))
        return corrupt(tail, "there is no index behind its frames", error);
    return B10_REASON_OK;
}

static enum b10_reason sum_offsets(const struct tail *tail, size_t frames, uint64_t **offsets,
                                   struct b10_error *error)
{
    uint64_t *sums = calloc(frames + 1, sizeof(*sums));
    if (sums == NULL)
        return error_no_memory(error);
    for (size_t i = 0; i < frames; i++)
        sums[i + 1] = sums[i] + tail->rows[i].compressed_size;
    *offsets = sums;
    return B10_REASON_OK;
}

enum b10_reason tail_read(int fd, uint64_t file_size, const char *name, struct manifest *manifest,
                          uint64_t **offsets, struct b10_error *error)
{
    SCOPED(tail)
    struct tail tail = {.fd = fd, .name = name, .file_size = file_size, .start = file_size};
    uint64_t table_offset = 0;
    TRY(read_table(&tail, &table_offset, error));
    TRY(find_manifest(&tail, table_offset, error));
    uint32_t manifest_size = tail.rows[tail.manifest_row].compressed_size;
    TRY(manifest_decode(manifest, at(&tail, tail.manifest_offset) + SKIPPABLE_HEADER_SIZE,
                        manifest_size - SKIPPABLE_HEADER_SIZE, name, error));
    TRY(check_rows(&tail, manifest, error));
    TRY(check_index_header(&tail, tail.rows[manifest->frame_count].compressed_size, error));
    return sum_offsets(&tail, manifest->frame_count, offsets, error);
}
