/* Reader of B10_CACHE_ROOTS: the further roots, sorted by name. */
#include <stdlib.h>
#include <string.h>

#include "archive/entry.h"
#include "base/guard.h"
#include "base/parse.h"
#include "cache/setting.h"
#include "fs/path.h"

enum { ROOTS_LIMIT = 16 };

/* ---- one root ---- */

static void drop_root(struct settings_root *root)
{
    free(root->name);
    free(root->path);
}

static void settings_root_guard(struct settings_root *root)
{
    drop_root(root);
}

/* Takes what `root` owns, unless it fails. */
static enum b10_reason add_root(struct reading *reading, const struct setting *row,
                                const char *value, struct settings_root *root,
                                struct b10_error *error)
{
    struct settings *settings = reading->settings;
    for (size_t i = 0; i < settings->root_count; i++) {
        if (strcmp(settings->roots[i].name, root->name) == 0)
            return setting_bad(error, row, value, "has two roots named '%s'", root->name);
        if (strcmp(settings->roots[i].path, root->path) == 0)
            return setting_bad(error, row, value, "has two roots for '%s'", root->path);
    }
    if (settings->root_count == ROOTS_LIMIT)
        return setting_bad(error, row, value, "has more than %d roots", ROOTS_LIMIT);
    struct settings_root *grown =
        realloc(settings->roots, (settings->root_count + 1) * sizeof(*grown));
    if (grown == NULL)
        return error_no_memory(error);
    settings->roots = grown;
    settings->roots[settings->root_count++] = *root;
    *root = (struct settings_root){0};
    return B10_REASON_OK;
}

/* The root that PyTorch keeps in its default directory wherever TORCHINDUCTOR_CACHE_DIR points. */
static enum b10_reason add_headers(struct reading *reading, const struct setting *row,
                                   const char *value, struct b10_error *error)
{
    SCOPED(heap) char *torch_dir = NULL;
    SCOPED(heap) char *path = NULL;
    TRY(host_torch_dir(&torch_dir, &reading->host, error));
    TRY(path_join(&path, torch_dir, "precompiled_headers", error));
    SCOPED(settings_root) struct settings_root root = {.automatic = true};
    TRY(setting_resolve(&root.path, row, value, path, error));
    /* The main root holds it already. */
    if (path_is_within(reading->settings->local_dir, root.path))
        return B10_REASON_OK;
    root.name = strdup("headers");
    if (root.name == NULL)
        return error_no_memory(error);
    return add_root(reading, row, value, &root, error);
}

static enum b10_reason check_place(struct reading *reading, const struct setting *row,
                                   const char *value, const struct settings_root *root,
                                   struct b10_error *error)
{
    const char *local = reading->settings->local_dir;
    TRY(setting_allowed(reading, row, value, root->path, error));
    if (strcmp(root->path, local) == 0)
        return setting_bad(error, row, value, "'%s' is the main root already", root->path);
    if (path_is_within(local, root->path))
        return setting_bad(error, row, value, "'%s' lies around the main root '%s'", root->path,
                           local);
    return B10_REASON_OK;
}

/* `item` is "name=/path". */
static enum b10_reason add_named(struct reading *reading, const struct setting *row,
                                 const char *value, const char *item, struct b10_error *error)
{
    const char *equals = strchr(item, '=');
    size_t length = equals != NULL ? (size_t)(equals - item) : 0;
    if (equals == NULL || !entry_is_root_name(item, length))
        return setting_bad(error, row, value, "'%s' is not of the form name=/path", item);
    SCOPED(settings_root) struct settings_root root = {.name = strndup(item, length)};
    if (root.name == NULL)
        return error_no_memory(error);
    if (strcmp(root.name, reading->settings->kind) == 0)
        return setting_bad(error, row, value, "'%s' is the name of the main root", root.name);
    SCOPED(heap) char *given = NULL;
    TRY(setting_path(&given, reading, row, value, equals + 1, error));
    if (reading->alone) {
        root.path = HEAP_TAKE(given);
        return add_root(reading, row, value, &root, error);
    }
    TRY(setting_resolve(&root.path, row, value, given, error));
    TRY(check_place(reading, row, value, &root, error));
    return add_root(reading, row, value, &root, error);
}

/* ---- the list ---- */

static enum b10_reason add_item(struct reading *reading, const struct setting *row,
                                const char *value, const char *item, struct b10_error *error)
{
    if (strcmp(item, "auto") == 0)
        return reading->alone ? B10_REASON_OK : add_headers(reading, row, value, error);
    if (*item == '\0')
        return setting_bad(error, row, value, "has an empty item");
    return add_named(reading, row, value, item, error);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct settings_root *)a)->name, ((const struct settings_root *)b)->name);
}

/* An archive must not be packed into the next one. */
static enum b10_reason keep_archives_out(struct reading *reading, struct b10_error *error)
{
    const struct settings *settings = reading->settings;
    for (size_t i = 0; i < settings->root_count; i++) {
        if (path_is_within(settings->shared_dir, settings->roots[i].path))
            return setting_bad(error, setting_row(SETTING_SHARED_DIR), settings->shared_dir,
                               "must not be inside the root '%s' (%s)", settings->roots[i].name,
                               settings->roots[i].path);
    }
    return B10_REASON_OK;
}

enum b10_reason setting_read_roots(struct reading *reading, const struct setting *row,
                                   const char *value, struct b10_error *error)
{
    if (*value == '\0')
        return setting_bad(error, row, value, "must be %s", row->rule);
    if (!reading->alone)
        TRY(setting_need(reading, SETTING_SHARED_DIR, error));
    const char *cursor = value;
    const char *item;
    size_t length;
    while (strcmp(value, "none") != 0 && parse_item(&cursor, &item, &length)) {
        SCOPED(heap) char *copy = strndup(item, length);
        if (copy == NULL)
            return error_no_memory(error);
        TRY(add_item(reading, row, value, copy, error));
    }
    struct settings *settings = reading->settings;
    if (settings->root_count > 1)
        qsort(settings->roots, settings->root_count, sizeof(*settings->roots), by_name);
    if (!reading->alone)
        TRY(keep_archives_out(reading, error));
    return setting_text(reading, row, strdup(value), error);
}
