#include "settings/allowed.h"

#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "fs/path.h"

enum b10_reason allowed_add(struct allowed *allowed, char *prefix, struct b10_error *error)
{
    SCOPED(heap) char *taken = prefix;
    if (strcmp(prefix, "/") == 0) {
        allowed->any = true;
        return B10_REASON_OK;
    }
    char **grown = realloc(allowed->prefixes, (allowed->count + 1) * sizeof(*grown));
    if (grown == NULL)
        return error_no_memory(error);
    allowed->prefixes = grown;
    allowed->prefixes[allowed->count++] = HEAP_TAKE(taken);
    return B10_REASON_OK;
}

static bool belongs_to_the_system(const char *path)
{
    static const char *const directories[] = {"/bin", "/boot", "/dev", "/etc", "/proc",
                                              "/run", "/sbin", "/sys", "/usr"};
    for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++) {
        if (path_is_within(path, directories[i]))
            return true;
    }
    return strcmp(path, "/") == 0 || strncmp(path, "/lib", 4) == 0;
}

/* A home, or a directory that holds one: emptying it would empty the home. */
static bool holds_a_home(const char *path, const char *const *homes, size_t home_count)
{
    for (size_t i = 0; i < home_count; i++) {
        if (homes[i] != NULL && path_is_within(homes[i], path))
            return true;
    }
    return path_is_within("/home", path) || path_is_within("/root", path);
}

bool allowed_contains(const struct allowed *allowed, const char *path, const char *const *homes,
                      size_t home_count)
{
    for (size_t i = 0; i < allowed->count; i++) {
        if (path_is_below(path, allowed->prefixes[i]))
            return true;
    }
    return allowed->any && !belongs_to_the_system(path) && !holds_a_home(path, homes, home_count);
}

void allowed_release(struct allowed *allowed)
{
    for (size_t i = 0; i < allowed->count; i++)
        free(allowed->prefixes[i]);
    free(allowed->prefixes);
    *allowed = (struct allowed)ALLOWED_NONE;
}

void allowed_guard(struct allowed *allowed)
{
    allowed_release(allowed);
}
