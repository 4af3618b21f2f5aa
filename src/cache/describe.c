#include "cache/describe.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* *to, *made: of the manifest, none before. */
static enum b10_reason copy_facts(struct fact **to, size_t *made, const struct fact *from,
                                  size_t count, struct b10_error *error)
{
    *to = calloc(count + 1, sizeof(**to));
    if (*to == NULL)
        return error_no_memory(error);
    for (; *made < count; ++*made)
        TRY(fact_copy(&(*to)[*made], from[*made].name, from[*made].value, error));
    return B10_REASON_OK;
}

static enum b10_reason describe_environment(struct manifest *manifest,
                                            const struct settings *settings,
                                            const struct facts *facts, struct b10_error *error)
{
    const struct recorded *recorded = &settings->recorded;
    manifest->is_recorded = true;
    TRY(copy_facts(&manifest->facts, &manifest->fact_count, facts->items, facts->count, error));
    return copy_facts(&manifest->recorded, &manifest->recorded_count, recorded->items,
                      recorded->count, error);
}

/* Its path without symlinks, and the one that programs knew it by and wrote into their files. */
static enum b10_reason add_origins(struct manifest *manifest, const struct settings *settings,
                                   const struct tree_root *root, struct b10_error *error)
{
    const char *named = settings->local_named;
    for (size_t i = 0; i < settings->root_count; i++)
        if (strcmp(settings->roots[i].name, root->name) == 0)
            named = settings->roots[i].named;
    TRY(manifest_add_root(manifest, root->name, root->origin, error));
    return named != NULL ? manifest_add_root(manifest, root->name, named, error) : B10_REASON_OK;
}

enum b10_reason describe_archive(struct manifest *manifest, const struct settings *settings,
                                 const struct identity *identity, const struct tree *tree,
                                 const char *token, struct b10_error *error)
{
    manifest->format = ARCHIVE_FORMAT;
    manifest->created_s = clock_epoch_s();
    manifest->kind = strdup(settings->kind);
    manifest->key = strdup(identity->key.text);
    manifest->creator = strdup("b10transfer " B10_VERSION_TEXT);
    if (manifest->kind == NULL || manifest->key == NULL || manifest->creator == NULL)
        return error_no_memory(error);
    memcpy(manifest->token, token, sizeof(manifest->token));
    TRY(describe_environment(manifest, settings, &identity->facts, error));
    for (size_t i = 0; i < tree->root_count; i++)
        TRY(add_origins(manifest, settings, &tree->roots[i], error));
    return B10_REASON_OK;
}
