#include "fs/path.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/guard.h"

/* Length of the component that begins at `path`. */
static size_t component_length(const char *path)
{
    return strcspn(path, "/");
}

/* The next component of *cursor, empty ones skipped; false at the end. */
static bool next_component(const char **cursor, const char **component, size_t *length)
{
    *component = *cursor + strspn(*cursor, "/");
    *length = component_length(*component);
    *cursor = *component + *length;
    return *length > 0;
}

static bool component_is(const char *component, size_t length, const char *text)
{
    return strlen(text) == length && memcmp(component, text, length) == 0;
}

enum b10_reason path_join(char **out, const char *a, const char *b, struct b10_error *error)
{
    size_t left = strlen(a);
    size_t right = strlen(b);
    bool slash = left > 0 && a[left - 1] != '/';
    char *joined = malloc(left + slash + right + 1);
    if (joined == NULL)
        return error_no_memory(error);
    memcpy(joined, a, left);
    if (slash)
        joined[left] = '/';
    memcpy(joined + left + slash, b, right + 1);
    *out = joined;
    return B10_REASON_OK;
}

static size_t length_without_slashes(const char *path, size_t length)
{
    while (length > 1 && path[length - 1] == '/')
        length--;
    return length;
}

const char *path_base(const char *path)
{
    size_t end = length_without_slashes(path, strlen(path));
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    return start == end && start > 0 ? path + start - 1 : path + start;
}

enum b10_reason path_parent(char **out, const char *path, struct b10_error *error)
{
    size_t length = length_without_slashes(path, strlen(path));
    while (length > 0 && path[length - 1] != '/')
        length--;
    bool nothing_left = length == 0;
    length = length_without_slashes(path, length);
    *out = nothing_left ? strdup(".") : strndup(path, length);
    return *out == NULL ? error_no_memory(error) : B10_REASON_OK;
}

bool path_is_member(const char *path)
{
    size_t depth = 0;
    const char *component = path;
    for (;;) {
        size_t length = component_length(component);
        if (length == 0 || length > PATH_NAME_LIMIT || ++depth > PATH_DEPTH_LIMIT)
            return false;
        if (component_is(component, length, ".") || component_is(component, length, ".."))
            return false;
        component += length;
        if (component - path > PATH_LIMIT)
            return false;
        if (*component == '\0')
            return true;
        component++;
    }
}

bool path_has_dotdot(const char *path)
{
    const char *component;
    size_t length;
    while (next_component(&path, &component, &length))
        if (component_is(component, length, ".."))
            return true;
    return false;
}

int path_compare(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    const int left = *a == '/' ? 1 : *a != '\0' ? (unsigned char)*a + 2 : 0;
    const int right = *b == '/' ? 1 : *b != '\0' ? (unsigned char)*b + 2 : 0;
    return left - right;
}

bool path_is_within(const char *path, const char *prefix)
{
    size_t length = strlen(prefix);
    while (length > 0 && prefix[length - 1] == '/')
        length--;
    return strncmp(path, prefix, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

bool path_is_below(const char *path, const char *prefix)
{
    return path_is_within(path, prefix) && !path_is_within(prefix, path);
}

static size_t depth_of(const char *path)
{
    const char *component;
    size_t length;
    size_t depth = 0;
    while (next_component(&path, &component, &length))
        depth++;
    return depth;
}

bool path_link_stays_inside(const char *link_path, const char *target)
{
    if (*target == '/' || *target == '\0')
        return false;
    size_t climbable = depth_of(link_path) - 1;
    bool descended = false;
    const char *component;
    size_t length;
    while (next_component(&target, &component, &length)) {
        if (component_is(component, length, "."))
            continue;
        if (!component_is(component, length, ".."))
            descended = true;
        else if (descended || climbable-- == 0)
            return false;
    }
    return true;
}

/* Length of path[0..length) without its last component, at least 1 for the leading slash. */
static size_t parent_length(const char *path, size_t length)
{
    while (length > 1 && path[length - 1] != '/')
        length--;
    return length_without_slashes(path, length);
}

/* A link to nowhere is refused: nobody can say where it will lead once it leads somewhere. */
static enum b10_reason refuse_dangling_link(const char *path, struct b10_error *error)
{
    struct stat stat;
    if (lstat(path, &stat) == 0 && S_ISLNK(stat.st_mode))
        return error_errno(error, ENOENT, "cannot resolve the symbolic link '%s'", path);
    return B10_REASON_OK;
}

/* *existing = the longest part of path that exists, resolved; *length = how many bytes of path that
 * covers. */
static enum b10_reason resolve_existing(char **existing, size_t *length, const char *path,
                                        struct b10_error *error)
{
    SCOPED(heap) char *part = strdup(path);
    if (part == NULL)
        return error_no_memory(error);
    *length = length_without_slashes(part, strlen(part));
    for (;;) {
        part[*length] = '\0';
        *existing = realpath(part, NULL);
        if (*existing != NULL)
            return B10_REASON_OK;
        if (errno == ENOMEM)
            return error_no_memory(error);
        if (errno != ENOENT || *length == 1)
            return error_errno(error, errno, "cannot resolve '%s'", path);
        TRY(refuse_dangling_link(part, error));
        *length = parent_length(part, *length);
    }
}

enum b10_reason path_resolve(char **out, const char *path, struct b10_error *error)
{
    if (*path != '/')
        return error_set(error, B10_REASON_CONFIG, "'%s' is not an absolute path", path);
    SCOPED(heap) char *resolved = NULL;
    size_t covered = 0;
    TRY(resolve_existing(&resolved, &covered, path, error));

    const char *rest = path + covered;
    size_t size = strlen(resolved);
    char *whole = realloc(resolved, size + strlen(rest) + 2);
    if (whole == NULL)
        return error_no_memory(error);
    resolved = whole;
    size = length_without_slashes(whole, size);
    const char *component;
    size_t length;
    while (next_component(&rest, &component, &length)) {
        if (component_is(component, length, "."))
            continue;
        if (whole[size - 1] != '/')
            whole[size++] = '/';
        memcpy(whole + size, component, length);
        size += length;
    }
    whole[size] = '\0';
    *out = HEAP_TAKE(resolved);
    return B10_REASON_OK;
}

static size_t quote_byte(char text[4], unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    if (byte >= 0x20 && byte < 0x7f) {
        text[0] = (char)byte;
        return 1;
    }
    text[0] = '\\';
    text[1] = 'x';
    text[2] = digits[byte >> 4];
    text[3] = digits[byte & 15];
    return 4;
}

const char *path_quote(char *buffer, size_t size, const char *path)
{
    static const char cut[] = "…";
    size_t used = 0;
    size_t room_for_cut = 0; /* the longest prefix after which the sign for "cut" still fits */
    if (size == 0)
        return buffer;
    for (; *path != '\0'; path++) {
        char text[4];
        size_t length = quote_byte(text, (unsigned char)*path);
        if (used + sizeof(cut) <= size)
            room_for_cut = used;
        if (used + length + 1 > size) {
            used = room_for_cut;
            if (sizeof(cut) <= size - used) {
                memcpy(buffer + used, cut, sizeof(cut) - 1);
                used += sizeof(cut) - 1;
            }
            break;
        }
        memcpy(buffer + used, text, length);
        used += length;
    }
    buffer[used] = '\0';
    return buffer;
}
