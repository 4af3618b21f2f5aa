/* Readers of settings that are paths, and the rules that every path from a setting keeps. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/guard.h"
#include "base/parse.h"
#include "fs/path.h"
#include "settings/setting.h"

/* Leaves room for the longest file name in a record that holds directory and name. */
enum { SETTING_PATH_LIMIT = B10_PATH_SIZE - 256 };

/* ---- rules ---- */

/* Without empty and `.` components and without a slash at the end. */
static void tidy(char *path)
{
    char *to = path;
    for (const char *from = path; *from != '\0';) {
        while (*from == '/')
            from++;
        size_t length = strcspn(from, "/");
        if (length > 0 && !(length == 1 && *from == '.')) {
            *to++ = '/';
            memmove(to, from, length);
            to += length;
        }
        from += length;
    }
    if (to == path)
        *to++ = '/';
    *to = '\0';
}

enum b10_reason setting_path(char **out, const struct reading *reading, const struct setting *row,
                             const char *value, const char *path, struct b10_error *error)
{
    const char *home = "";
    if (path[0] == '~' && (path[1] == '/' || path[1] == '\0')) {
        home = reading->host.home_named;
        if (home == NULL)
            return setting_bad(error, row, value, "there is no home directory for '~'");
        path++;
    }
    if (*home == '\0' && *path != '/')
        return setting_bad(error, row, value, "must be an absolute path");
    if (path_has_dotdot(path))
        return setting_bad(error, row, value, "must not contain '..'");
    size_t size = strlen(home) + strlen(path) + 1;
    if (size > SETTING_PATH_LIMIT)
        return setting_bad(error, row, value, "is longer than %d bytes", SETTING_PATH_LIMIT - 1);
    char *whole = malloc(size + 1);
    if (whole == NULL)
        return error_no_memory(error);
    memcpy(whole, home, strlen(home));
    memcpy(whole + strlen(home), path, strlen(path) + 1);
    tidy(whole);
    *out = whole;
    return B10_REASON_OK;
}

enum b10_reason setting_resolve(char **out, const struct setting *row, const char *value,
                                const char *path, struct b10_error *error)
{
    struct b10_error cause = ERROR_NONE;
    enum b10_reason reason = path_resolve(out, path, &cause);
    if (reason == B10_REASON_NO_MEMORY)
        return error_copy(error, &cause);
    if (reason != B10_REASON_OK)
        return setting_bad(error, row, value, "%s", cause.message);
    if (strlen(*out) < SETTING_PATH_LIMIT)
        return B10_REASON_OK;
    heap_guard(out);
    return setting_bad(error, row, value, "resolved, is longer than %d bytes",
                       SETTING_PATH_LIMIT - 1);
}

enum b10_reason setting_allowed(struct reading *reading, const struct setting *row,
                                const char *value, const char *path, struct b10_error *error)
{
    TRY(setting_need(reading, SETTING_LOCAL_PREFIXES, error));
    SCOPED(heap) char *registered = NULL;
    if (reading->allowed.any)
        TRY(host_registered_home(&registered, error));
    const char *homes[] = {reading->host.home_dir, registered};
    if (allowed_contains(&reading->allowed, path, homes, 2))
        return B10_REASON_OK;
    if (reading->allowed.any)
        return setting_bad(error, row, value,
                           "'%s' belongs to the system or holds a home directory, which "
                           "B10_LOCAL_PREFIXES=%s leaves out: it needs a prefix of its own",
                           path, reading->text[SETTING_LOCAL_PREFIXES]);
    return setting_bad(error, row, value, "'%s' is not below one of B10_LOCAL_PREFIXES=%s", path,
                       reading->text[SETTING_LOCAL_PREFIXES]);
}

/* ---- B10_LOCAL_PREFIXES ---- */

static enum b10_reason add_default_prefix(struct reading *reading, const char *path,
                                          struct bytes *text, struct b10_error *error)
{
    char *resolved = NULL;
    struct b10_error cause = ERROR_NONE;
    enum b10_reason reason = path_resolve(&resolved, path, &cause);
    if (reason == B10_REASON_NO_MEMORY)
        return error_copy(error, &cause);
    if (reason != B10_REASON_OK)
        return B10_REASON_OK; /* where nothing can be looked up, nothing can be kept either */
    TRY(allowed_add(&reading->allowed, resolved, error));
    return bytes_format(text, error, "%s%s", text->size > 0 ? "," : "", path);
}

static enum b10_reason default_prefixes(struct reading *reading, const struct setting *row,
                                        struct b10_error *error)
{
    SCOPED(bytes) struct bytes text = BYTES_EMPTY;
    const char *temporary = reading->host.temporary_dir;
    TRY(add_default_prefix(reading, "/tmp", &text, error));
    if (strcmp(temporary, "/tmp") != 0)
        TRY(add_default_prefix(reading, temporary, &text, error));
    TRY(add_default_prefix(reading, "/cache", &text, error));
    TRY(add_default_prefix(reading, "/bdn/cache", &text, error));
    if (reading->host.home_dir != NULL) {
        SCOPED(heap) char *cache = NULL;
        TRY(path_join(&cache, reading->host.home_dir, ".cache", error));
        TRY(add_default_prefix(reading, cache, &text, error));
    }
    TRY(bytes_terminate(&text, error));
    return setting_text(reading, row, strdup((const char *)text.data), error);
}

static enum b10_reason add_prefix(struct reading *reading, const struct setting *row,
                                  const char *value, const char *item, struct b10_error *error)
{
    if (strcmp(item, "any") == 0) {
        reading->allowed.any = true;
        return B10_REASON_OK;
    }
    if (*item == '\0')
        return setting_bad(error, row, value, "has an empty item");
    SCOPED(heap) char *path = NULL;
    TRY(setting_path(&path, reading, row, value, item, error));
    char *resolved = NULL;
    TRY(setting_resolve(&resolved, row, value, path, error));
    return allowed_add(&reading->allowed, resolved, error);
}

enum b10_reason setting_read_prefixes(struct reading *reading, const struct setting *row,
                                      const char *value, struct b10_error *error)
{
    if (value == NULL)
        return default_prefixes(reading, row, error);
    if (*value == '\0')
        return setting_bad(error, row, value, "must name a directory or `any`");
    const char *cursor = value;
    const char *item;
    size_t length;
    while (parse_item(&cursor, &item, &length)) {
        SCOPED(heap) char *copy = strndup(item, length);
        if (copy == NULL)
            return error_no_memory(error);
        TRY(add_prefix(reading, row, value, copy, error));
    }
    return setting_text(reading, row, strdup(value), error);
}

/* ---- the shared and the work directory ---- */

/* Takes `path`, also on failure. */
static enum b10_reason replace(struct reading *reading, const struct setting *row, char **field,
                               char *path, struct b10_error *error)
{
    SCOPED(heap) char *taken = path;
    TRY(setting_text(reading, row, path != NULL ? strdup(path) : NULL, error));
    free(*field);
    *field = HEAP_TAKE(taken);
    return B10_REASON_OK;
}

static bool overlap(const char *a, const char *b)
{
    return path_is_within(a, b) || path_is_within(b, a);
}

enum b10_reason setting_read_shared(struct reading *reading, const struct setting *row,
                                    const char *value, struct b10_error *error)
{
    SCOPED(heap) char *path = NULL;
    TRY(setting_path(&path, reading, row, value, value, error));
    if (reading->alone)
        return B10_REASON_OK;
    TRY(setting_need_local(reading, error));
    /* By text only: resolving would touch the volume. volume_open() looks again when it is open. */
    const char *local = reading->settings->local_dir;
    if (overlap(path, local) || overlap(path, reading->settings->local_named))
        return setting_bad(error, row, value,
                           "must be neither inside the local cache directory '%s' nor around it",
                           local);
    return replace(reading, row, &reading->settings->shared_dir, HEAP_TAKE(path), error);
}

enum b10_reason setting_read_work(struct reading *reading, const struct setting *row,
                                  const char *value, struct b10_error *error)
{
    static const char *const above[] = {"/app", "/tmp", "/cache"};
    SCOPED(heap) char *given = NULL;
    TRY(setting_path(&given, reading, row, value, value, error));
    SCOPED(heap) char *path = NULL;
    TRY(setting_resolve(&path, row, value, given, error));
    for (size_t i = 0; i < sizeof(above) / sizeof(*above); i++) {
        SCOPED(heap) char *prefix = NULL;
        TRY(setting_resolve(&prefix, row, value, above[i], error));
        if (path_is_within(path, prefix))
            return replace(reading, row, &reading->settings->work_dir, HEAP_TAKE(path), error);
    }
    return setting_bad(error, row, value, "must be /app, /tmp, /cache or lie below one of them");
}

/* ---- B10_READ_DIRS ---- */

enum { READ_DIRS_LIMIT = 16 };

/* By text only, as B10FS_CACHE_DIR. */
static enum b10_reason add_read_dir(struct reading *reading, const struct setting *row,
                                    const char *value, const char *item, struct b10_error *error)
{
    struct settings *settings = reading->settings;
    SCOPED(heap) char *path = NULL;
    if (*item == '\0')
        return setting_bad(error, row, value, "has an empty item");
    if (settings->read_dir_count == READ_DIRS_LIMIT)
        return setting_bad(error, row, value, "has more than %d directories", READ_DIRS_LIMIT);
    TRY(setting_path(&path, reading, row, value, item, error));
    if (settings->read_dirs == NULL)
        settings->read_dirs = calloc(READ_DIRS_LIMIT, sizeof(*settings->read_dirs));
    if (settings->read_dirs == NULL)
        return error_no_memory(error);
    settings->read_dirs[settings->read_dir_count++] = HEAP_TAKE(path);
    return B10_REASON_OK;
}

enum b10_reason setting_read_read_dirs(struct reading *reading, const struct setting *row,
                                       const char *value, struct b10_error *error)
{
    const char *cursor = value;
    const char *item;
    size_t length;
    while (*value != '\0' && parse_item(&cursor, &item, &length)) {
        SCOPED(heap) char *copy = strndup(item, length);
        if (copy == NULL)
            return error_no_memory(error);
        TRY(add_read_dir(reading, row, value, copy, error));
    }
    return setting_text(reading, row, strdup(value), error);
}

/* ---- B10_PYTHON_PREFIX ---- */

/* A path to compare, not to open: nothing is looked up. VIRTUAL_ENV is not ours to judge. */
enum b10_reason setting_read_python_prefix(struct reading *reading, const struct setting *row,
                                           const char *value, struct b10_error *error)
{
    const char *standard = reading->given->variables[GIVEN_VIRTUAL_ENV];
    if (value == NULL)
        value = standard != NULL && *standard == '/' && strlen(standard) < SETTING_PATH_LIMIT
                    ? standard
                    : "";
    if (*value != '\0' && *value != '/')
        return setting_bad(error, row, value, "must be %s", row->rule);
    if (strlen(value) >= SETTING_PATH_LIMIT)
        return setting_bad(error, row, value, "is longer than %d bytes", SETTING_PATH_LIMIT - 1);
    char *path = strdup(value);
    if (path != NULL && *path != '\0')
        tidy(path);
    return replace(reading, row, &reading->settings->python_prefix, path, error);
}
