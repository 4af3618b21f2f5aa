#include "archive/link_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "fs/path.h"

/* Where `target` lies inside `origin` by its text ("" for the root itself), else NULL. */
static const char *inner(const char *origin, const char *target)
{
    if (!path_is_within(target, origin))
        return NULL;
    const char *rest = target + strlen(origin);
    return rest + strspn(rest, "/");
}

/* From the directory of `path` up to the root, then down to `below`. */
static bool make_relative(char *text, const char *path, const char *below)
{
    size_t used = 0;
    for (const char *slash = path; (slash = strchr(slash, '/')) != NULL; slash++) {
        if (used + 3 > PATH_LIMIT)
            return false;
        memcpy(text + used, "../", 4);
        used += 3;
    }
    if (used + strlen(below) > PATH_LIMIT)
        return false;
    memcpy(text + used, below, strlen(below) + 1);
    if (*text == '\0')
        memcpy(text, ".", 2);
    return true;
}

/* The root may be reached by another name than its resolved path: the target's directory is
 * resolved, never the target itself, which may be a link of its own. */
static enum b10_reason resolve_directory(char **out, const char *target, struct b10_error *error)
{
    SCOPED(heap) char *parent = NULL;
    SCOPED(heap) char *resolved = NULL;
    TRY(path_parent(&parent, target, error));
    TRY(path_resolve(&resolved, parent, error));
    return path_join(out, resolved, path_base(target), error);
}

static enum b10_reason from_absolute(char *text, const char *origin, const char *path,
                                     const char *target, bool *inside, struct b10_error *error)
{
    SCOPED(heap) char *resolved = NULL;
    const char *below = inner(origin, target);
    if (below == NULL) {
        struct b10_error found = ERROR_NONE;
        if (resolve_directory(&resolved, target, &found) == B10_REASON_OK)
            below = inner(origin, resolved);
        else if (found.code == B10_REASON_NO_MEMORY)
            return error_copy(error, &found);
    }
    *inside =
        below != NULL && make_relative(text, path, below) && path_link_stays_inside(path, text);
    return B10_REASON_OK;
}

enum b10_reason link_text(char *text, const char *origin, const char *path, const char *target,
                          bool *inside, struct b10_error *error)
{
    *inside = false;
    if (*target == '/')
        return path_has_dotdot(target) ? B10_REASON_OK
                                       : from_absolute(text, origin, path, target, inside, error);
    const size_t length = strlen(target);
    if (length > PATH_LIMIT || !path_link_stays_inside(path, target))
        return B10_REASON_OK;
    memcpy(text, target, length + 1);
    *inside = true;
    return B10_REASON_OK;
}
