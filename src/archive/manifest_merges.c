#include "archive/manifest_merges.h"

#include <inttypes.h>

enum b10_reason manifest_merges_write(const struct manifest *manifest, struct bytes *out,
                                      struct b10_error *error)
{
    const struct manifest_merge *last = &manifest->last_merge;
    if (manifest->merges == 0)
        return B10_REASON_OK;
    return bytes_format(out, error,
                        ",\n\"merges\":%" PRIu32 ",\n\"last_merge\":{\"directories\":%" PRIu64
                        ",\"files\":%" PRIu64 ",\"bytes\":%" PRIu64 "}",
                        manifest->merges, last->directories, last->files, last->bytes);
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
