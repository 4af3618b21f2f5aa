#include "archive/index.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "archive/index_plain.h"
#include "archive/json_text.h"
#include "archive/json_write.h"
#include "archive/zstd_codec.h"
#include "base/guard.h"
#include "fs/path.h"

enum {
    LEVEL = 1,
    FEED_SIZE = 16 << 10,  /* text handed to the compressor at a time */
    LINE_LIMIT = 64 << 10, /* more than two paths of which every byte is escaped */
    PULL_SIZE = 2 * LINE_LIMIT,
};

static const char *const type_names[] = {[ENTRY_FILE] = "file",
                                         [ENTRY_DIRECTORY] = "directory",
                                         [ENTRY_SYMLINK] = "symlink",
                                         [ENTRY_HARDLINK] = "link"};
enum { TYPES = sizeof(type_names) / sizeof(*type_names) };

/* ---- writing ---- */

struct index_writer {
    struct zstd_encoder *encoder; /* owned */
    struct bytes text;            /* lines not yet handed to the compressor */
    struct bytes compressed;
};

enum b10_reason index_writer_new(struct index_writer **out, struct b10_error *error)
{
    *out = NULL;
    SCOPED(index_writer) struct index_writer *writer = calloc(1, sizeof(*writer));
    if (!writer)
        return error_no_memory(error);
    TRY(zstd_encoder_new(&writer->encoder, LEVEL, error));
    *out = HEAP_TAKE(writer);
    return B10_REASON_OK;
}

void index_writer_free(struct index_writer *writer)
{
    if (!writer)
        return;
    zstd_encoder_free(writer->encoder);
    bytes_release(&writer->text);
    bytes_release(&writer->compressed);
    free(writer);
}

void index_writer_guard(struct index_writer **writer)
{
    index_writer_free(*writer);
}

size_t index_writer_size(const struct index_writer *writer)
{
    return writer->compressed.size;
}

static enum b10_reason feed(struct index_writer *writer, struct b10_error *error)
{
    TRY(zstd_stream_feed(writer->encoder, writer->text.data, writer->text.size, &writer->compressed,
                         error));
    bytes_clear(&writer->text);
    return B10_REASON_OK;
}

enum b10_reason index_writer_add(struct index_writer *writer, const struct index_line *line,
                                 struct b10_error *error)
{
    const struct entry *entry = &line->entry;
    struct bytes *text = &writer->text;
    TRY(bytes_format(text, error, "[%" PRIu32 ",", line->root));
    TRY(json_write_path(text, entry->path, error));
    TRY(bytes_format(text, error, ",\"%s\",%d,%" PRId64 ",%" PRIu32 ",%" PRIu64 ",%" PRIu32 ",%d",
                     type_names[entry->type], entry->executable, entry->mtime_s, entry->mtime_ns,
                     entry->size, line->frame, line->is_void));
    if (entry->type == ENTRY_SYMLINK || entry->type == ENTRY_HARDLINK) {
        TRY(bytes_append_text(text, ",", error));
        TRY(json_write_path(text, entry->target, error));
    }
    TRY(bytes_append_text(text, "]\n", error));
    return text->size < FEED_SIZE ? B10_REASON_OK : feed(writer, error);
}

enum b10_reason index_writer_copy(struct index_writer *writer, const struct bytes *payload,
                                  const char *name, struct b10_error *error)
{
    SCOPED(zstd_decoder) struct zstd_decoder *decoder = NULL;
    SCOPED(heap) char *piece = malloc(FEED_SIZE);
    if (!piece)
        return error_no_memory(error);
    TRY(zstd_decoder_new(&decoder, error));
    zstd_pull_begin(decoder, payload->data, payload->size);
    for (size_t got = FEED_SIZE; got == FEED_SIZE;) {
        TRY(zstd_pull(decoder, piece, FEED_SIZE, &got, name, error));
        TRY(bytes_append(&writer->text, piece, got, error));
        TRY(feed(writer, error));
    }
    return B10_REASON_OK;
}

enum b10_reason index_writer_finish(struct index_writer *writer, struct bytes *out,
                                    struct b10_error *error)
{
    TRY(feed(writer, error));
    TRY(zstd_stream_end(writer->encoder, &writer->compressed, error));
    if (out->capacity > 0)
        return bytes_append(out, writer->compressed.data, writer->compressed.size, error);
    *out = writer->compressed; /* a copy would be the largest buffer of a save */
    writer->compressed = (struct bytes)BYTES_EMPTY;
    return B10_REASON_OK;
}

/* ---- reading ---- */

struct index_reader {
    struct zstd_decoder *decoder; /* owned */
    char *name;                   /* owned */
    char *path;                   /* owned: of the line last read */
    char *target;                 /* owned: of the line last read, or NULL */
    uint64_t number;              /* of that line, from 1 */
    size_t begin;                 /* of what is not yet read in buffer */
    size_t end;
    bool exhausted; /* nothing more comes behind end */
    char buffer[PULL_SIZE];
};

enum b10_reason index_reader_new(struct index_reader **out, const void *payload, size_t size,
                                 const char *name, struct b10_error *error)
{
    *out = NULL;
    SCOPED(index_reader) struct index_reader *reader = calloc(1, sizeof(*reader));
    if (!reader || !(reader->name = strdup(name)))
        return error_no_memory(error);
    TRY(zstd_decoder_new(&reader->decoder, error));
    zstd_pull_begin(reader->decoder, payload, size);
    *out = HEAP_TAKE(reader);
    return B10_REASON_OK;
}

void index_reader_free(struct index_reader *reader)
{
    if (!reader)
        return;
    zstd_decoder_free(reader->decoder);
    free(reader->name);
    free(reader->path);
    free(reader->target);
    free(reader);
}

void index_reader_guard(struct index_reader **reader)
{
    index_reader_free(*reader);
}

static enum b10_reason refuse(const struct index_reader *reader, enum b10_reason reason,
                              const char *what, struct b10_error *error)
{
    return error_set(error, reason, "'%s': line %" PRIu64 " of the index %s", reader->name,
                     reader->number, what);
}

/* Fills the buffer behind what is not yet read. */
static enum b10_reason pull(struct index_reader *reader, struct b10_error *error)
{
    size_t got = 0;
    memmove(reader->buffer, reader->buffer + reader->begin, reader->end - reader->begin);
    reader->end -= reader->begin;
    reader->begin = 0;
    TRY(zstd_pull(reader->decoder, reader->buffer + reader->end,
                  sizeof(reader->buffer) - reader->end, &got, reader->name, error));
    reader->end += got;
    reader->exhausted = reader->end < sizeof(reader->buffer);
    return B10_REASON_OK;
}

/* *line has *size bytes without the newline, NULL at the end of the index. */
static enum b10_reason next_line(struct index_reader *reader, const char **line, size_t *size,
                                 struct b10_error *error)
{
    if (reader->end - reader->begin < LINE_LIMIT && !reader->exhausted)
        TRY(pull(reader, error));
    *line = NULL;
    if (reader->begin == reader->end)
        return B10_REASON_OK;
    reader->number++;
    const char *begin = reader->buffer + reader->begin;
    const char *newline = memchr(begin, '\n', reader->end - reader->begin);
    if (!newline || newline - begin > LINE_LIMIT)
        return refuse(reader, B10_REASON_CORRUPT, "has no end", error);
    *line = begin;
    *size = (size_t)(newline - begin);
    reader->begin += *size + 1;
    return B10_REASON_OK;
}

static bool type_to(const json_t *value, enum entry_type *type)
{
    const char *text = json_string_value(value);
    for (int i = 0; text && i < TYPES; i++) {
        if (strcmp(text, type_names[i]) == 0) {
            *type = (enum entry_type)i;
            return true;
        }
    }
    return false;
}

/* [root, path, type, executable, mtime_s, mtime_ns, size, frame, void, target] */
static enum b10_reason fields_to(struct index_reader *reader, const json_t *value,
                                 struct index_line *line)
{
    uint64_t root = 0, executable = 0, mtime_ns = 0, frame = 0, is_void = 0;
    struct entry *entry = &line->entry;
    if (!json_u64_to(json_array_get(value, 0), UINT32_MAX, &root) ||
        !type_to(json_array_get(value, 2), &entry->type) ||
        !json_u64_to(json_array_get(value, 3), 1, &executable) ||
        !json_is_integer(json_array_get(value, 4)) ||
        !json_u64_to(json_array_get(value, 5), UINT32_MAX, &mtime_ns) ||
        !json_u64_to(json_array_get(value, 6), INT64_MAX, &entry->size) ||
        !json_u64_to(json_array_get(value, 7), UINT32_MAX, &frame) ||
        !json_u64_to(json_array_get(value, 8), 1, &is_void))
        return B10_REASON_CORRUPT;
    TRY(json_text_to(json_array_get(value, 1), &reader->path));
    if (entry->type == ENTRY_SYMLINK || entry->type == ENTRY_HARDLINK)
        TRY(json_text_to(json_array_get(value, 9), &reader->target));
    entry->executable = executable;
    entry->mtime_s = json_integer_value(json_array_get(value, 4));
    entry->mtime_ns = (uint32_t)mtime_ns;
    entry->path = reader->path;
    entry->target = reader->target;
    line->root = (uint32_t)root;
    line->frame = (uint32_t)frame;
    line->is_void = is_void;
    return B10_REASON_OK;
}

static enum b10_reason keep_names(struct index_reader *reader, const struct index_plain *names,
                                  struct index_line *line)
{
    reader->path = strndup(names->path, names->path_length);
    if (!reader->path)
        return B10_REASON_NO_MEMORY;
    if (names->target && !(reader->target = strndup(names->target, names->target_length)))
        return B10_REASON_NO_MEMORY;
    line->entry.path = reader->path;
    line->entry.target = reader->target;
    return B10_REASON_OK;
}

static enum b10_reason parse_line(struct index_reader *reader, struct json_cursor *cursor,
                                  struct index_line *line)
{
    SCOPED(json) json_t *value = NULL;
    struct index_plain names;
    if (index_plain_read(cursor->text, cursor->size, line, &names))
        return keep_names(reader, &names, line);
    *line = (struct index_line){0};
    TRY(json_value(cursor, &value));
    return json_at_end(cursor) ? fields_to(reader, value, line) : B10_REASON_CORRUPT;
}

/* The member's rules, as far as they can be told without its root's name. */
static bool is_legal(const struct entry *entry)
{
    if (!path_is_member(entry->path) || entry->mtime_ns >= 1000000000)
        return false;
    if (entry->type != ENTRY_SYMLINK && entry->type != ENTRY_HARDLINK)
        return true;
    if (!entry->target)
        return false;
    if (entry->type == ENTRY_SYMLINK)
        return path_link_stays_inside(entry->path, entry->target);
    return path_is_member(entry->target) && strcmp(entry->path, entry->target) != 0;
}

enum b10_reason index_reader_next(struct index_reader *reader, struct index_line *line, bool *found,
                                  struct b10_error *error)
{
    struct json_cursor cursor = {0};
    *found = false;
    TRY(next_line(reader, &cursor.text, &cursor.size, error));
    if (!cursor.text)
        return B10_REASON_OK;
    free(HEAP_TAKE(reader->path));
    free(HEAP_TAKE(reader->target));
    *line = (struct index_line){0};
    const enum b10_reason reason = parse_line(reader, &cursor, line);
    if (reason == B10_REASON_NO_MEMORY)
        return error_no_memory(error);
    if (reason != B10_REASON_OK)
        return refuse(reader, reason, "is damaged", error);
    if (!is_legal(&line->entry))
        return refuse(reader, B10_REASON_UNSAFE, "names a member that no archive may hold", error);
    *found = true;
    return B10_REASON_OK;
}
