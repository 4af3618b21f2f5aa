#include "cache/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "cache/identity.h"
#include "cache/listing.h"
#include "cache/names.h"
#include "fs/path.h"

/* What every comparison needs. */
struct explanation {
    const struct settings *settings;
    struct identity identity; /* owned */
    struct volumes volumes;   /* owned: the search path */
    struct progress *progress;
};

static void explanation_guard(struct explanation *explanation)
{
    identity_release(&explanation->identity);
    volumes_close(&explanation->volumes);
}

/* ---- one archive ---- */

/* Lines that do not fit end with "…": as many whole ones as do, else a part of the first. */
static void copy_lines(char *to, size_t size, const struct bytes *lines)
{
    static const char cut[] = "…";
    if (lines->size < size) {
        memcpy(to, lines->data, lines->size);
        to[lines->size] = '\0';
        return;
    }
    size_t kept = size - sizeof(cut);
    const unsigned char *end = memrchr(lines->data, '\n', kept);
    if (end != NULL)
        kept = (size_t)(end - lines->data) + 1;
    while (end == NULL && (lines->data[kept] & 0xc0) == 0x80)
        kept--;
    memcpy(to, lines->data, kept);
    memcpy(to + kept, cut, sizeof(cut));
}

/* A load finds an archive by its name: what matches under another one, it does not take. */
static enum b10_match match_of(const struct explanation *explanation,
                               const struct b10_cache_entry *entry, enum match match)
{
    const struct identity *identity = &explanation->identity;
    char prefix[B10_KEY_SIZE];
    if (match == MATCH_OTHER || facts_device_unknown(&identity->facts))
        return B10_MATCH_OTHER;
    if (match == MATCH_EXACT)
        return entry->is_current_environment ? B10_MATCH_EXACT : B10_MATCH_OTHER;
    key_fallback_prefix(prefix, &identity->key, &identity->facts);
    if (entry->is_current_environment || prefix[0] == '\0' ||
        strncmp(entry->environment_key, prefix, strlen(prefix)) != 0)
        return B10_MATCH_OTHER;
    return B10_MATCH_FALLBACK;
}

static enum b10_reason compare(const struct explanation *explanation,
                               const struct b10_cache_entry *entry, const struct manifest *manifest,
                               struct b10_comparison *comparison, struct b10_error *error)
{
    const struct identity *identity = &explanation->identity;
    SCOPED(bytes) struct bytes facts = BYTES_EMPTY;
    SCOPED(bytes) struct bytes recorded = BYTES_EMPTY;
    char unused[512];
    const enum match match = identity_compare(identity, manifest, unused, sizeof(unused));
    comparison->match = (uint32_t)match_of(explanation, entry, match);
    if (comparison->match == B10_MATCH_OTHER && match != MATCH_OTHER &&
        !entry->is_current_environment)
        TRY(bytes_format(&facts, error, "file name: '%s' there, '%s' here\n",
                         entry->environment_key, identity->key.text));
    TRY(identity_describe(identity, manifest, &facts, error));
    copy_lines(comparison->differences, sizeof(comparison->differences), &facts);
    if (!manifest->is_recorded)
        return B10_REASON_OK;
    TRY(recorded_describe(manifest->recorded, manifest->recorded_count,
                          &explanation->settings->recorded, &recorded, error));
    copy_lines(comparison->recorded, sizeof(comparison->recorded), &recorded);
    return B10_REASON_OK;
}

/* *gone: it vanished since it was listed. */
static enum b10_reason explain_one(const struct explanation *explanation,
                                   const struct listed *listed, struct b10_comparison *comparison,
                                   bool *gone, struct b10_error *error)
{
    SCOPED(reader) struct reader archive = READER_CLOSED;
    struct b10_error found = ERROR_NONE;
    const struct b10_cache_entry *entry = &listed->entry;
    snprintf(comparison->directory, sizeof(comparison->directory), "%s", listed->volume->path);
    memcpy(comparison->filename, entry->filename, sizeof(comparison->filename));
    memcpy(comparison->environment_key, entry->environment_key,
           sizeof(comparison->environment_key));
    comparison->size_bytes = entry->size_bytes;
    comparison->created_time = entry->created_time;
    enum b10_reason reason =
        names_open_archive(&archive, listed->volume, entry->environment_key, &found);
    *gone = reason == B10_REASON_ABSENT;
    if (reason == B10_REASON_NO_MEMORY)
        return error_copy(error, &found);
    if (reason == B10_REASON_OK)
        return compare(explanation, entry, &archive.manifest, comparison, error);
    comparison->match = B10_MATCH_UNREADABLE;
    path_quote(comparison->differences, sizeof(comparison->differences), found.message);
    return B10_REASON_OK;
}

/* ---- all of them ---- */

/* The list and its comparisons in one piece of memory. */
struct explained {
    struct b10_comparison_list list;
    struct b10_comparison comparisons[];
};

/* Group by group; within one, in the order of the listing. */
static void order(struct explained *block, const struct b10_comparison *made, size_t count)
{
    for (uint32_t match = B10_MATCH_EXACT; match <= B10_MATCH_UNREADABLE; match++) {
        for (size_t i = 0; i < count; i++) {
            if (made[i].match == match)
                block->comparisons[block->list.total++] = made[i];
        }
    }
}

static enum b10_reason explain_listed(const struct explanation *explanation,
                                      const struct listed *listed, size_t count,
                                      struct explained *block, struct b10_error *error)
{
    SCOPED(heap) struct b10_comparison *made = calloc(count + 1, sizeof(*made));
    size_t kept = 0;
    if (made == NULL)
        return error_no_memory(error);
    for (size_t i = 0; i < count; i++) {
        bool gone = false;
        TRY(explain_one(explanation, &listed[i], &made[kept], &gone, error));
        TRY(progress_step(explanation->progress, error));
        if (gone)
            memset(&made[kept], 0, sizeof(made[kept]));
        kept += !gone;
    }
    order(block, made, kept);
    return B10_REASON_OK;
}

/* Without any shared directory there are none. */
static enum b10_reason list_all(struct explanation *explanation, struct listed **listed,
                                size_t *count, struct log *log, struct b10_error *error)
{
    struct b10_error found = ERROR_NONE;
    struct volumes *volumes = &explanation->volumes;
    const enum b10_reason reason =
        volumes_open(volumes, explanation->settings, log, explanation->progress, &found);
    if (reason == B10_REASON_ABSENT)
        return B10_REASON_OK;
    if (reason != B10_REASON_OK)
        return error_copy(error, &found);
    for (size_t i = 0; i < volumes->count; i++)
        TRY(listing_read(listed, count, &volumes->items[i], "", explanation->identity.key.text,
                         error));
    return B10_REASON_OK;
}

enum b10_reason explain_archives(const struct settings *settings, struct b10_comparison_list **list,
                                 struct log *log, struct progress *progress,
                                 struct b10_error *error)
{
    SCOPED(explanation)
    struct explanation explanation = {.settings = settings,
                                      .identity = IDENTITY_NONE,
                                      .progress = progress};
    SCOPED(heap) struct listed *listed = NULL;
    size_t count = 0;
    TRY(identity_collect(&explanation.identity, settings, error));
    const char *key = explanation.identity.key.text;
    if (settings->enabled)
        TRY(list_all(&explanation, &listed, &count, log, error));
    SCOPED(heap)
    struct explained *block = calloc(1, sizeof(*block) + count * sizeof(block->comparisons[0]));
    if (block == NULL)
        return error_no_memory(error);
    block->list.struct_size = (uint32_t)sizeof(block->list);
    block->list.entry_size = (uint32_t)sizeof(block->comparisons[0]);
    block->list.comparisons = block->comparisons;
    snprintf(block->list.current_environment, sizeof(block->list.current_environment), "%s", key);
    TRY(explain_listed(&explanation, listed, count, block, error));
    *list = &HEAP_TAKE(block)->list;
    return B10_REASON_OK;
}
