#include "archive/entry.h"

#include <string.h>

#include "fs/path.h"

enum { ROOT_NAME_LIMIT = 32, BLOCK = 512, DISK_BLOCK = 4096, NS_PER_S = 1000000000 };

bool entry_is_root_name(const char *name, size_t length)
{
    if (length < 1 || length > ROOT_NAME_LIMIT || name[0] < 'a' || name[0] > 'z')
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
            return false;
    }
    return true;
}

const char *entry_inner_path(const char *path)
{
    const char *slash = strchr(path, '/');
    return slash ? slash + 1 : path + strlen(path);
}

uint64_t entry_padded(uint64_t size)
{
    return (size + BLOCK - 1) / BLOCK * BLOCK;
}

uint64_t entry_on_disk(uint64_t size)
{
    return size == 0 ? DISK_BLOCK : (size + DISK_BLOCK - 1) / DISK_BLOCK * DISK_BLOCK;
}

/* Is `path` a legal member path below a legal root name? */
static bool is_member_below_root(const char *path)
{
    const char *inner = entry_inner_path(path);
    return path_is_member(path) && *inner && entry_is_root_name(path, (size_t)(inner - path) - 1);
}

bool entry_marks_unit(const char *name)
{
    static const char prefix[] = "__grp__";
    const char *dot = strrchr(name, '.');
    return strncmp(name, prefix, sizeof(prefix) - 1) == 0 && dot != NULL &&
           strcmp(dot, ".json") == 0;
}

static bool same_root(const char *a, const char *b)
{
    size_t length = (size_t)(entry_inner_path(a) - a);
    return strncmp(a, b, length) == 0;
}

static enum b10_reason refuse(const char *path, const char *archive, const char *why,
                              struct b10_error *error)
{
    char quoted[400];
    return error_set(error, B10_REASON_UNSAFE, "member '%s' of '%s' %s",
                     path_quote(quoted, sizeof quoted, path), archive, why);
}

static enum b10_reason check_target(const struct entry *entry, const char *archive,
                                    struct b10_error *error)
{
    const char *target = entry->target;
    if (!target || !*target || strlen(target) > PATH_LIMIT)
        return refuse(entry->path, archive, "is a link without a usable target", error);
    if (entry->type == ENTRY_SYMLINK &&
        !path_link_stays_inside(entry_inner_path(entry->path), target))
        return refuse(entry->path, archive, "is a symlink that leaves its root", error);
    if (entry->type == ENTRY_HARDLINK &&
        (!is_member_below_root(target) || !same_root(entry->path, target)))
        return refuse(entry->path, archive, "is a link to something outside its root", error);
    if (entry->type == ENTRY_HARDLINK && strcmp(entry->path, target) == 0)
        return refuse(entry->path, archive, "is a link to itself", error);
    return B10_REASON_OK;
}

enum b10_reason entry_check(const struct entry *entry, const char *archive, struct b10_error *error)
{
    if (!is_member_below_root(entry->path))
        return refuse(entry->path, archive, "has a path that no archive may hold", error);
    if (entry->mtime_ns >= NS_PER_S)
        return refuse(entry->path, archive, "has an impossible modification time", error);
    if (entry->type != ENTRY_FILE && entry->size != 0)
        return refuse(entry->path, archive, "has a content although it is not a file", error);
    if (entry->type == ENTRY_SYMLINK || entry->type == ENTRY_HARDLINK)
        return check_target(entry, archive, error);
    return B10_REASON_OK;
}
