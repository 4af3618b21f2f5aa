#include "archive/ledger.h"

#include <stdlib.h>
#include <string.h>

/* An array whose capacity is the power of two that holds its count: true when one more needs a
 * larger one. */
static bool is_full(size_t count)
{
    return (count & (count - 1)) == 0;
}

static size_t grown(size_t count)
{
    return count == 0 ? 1 : count * 2;
}

static enum b10_reason add_directory(struct manifest_root *root, const char *path,
                                     struct b10_error *error)
{
    if (is_full(root->directory_count)) {
        char **directories =
            realloc(root->directories, grown(root->directory_count) * sizeof(*directories));
        if (directories == NULL)
            return error_no_memory(error);
        root->directories = directories;
    }
    char *copy = strdup(path);
    if (copy == NULL)
        return error_no_memory(error);
    root->directories[root->directory_count++] = copy;
    return B10_REASON_OK;
}

static void count_file(struct manifest_totals *totals, const struct tree_item *item,
                       const struct packed_member *member)
{
    totals->files++;
    totals->duplicates += member->original != TREE_NO_ORIGINAL;
    totals->bytes += item->size;
    totals->disk_bytes += entry_on_disk(item->size);
    totals->host_code += member->host_code;
}

static enum b10_reason count(struct ledger *ledger, const struct tree_item *item,
                             const struct packed_member *member, struct b10_error *error)
{
    struct manifest_totals *totals = &ledger->manifest->totals;
    switch ((enum entry_type)item->type) {
    case ENTRY_DIRECTORY:
        totals->directories++;
        totals->disk_bytes += entry_on_disk(0);
        return add_directory(&ledger->manifest->roots[ledger->roots[item->root]], ledger->path,
                             error);
    case ENTRY_SYMLINK:
        totals->symlinks++;
        return B10_REASON_OK;
    default:
        count_file(totals, item, member);
        return B10_REASON_OK;
    }
}

static enum b10_reason put_line(struct ledger *ledger, const struct tree_item *item,
                                enum entry_type type, const char *target, size_t frame,
                                bool is_void, struct b10_error *error)
{
    const bool has_time = type != ENTRY_DIRECTORY;
    const struct index_line line = {.entry = {.type = type,
                                              .executable = item->executable,
                                              .path = ledger->path,
                                              .target = target,
                                              .size = type == ENTRY_FILE ? item->size : 0,
                                              .mtime_s = has_time ? item->mtime_s : 0,
                                              .mtime_ns = has_time ? item->mtime_ns : 0},
                                    .root = ledger->roots[item->root],
                                    .frame = (uint32_t)frame,
                                    .is_void = is_void};
    return writer_member(ledger->writer, &line, error);
}

enum b10_reason ledger_member(struct ledger *ledger, const struct packed_member *member,
                              const char *target, size_t frame, struct b10_error *error)
{
    const struct tree_item *item = &ledger->tree->items[member->item];
    const bool is_link = member->original != TREE_NO_ORIGINAL;
    tree_path(ledger->tree, item, ledger->path);
    TRY(count(ledger, item, member, error));
    if (is_link) {
        tree_path(ledger->tree, &ledger->tree->items[member->original], ledger->original);
        target = ledger->original;
    }
    return put_line(ledger, item, is_link ? ENTRY_HARDLINK : (enum entry_type)item->type, target,
                    frame, false, error);
}

enum b10_reason ledger_sliced(struct ledger *ledger, uint32_t index, uint32_t *number,
                              struct b10_error *error)
{
    struct manifest *manifest = ledger->manifest;
    const struct tree_item *item = &ledger->tree->items[index];
    if (is_full(manifest->sliced_count)) {
        struct manifest_sliced *sliced =
            realloc(manifest->sliced, grown(manifest->sliced_count) * sizeof(*sliced));
        if (sliced == NULL)
            return error_no_memory(error);
        manifest->sliced = sliced;
    }
    tree_path(ledger->tree, item, ledger->path);
    char *path = strdup(ledger->path);
    if (path == NULL)
        return error_no_memory(error);
    *number = (uint32_t)manifest->sliced_count++;
    manifest->sliced[*number] = (struct manifest_sliced){.path = path,
                                                         .size = item->size,
                                                         .mtime_s = item->mtime_s,
                                                         .mtime_ns = item->mtime_ns,
                                                         .root = ledger->roots[item->root],
                                                         .executable = item->executable};
    return B10_REASON_OK;
}

enum b10_reason ledger_void(struct ledger *ledger, uint32_t item, uint32_t index, size_t frame,
                            struct b10_error *error)
{
    ledger->manifest->sliced[index].is_void = true;
    tree_path(ledger->tree, &ledger->tree->items[item], ledger->path);
    return put_line(ledger, &ledger->tree->items[item], ENTRY_FILE, NULL, frame, true, error);
}
