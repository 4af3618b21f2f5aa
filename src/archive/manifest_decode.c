#include "archive/manifest_decode.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "archive/json_text.h"
#include "archive/manifest_check.h"
#include "archive/manifest_merges.h"
#include "archive/manifest_recorded.h"
#include "archive/manifest_text.h"
#include "base/guard.h"

struct decode {
    struct manifest *manifest;
    struct json_cursor cursor;
    const char *name;
    struct b10_error *error;
    uint32_t seen; /* bits: keys of the table below */
    size_t keys;   /* all, known or not */
};

static enum b10_reason damaged(const struct decode *decode, const char *where)
{
    return error_set(decode->error, B10_REASON_CORRUPT, "'%s': damaged manifest (%s)", decode->name,
                     where);
}

/* What json_text.h answered, in words. */
static enum b10_reason judge(const struct decode *decode, enum b10_reason reason, const char *where)
{
    if (reason == B10_REASON_NO_MEMORY)
        return error_no_memory(decode->error);
    return reason == B10_REASON_OK ? B10_REASON_OK : damaged(decode, where);
}

/* Room for one more in an array that grows by doubling; its capacity follows from its count. */
static bool grow(void *pointer_to_array, size_t count, size_t item_size)
{
    enum { FIRST = 8 };
    void **array = pointer_to_array;
    if (count != 0 && (count < FIRST || (count & (count - 1)) != 0))
        return true;
    void *grown = realloc(*array, (count == 0 ? FIRST : 2 * count) * item_size);
    if (!grown)
        return false;
    *array = grown;
    return true;
}

static enum b10_reason next_value(struct decode *decode, const char *where, json_t **value)
{
    return judge(decode, json_value(&decode->cursor, value), where);
}

/* Elements of the array that comes next, one at a time, so that memory does not grow with it. */
static enum b10_reason each(struct decode *decode, const char *where, uint64_t most,
                            enum b10_reason (*take)(struct decode *, const json_t *))
{
    if (!json_take(&decode->cursor, '['))
        return damaged(decode, where);
    if (json_take(&decode->cursor, ']'))
        return B10_REASON_OK;
    for (uint64_t count = 0;; count++) {
        SCOPED(json) json_t *value = NULL;
        if (count == most)
            return error_set(decode->error, B10_REASON_UNSAFE, "'%s': more than %" PRIu64 " %s",
                             decode->name, most, where);
        TRY(next_value(decode, where, &value));
        TRY(take(decode, value));
        if (json_take(&decode->cursor, ']'))
            return B10_REASON_OK;
        if (!json_take(&decode->cursor, ','))
            return damaged(decode, where);
    }
}

static enum b10_reason take_text(struct decode *decode, const char *where, char **text)
{
    SCOPED(json) json_t *value = NULL;
    TRY(next_value(decode, where, &value));
    return judge(decode, json_text_to(value, text), where);
}

static enum b10_reason take_format(struct decode *decode)
{
    SCOPED(json) json_t *value = NULL;
    uint64_t format = 0;
    TRY(next_value(decode, "format", &value));
    if (!json_u64_to(value, UINT32_MAX, &format) || format == 0)
        return damaged(decode, "format");
    decode->manifest->format = (uint32_t)format;
    if (format > ARCHIVE_FORMAT)
        return error_set(decode->error, B10_REASON_FORMAT,
                         "'%s' is of format %" PRIu64 ", this version reads up to %d", decode->name,
                         format, ARCHIVE_FORMAT);
    return B10_REASON_OK;
}

static enum b10_reason take_creator(struct decode *decode)
{
    return take_text(decode, "creator", &decode->manifest->creator);
}

static enum b10_reason take_kind(struct decode *decode)
{
    return take_text(decode, "kind", &decode->manifest->kind);
}

static enum b10_reason take_key(struct decode *decode)
{
    return take_text(decode, "key", &decode->manifest->key);
}

static enum b10_reason take_token(struct decode *decode)
{
    SCOPED(heap) char *token = NULL;
    TRY(take_text(decode, "token", &token));
    if (strlen(token) != sizeof(decode->manifest->token) - 1)
        return damaged(decode, "token");
    memcpy(decode->manifest->token, token, sizeof(decode->manifest->token));
    return B10_REASON_OK;
}

static enum b10_reason take_created(struct decode *decode)
{
    SCOPED(json) json_t *value = NULL;
    uint64_t created = 0;
    TRY(next_value(decode, "created", &value));
    if (!json_u64_to(value, INT64_MAX, &created))
        return damaged(decode, "created");
    decode->manifest->created_s = (int64_t)created;
    return B10_REASON_OK;
}

static enum b10_reason take_facts(struct decode *decode)
{
    SCOPED(json) json_t *value = NULL;
    struct manifest *manifest = decode->manifest;
    const char *key = NULL;
    json_t *fact = NULL;
    TRY(next_value(decode, "facts", &value));
    if (!json_is_object(value) || json_object_size(value) > MANIFEST_FACTS_LIMIT)
        return damaged(decode, "facts");
    manifest->facts = calloc(json_object_size(value) + 1, sizeof(*manifest->facts));
    if (!manifest->facts)
        return error_no_memory(decode->error);
    json_object_foreach(value, key, fact)
    {
        struct fact *to = &manifest->facts[manifest->fact_count++];
        to->name = strdup(key);
        if (!to->name)
            return error_no_memory(decode->error);
        TRY(judge(decode, json_text_to(fact, &to->value), "facts"));
    }
    qsort(manifest->facts, manifest->fact_count, sizeof(*manifest->facts), fact_order);
    return B10_REASON_OK;
}

static enum b10_reason take_totals(struct decode *decode)
{
    SCOPED(json) json_t *value = NULL;
    struct manifest_totals *totals = &decode->manifest->totals;
    const struct {
        const char *key;
        uint64_t *to;
    } numbers[] = {{"files", &totals->files},
                   {"symlinks", &totals->symlinks},
                   {"directories", &totals->directories},
                   {"duplicates", &totals->duplicates},
                   {"bytes", &totals->bytes},
                   {"disk_bytes", &totals->disk_bytes},
                   {"host_code", &totals->host_code}};
    TRY(next_value(decode, "totals", &value));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        if (!json_u64_to(json_object_get(value, numbers[i].key), INT64_MAX, numbers[i].to))
            return damaged(decode, "totals");
    return B10_REASON_OK;
}

static enum b10_reason take_index(struct decode *decode)
{
    SCOPED(json) json_t *value = NULL;
    struct manifest *manifest = decode->manifest;
    TRY(next_value(decode, "index", &value));
    if (!json_u64_to(json_object_get(value, "size"), UINT32_MAX, &manifest->index_size) ||
        !json_hex_to(json_object_get(value, "digest"), manifest->index_digest, DIGEST_SIZE))
        return damaged(decode, "index");
    return B10_REASON_OK;
}

static enum b10_reason take_origins(struct decode *decode, const json_t *origins,
                                    struct manifest_root *root)
{
    if (!json_is_array(origins))
        return damaged(decode, "origins");
    root->origins = calloc(json_array_size(origins) + 1, sizeof(*root->origins));
    if (!root->origins)
        return error_no_memory(decode->error);
    for (size_t i = 0; i < json_array_size(origins); i++, root->origin_count++)
        TRY(judge(decode, json_text_to(json_array_get(origins, i), &root->origins[i]), "origins"));
    return B10_REASON_OK;
}

static enum b10_reason take_root(struct decode *decode, const json_t *value)
{
    struct manifest *manifest = decode->manifest;
    if (!grow(&manifest->roots, manifest->root_count, sizeof(*manifest->roots)))
        return error_no_memory(decode->error);
    struct manifest_root *root = &manifest->roots[manifest->root_count];
    *root = (struct manifest_root){0};
    TRY(judge(decode, json_text_to(json_object_get(value, "name"), &root->name), "roots"));
    manifest->root_count++;
    return take_origins(decode, json_object_get(value, "origins"), root);
}

static enum b10_reason take_roots(struct decode *decode)
{
    return each(decode, "roots", MANIFEST_ROOTS_LIMIT, take_root);
}

static enum b10_reason take_directory(struct decode *decode, const json_t *value)
{
    struct manifest *manifest = decode->manifest;
    uint64_t index = 0;
    if (!json_u64_to(json_array_get(value, 0), UINT32_MAX, &index) || index >= manifest->root_count)
        return damaged(decode, "directories");
    struct manifest_root *root = &manifest->roots[index];
    if (!grow(&root->directories, root->directory_count, sizeof(*root->directories)))
        return error_no_memory(decode->error);
    char **path = &root->directories[root->directory_count];
    TRY(judge(decode, json_text_to(json_array_get(value, 1), path), "directories"));
    root->directory_count++;
    return B10_REASON_OK;
}

static enum b10_reason take_directories(struct decode *decode)
{
    return each(decode, "directories", ARCHIVE_FILES_LIMIT, take_directory);
}

/* [root, path, executable, mtime_s, mtime_ns, size, void] */
static enum b10_reason take_sliced_one(struct decode *decode, const json_t *value)
{
    struct manifest *manifest = decode->manifest;
    uint64_t root = 0, executable = 0, mtime_ns = 0, is_void = 0;
    if (!grow(&manifest->sliced, manifest->sliced_count, sizeof(*manifest->sliced)))
        return error_no_memory(decode->error);
    struct manifest_sliced *sliced = &manifest->sliced[manifest->sliced_count];
    *sliced = (struct manifest_sliced){0};
    if (!json_u64_to(json_array_get(value, 0), UINT32_MAX, &root) ||
        !json_u64_to(json_array_get(value, 2), 1, &executable) ||
        !json_is_integer(json_array_get(value, 3)) ||
        !json_u64_to(json_array_get(value, 4), UINT32_MAX, &mtime_ns) ||
        !json_u64_to(json_array_get(value, 5), INT64_MAX, &sliced->size) ||
        !json_u64_to(json_array_get(value, 6), 1, &is_void))
        return damaged(decode, "sliced");
    TRY(judge(decode, json_text_to(json_array_get(value, 1), &sliced->path), "sliced"));
    manifest->sliced_count++;
    sliced->root = (uint32_t)root;
    sliced->executable = executable;
    sliced->mtime_s = json_integer_value(json_array_get(value, 3));
    sliced->mtime_ns = (uint32_t)mtime_ns;
    sliced->is_void = is_void;
    return B10_REASON_OK;
}

static enum b10_reason take_sliced(struct decode *decode)
{
    return each(decode, "sliced", FRAME_COUNT_LIMIT, take_sliced_one);
}

static bool kind_to(const json_t *value, enum frame_kind *kind)
{
    const char *text = json_string_value(value);
    for (int i = FRAME_MEMBERS; text && i <= FRAME_END; i++) {
        if (strcmp(text, manifest_kind_names[i]) == 0) {
            *kind = (enum frame_kind)i;
            return true;
        }
    }
    return false;
}

/* [kind, compressed, content, members, digest, sliced, offset] */
static enum b10_reason take_frame(struct decode *decode, const json_t *value)
{
    struct manifest *manifest = decode->manifest;
    struct frame frame = {0};
    uint64_t compressed = 0, content = 0, members = 0, sliced = 0;
    if (!kind_to(json_array_get(value, 0), &frame.kind) ||
        !json_u64_to(json_array_get(value, 1), UINT32_MAX, &compressed) ||
        !json_u64_to(json_array_get(value, 2), UINT32_MAX, &content) ||
        !json_u64_to(json_array_get(value, 3), UINT32_MAX, &members) ||
        !json_hex_to(json_array_get(value, 4), frame.digest, DIGEST_SIZE))
        return damaged(decode, "frames");
    if ((frame.kind == FRAME_HEADER || frame.kind == FRAME_SLICE) &&
        !json_u64_to(json_array_get(value, 5), UINT32_MAX, &sliced))
        return damaged(decode, "frames");
    if (frame.kind == FRAME_SLICE &&
        !json_u64_to(json_array_get(value, 6), INT64_MAX, &frame.offset))
        return damaged(decode, "frames");
    if (!grow(&manifest->frames, manifest->frame_count, sizeof(*manifest->frames)))
        return error_no_memory(decode->error);
    frame.compressed_size = (uint32_t)compressed;
    frame.content_size = (uint32_t)content;
    frame.members = (uint32_t)members;
    frame.sliced = (uint32_t)sliced;
    manifest->frames[manifest->frame_count++] = frame;
    return B10_REASON_OK;
}

static enum b10_reason take_frames(struct decode *decode)
{
    return each(decode, "frames", FRAME_COUNT_LIMIT, take_frame);
}

static const struct {
    const char *key;
    enum b10_reason (*take)(struct decode *); /* required */
    /* may be missing, and decides nothing that a load does */
    enum b10_reason (*keep)(struct manifest *, json_t *, struct b10_error *);
} known_keys[] = {{"format", take_format, NULL},
                  {"creator", take_creator, NULL},
                  {"kind", take_kind, NULL},
                  {"key", take_key, NULL},
                  {"token", take_token, NULL},
                  {"created", take_created, NULL},
                  {"facts", take_facts, NULL},
                  {"totals", take_totals, NULL},
                  {"index", take_index, NULL},
                  {"roots", take_roots, NULL},
                  {"directories", take_directories, NULL},
                  {"sliced", take_sliced, NULL},
                  {"frames", take_frames, NULL},
                  {"recorded_environment", NULL, manifest_recorded_take},
                  {"merges", NULL, manifest_merges_take},
                  {"last_merge", NULL, manifest_last_merge_take},
                  {"ancestors", NULL, manifest_ancestors_take}};
enum {
    KNOWN_KEYS = sizeof(known_keys) / sizeof(*known_keys),
    REQUIRED_KEYS = KNOWN_KEYS - 4,
    KEYS_LIMIT = 256
};

static enum b10_reason take_known(struct decode *decode, size_t index)
{
    SCOPED(json) json_t *value = NULL;
    if (decode->seen & 1u << index)
        return damaged(decode, "a key twice");
    decode->seen |= 1u << index;
    if (known_keys[index].take)
        return known_keys[index].take(decode);
    TRY(next_value(decode, known_keys[index].key, &value));
    return known_keys[index].keep(decode->manifest, value, decode->error);
}

/* "key": value. The format comes first, because only it says whether the rest can be understood. */
static enum b10_reason take_pair(struct decode *decode)
{
    SCOPED(heap) char *key = NULL;
    SCOPED(json) json_t *ignored = NULL;
    TRY(take_text(decode, "keys", &key));
    if (!json_take(&decode->cursor, ':') || ++decode->keys > KEYS_LIMIT ||
        (decode->keys == 1) != (strcmp(key, "format") == 0))
        return damaged(decode, "keys");
    for (size_t i = 0; i < KNOWN_KEYS; i++)
        if (strcmp(key, known_keys[i].key) == 0)
            return take_known(decode, i);
    return next_value(decode, "unknown key", &ignored);
}

static enum b10_reason take_document(struct decode *decode)
{
    if (!json_take(&decode->cursor, '{'))
        return damaged(decode, "no object");
    do {
        TRY(take_pair(decode));
    } while (json_take(&decode->cursor, ','));
    if (!json_take(&decode->cursor, '}') || !json_at_end(&decode->cursor))
        return damaged(decode, "end");
    const uint32_t required = (1u << REQUIRED_KEYS) - 1;
    if ((decode->seen & required) != required)
        return damaged(decode, "a key is missing");
    return manifest_check(decode->manifest, decode->name, decode->error);
}

enum b10_reason manifest_from_text(const char *text, size_t size, struct manifest *out,
                                   const char *name, struct b10_error *error)
{
    struct decode decode = {.manifest = out,
                            .cursor = {.text = text, .size = size},
                            .name = name,
                            .error = error};
    return take_document(&decode);
}
