#include "archive/index_plain.h"

#include <string.h>

struct scan {
    const char *at;
    const char *end;
};

static bool take(struct scan *scan, const char *text)
{
    const size_t length = strlen(text);
    if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, text, length) != 0)
        return false;
    scan->at += length;
    return true;
}

/* Digits without a leading zero; up to 18, which no number here can overflow. */
static bool take_number(struct scan *scan, uint64_t most, uint64_t *number)
{
    const char *begin = scan->at;
    *number = 0;
    for (; scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9'; scan->at++)
        if (scan->at - begin < 18)
            *number = *number * 10 + (uint64_t)(*scan->at - '0');
    const long digits = scan->at - begin;
    return digits >= 1 && digits <= 18 && (digits == 1 || *begin != '0') && *number <= most;
}

static bool take_name(struct scan *scan, const char **name, size_t *length)
{
    if (!take(scan, "\""))
        return false;
    *name = scan->at;
    while (scan->at < scan->end && *scan->at >= ' ' && *scan->at <= '~' && *scan->at != '"' &&
           *scan->at != '\\')
        scan->at++;
    *length = (size_t)(scan->at - *name);
    return take(scan, "\"");
}

static bool take_type(struct scan *scan, enum entry_type *type)
{
    static const struct {
        const char *text;
        enum entry_type type;
    } types[] = {{"\"file\"", ENTRY_FILE},
                 {"\"directory\"", ENTRY_DIRECTORY},
                 {"\"symlink\"", ENTRY_SYMLINK},
                 {"\"link\"", ENTRY_HARDLINK}};
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        *type = types[i].type;
        if (take(scan, types[i].text))
            return true;
    }
    return false;
}

static bool take_time(struct scan *scan, struct entry *entry)
{
    uint64_t seconds = 0;
    uint64_t nanoseconds = 0;
    const bool is_negative = take(scan, "-");
    if (!take_number(scan, INT64_MAX, &seconds) || !take(scan, ",") ||
        !take_number(scan, UINT32_MAX, &nanoseconds))
        return false;
    entry->mtime_s = is_negative ? -(int64_t)seconds : (int64_t)seconds;
    entry->mtime_ns = (uint32_t)nanoseconds;
    return true;
}

static bool take_target(struct scan *scan, enum entry_type type, struct index_plain *names)
{
    names->target = NULL;
    if (type != ENTRY_SYMLINK && type != ENTRY_HARDLINK)
        return true;
    return take(scan, ",") && take_name(scan, &names->target, &names->target_length);
}

bool index_plain_read(const char *text, size_t size, struct index_line *line,
                      struct index_plain *names)
{
    struct scan scan = {text, text + size};
    struct entry *entry = &line->entry;
    uint64_t root, executable, frame, is_void;
    if (!take(&scan, "[") || !take_number(&scan, UINT32_MAX, &root) || !take(&scan, ",") ||
        !take_name(&scan, &names->path, &names->path_length) || !take(&scan, ",") ||
        !take_type(&scan, &entry->type) || !take(&scan, ",") ||
        !take_number(&scan, 1, &executable) || !take(&scan, ",") || !take_time(&scan, entry) ||
        !take(&scan, ",") || !take_number(&scan, INT64_MAX, &entry->size) || !take(&scan, ",") ||
        !take_number(&scan, UINT32_MAX, &frame) || !take(&scan, ",") ||
        !take_number(&scan, 1, &is_void) || !take_target(&scan, entry->type, names) ||
        !take(&scan, "]") || scan.at != scan.end)
        return false;
    entry->executable = executable != 0;
    line->root = (uint32_t)root;
    line->frame = (uint32_t)frame;
    line->is_void = is_void != 0;
    return true;
}
