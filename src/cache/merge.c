#include "cache/merge.h"

#include <inttypes.h>
#include <string.h>

#include "archive/append.h"
#include "base/guard.h"

static bool is_close(uint64_t a, uint64_t b)
{
    const uint64_t more = a > b ? a : b;
    const uint64_t less = a > b ? b : a;
    return more - less <= more / (100 / MERGE_CHURN_PERCENT);
}

/* Some servers never settle: at every start they write the same anew under another name. */
static bool is_churn(const struct manifest *manifest, const struct manifest_merge *added)
{
    const struct manifest_merge *last = &manifest->last_merge;
    return manifest->merges > 0 && is_close(added->directories, last->directories) &&
           is_close(added->files, last->files) && is_close(added->bytes, last->bytes);
}

/* As far as it can be told before anything is packed; the writer sees the rest. */
static bool fits(const struct merge *merge, const struct tree *tree, uint64_t size_limit)
{
    const struct manifest *manifest = &merge->stored.manifest;
    const struct manifest_merge *added = &merge->missing.added;
    uint64_t members = added->directories + added->files;
    for (size_t i = 0; i < manifest->frame_count; i++)
        members += manifest->frames[i].members;
    return members <= ARCHIVE_FILES_LIMIT && tree->bytes <= UINT64_MAX - manifest->totals.bytes &&
           (manifest->totals.bytes + tree->bytes) / UNPACKED_PER_PACKED <= size_limit &&
           merge->stored.offsets[manifest->frame_count - 1] <= size_limit;
}

enum b10_reason merge_plan(struct merge *merge, struct tree *tree, uint64_t size_limit,
                           struct progress *progress, struct b10_error *error)
{
    const struct manifest *manifest = &merge->stored.manifest;
    const struct manifest_merge *added = &merge->missing.added;
    TRY(reader_index(&merge->stored, &merge->index, error));
    TRY(progress_step(progress, error));
    TRY(missing_find(&merge->missing, tree, &merge->stored, &merge->index, error));
    if (!merge->missing.heals_void) {
        if (added->directories + added->files == 0)
            return error_set(error, B10_REASON_ALREADY_SAVED, "'%s' holds everything that is here",
                             merge->stored.name);
        if (is_churn(manifest, added))
            return error_set(error, B10_REASON_CHURN,
                             "'%s' lacks %" PRIu64 " files, as many as were added the last time",
                             merge->stored.name, added->files);
    }
    if (merge->missing.heals_void || manifest->merges >= MERGES_LIMIT) {
        merge->plan = MERGE_AFRESH;
        missing_forget(tree);
        return B10_REASON_OK;
    }
    merge->plan = MERGE_ADD;
    merge->before = manifest->totals;
    if (!fits(merge, tree, size_limit))
        merge_go_alone(merge, tree);
    return B10_REASON_OK;
}

void merge_go_alone(struct merge *merge, struct tree *tree)
{
    merge->plan = MERGE_ALONE;
    merge->before = (struct manifest_totals){0};
    missing_alone(tree);
}

void merge_take_books(struct merge *merge, struct manifest *manifest)
{
    append_books(manifest, &merge->stored.manifest);
    manifest->merges = merge->stored.manifest.merges + 1;
    manifest->last_merge = merge->missing.added;
    manifest_descend(manifest, &merge->stored.manifest);
}

enum b10_reason merge_end(const struct merge *merge, struct manifest *manifest,
                          struct b10_error *error)
{
    if (memcmp(&manifest->totals, &merge->before, sizeof(merge->before)) == 0)
        return error_set(error, B10_REASON_ALREADY_SAVED,
                         "nothing of what '%s' lacks could be packed: every file changed, vanished "
                         "or is torn",
                         merge->stored.name);
    manifest_sort_directories(manifest);
    return B10_REASON_OK;
}

enum b10_reason merge_confirm(const struct merge *merge, const struct volume *volume,
                              const char *key, bool *same, struct b10_error *error)
{
    SCOPED(reader) struct reader now = READER_CLOSED;
    struct b10_error found = ERROR_NONE;
    char name[NAMES_SIZE];
    names_archive(name, key);
    *same = reader_is_at(&merge->stored, volume->dirfd, name);
    TRY(progress_step(volume->progress, error));
    if (*same)
        return B10_REASON_OK;
    switch (names_open_archive(&now, volume, key, &found)) {
    case B10_REASON_OK:
        *same = strcmp(now.manifest.token, merge->stored.manifest.token) == 0;
        return B10_REASON_OK;
    case B10_REASON_ABSENT: /* each of these: no longer what it was */
    case B10_REASON_CORRUPT:
    case B10_REASON_UNSAFE:
    case B10_REASON_FORMAT:
        return B10_REASON_OK;
    default:
        return error_copy(error, &found);
    }
}

void merge_release(struct merge *merge)
{
    reader_close(&merge->stored);
    bytes_release(&merge->index);
    *merge = (struct merge)MERGE_NONE;
}

void merge_guard(struct merge *merge)
{
    merge_release(merge);
}
