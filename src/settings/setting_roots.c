/* Reader of B10_CACHE_ROOTS: the further roots, sorted by name. Those named first, then those of
 * `auto` as far as their places are still free. */
#include <stdlib.h>
#include <string.h>

#include "archive/entry.h"
#include "base/guard.h"
#include "base/parse.h"
#include "fs/path.h"
#include "settings/setting.h"

enum { ROOTS_LIMIT = 16 }; /* named ones */

/* ---- one root ---- */

static void drop_root(struct settings_root *root)
{
    free(root->name);
    free(root->path);
    free(root->named);
}

static void settings_root_guard(struct settings_root *root)
{
    drop_root(root);
}

/* Takes what `root` owns, unless it fails. */
static enum b10_reason append(struct settings *settings, struct settings_root *root,
                              struct b10_error *error)
{
    struct settings_root *grown =
        realloc(settings->roots, (settings->root_count + 1) * sizeof(*grown));
    if (grown == NULL)
        return error_no_memory(error);
    settings->roots = grown;
    settings->roots[settings->root_count++] = *root;
    *root = (struct settings_root){0};
    return B10_REASON_OK;
}

static enum b10_reason refuse_name(const struct settings *settings, const struct setting *row,
                                   const char *value, const char *name, struct b10_error *error)
{
    for (size_t i = 0; i < settings->root_count; i++)
        if (strcmp(settings->roots[i].name, name) == 0)
            return setting_bad(error, row, value, "has two roots named '%s'", name);
    return B10_REASON_OK;
}

static bool is_root_path(const struct settings *settings, const char *path)
{
    for (size_t i = 0; i < settings->root_count; i++)
        if (strcmp(settings->roots[i].path, path) == 0)
            return true;
    return false;
}

/* ---- named ones ---- */

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
    struct settings *settings = reading->settings;
    const char *equals = strchr(item, '=');
    size_t length = equals != NULL ? (size_t)(equals - item) : 0;
    if (equals == NULL || !entry_is_root_name(item, length))
        return setting_bad(error, row, value, "'%s' is not of the form name=/path", item);
    SCOPED(settings_root) struct settings_root root = {.name = strndup(item, length)};
    if (root.name == NULL)
        return error_no_memory(error);
    TRY(refuse_name(settings, row, value, root.name, error));
    TRY(setting_path(&root.named, reading, row, value, equals + 1, error));
    if (reading->alone) {
        root.path = strdup(root.named);
        return root.path != NULL ? append(settings, &root, error) : error_no_memory(error);
    }
    if (strcmp(root.name, settings->kind) == 0)
        return setting_bad(error, row, value, "'%s' is the name of the main root", root.name);
    TRY(setting_resolve(&root.path, row, value, root.named, error));
    TRY(check_place(reading, row, value, &root, error));
    if (is_root_path(settings, root.path))
        return setting_bad(error, row, value, "has two roots for '%s'", root.path);
    if (settings->root_count == ROOTS_LIMIT)
        return setting_bad(error, row, value, "has more than %d roots", ROOTS_LIMIT);
    return append(settings, &root, error);
}

/* ---- those of `auto` ---- */

/* What decides where the root lies: set here, or in the environment; empty counts as unset, as it
 * does where these variables are read. */
static const char *variable_value(const struct reading *reading, size_t index)
{
    const struct auto_root *standard = auto_root_at(index);
    const struct setting *row =
        standard->variable != NULL ? setting_find(standard->variable) : NULL;
    const char *value =
        row != NULL ? reading->given->values[setting_id(row)] : reading->given->root_dirs[index];
    return value != NULL && *value != '\0' ? value : NULL;
}

/* The rest of `path` below `root`, NULL if it is not below. */
static const char *rest_below(const char *path, const char *root)
{
    return path_is_below(path, root) ? path + strlen(root) + 1 : NULL;
}

static bool is_inductors(const char *rest)
{
    static const char start[] = "triton/";
    const size_t length = sizeof(start) - 1;
    return rest != NULL && strncmp(rest, start, length) == 0 && rest[length] != '\0' &&
           rest[length + strspn(rest + length, "0123456789")] == '\0';
}

/* Engines point libraries into their own directory by the environment of their process: Inductor
 * Triton to triton/<device>, vLLM both into its torch_compile_cache. Seen from a save inside that
 * process such a place is part of the engine's root: a load, which comes first, knows no other. */
static bool is_engines_own(const struct settings *settings, const char *path)
{
    static const char vllm[] = "torch_compile_cache/";
    const char *rest = rest_below(path, settings->local_dir);
    if (strcmp(settings->kind, "inductor") == 0)
        return is_inductors(rest);
    if (strcmp(settings->kind, "vllm") == 0 && rest != NULL &&
        strncmp(rest, vllm, sizeof(vllm) - 1) == 0)
        return true;
    for (size_t i = 0; i < settings->root_count; i++)
        if (strcmp(settings->roots[i].name, "inductor") == 0 &&
            is_inductors(rest_below(path, settings->roots[i].path)))
            return true;
    return false;
}

/* The default place, if there is one and it can be looked up; nobody asked for it, so that is no
 * error. */
static enum b10_reason find_default(struct settings_root *root, const struct reading *reading,
                                    const struct auto_root *standard, struct b10_error *error)
{
    static const struct setting row = {.name = "B10_CACHE_ROOTS"};
    struct b10_error found = ERROR_NONE;
    SCOPED(heap) char *path = NULL;
    TRY(auto_root_default(&path, standard, &reading->host, error));
    if (path == NULL)
        return B10_REASON_OK;
    enum b10_reason reason = setting_path(&root->named, reading, &row, path, path, &found);
    if (reason == B10_REASON_OK)
        reason = setting_resolve(&root->path, &row, path, root->named, &found);
    if (reason == B10_REASON_NO_MEMORY)
        return error_copy(error, &found);
    if (reason != B10_REASON_OK)
        log_debug(reading->log, "root '%s' is left out: %s", standard->name, found.message);
    return B10_REASON_OK;
}

/* Where the variable says; the default place may also be named by it. */
static enum b10_reason find_by_variable(struct settings_root *root, struct reading *reading,
                                        const struct auto_root *standard, const char *value,
                                        struct b10_error *error)
{
    const struct setting row = {.name = standard->variable};
    SCOPED(heap) char *place = NULL;
    SCOPED(heap) char *whole = NULL;
    SCOPED(settings_root) struct settings_root by_default = {0};
    TRY(setting_path(&place, reading, &row, value, value, error));
    if (*standard->below != '\0')
        TRY(path_join(&whole, place, standard->below, error));
    TRY(setting_path(&root->named, reading, &row, value, whole != NULL ? whole : place, error));
    TRY(setting_resolve(&root->path, &row, value, root->named, error));
    TRY(find_default(&by_default, reading, standard, error));
    if (is_engines_own(reading->settings, root->path)) {
        drop_root(root);
        *root = by_default;
        by_default = (struct settings_root){0};
        return B10_REASON_OK;
    }
    if (by_default.path != NULL && strcmp(by_default.path, root->path) == 0)
        return B10_REASON_OK;
    return setting_allowed(reading, &row, value, root->path, error);
}

static enum b10_reason add_automatic(struct reading *reading, const struct setting *row,
                                     const char *value, size_t index, struct b10_error *error)
{
    struct settings *settings = reading->settings;
    const struct auto_root *standard = auto_root_at(index);
    const char *variable = variable_value(reading, index);
    SCOPED(settings_root) struct settings_root root = {0};
    if (standard->for_servers && strcmp(settings->kind, "inductor") == 0)
        return B10_REASON_OK;
    if (variable != NULL)
        TRY(find_by_variable(&root, reading, standard, variable, error));
    else
        TRY(find_default(&root, reading, standard, error));
    if (root.path == NULL || strcmp(root.path, settings->local_dir) == 0 ||
        is_root_path(settings, root.path))
        return B10_REASON_OK;
    TRY(refuse_name(settings, row, value, standard->name, error));
    root.automatic = true;
    root.name = strdup(standard->name);
    return root.name != NULL ? append(settings, &root, error) : error_no_memory(error);
}

static enum b10_reason add_all_automatic(struct reading *reading, const struct setting *row,
                                         const char *value, struct b10_error *error)
{
    for (size_t i = 0; i < AUTO_ROOT_COUNT; i++)
        TRY(add_automatic(reading, row, value, i, error));
    return B10_REASON_OK;
}

/* ---- the list ---- */

static enum b10_reason add_item(struct reading *reading, const struct setting *row,
                                const char *value, const char *item, bool *automatic,
                                struct b10_error *error)
{
    if (*item == '\0')
        return setting_bad(error, row, value, "has an empty item");
    if (strcmp(item, "auto") != 0)
        return add_named(reading, row, value, item, error);
    if (*automatic)
        return setting_bad(error, row, value, "has `auto` twice");
    *automatic = true;
    return B10_REASON_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct settings_root *)a)->name, ((const struct settings_root *)b)->name);
}

/* An archive must not be packed into the next one. *index: moved on, unless the root is dropped. */
static enum b10_reason keep_archives_out(struct reading *reading, size_t *index,
                                         struct b10_error *error)
{
    struct settings *settings = reading->settings;
    struct settings_root *root = &settings->roots[*index];
    if (!path_is_within(settings->shared_dir, root->path)) {
        ++*index;
        return B10_REASON_OK;
    }
    if (!root->automatic)
        return setting_bad(error, setting_row(SETTING_SHARED_DIR), settings->shared_dir,
                           "must not be inside the root '%s' (%s)", root->name, root->path);
    log_warn(reading->log, "root '%s' is left out: the archives lie in it (%s)", root->name,
             root->path);
    drop_root(root);
    memmove(root, root + 1, (--settings->root_count - *index) * sizeof(*root));
    return B10_REASON_OK;
}

static enum b10_reason finish(struct reading *reading, const struct setting *row, const char *value,
                              bool automatic, struct b10_error *error)
{
    struct settings *settings = reading->settings;
    if (automatic)
        TRY(add_all_automatic(reading, row, value, error));
    for (size_t i = 0; i < settings->root_count;)
        TRY(keep_archives_out(reading, &i, error));
    if (settings->root_count > 1)
        qsort(settings->roots, settings->root_count, sizeof(*settings->roots), by_name);
    return B10_REASON_OK;
}

enum b10_reason setting_read_roots(struct reading *reading, const struct setting *row,
                                   const char *value, struct b10_error *error)
{
    bool automatic = false;
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
        TRY(add_item(reading, row, value, copy, &automatic, error));
    }
    if (!reading->alone)
        TRY(finish(reading, row, value, automatic, error));
    return setting_text(reading, row, strdup(value), error);
}
