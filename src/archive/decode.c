#include "archive/decode.h"

#include <stdlib.h>
#include <string.h>

#include "archive/tar_codec.h"
#include "archive/zstd_codec.h"
#include "base/guard.h"
#include "fs/path.h"

enum { QUOTED_SIZE = 512 };

/* The file that links behind it are copies of. */
struct original {
    bool known;
    char path[PATH_LIMIT + 1]; /* with its root */
    const void *content;
    uint64_t size;
};

struct decoder {
    struct zstd_decoder *zstd; /* owned */
    struct tar_decoder *tar;   /* owned */
    unsigned char *content;    /* owned */
    size_t capacity;
    const struct reader *reader;
    const struct frame *frame;
    size_t index; /* of frame */
    uint32_t members;
    struct original original;
};

static enum b10_reason corrupt_frame(const struct decoder *decoder, const char *what,
                                     struct b10_error *error)
{
    return error_set(error, B10_REASON_CORRUPT, "frame %zu of '%s' is damaged: %s", decoder->index,
                     decoder->reader->name, what);
}

static enum b10_reason refuse(const struct decoder *decoder, const char *path,
                              enum b10_reason reason, const char *what, struct b10_error *error)
{
    char quoted[QUOTED_SIZE];
    return error_set(error, reason, "member '%s' of '%s' %s",
                     path_quote(quoted, sizeof(quoted), path), decoder->reader->name, what);
}

enum b10_reason decoder_new(struct decoder **out, struct b10_error *error)
{
    SCOPED(decoder) struct decoder *decoder = calloc(1, sizeof(*decoder));
    if (decoder == NULL)
        return error_no_memory(error);
    TRY(zstd_decoder_new(&decoder->zstd, error));
    TRY(tar_decoder_new(&decoder->tar, error));
    *out = HEAP_TAKE(decoder);
    return B10_REASON_OK;
}

void decoder_free(struct decoder *decoder)
{
    if (decoder == NULL)
        return;
    zstd_decoder_free(decoder->zstd);
    tar_decoder_free(decoder->tar);
    free(decoder->content);
    free(decoder);
}

void decoder_guard(struct decoder **decoder)
{
    decoder_free(*decoder);
    *decoder = NULL;
}

/* Grows exactly: doubling would let a few large frames cost every worker the limit. */
static enum b10_reason make_room(struct decoder *decoder, struct b10_error *error)
{
    size_t wanted = decoder->frame->content_size;
    if (wanted > FRAME_CONTENT_LIMIT)
        return corrupt_frame(decoder, "its content is too large", error);
    if (wanted <= decoder->capacity)
        return B10_REASON_OK;
    free(decoder->content);
    decoder->capacity = 0;
    decoder->content = malloc(wanted);
    if (decoder->content == NULL)
        return error_no_memory(error);
    decoder->capacity = wanted;
    return B10_REASON_OK;
}

bool decode_all_zero(const unsigned char *data, size_t size)
{
    return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

static enum b10_reason begin_slice(struct decoder *decoder, size_t *size, struct b10_error *error)
{
    const struct frame *frame = decoder->frame;
    uint64_t left = decoder->reader->manifest.sliced[frame->sliced].size - frame->offset;
    *size = left < frame->content_size ? (size_t)left : frame->content_size;
    if (!decode_all_zero(decoder->content + *size, frame->content_size - *size))
        return corrupt_frame(decoder, "its padding is not zero", error);
    return B10_REASON_OK;
}

enum b10_reason decoder_begin(struct decoder *decoder, const struct reader *reader, size_t index,
                              const void *data, const unsigned char **content, size_t *size,
                              struct b10_error *error)
{
    const struct frame *frame = &reader->manifest.frames[index];
    decoder->reader = reader;
    decoder->frame = frame;
    decoder->index = index;
    decoder->members = 0;
    decoder->original.known = false;
    unsigned char digest[DIGEST_SIZE];
    digest_256(digest, data, frame->compressed_size);
    if (memcmp(digest, frame->digest, sizeof(digest)) != 0)
        return corrupt_frame(decoder, "its digest is wrong", error);
    TRY(make_room(decoder, error));
    TRY(zstd_decode(decoder->zstd, data, frame->compressed_size, decoder->content,
                    frame->content_size, reader->name, error));
    *content = decoder->content;
    *size = frame->content_size;
    switch (frame->kind) {
    case FRAME_SLICE:
        return begin_slice(decoder, size, error);
    case FRAME_END:
        if (*size != ARCHIVE_END_SIZE || !decode_all_zero(*content, *size))
            return corrupt_frame(decoder, "it is no end of an archive", error);
        return B10_REASON_OK;
    case FRAME_MEMBERS:
    case FRAME_HEADER:
        return tar_decoder_begin(decoder->tar, decoder->content, frame->content_size,
                                 frame->kind == FRAME_HEADER, reader->name, error);
    }
    return corrupt_frame(decoder, "it is of no known kind", error);
}

/* The header must say what the manifest says, or a load and tar would make different files. */
static enum b10_reason match_header(const struct decoder *decoder, struct decoded *decoded,
                                    struct b10_error *error)
{
    const struct manifest_sliced *sliced =
        &decoder->reader->manifest.sliced[decoder->frame->sliced];
    const struct entry *entry = &decoded->entry;
    if (entry->type != ENTRY_FILE || decoded->root != sliced->root ||
        strcmp(decoded->path, sliced->path) != 0 || entry->size != sliced->size ||
        entry->executable != sliced->executable || entry->mtime_s != sliced->mtime_s ||
        entry->mtime_ns != sliced->mtime_ns)
        return refuse(decoder, entry->path, B10_REASON_CORRUPT,
                      "is not the large file that the manifest names here", error);
    decoded->size = sliced->size;
    decoded->sliced = decoder->frame->sliced;
    decoded->is_void = sliced->is_void;
    return B10_REASON_OK;
}

static void remember_original(struct original *original, const struct decoded *decoded)
{
    original->known = true;
    memcpy(original->path, decoded->entry.path, strlen(decoded->entry.path) + 1);
    original->content = decoded->content;
    original->size = decoded->size;
}

static enum b10_reason resolve_link(const struct decoder *decoder, struct decoded *decoded,
                                    struct b10_error *error)
{
    const struct entry *entry = &decoded->entry;
    const struct original *original = &decoder->original;
    if (original->known && strcmp(original->path, entry->target) == 0) {
        decoded->content = original->content;
        decoded->size = original->size;
        return B10_REASON_OK;
    }
    decoded->sliced =
        reader_find_sliced(decoder->reader, decoded->root, entry_inner_path(entry->target));
    if (decoded->sliced < 0)
        return refuse(decoder, entry->path, B10_REASON_UNSAFE,
                      "is a link to something other than the file before it", error);
    const struct manifest_sliced *sliced = &decoder->reader->manifest.sliced[decoded->sliced];
    if (sliced->is_void)
        return refuse(decoder, entry->path, B10_REASON_CORRUPT, "is a link to a void file", error);
    decoded->size = sliced->size;
    return B10_REASON_OK;
}

static enum b10_reason interpret(struct decoder *decoder, struct decoded *decoded,
                                 struct b10_error *error)
{
    const struct entry *entry = &decoded->entry;
    const char *slash = strchr(entry->path, '/');
    int root = slash == NULL ? -1
                             : manifest_find_root(&decoder->reader->manifest, entry->path,
                                                  (size_t)(slash - entry->path));
    if (root < 0)
        return refuse(decoder, entry->path, B10_REASON_CORRUPT,
                      "is of a root that the manifest does not name", error);
    decoded->root = (uint32_t)root;
    decoded->path = slash + 1;
    decoded->sliced = DECODED_NOT_SLICED;
    if (decoder->frame->kind == FRAME_HEADER)
        return match_header(decoder, decoded, error);
    if (entry->type == ENTRY_HARDLINK)
        return resolve_link(decoder, decoded, error);
    decoded->content = entry->content;
    decoded->size = entry->size;
    if (entry->type == ENTRY_FILE)
        remember_original(&decoder->original, decoded);
    return B10_REASON_OK;
}

enum b10_reason decoder_next(struct decoder *decoder, struct decoded *decoded, bool *found,
                             struct b10_error *error)
{
    *decoded = (struct decoded){.sliced = DECODED_NOT_SLICED};
    TRY(tar_decoder_next(decoder->tar, &decoded->entry, found, error));
    if (!*found && decoder->members != decoder->frame->members)
        return corrupt_frame(decoder, "it holds fewer members than the manifest says", error);
    if (!*found)
        return B10_REASON_OK;
    if (++decoder->members > decoder->frame->members)
        return corrupt_frame(decoder, "it holds more members than the manifest says", error);
    return interpret(decoder, decoded, error);
}
