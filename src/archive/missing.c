#include "archive/missing.h"

#include <stdlib.h>
#include <string.h>

#include "archive/fingerprint.h"
#include "archive/index.h"
#include "base/guard.h"
#include "fs/path.h"

/* What is known about an item. */
enum {
    IS_STORED = 1,    /* the archive has its path */
    IS_DIRECTORY = 2, /* as a directory */
    IS_UNIT = 4,      /* a directory with a group file, on either side */
    IS_CLOSED = 8,    /* nothing is added in it */
};

struct search {
    struct tree *tree;
    const struct reader *archive;
    struct missing *missing;
    uint32_t *slots;      /* owned: items by path, each one more than its index; 0 is free */
    size_t mask;          /* slots - 1 */
    unsigned char *known; /* owned, per item */
    size_t *roots;        /* owned: of the archive's roots, one more than in the tree; 0 is none */
    size_t frame;         /* of the last line of the index */
    uint32_t members;     /* lines of that frame so far */
    struct manifest_totals seen;
};

static void search_guard(struct search *search)
{
    free(search->slots);
    free(search->known);
    free(search->roots);
}

/* ---- items by their path ---- */

static size_t first_slot(const struct search *search, size_t root, const char *path, size_t length)
{
    return (size_t)fingerprint(root + 1, path, length) & search->mask;
}

static void enter_item(struct search *search, size_t index)
{
    char path[PATH_LIMIT + 1];
    const struct tree_item *item = &search->tree->items[index];
    const size_t length = tree_path(search->tree, item, path);
    size_t slot = first_slot(search, item->root, path, length);
    while (search->slots[slot] != 0)
        slot = (slot + 1) & search->mask;
    search->slots[slot] = (uint32_t)index + 1;
}

static bool is_at(const struct tree *tree, const struct tree_item *item, size_t root,
                  const char *path, size_t length)
{
    char own[PATH_LIMIT + 1];
    return item->root == root && tree_path_length(tree, item) == length &&
           tree_path(tree, item, own) == length && memcmp(own, path, length) == 0;
}

/* The item's knowledge, or NULL: there is no such item here. `root` is the archive's. */
static unsigned char *look_up(const struct search *search, uint32_t root, const char *path,
                              size_t length)
{
    if (search->roots[root] == 0 || length > PATH_LIMIT)
        return NULL;
    const size_t own = search->roots[root] - 1;
    size_t slot = first_slot(search, own, path, length);
    for (; search->slots[slot] != 0; slot = (slot + 1) & search->mask) {
        const size_t item = search->slots[slot] - 1;
        if (is_at(search->tree, &search->tree->items[item], own, path, length))
            return &search->known[item];
    }
    return NULL;
}

static enum b10_reason search_init(struct search *search, struct b10_error *error)
{
    const struct tree *tree = search->tree;
    const struct manifest *manifest = &search->archive->manifest;
    size_t slots = 16;
    while (slots / 2 < tree->item_count)
        slots *= 2;
    search->mask = slots - 1;
    search->slots = calloc(slots, sizeof(*search->slots));
    search->known = calloc(tree->item_count + 1, 1);
    search->roots = calloc(manifest->root_count, sizeof(*search->roots));
    if (search->slots == NULL || search->known == NULL || search->roots == NULL)
        return error_no_memory(error);
    for (size_t i = 0; i < tree->root_count; i++) {
        const char *name = tree->roots[i].name;
        const int root = manifest_find_root(manifest, name, strlen(name));
        if (root >= 0)
            search->roots[root] = i + 1;
    }
    for (size_t i = 0; i < tree->item_count; i++)
        enter_item(search, i);
    return B10_REASON_OK;
}

/* ---- what the archive has ---- */

static enum b10_reason damaged(const struct search *search, const char *path, const char *what,
                               struct b10_error *error)
{
    char quoted[512];
    return error_set(error, B10_REASON_CORRUPT, "the index of '%s' %s, at '%s'",
                     search->archive->name, what, path_quote(quoted, sizeof(quoted), path));
}

/* A directory with a group file there is a unit here. */
static void mark_unit(const struct search *search, uint32_t root, const char *path)
{
    const char *base = path_base(path);
    if (base == path || !entry_marks_unit(base))
        return;
    unsigned char *directory = look_up(search, root, path, (size_t)(base - path) - 1);
    if (directory != NULL)
        *directory |= IS_UNIT;
}

static enum b10_reason mark(const struct search *search, uint32_t root, const char *path,
                            unsigned char what, struct b10_error *error)
{
    unsigned char *known = look_up(search, root, path, strlen(path));
    mark_unit(search, root, path);
    if (known == NULL)
        return B10_REASON_OK;
    if (*known & IS_STORED)
        return damaged(search, path, "names a member twice", error);
    *known |= what;
    return B10_REASON_OK;
}

static enum b10_reason mark_manifest(const struct search *search, struct b10_error *error)
{
    const struct manifest *manifest = &search->archive->manifest;
    for (uint32_t i = 0; i < manifest->root_count; i++)
        for (size_t k = 0; k < manifest->roots[i].directory_count; k++)
            TRY(mark(search, i, manifest->roots[i].directories[k], IS_STORED | IS_DIRECTORY,
                     error));
    for (size_t i = 0; i < manifest->sliced_count; i++) {
        const struct manifest_sliced *sliced = &manifest->sliced[i];
        const size_t length = strlen(sliced->path);
        search->missing->heals_void |=
            sliced->is_void && look_up(search, sliced->root, sliced->path, length) != NULL;
        TRY(mark(search, sliced->root, sliced->path, IS_STORED, error));
    }
    return B10_REASON_OK;
}

/* Every frame has as many lines as it has members. */
static enum b10_reason step_to_frame(struct search *search, const struct index_line *line,
                                     struct b10_error *error)
{
    const struct manifest *manifest = &search->archive->manifest;
    if (line->root >= manifest->root_count || line->frame >= manifest->frame_count)
        return damaged(search, line->entry.path, "leads out of the archive", error);
    for (; search->frame < line->frame; search->frame++, search->members = 0)
        if (search->members != manifest->frames[search->frame].members)
            return damaged(search, line->entry.path, "counts members wrongly", error);
    search->members++;
    if (line->frame < search->frame || search->members > manifest->frames[search->frame].members)
        return damaged(search, line->entry.path, "counts members wrongly", error);
    return B10_REASON_OK;
}

/* In a header frame stands the large file that the manifest names. */
static bool is_announced(const struct search *search, const struct index_line *line)
{
    const struct manifest *manifest = &search->archive->manifest;
    const struct manifest_sliced *sliced = &manifest->sliced[manifest->frames[line->frame].sliced];
    return line->entry.type == ENTRY_FILE && line->root == sliced->root &&
           line->entry.size == sliced->size && line->is_void == sliced->is_void &&
           strcmp(line->entry.path, sliced->path) == 0;
}

static void count(struct manifest_totals *seen, const struct index_line *line)
{
    if (line->is_void)
        return;
    seen->directories += line->entry.type == ENTRY_DIRECTORY;
    seen->symlinks += line->entry.type == ENTRY_SYMLINK;
    seen->duplicates += line->entry.type == ENTRY_HARDLINK;
    seen->files += line->entry.type == ENTRY_FILE || line->entry.type == ENTRY_HARDLINK;
}

static enum b10_reason mark_line(struct search *search, const struct index_line *line,
                                 struct b10_error *error)
{
    TRY(step_to_frame(search, line, error));
    count(&search->seen, line);
    if (search->archive->manifest.frames[line->frame].kind == FRAME_HEADER)
        return is_announced(search, line)
                   ? B10_REASON_OK
                   : damaged(search, line->entry.path, "differs from the manifest", error);
    if (line->entry.type == ENTRY_DIRECTORY) /* known from the manifest */
        return B10_REASON_OK;
    if (line->is_void) /* a link to a void file; the same as that file */
        search->missing->heals_void |=
            look_up(search, line->root, line->entry.path, strlen(line->entry.path)) != NULL;
    return mark(search, line->root, line->entry.path, IS_STORED, error);
}

/* Nothing that the manifest announces is missing. */
static enum b10_reason require_complete(const struct search *search, struct b10_error *error)
{
    const struct manifest *manifest = &search->archive->manifest;
    const struct manifest_totals *totals = &manifest->totals;
    const struct manifest_totals *seen = &search->seen;
    uint32_t members = search->members;
    for (size_t i = search->frame; i < manifest->frame_count; i++, members = 0)
        if (members != manifest->frames[i].members)
            return damaged(search, "", "counts members wrongly", error);
    if (seen->directories != totals->directories || seen->symlinks != totals->symlinks ||
        seen->duplicates != totals->duplicates || seen->files != totals->files)
        return damaged(search, "", "has other totals than the manifest", error);
    return B10_REASON_OK;
}

static enum b10_reason mark_index(struct search *search, const struct bytes *index,
                                  struct b10_error *error)
{
    SCOPED(index_reader) struct index_reader *reader = NULL;
    TRY(index_reader_new(&reader, index->data, index->size, search->archive->name, error));
    for (;;) {
        struct index_line line;
        bool found = false;
        TRY(index_reader_next(reader, &line, &found, error));
        if (!found)
            return require_complete(search, error);
        TRY(mark_line(search, &line, error));
    }
}

/* ---- what is added ---- */

static void mark_own_units(struct search *search)
{
    const struct tree *tree = search->tree;
    for (size_t i = 0; i < tree->item_count; i++)
        if (tree->items[i].parent != TREE_NO_PARENT && entry_marks_unit(tree->items[i].name))
            search->known[tree->items[i].parent] |= IS_UNIT;
}

/* An item that is there itself is a boundary: below it nothing is added unless it is a directory on
 * both sides, and no unit. */
static bool is_boundary(unsigned char known, const struct tree_item *item)
{
    return (known & IS_STORED) != 0 &&
           (item->type != ENTRY_DIRECTORY || (known & IS_DIRECTORY) == 0 || (known & IS_UNIT) != 0);
}

/* A directory comes before what is in it. */
static void choose(struct search *search)
{
    struct tree *tree = search->tree;
    struct manifest_merge *added = &search->missing->added;
    for (size_t i = 0; i < tree->item_count; i++) {
        const struct tree_item *item = &tree->items[i];
        const bool inside =
            item->parent != TREE_NO_PARENT && (search->known[item->parent] & IS_CLOSED) != 0;
        if (inside || is_boundary(search->known[i], item))
            search->known[i] |= IS_CLOSED;
        tree_set_stored(tree, i, inside || (search->known[i] & IS_STORED) != 0);
        added->directories += !item->stored && item->type == ENTRY_DIRECTORY;
    }
    added->files = tree->files;
    added->bytes = tree->bytes;
}

enum b10_reason missing_find(struct missing *missing, struct tree *tree,
                             const struct reader *archive, const struct bytes *index,
                             struct b10_error *error)
{
    SCOPED(search) struct search search = {.tree = tree, .archive = archive, .missing = missing};
    *missing = (struct missing){0};
    TRY(search_init(&search, error));
    TRY(mark_manifest(&search, error));
    TRY(mark_index(&search, index, error));
    mark_own_units(&search);
    choose(&search);
    return B10_REASON_OK;
}

void missing_alone(struct tree *tree)
{
    for (size_t i = tree->item_count; i-- > 0;)
        if (!tree->items[i].stored && tree->items[i].parent != TREE_NO_PARENT)
            tree_set_stored(tree, tree->items[i].parent, false);
}

void missing_forget(struct tree *tree)
{
    for (size_t i = 0; i < tree->item_count; i++)
        tree_set_stored(tree, i, false);
}
