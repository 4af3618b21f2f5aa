#include "cache/diff.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/missing.h"
#include "base/guard.h"
#include "cache/identity.h"
#include "cache/names.h"
#include "cache/scan.h"

struct diff {
    const struct settings *settings;
    struct log *log;
    struct progress *progress;
    struct identity identity; /* owned */
    struct tree tree;         /* owned: what is here */
    struct reader archive;    /* owned; closed: there is none */
    struct bytes index;       /* owned: of it */
    uint64_t files;           /* here, in all */
    uint64_t bytes;
    struct added *added; /* owned: what the archive lacks, by directory */
    size_t added_count;
};

/* A file that is new. */
struct added {
    uint32_t item;
    uint32_t parent;
    uint32_t root;
};

static void diff_guard(struct diff *diff)
{
    identity_release(&diff->identity);
    tree_release(&diff->tree);
    reader_close(&diff->archive);
    bytes_release(&diff->index);
    free(diff->added);
}

/* ---- the archive ---- */

static enum b10_reason open_named(struct diff *diff, const char *path, struct b10_error *error)
{
    struct b10_error found = ERROR_NONE;
    const enum b10_reason reason = reader_open(&diff->archive, AT_FDCWD, path, path, &found);
    TRY(progress_step(diff->progress, error));
    return reason == B10_REASON_ABSENT ? B10_REASON_OK : error_copy(error, &found);
}

/* The first that can be read; the first failure where none can. */
static enum b10_reason search(struct diff *diff, struct b10_error *error)
{
    SCOPED(volumes) struct volumes volumes = {0};
    struct b10_error first = ERROR_NONE;
    const enum b10_reason reason =
        volumes_open(&volumes, diff->settings, diff->log, diff->progress, &first);
    if (reason == B10_REASON_ABSENT)
        return B10_REASON_OK;
    if (reason != B10_REASON_OK)
        return error_copy(error, &first);
    for (size_t i = 0; i < volumes.count && diff->archive.fd < 0; i++) {
        struct b10_error found = ERROR_NONE;
        const enum b10_reason opened =
            names_open_archive(&diff->archive, &volumes.items[i], diff->identity.key.text, &found);
        TRY(progress_step(diff->progress, error));
        if (opened != B10_REASON_OK && opened != B10_REASON_ABSENT && first.code == B10_REASON_OK)
            first = found;
    }
    return diff->archive.fd >= 0 ? B10_REASON_OK : error_copy(error, &first);
}

static enum b10_reason compare(struct diff *diff, struct b10_error *error)
{
    struct missing missing;
    if (diff->archive.fd < 0)
        return B10_REASON_OK;
    TRY(reader_index(&diff->archive, &diff->index, error));
    TRY(progress_step(diff->progress, error));
    return missing_find(&missing, &diff->tree, &diff->archive, &diff->index, error);
}

/* ---- what it lacks ---- */

static int compare_numbers(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int by_directory(const void *first, const void *second)
{
    const struct added *a = first;
    const struct added *b = second;
    const int root = compare_numbers(a->root, b->root);
    const int parent = compare_numbers(a->parent, b->parent);
    if (root != 0)
        return root;
    return parent != 0 ? parent : compare_numbers(a->item, b->item);
}

static bool is_new_file(const struct tree_item *item)
{
    return !item->stored && item->type != ENTRY_DIRECTORY;
}

static enum b10_reason collect(struct diff *diff, struct b10_error *error)
{
    const struct tree *tree = &diff->tree;
    diff->added = calloc(tree->files + 1, sizeof(*diff->added));
    if (diff->added == NULL)
        return error_no_memory(error);
    for (size_t i = 0; i < tree->item_count; i++) {
        const struct tree_item *item = &tree->items[i];
        if (is_new_file(item))
            diff->added[diff->added_count++] =
                (struct added){.item = (uint32_t)i, .parent = item->parent, .root = item->root};
    }
    qsort(diff->added, diff->added_count, sizeof(*diff->added), by_directory);
    return B10_REASON_OK;
}

static bool is_first_of_directory(const struct diff *diff, size_t index)
{
    const struct added *one = &diff->added[index];
    return index == 0 || one->parent != one[-1].parent || one->root != one[-1].root;
}

/* ---- the list: its head, its files, their texts ---- */

enum { DIRECTORY_SIZE = PATH_LIMIT + 80 }; /* and its root's name */

/* Root and directory; returns its size with its NUL. */
static size_t write_directory(const struct diff *diff, const struct added *one,
                              char text[DIRECTORY_SIZE])
{
    char path[PATH_LIMIT + 1] = "";
    const struct tree *tree = &diff->tree;
    if (one->parent != TREE_NO_PARENT) {
        (void)tree_path(tree, &tree->items[one->parent], path);
    } else { /* the whole path is in its name */
        (void)tree_path(tree, &tree->items[one->item], path);
        char *slash = strrchr(path, '/');
        *(slash != NULL ? slash : path) = '\0';
    }
    snprintf(text, DIRECTORY_SIZE, "%.64s%s%s", tree->roots[one->root].name,
             path[0] != '\0' ? "/" : "", path);
    return strlen(text) + 1;
}

static const char *name_of(const struct diff *diff, const struct added *one)
{
    const char *name = diff->tree.items[one->item].name;
    const char *slash = strrchr(name, '/');
    return slash != NULL ? slash + 1 : name;
}

static size_t texts_size(const struct diff *diff)
{
    char directory[DIRECTORY_SIZE];
    size_t size = 0;
    for (size_t i = 0; i < diff->added_count; i++) {
        if (is_first_of_directory(diff, i))
            size += write_directory(diff, &diff->added[i], directory);
        size += strlen(name_of(diff, &diff->added[i])) + 1;
    }
    return size;
}

/* Behind it. */
static char *append(char *to, const char *text, size_t size)
{
    memcpy(to, text, size);
    return to + size;
}

static void write_files(const struct diff *diff, struct b10_diff_list *list,
                        struct b10_diff_file *files, char *texts)
{
    char text[DIRECTORY_SIZE];
    const char *directory = "";
    for (size_t i = 0; i < diff->added_count; i++) {
        const struct added *one = &diff->added[i];
        if (is_first_of_directory(diff, i)) {
            directory = texts;
            texts = append(texts, text, write_directory(diff, one, text));
            list->new_directories++;
        }
        files[i] = (struct b10_diff_file){.directory = directory,
                                          .name = texts,
                                          .bytes = diff->tree.items[one->item].size};
        texts = append(texts, name_of(diff, one), strlen(name_of(diff, one)) + 1);
    }
}

static void write_head(const struct diff *diff, struct b10_diff_list *list)
{
    list->struct_size = (uint32_t)sizeof(*list);
    list->entry_size = (uint32_t)sizeof(struct b10_diff_file);
    snprintf(list->environment_key, sizeof(list->environment_key), "%s", diff->identity.key.text);
    if (diff->archive.fd >= 0)
        snprintf(list->archive, sizeof(list->archive), "%s", diff->archive.name);
    list->local_files = diff->files;
    list->local_bytes = diff->bytes;
    list->new_files = diff->tree.files;
    list->new_bytes = diff->tree.bytes;
}

static enum b10_reason write_list(const struct diff *diff, struct b10_diff_list **out,
                                  struct b10_error *error)
{
    const size_t files_size = diff->added_count * sizeof(struct b10_diff_file);
    struct b10_diff_list *list = calloc(1, sizeof(*list) + files_size + texts_size(diff));
    if (list == NULL)
        return error_no_memory(error);
    struct b10_diff_file *files = (struct b10_diff_file *)(list + 1);
    write_head(diff, list);
    write_files(diff, list, files, (char *)(files + diff->added_count));
    list->files = files;
    *out = list;
    return B10_REASON_OK;
}

enum b10_reason diff_cache(const struct settings *settings, const char *archive,
                           struct b10_diff_list **list, struct log *log, struct progress *progress,
                           struct b10_error *error)
{
    SCOPED(diff)
    struct diff diff = {.settings = settings,
                        .log = log,
                        .progress = progress,
                        .identity = IDENTITY_NONE,
                        .tree = TREE_EMPTY,
                        .archive = READER_CLOSED,
                        .index = BYTES_EMPTY};
    struct scan_counts counts = {0};
    *list = NULL;
    TRY(identity_collect(&diff.identity, settings, error));
    TRY(identity_require_device(&diff.identity, B10_REASON_NO_KEY, error));
    TRY(progress_phase(progress, "compare", 0, 0, error));
    TRY(scan_roots(settings, &diff.tree, &counts, log, NULL, progress, error));
    diff.files = diff.tree.files;
    diff.bytes = diff.tree.bytes;
    TRY(archive != NULL && *archive != '\0' ? open_named(&diff, archive, error)
                                            : search(&diff, error));
    TRY(compare(&diff, error));
    TRY(collect(&diff, error));
    return write_list(&diff, list, error);
}
