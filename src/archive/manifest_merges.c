#include "archive/manifest_merges.h"

#include <inttypes.h>
#include <string.h>

#include "base/guard.h"

static enum b10_reason write_ancestors(const struct manifest *manifest, struct bytes *out,
                                       struct b10_error *error)
{
    TRY(bytes_append_text(out, ",\n\"ancestors\":[", error));
    for (size_t i = 0; i < manifest->ancestor_count; i++)
        TRY(bytes_format(out, error, "%s\"%s\"", i > 0 ? "," : "", manifest->ancestors[i]));
    return bytes_append_text(out, "]", error);
}

enum b10_reason manifest_merges_write(const struct manifest *manifest, struct bytes *out,
                                      struct b10_error *error)
{
    const struct manifest_merge *last = &manifest->last_merge;
    if (manifest->merges == 0)
        return B10_REASON_OK;
    TRY(bytes_format(out, error,
                     ",\n\"merges\":%" PRIu32 ",\n\"last_merge\":{\"directories\":%" PRIu64
                     ",\"files\":%" PRIu64 ",\"bytes\":%" PRIu64 "}",
                     manifest->merges, last->directories, last->files, last->bytes));
    return manifest->ancestor_count > 0 ? write_ancestors(manifest, out, error) : B10_REASON_OK;
}

enum b10_reason manifest_merges_take(struct manifest *manifest, json_t *value,
                                     struct b10_error *error)
{
    uint64_t merges = 0;
    (void)error;
    if (json_u64_to(value, UINT32_MAX, &merges))
        manifest->merges = (uint32_t)merges;
    return B10_REASON_OK;
}

enum b10_reason manifest_last_merge_take(struct manifest *manifest, json_t *value,
                                         struct b10_error *error)
{
    struct manifest_merge last = {0};
    (void)error;
    if (json_u64_to(json_object_get(value, "directories"), INT64_MAX, &last.directories) &&
        json_u64_to(json_object_get(value, "files"), INT64_MAX, &last.files) &&
        json_u64_to(json_object_get(value, "bytes"), INT64_MAX, &last.bytes))
        manifest->last_merge = last;
    return B10_REASON_OK;
}

static bool take_ancestor(const json_t *value, char token[MANIFEST_TOKEN_SIZE])
{
    const char *text = json_string_value(value);
    const size_t length = MANIFEST_TOKEN_SIZE - 1;
    if (text == NULL || json_string_length(value) != length ||
        strspn(text, "0123456789abcdef") != length)
        return false;
    memcpy(token, text, MANIFEST_TOKEN_SIZE);
    return true;
}

enum b10_reason manifest_ancestors_take(struct manifest *manifest, json_t *value,
                                        struct b10_error *error)
{
    const size_t count = json_array_size(value); /* 0: no array */
    (void)error;
    if (count > MANIFEST_ANCESTORS_LIMIT)
        return B10_REASON_OK;
    for (size_t i = 0; i < count; i++)
        if (!take_ancestor(json_array_get(value, i), manifest->ancestors[i]))
            return B10_REASON_OK;
    manifest->ancestor_count = count;
    return B10_REASON_OK;
}
