#include "archive/tree.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/fingerprint.h"
#include "archive/frame.h"
#include "base/guard.h"

enum { ARENA_TEXT = 64 * 1024 - 64, FIRST_CAPACITY = 256 };

struct tree_arena {
    struct tree_arena *next; /* owned: an older, full one */
    size_t used;
    char text[ARENA_TEXT];
};

static enum b10_reason arena_copy(struct tree_arena **arena, const char **out, const char *name,
                                  struct b10_error *error)
{
    const size_t size = strlen(name) + 1;
    if (*arena == NULL || ARENA_TEXT - (*arena)->used < size) {
        struct tree_arena *fresh = malloc(sizeof(*fresh));
        if (fresh == NULL)
            return error_no_memory(error);
        fresh->next = *arena;
        fresh->used = 0;
        *arena = fresh;
    }
    char *copy = (*arena)->text + (*arena)->used;
    memcpy(copy, name, size);
    (*arena)->used += size;
    *out = copy;
    return B10_REASON_OK;
}

enum b10_reason tree_add_root(struct tree *tree, const char *name, const char *origin, int dirfd,
                              size_t *index, struct b10_error *error)
{
    SCOPED(fd) int fd = dirfd;
    SCOPED(heap) char *own_name = strdup(name);
    SCOPED(heap) char *own_origin = strdup(origin);
    if (tree->root_count >= UINT16_MAX)
        return error_set(error, B10_REASON_INTERNAL, "more than %d roots", UINT16_MAX);
    struct tree_root *roots = realloc(tree->roots, (tree->root_count + 1) * sizeof(*roots));
    if (roots != NULL)
        tree->roots = roots;
    if (roots == NULL || own_name == NULL || own_origin == NULL)
        return error_no_memory(error);
    *index = tree->root_count++;
    roots[*index] = (struct tree_root){.name = HEAP_TAKE(own_name),
                                       .origin = HEAP_TAKE(own_origin),
                                       .dirfd = fd_take(&fd)};
    return B10_REASON_OK;
}

static uint64_t touched(const struct stat *stat)
{
    const uint64_t facts[] = {stat->st_dev, stat->st_ino, (uint64_t)stat->st_ctim.tv_sec,
                              (uint64_t)stat->st_ctim.tv_nsec};
    return fingerprint(0, facts, sizeof(facts));
}

static bool type_of(mode_t mode, enum entry_type *type)
{
    *type = S_ISREG(mode) ? ENTRY_FILE : S_ISDIR(mode) ? ENTRY_DIRECTORY : ENTRY_SYMLINK;
    return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode);
}

/* For so many more items, and so many bytes more in their files. */
static enum b10_reason make_room(struct tree *tree, size_t items_more, uint64_t bytes,
                                 struct b10_error *error)
{
    if (bytes > UINT64_MAX - tree->bytes)
        return error_set(error, B10_REASON_TOO_LARGE, "files of more than 2^64 bytes in all");
    if (items_more > ARCHIVE_FILES_LIMIT - tree->item_count)
        return error_set(error, B10_REASON_TOO_LARGE, "more than %d files and directories",
                         ARCHIVE_FILES_LIMIT);
    size_t capacity = tree->item_capacity == 0 ? FIRST_CAPACITY : tree->item_capacity;
    while (capacity < tree->item_count + items_more)
        capacity *= 2;
    if (capacity == tree->item_capacity)
        return B10_REASON_OK;
    struct tree_item *items = realloc(tree->items, capacity * sizeof(*items));
    if (items == NULL)
        return error_no_memory(error);
    tree->items = items;
    tree->item_capacity = capacity;
    return B10_REASON_OK;
}

/* The path of `item` is the first `length` bytes of `path`. */
static bool is_prefix(const struct tree *tree, const struct tree_item *item, const char *path,
                      size_t length)
{
    char own[PATH_LIMIT + 1];
    return tree_path(tree, item, own) == length && memcmp(own, path, length) == 0;
}

/* The directory of `path`. It is the entry added last or one that holds that entry, because a
 * directory comes before what is in it. An entry for which that does not hold keeps its whole
 * path. */
static uint32_t find_parent(const struct tree *tree, size_t root, const char *path)
{
    const size_t length = (size_t)(path_base(path) - path);
    uint32_t item = tree->item_count == 0 ? TREE_NO_PARENT : (uint32_t)tree->item_count - 1;
    if (length == 0)
        return TREE_NO_PARENT;
    for (; item != TREE_NO_PARENT; item = tree->items[item].parent) {
        const struct tree_item *candidate = &tree->items[item];
        if (candidate->root == root && candidate->type == ENTRY_DIRECTORY &&
            is_prefix(tree, candidate, path, length - 1))
            return item;
    }
    return TREE_NO_PARENT;
}

enum b10_reason tree_add(struct tree *tree, size_t root, const char *path, const struct stat *stat,
                         struct b10_error *error)
{
    enum entry_type type;
    if (!type_of(stat->st_mode, &type) || root >= tree->root_count || strlen(path) > PATH_LIMIT)
        return error_set(error, B10_REASON_INTERNAL, "'%s' is nothing that a tree can hold", path);
    const uint64_t size = type == ENTRY_FILE ? (uint64_t)stat->st_size : 0;
    TRY(make_room(tree, 1, size, error));
    const uint32_t parent = find_parent(tree, root, path);
    const char *name = NULL;
    TRY(arena_copy(&tree->arena, &name, parent == TREE_NO_PARENT ? path : path_base(path), error));
    tree->items[tree->item_count++] =
        (struct tree_item){.name = name,
                           .size = size,
                           .touched = touched(stat),
                           .mtime_s = stat->st_mtim.tv_sec,
                           .mtime_ns = (uint32_t)stat->st_mtim.tv_nsec,
                           .original = TREE_NO_ORIGINAL,
                           .parent = parent,
                           .root = (uint16_t)root,
                           .type = (uint8_t)type,
                           .executable = type == ENTRY_FILE && (stat->st_mode & S_IXUSR) != 0};
    tree->bytes += size;
    tree->files += type != ENTRY_DIRECTORY;
    return B10_REASON_OK;
}

/* Of two lists of texts one. */
static void join_arenas(struct tree_arena **arena, struct tree_arena *older)
{
    while (*arena != NULL)
        arena = &(*arena)->next;
    *arena = older;
}

enum b10_reason tree_append(struct tree *tree, size_t root, struct tree *from,
                            struct b10_error *error)
{
    const uint32_t before = (uint32_t)tree->item_count;
    TRY(make_room(tree, from->item_count, from->bytes, error));
    for (size_t i = 0; i < from->item_count; i++) {
        struct tree_item *item = &tree->items[tree->item_count++];
        *item = from->items[i];
        item->root = (uint16_t)root;
        if (item->parent != TREE_NO_PARENT)
            item->parent += before;
    }
    tree->bytes += from->bytes;
    tree->files += from->files;
    join_arenas(&tree->arena, from->arena);
    from->arena = NULL;
    from->item_count = 0;
    from->bytes = 0;
    from->files = 0;
    return B10_REASON_OK;
}

size_t tree_path_length(const struct tree *tree, const struct tree_item *item)
{
    size_t length = strlen(item->name);
    for (; item->parent != TREE_NO_PARENT; length += strlen(item->name) + 1)
        item = &tree->items[item->parent];
    return length;
}

size_t tree_path(const struct tree *tree, const struct tree_item *item, char *path)
{
    const size_t length = tree_path_length(tree, item);
    char *at = path + length;
    *at = '\0';
    for (;; item = &tree->items[item->parent]) {
        const size_t size = strlen(item->name);
        at -= size;
        memcpy(at, item->name, size);
        if (item->parent == TREE_NO_PARENT)
            return length;
        *--at = '/';
    }
}

const char *tree_directory(const struct tree *tree, const struct tree_item *item)
{
    return item->parent != TREE_NO_PARENT ? tree->items[item->parent].name : "";
}

void tree_set_stored(struct tree *tree, size_t index, bool stored)
{
    struct tree_item *item = &tree->items[index];
    if (item->stored == stored)
        return;
    const uint64_t file = item->type != ENTRY_DIRECTORY;
    item->stored = stored;
    tree->bytes = stored ? tree->bytes - item->size : tree->bytes + item->size;
    tree->files = stored ? tree->files - file : tree->files + file;
}

bool tree_item_unchanged(const struct tree_item *item, const struct stat *now)
{
    enum entry_type type;
    return type_of(now->st_mode, &type) && type == item->type &&
           (type != ENTRY_FILE || (uint64_t)now->st_size == item->size) &&
           now->st_mtim.tv_sec == item->mtime_s &&
           (uint32_t)now->st_mtim.tv_nsec == item->mtime_ns && touched(now) == item->touched;
}

void tree_release(struct tree *tree)
{
    for (size_t i = 0; i < tree->root_count; i++) {
        free(tree->roots[i].name);
        free(tree->roots[i].origin);
        fd_guard(&tree->roots[i].dirfd);
    }
    while (tree->arena != NULL) {
        struct tree_arena *older = tree->arena->next;
        free(tree->arena);
        tree->arena = older;
    }
    free(tree->roots);
    free(tree->items);
    *tree = (struct tree)TREE_EMPTY;
}

void tree_guard(struct tree *tree)
{
    tree_release(tree);
}
