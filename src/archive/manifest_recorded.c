#include "archive/manifest_recorded.h"

#include <stdlib.h>
#include <string.h>

#include "archive/json_write.h"
#include "base/utf8.h"

static const char name_bytes[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";

enum b10_reason manifest_recorded_write(const struct manifest *manifest, struct bytes *out,
                                        struct b10_error *error)
{
    if (!manifest->is_recorded)
        return B10_REASON_OK;
    TRY(bytes_append_text(out, ",\n\"recorded_environment\":{", error));
    for (size_t i = 0; i < manifest->recorded_count; i++) {
        TRY(bytes_append_text(out, i == 0 ? "\n" : ",\n", error));
        TRY(json_write_path(out, manifest->recorded[i].name, error));
        TRY(bytes_append_text(out, ":", error));
        TRY(json_write_path(out, manifest->recorded[i].value, error));
    }
    return bytes_append_text(out, "}", error);
}

bool manifest_may_record_name(const char *name)
{
    const size_t length = strlen(name);
    return length >= 1 && length <= MANIFEST_RECORDED_NAME_LIMIT &&
           strspn(name, name_bytes) == length;
}

bool manifest_may_record_value(const char *value)
{
    return strlen(value) <= MANIFEST_RECORDED_VALUE_LIMIT && utf8_is_printable(value);
}

enum b10_reason manifest_recorded_take(struct manifest *manifest, json_t *value,
                                       struct b10_error *error)
{
    const char *name = NULL;
    json_t *text = NULL;
    if (!json_is_object(value))
        return B10_REASON_OK;
    manifest->is_recorded = true;
    manifest->recorded = calloc(MANIFEST_RECORDED_LIMIT, sizeof(*manifest->recorded));
    if (manifest->recorded == NULL)
        return error_no_memory(error);
    json_object_foreach(value, name, text)
    {
        if (manifest->recorded_count == MANIFEST_RECORDED_LIMIT)
            break;
        const char *kept = json_string_value(text);
        if (!manifest_may_record_name(name) || kept == NULL || !manifest_may_record_value(kept))
            continue;
        TRY(fact_copy(&manifest->recorded[manifest->recorded_count], name, kept, error));
        manifest->recorded_count++;
    }
    qsort(manifest->recorded, manifest->recorded_count, sizeof(*manifest->recorded), fact_order);
    return B10_REASON_OK;
}
