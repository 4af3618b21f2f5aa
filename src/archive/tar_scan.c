#include "archive/tar_scan.h"

#include <stdio.h>
#include <string.h>

#include "archive/entry.h"
#include "archive/tar_codec.h"
#include "fs/path.h"

/* A ustar header block (POSIX.1-2017, pax, "ustar Interchange Format"). */
enum { NAME, MODE, SIZE, TYPE, LINKNAME, MAGIC, PREFIX };
static const struct {
    size_t at;
    size_t size;
} field[] = {
    [NAME] = {0, 100},       [MODE] = {100, 8},  [SIZE] = {124, 12},    [TYPE] = {156, 1},
    [LINKNAME] = {157, 100}, [MAGIC] = {257, 8}, [PREFIX] = {345, 155},
};
enum { CHECKSUM_AT = 148, CHECKSUM_SIZE = 8 };

static const uint64_t USTAR_SIZE_END = UINT64_C(1)
                                       << 33; /* first size that 11 octal digits cannot hold */

struct scan {
    const unsigned char *frame;
    const unsigned char *block; /* the header in hand */
    size_t size;
    size_t position;
    const char *name;
    struct b10_error *error;
    bool header_only;
    struct tar_text path, linkpath, mtime, pax_size, hdrcharset; /* pax records */
};

static enum b10_reason corrupt(const struct scan *scan, const char *what)
{
    return error_set(scan->error, B10_REASON_CORRUPT, "'%s': %s at byte %zu of a frame", scan->name,
                     what, scan->position);
}

/* Names the member as far as its blocks do: that a rule is broken does not mean that nothing can be
 * read. */
static enum b10_reason unsafe(const struct scan *scan, const char *what)
{
    struct tar_text name = scan->path;
    if (!name.data) {
        name.data = (const char *)scan->block + field[NAME].at;
        name.size = strnlen(name.data, field[NAME].size);
    }
    char text[256], quoted[512];
    snprintf(text, sizeof(text), "%.*s", (int)(name.size < 255 ? name.size : 255), name.data);
    return error_set(scan->error, B10_REASON_UNSAFE, "'%s': %s, member '%s' at byte %zu of a frame",
                     scan->name, what, path_quote(quoted, sizeof(quoted), text), scan->position);
}

/* Octal digits, then only NUL and space. */
static bool parse_octal(const unsigned char *text, size_t size, uint64_t *value)
{
    size_t i = 0;
    for (*value = 0; i < size && text[i] >= '0' && text[i] <= '7'; i++)
        *value = *value << 3 | (uint64_t)(text[i] - '0');
    bool digits = i > 0;
    while (i < size && (text[i] == ' ' || text[i] == '\0'))
        i++;
    return digits && i == size;
}

static bool parse_decimal(const char *text, size_t size, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9' || *value > (UINT64_MAX - 9) / 10)
            return false;
        *value = *value * 10 + (uint64_t)(text[i] - '0');
    }
    return size > 0;
}

static bool all_zero(const unsigned char *data, size_t size)
{
    return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

static bool checksum_is_right(const unsigned char *block)
{
    uint64_t sum = 8 * ' ', stated = 0;
    for (size_t i = 0; i < TAR_BLOCK; i++)
        if (i < CHECKSUM_AT || i >= CHECKSUM_AT + CHECKSUM_SIZE)
            sum += block[i];
    return parse_octal(block + CHECKSUM_AT, CHECKSUM_SIZE, &stated) && sum == stated;
}

/* A text field up to its first NUL; false if something stands behind that. */
static bool field_text(const unsigned char *block, int which, struct tar_text *text)
{
    const unsigned char *at = block + field[which].at;
    size_t size = strnlen((const char *)at, field[which].size);
    *text = (struct tar_text){(const char *)at, size};
    return all_zero(at + size, field[which].size - size);
}

/* The header block at the scan's position; its type among `types`. A damaged block is told from a
 * forbidden one by its checksum, which libarchive checks for the others. */
static enum b10_reason take_block(struct scan *scan, const char *types, const unsigned char **block)
{
    if (scan->size - scan->position < TAR_BLOCK)
        return corrupt(scan, "a tar header is cut off");
    *block = scan->frame + scan->position;
    scan->block = *block;
    if (all_zero(*block, TAR_BLOCK))
        return corrupt(scan, "an end-of-archive marker");
    if (memcmp(*block + field[MAGIC].at, "ustar", 5) != 0 && !checksum_is_right(*block))
        return corrupt(scan, "no tar header");
    char type = (char)(*block)[field[TYPE].at];
    if (type == '\0' || !strchr(types, type) ||
        memcmp(*block + field[MAGIC].at,
               "ustar\0"
               "00",
               field[MAGIC].size) != 0) {
        if (!checksum_is_right(*block))
            return corrupt(scan, "a damaged tar header");
        return unsafe(scan, "a kind of tar header that no archive may hold");
    }
    return B10_REASON_OK;
}

static enum b10_reason take_record(struct scan *scan, const char *key, size_t key_size,
                                   struct tar_text value)
{
    struct {
        const char *key;
        struct tar_text *value;
    } known[] = {{"path", &scan->path},
                 {"linkpath", &scan->linkpath},
                 {"mtime", &scan->mtime},
                 {"size", &scan->pax_size},
                 {"hdrcharset", &scan->hdrcharset}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strlen(known[i].key) != key_size || memcmp(known[i].key, key, key_size) != 0)
            continue;
        if (known[i].value->data)
            return unsafe(scan, "a pax record given twice");
        if (value.size == 0 || memchr(value.data, '\0', value.size))
            return unsafe(scan, "an empty pax record or one with a NUL inside");
        *known[i].value = value;
        return B10_REASON_OK;
    }
    return unsafe(scan, "a pax record that no archive may hold");
}

/* "LENGTH key=value\n", LENGTH counting all of it. Moves *at behind the record. */
static enum b10_reason next_record(struct scan *scan, const char **at, const char *end)
{
    const char *record = *at;
    size_t left = (size_t)(end - record);
    const char *space = memchr(record, ' ', left < 8 ? left : 8);
    uint64_t length = 0;
    if (!space || !parse_decimal(record, (size_t)(space - record), &length) || length > left ||
        length < (size_t)(space - record) + 2 || record[length - 1] != '\n')
        return corrupt(scan, "a damaged pax record");
    const char *key = space + 1;
    const char *newline = record + length - 1;
    const char *equals = memchr(key, '=', (size_t)(newline - key));
    if (!equals)
        return corrupt(scan, "a damaged pax record");
    *at = record + length;
    return take_record(scan, key, (size_t)(equals - key),
                       (struct tar_text){equals + 1, (size_t)(newline - equals - 1)});
}

static bool is_text(struct tar_text text, const char *expected)
{
    return text.size == strlen(expected) && memcmp(text.data, expected, text.size) == 0;
}

/* [-]digits[.1 to 9 digits] */
static bool is_time(struct tar_text text)
{
    uint64_t ignored = 0;
    size_t sign = text.data[0] == '-';
    const char *dot = memchr(text.data, '.', text.size);
    size_t whole = (dot ? (size_t)(dot - text.data) : text.size) - sign;
    size_t fraction = dot ? text.size - sign - whole - 1 : 1;
    return whole <= 18 && parse_decimal(text.data + sign, whole, &ignored) && fraction >= 1 &&
           fraction <= 9 && (!dot || parse_decimal(dot + 1, fraction, &ignored));
}

static enum b10_reason check_records(struct scan *scan)
{
    if (scan->mtime.data && !is_time(scan->mtime))
        return corrupt(scan, "a damaged modification time");
    if (scan->hdrcharset.data && !is_text(scan->hdrcharset, "BINARY") &&
        !is_text(scan->hdrcharset, "ISO-IR 10646 2000 UTF-8"))
        return unsafe(scan, "an unknown character set");
    return B10_REASON_OK;
}

/* The pax header at the scan's position, with its records; moves behind it. */
static enum b10_reason take_pax(struct scan *scan, const unsigned char *block)
{
    uint64_t size = 0;
    if (!parse_octal(block + field[SIZE].at, field[SIZE].size, &size) || size > TAR_HEADER_MAX)
        return unsafe(scan, "pax records of an unusual size");
    if (scan->size - scan->position - TAR_BLOCK < entry_padded(size))
        return corrupt(scan, "pax records that are cut off");
    const char *at = (const char *)block + TAR_BLOCK;
    const char *end = at + size;
    while (at < end)
        TRY(next_record(scan, &at, end));
    TRY(check_records(scan));
    scan->position += TAR_BLOCK + (size_t)entry_padded(size);
    return B10_REASON_OK;
}

/* A pax size is what ustar cannot hold, and nothing else: two sizes that differ are two readings of
 * one archive. */
static enum b10_reason take_size(struct scan *scan, const unsigned char *block,
                                 struct tar_member *member)
{
    if (scan->pax_size.data) {
        bool parsed = parse_decimal(scan->pax_size.data, scan->pax_size.size, &member->size);
        if (!scan->header_only || !parsed || member->size < USTAR_SIZE_END ||
            member->size > INT64_MAX - TAR_BLOCK)
            return unsafe(scan, "a size in a pax record");
    } else if (!parse_octal(block + field[SIZE].at, field[SIZE].size, &member->size)) {
        return unsafe(scan, "a size that is not an octal number");
    }
    if (member->type != '0' && member->size != 0)
        return unsafe(scan, "a content of something that is not a file");
    return B10_REASON_OK;
}

static enum b10_reason take_names(struct scan *scan, const unsigned char *block,
                                  struct tar_member *member)
{
    if (!field_text(block, NAME, &member->path) || !field_text(block, PREFIX, &member->prefix) ||
        !field_text(block, LINKNAME, &member->linkpath))
        return unsafe(scan, "a name with a NUL inside");
    if (scan->path.data) {
        member->path = scan->path;
        member->prefix.size = 0;
    }
    if (scan->linkpath.data)
        member->linkpath = scan->linkpath;
    return B10_REASON_OK;
}

/* Where the content lies; it and its padding must be in the frame. */
static enum b10_reason take_content(struct scan *scan, struct tar_member *member)
{
    member->content = scan->position + TAR_BLOCK;
    member->end = member->content;
    if (scan->header_only)
        return member->type == '0' ? B10_REASON_OK : corrupt(scan, "a header that is not a file's");
    if (member->size > scan->size - member->content ||
        entry_padded(member->size) > scan->size - member->content)
        return corrupt(scan, "a content that is cut off");
    member->end += (size_t)entry_padded(member->size);
    size_t behind = member->content + (size_t)member->size;
    if (!all_zero(scan->frame + behind, member->end - behind))
        return corrupt(scan, "padding that is not zero");
    return B10_REASON_OK;
}

enum b10_reason tar_scan(const unsigned char *frame, size_t size, size_t position, bool header_only,
                         struct tar_member *member, const char *name, struct b10_error *error)
{
    struct scan scan = {.frame = frame,
                        .block = frame,
                        .size = size,
                        .position = position,
                        .name = name,
                        .error = error,
                        .header_only = header_only};
    const unsigned char *block = frame;
    uint64_t mode = 0;
    TRY(take_block(&scan, "x0125", &block));
    if (block[field[TYPE].at] == 'x') {
        TRY(take_pax(&scan, block));
        TRY(take_block(&scan, "0125", &block));
    }
    if (!parse_octal(block + field[MODE].at, field[MODE].size, &mode) || mode > 0777)
        return unsafe(&scan, "a mode with more than permissions");
    member->type = (char)block[field[TYPE].at];
    member->mode = (uint32_t)mode;
    TRY(take_size(&scan, block, member));
    TRY(take_names(&scan, block, member));
    return take_content(&scan, member);
}
