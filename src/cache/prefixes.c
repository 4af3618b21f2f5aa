#include "cache/prefixes.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "fs/path.h"

static bool has_two_components(const char *path)
{
    size_t count = 0;
    for (; *path != '\0'; path += strcspn(path, "/")) {
        path += strspn(path, "/");
        count += *path != '\0';
    }
    return count >= 2;
}

static bool is_plain(const char *path)
{
    return utf8_is_printable(path) && strpbrk(path, "'\"\\") == NULL;
}

static bool is_here(const struct relocate_place *place, const char *origin)
{
    return strcmp(origin, place->path) == 0 ||
           (place->named != NULL && strcmp(origin, place->named) == 0);
}

static enum prefix_state state_of(const struct relocate_place *place, const char *origin)
{
    if (is_here(place, origin))
        return PREFIX_STAYS;
    if (*origin != '/' || origin[strlen(origin) - 1] == '/' || path_has_dotdot(origin) ||
        !has_two_components(origin) || !is_plain(place->path))
        return PREFIX_REFUSED;
    return PREFIX_MOVED;
}

static void add_root(struct prefixes *prefixes, const struct manifest_root *stored, size_t root,
                     const struct relocate_place *place)
{
    for (size_t i = 0; i < stored->origin_count && prefixes->count < PREFIXES_LIMIT; i++) {
        const char *origin = stored->origins[i];
        const struct prefix prefix = {.from = origin,
                                      .length = strlen(origin),
                                      .to = place->path,
                                      .root = root,
                                      .state = state_of(place, origin)};
        prefixes->any_moved = prefixes->any_moved || prefix.state != PREFIX_STAYS;
        prefixes->items[prefixes->count++] = prefix;
    }
}

enum b10_reason prefixes_make(struct prefixes *prefixes, const struct manifest *manifest,
                              const struct relocate_place *places, struct b10_error *error)
{
    prefixes->items = calloc(PREFIXES_LIMIT, sizeof(*prefixes->items));
    if (prefixes->items == NULL)
        return error_no_memory(error);
    for (size_t i = 0; i < manifest->root_count; i++)
        if (places[i].fd >= 0)
            add_root(prefixes, &manifest->roots[i], i, &places[i]);
    return B10_REASON_OK;
}

static bool begins_with(const struct prefix *prefix, const char *path, size_t size)
{
    return prefix->length > 0 && size >= prefix->length &&
           memcmp(path, prefix->from, prefix->length) == 0 &&
           (size == prefix->length || path[prefix->length] == '/');
}

const struct prefix *prefixes_find(const struct prefixes *prefixes, size_t root, const char *path,
                                   size_t size)
{
    const struct prefix *best = NULL;
    for (size_t i = 0; i < prefixes->count; i++) {
        const struct prefix *prefix = &prefixes->items[i];
        if (!begins_with(prefix, path, size))
            continue;
        if (best == NULL || prefix->length > best->length ||
            (prefix->length == best->length && prefix->root == root && best->root != root))
            best = prefix;
    }
    return best;
}

void prefixes_release(struct prefixes *prefixes)
{
    free(prefixes->items);
    *prefixes = (struct prefixes)PREFIXES_NONE;
}

void prefixes_guard(struct prefixes *prefixes)
{
    prefixes_release(prefixes);
}
