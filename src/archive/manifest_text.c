#include "archive/manifest_text.h"

#include <inttypes.h>

#include "archive/json_write.h"
#include "archive/manifest_merges.h"
#include "archive/manifest_recorded.h"

const char *const manifest_kind_names[4] = {"members", "header", "slice", "end"};

/* ", " between elements: before all but the first. */
static enum b10_reason separate(struct bytes *out, size_t index, struct b10_error *error)
{
    return bytes_append_text(out, index == 0 ? "\n" : ",\n", error);
}

static enum b10_reason text_key(struct bytes *out, const char *key, const char *value,
                                struct b10_error *error)
{
    TRY(bytes_format(out, error, ",\n\"%s\":", key));
    return json_write_path(out, value, error);
}

static enum b10_reason write_facts(const struct manifest *manifest, struct bytes *out,
                                   struct b10_error *error)
{
    TRY(bytes_append_text(out, ",\n\"facts\":{", error));
    for (size_t i = 0; i < manifest->fact_count; i++) {
        TRY(separate(out, i, error));
        TRY(json_write_path(out, manifest->facts[i].name, error));
        TRY(bytes_append_text(out, ":", error));
        TRY(json_write_path(out, manifest->facts[i].value, error));
    }
    return bytes_append_text(out, "}", error);
}

static enum b10_reason write_totals(const struct manifest *manifest, struct bytes *out,
                                    struct b10_error *error)
{
    const struct manifest_totals *totals = &manifest->totals;
    TRY(bytes_format(out, error,
                     ",\n\"totals\":{\"files\":%" PRIu64 ",\"symlinks\":%" PRIu64
                     ",\"directories\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"bytes\":%" PRIu64
                     ",\"disk_bytes\":%" PRIu64 ",\"host_code\":%" PRIu64 "}",
                     totals->files, totals->symlinks, totals->directories, totals->duplicates,
                     totals->bytes, totals->disk_bytes, totals->host_code));
    TRY(bytes_format(out, error,
                     ",\n\"index\":{\"size\":%" PRIu64 ",\"digest\":", manifest->index_size));
    TRY(json_write_hex(out, manifest->index_digest, DIGEST_SIZE, error));
    return bytes_append_text(out, "}", error);
}

static enum b10_reason write_root(const struct manifest_root *root, struct bytes *out,
                                  struct b10_error *error)
{
    TRY(bytes_append_text(out, "{\"name\":", error));
    TRY(json_write_path(out, root->name, error));
    TRY(bytes_append_text(out, ",\"origins\":[", error));
    for (size_t i = 0; i < root->origin_count; i++) {
        if (i > 0)
            TRY(bytes_append_text(out, ",", error));
        TRY(json_write_path(out, root->origins[i], error));
    }
    return bytes_append_text(out, "]}", error);
}

static enum b10_reason write_roots(const struct manifest *manifest, struct bytes *out,
                                   struct b10_error *error)
{
    TRY(bytes_append_text(out, ",\n\"roots\":[", error));
    for (size_t i = 0; i < manifest->root_count; i++) {
        TRY(separate(out, i, error));
        TRY(write_root(&manifest->roots[i], out, error));
    }
    TRY(bytes_append_text(out, "],\n\"directories\":[", error));
    size_t written = 0;
    for (size_t i = 0; i < manifest->root_count; i++) {
        for (size_t k = 0; k < manifest->roots[i].directory_count; k++) {
            TRY(separate(out, written++, error));
            TRY(bytes_format(out, error, "[%zu,", i));
            TRY(json_write_path(out, manifest->roots[i].directories[k], error));
            TRY(bytes_append_text(out, "]", error));
        }
    }
    return bytes_append_text(out, "]", error);
}

static enum b10_reason write_sliced(const struct manifest *manifest, struct bytes *out,
                                    struct b10_error *error)
{
    TRY(bytes_append_text(out, ",\n\"sliced\":[", error));
    for (size_t i = 0; i < manifest->sliced_count; i++) {
        const struct manifest_sliced *sliced = &manifest->sliced[i];
        TRY(separate(out, i, error));
        TRY(bytes_format(out, error, "[%" PRIu32 ",", sliced->root));
        TRY(json_write_path(out, sliced->path, error));
        TRY(bytes_format(out, error, ",%d,%" PRId64 ",%" PRIu32 ",%" PRIu64 ",%d]",
                         sliced->executable, sliced->mtime_s, sliced->mtime_ns, sliced->size,
                         sliced->is_void));
    }
    return bytes_append_text(out, "]", error);
}

static enum b10_reason write_frame(const struct frame *frame, struct bytes *out,
                                   struct b10_error *error)
{
    TRY(bytes_format(out, error, "[\"%s\",%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",",
                     manifest_kind_names[frame->kind], frame->compressed_size, frame->content_size,
                     frame->members));
    TRY(json_write_hex(out, frame->digest, DIGEST_SIZE, error));
    if (frame->kind == FRAME_HEADER)
        return bytes_format(out, error, ",%" PRIu32 "]", frame->sliced);
    if (frame->kind == FRAME_SLICE)
        return bytes_format(out, error, ",%" PRIu32 ",%" PRIu64 "]", frame->sliced, frame->offset);
    return bytes_append_text(out, "]", error);
}

static enum b10_reason write_frames(const struct manifest *manifest, struct bytes *out,
                                    struct b10_error *error)
{
    TRY(bytes_append_text(out, ",\n\"frames\":[", error));
    for (size_t i = 0; i < manifest->frame_count; i++) {
        TRY(separate(out, i, error));
        TRY(write_frame(&manifest->frames[i], out, error));
    }
    return bytes_append_text(out, "]", error);
}

enum b10_reason manifest_text(const struct manifest *manifest, struct bytes *out,
                              struct b10_error *error)
{
    TRY(bytes_format(out, error, "{\"format\":%" PRIu32, manifest->format));
    TRY(text_key(out, "creator", manifest->creator, error));
    TRY(text_key(out, "kind", manifest->kind, error));
    TRY(text_key(out, "key", manifest->key, error));
    TRY(text_key(out, "token", manifest->token, error));
    TRY(bytes_format(out, error, ",\n\"created\":%" PRId64, manifest->created_s));
    TRY(write_facts(manifest, out, error));
    TRY(manifest_recorded_write(manifest, out, error));
    TRY(manifest_merges_write(manifest, out, error));
    TRY(write_totals(manifest, out, error));
    TRY(write_roots(manifest, out, error));
    TRY(write_sliced(manifest, out, error));
    TRY(write_frames(manifest, out, error));
    return bytes_append_text(out, "}\n", error);
}
