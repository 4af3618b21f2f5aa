#include "archive/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "archive/manifest_check.h"
#include "archive/manifest_decode.h"
#include "archive/manifest_text.h"
#include "archive/zstd_codec.h"
#include "base/guard.h"
#include "fs/path.h"

/* ---- what every manifest needs ---- */

int manifest_find_root(const struct manifest *manifest, const char *name, size_t length)
{
    for (size_t i = 0; i < manifest->root_count; i++)
        if (strncmp(manifest->roots[i].name, name, length) == 0 &&
            manifest->roots[i].name[length] == '\0')
            return (int)i;
    return -1;
}

static enum b10_reason add_text(char ***texts, size_t *count, const char *text,
                                struct b10_error *error)
{
    SCOPED(heap) char *copy = strdup(text);
    char **grown = realloc(*texts, (*count + 1) * sizeof(*grown));
    if (grown != NULL)
        *texts = grown;
    if (grown == NULL || copy == NULL)
        return error_no_memory(error);
    grown[(*count)++] = HEAP_TAKE(copy);
    return B10_REASON_OK;
}

static void add_ancestor(struct manifest *manifest, const char token[MANIFEST_TOKEN_SIZE])
{
    if (manifest->ancestor_count == MANIFEST_ANCESTORS_LIMIT)
        memmove(manifest->ancestors, manifest->ancestors + 1,
                --manifest->ancestor_count * sizeof(*manifest->ancestors));
    memcpy(manifest->ancestors[manifest->ancestor_count++], token, MANIFEST_TOKEN_SIZE);
}

void manifest_descend(struct manifest *manifest, const struct manifest *stored)
{
    for (size_t i = 0; i < stored->ancestor_count; i++)
        add_ancestor(manifest, stored->ancestors[i]);
    add_ancestor(manifest, stored->token);
}

bool manifest_descends_from(const struct manifest *manifest, const char *token, size_t length)
{
    for (size_t i = 0; i < manifest->ancestor_count; i++)
        if (strncmp(manifest->ancestors[i], token, length) == 0)
            return true;
    return strncmp(manifest->token, token, length) == 0;
}

bool manifest_came_from(const struct manifest_root *root, const char *path)
{
    for (size_t i = 0; path != NULL && i < root->origin_count; i++)
        if (strcmp(root->origins[i], path) == 0)
            return true;
    return false;
}

static enum b10_reason add_origin(struct manifest_root *root, const char *origin,
                                  struct b10_error *error)
{
    if (manifest_came_from(root, origin))
        return B10_REASON_OK;
    return add_text(&root->origins, &root->origin_count, origin, error);
}

enum b10_reason manifest_add_root(struct manifest *manifest, const char *name, const char *origin,
                                  struct b10_error *error)
{
    const int known = manifest_find_root(manifest, name, strlen(name));
    if (known >= 0)
        return add_origin(&manifest->roots[known], origin, error);
    if (manifest->root_count >= MANIFEST_ROOTS_LIMIT)
        return error_set(error, B10_REASON_TOO_LARGE, "more than %d roots", MANIFEST_ROOTS_LIMIT);
    struct manifest_root *roots =
        realloc(manifest->roots, (manifest->root_count + 1) * sizeof(*roots));
    if (roots == NULL)
        return error_no_memory(error);
    manifest->roots = roots;
    struct manifest_root *root = &roots[manifest->root_count];
    *root = (struct manifest_root){.name = strdup(name)};
    if (root->name == NULL)
        return error_no_memory(error);
    manifest->root_count++;
    return add_origin(root, origin, error);
}

static int compare_directories(const void *a, const void *b)
{
    return path_compare(*(char *const *)a, *(char *const *)b);
}

void manifest_sort_directories(struct manifest *manifest)
{
    for (size_t i = 0; i < manifest->root_count; i++)
        if (manifest->roots[i].directory_count > 0)
            qsort(manifest->roots[i].directories, manifest->roots[i].directory_count,
                  sizeof(char *), compare_directories);
}

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

void manifest_release(struct manifest *manifest)
{
    free(manifest->kind);
    free(manifest->key);
    free(manifest->creator);
    fact_list_free(manifest->facts, manifest->fact_count);
    fact_list_free(manifest->recorded, manifest->recorded_count);
    for (size_t i = 0; i < manifest->root_count; i++) {
        free(manifest->roots[i].name);
        free_texts(manifest->roots[i].origins, manifest->roots[i].origin_count);
        free_texts(manifest->roots[i].directories, manifest->roots[i].directory_count);
    }
    free(manifest->roots);
    for (size_t i = 0; i < manifest->sliced_count; i++)
        free(manifest->sliced[i].path);
    free(manifest->sliced);
    free(manifest->frames);
    *manifest = (struct manifest)MANIFEST_EMPTY;
}

void manifest_guard(struct manifest *manifest)
{
    manifest_release(manifest);
}

/* ---- encoding ---- */

enum b10_reason manifest_encode(const struct manifest *manifest, struct bytes *out,
                                struct b10_error *error)
{
    enum { LEVEL = 3 };
    unsigned char digest[DIGEST_SIZE] = {0};
    SCOPED(bytes) struct bytes text = BYTES_CAPPED(MANIFEST_LIMIT);
    SCOPED(zstd_encoder) struct zstd_encoder *encoder = NULL;
    TRY(manifest_text(manifest, &text, error));
    TRY(zstd_encoder_new(&encoder, LEVEL, error));
    size_t before = out->size;
    TRY(bytes_append(out, digest, sizeof(digest), error));
    enum b10_reason reason = zstd_encode(encoder, text.data, text.size, out, error);
    if (reason != B10_REASON_OK) {
        out->size = before;
        return reason;
    }
    unsigned char *payload = out->data + before;
    digest_256(payload, payload + DIGEST_SIZE, out->size - before - DIGEST_SIZE);
    return B10_REASON_OK;
}

/* ---- decoding ---- */

static enum b10_reason unwrap(const void *payload, size_t size, struct bytes *text,
                              const char *name, struct b10_error *error)
{
    unsigned char digest[DIGEST_SIZE];
    SCOPED(zstd_decoder) struct zstd_decoder *decoder = NULL;
    const unsigned char *frame = (const unsigned char *)payload + DIGEST_SIZE;
    if (size <= DIGEST_SIZE)
        return error_set(error, B10_REASON_CORRUPT, "'%s': damaged manifest (too short)", name);
    digest_256(digest, frame, size - DIGEST_SIZE);
    if (memcmp(digest, payload, DIGEST_SIZE) != 0)
        return error_set(error, B10_REASON_CORRUPT, "'%s': damaged manifest (digest)", name);
    TRY(zstd_decoder_new(&decoder, error));
    return zstd_decode_bounded(decoder, frame, size - DIGEST_SIZE, MANIFEST_LIMIT, text, name,
                               error);
}

enum b10_reason manifest_decode(struct manifest *out, const void *payload, size_t size,
                                const char *name, struct b10_error *error)
{
    SCOPED(bytes) struct bytes text = BYTES_EMPTY;
    TRY(unwrap(payload, size, &text, name, error));
    enum b10_reason reason =
        manifest_from_text((const char *)text.data, text.size, out, name, error);
    if (reason != B10_REASON_OK) {
        uint32_t format = out->format;
        manifest_release(out);
        out->format = format;
    }
    return reason;
}
