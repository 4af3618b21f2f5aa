#include "archive/manifest_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "archive/entry.h"
#include "archive/tar_codec.h"
#include "fs/path.h"

static const uint64_t BYTES_LIMIT = UINT64_C(1) << 60; /* so that sums stay far from 2^64 */

struct check {
    const struct manifest *manifest;
    const char *name;
    struct b10_error *error;
    uint64_t members;      /* sum over the frames so far */
    uint32_t sliced;       /* members with a header frame so far */
    uint64_t sliced_bytes; /* content bytes of the last of them that slices have covered */
    uint64_t void_members; /* of the sliced ones */
};

static enum b10_reason corrupt(const struct check *check, const char *what)
{
    return error_set(check->error, B10_REASON_CORRUPT, "'%s': the manifest %s", check->name, what);
}

static enum b10_reason beyond(const struct check *check, const char *what)
{
    return error_set(check->error, B10_REASON_UNSAFE, "'%s': more %s than an archive may have",
                     check->name, what);
}

static enum b10_reason bad_frame(const struct check *check, size_t index, const char *what)
{
    return error_set(check->error, B10_REASON_CORRUPT, "'%s': frame %zu %s", check->name, index,
                     what);
}

/* ---- names ---- */

/* What the environment key may be: part of the archive's file name. */
static bool is_key(const char *text)
{
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789._-");
    return length >= 1 && length <= 200 && text[length] == '\0' && text[0] != '.';
}

static bool is_printable(const char *text, size_t most)
{
    size_t length = 0;
    for (; text[length]; length++)
        if (text[length] < ' ' || text[length] > '~')
            return false;
    return length >= 1 && length <= most;
}

static enum b10_reason check_names(const struct check *check)
{
    enum { CREATOR_MAX = 63, FACT_NAME_MAX = 64, FACT_VALUE_MAX = 4096 };
    const struct manifest *manifest = check->manifest;
    if (!entry_is_root_name(manifest->kind, strlen(manifest->kind)) || !is_key(manifest->key) ||
        !is_printable(manifest->creator, CREATOR_MAX))
        return corrupt(check, "names no kind, key and creator");
    if (strspn(manifest->token, "0123456789abcdef") != sizeof(manifest->token) - 1)
        return corrupt(check, "has no token");
    if (manifest->fact_count > MANIFEST_FACTS_LIMIT)
        return beyond(check, "facts");
    for (size_t i = 0; i < manifest->fact_count; i++)
        if (!is_printable(manifest->facts[i].name, FACT_NAME_MAX) ||
            (*manifest->facts[i].value && !is_printable(manifest->facts[i].value, FACT_VALUE_MAX)))
            return corrupt(check, "has a fact that is no printable text");
    return B10_REASON_OK;
}

/* ---- roots and directories ---- */

/* In the order of a walk a directory's parent is the directory before it or one that holds it. */
static bool follows(const char *directory, const char *before)
{
    const char *slash = strrchr(directory, '/');
    size_t parent = slash ? (size_t)(slash - directory) : 0;
    if (before && path_compare(before, directory) >= 0)
        return false;
    if (parent == 0)
        return true;
    return before && strncmp(before, directory, parent) == 0 &&
           (before[parent] == '\0' || before[parent] == '/');
}

/* The member's rules hold for its path below its root. */
static enum b10_reason check_member(const struct check *check, const struct manifest_root *root,
                                    const char *path, struct entry entry)
{
    char full[PATH_LIMIT + 64];
    int length = snprintf(full, sizeof(full), "%s/%s", root->name, path);
    if (length < 0 || (size_t)length >= sizeof(full))
        return error_set(check->error, B10_REASON_UNSAFE, "'%s': a path of %d bytes", check->name,
                         length);
    entry.path = full;
    return entry_check(&entry, check->name, check->error);
}

static enum b10_reason check_root(const struct check *check, size_t index)
{
    const struct manifest_root *root = &check->manifest->roots[index];
    if (!entry_is_root_name(root->name, strlen(root->name)) ||
        manifest_find_root(check->manifest, root->name, strlen(root->name)) != (int)index)
        return error_set(check->error, B10_REASON_UNSAFE, "'%s': a root without a name of its own",
                         check->name);
    for (size_t i = 0; i < root->origin_count; i++)
        if (root->origins[i][0] != '/' || strlen(root->origins[i]) > PATH_LIMIT)
            return corrupt(check, "has an original path that is not absolute");
    for (size_t i = 0; i < root->directory_count; i++) {
        const char *directory = root->directories[i];
        TRY(check_member(check, root, directory, (struct entry){.type = ENTRY_DIRECTORY}));
        if (!follows(directory, i > 0 ? root->directories[i - 1] : NULL))
            return corrupt(check, "has directories out of order");
    }
    return B10_REASON_OK;
}

static enum b10_reason check_roots(const struct check *check)
{
    uint64_t directories = 0;
    if (check->manifest->root_count < 1)
        return corrupt(check, "has no root");
    if (check->manifest->root_count > MANIFEST_ROOTS_LIMIT)
        return beyond(check, "roots");
    for (size_t i = 0; i < check->manifest->root_count; i++) {
        TRY(check_root(check, i));
        directories += check->manifest->roots[i].directory_count;
    }
    if (directories != check->manifest->totals.directories)
        return corrupt(check, "counts its directories wrongly");
    return B10_REASON_OK;
}

static enum b10_reason check_sliced(struct check *check)
{
    const struct manifest *manifest = check->manifest;
    uint64_t bytes = 0;
    for (size_t i = 0; i < manifest->sliced_count; i++) {
        const struct manifest_sliced *sliced = &manifest->sliced[i];
        if (sliced->root >= manifest->root_count)
            return corrupt(check, "has a large file of no root");
        TRY(check_member(check, &manifest->roots[sliced->root], sliced->path,
                         (struct entry){.mtime_ns = sliced->mtime_ns, .size = sliced->size}));
        if (sliced->size == 0 || sliced->size > BYTES_LIMIT || bytes > BYTES_LIMIT)
            return corrupt(check, "has a large file of an impossible size");
        bytes += sliced->is_void ? 0 : sliced->size;
        check->void_members += sliced->is_void;
    }
    if (bytes > manifest->totals.bytes)
        return corrupt(check, "has large files beyond its total");
    return B10_REASON_OK;
}

/* ---- frames ---- */

/* Every slice of the large files whose headers came so far is there. */
static bool sliced_is_complete(const struct check *check)
{
    return check->sliced == 0 ||
           check->sliced_bytes == entry_padded(check->manifest->sliced[check->sliced - 1].size);
}

static enum b10_reason check_header(struct check *check, size_t index)
{
    const struct frame *frame = &check->manifest->frames[index];
    if (frame->members != 1 || frame->content_size % TAR_BLOCK != 0 ||
        frame->content_size > TAR_HEADER_MAX)
        return bad_frame(check, index, "is no header of one member");
    if (frame->sliced != check->sliced || frame->sliced >= check->manifest->sliced_count)
        return bad_frame(check, index, "is not the header of the next large file");
    check->sliced++;
    check->sliced_bytes = 0;
    return B10_REASON_OK;
}

static enum b10_reason check_slice(struct check *check, size_t index)
{
    const struct frame *frame = &check->manifest->frames[index];
    if (check->sliced == 0 || frame->sliced != check->sliced - 1 || frame->members != 0 ||
        frame->offset != check->sliced_bytes)
        return bad_frame(check, index, "is not the next slice of a large file");
    uint64_t size = check->manifest->sliced[frame->sliced].size;
    uint64_t end = frame->offset + frame->content_size;
    if (frame->offset >= size || (end >= size && end != entry_padded(size)))
        return bad_frame(check, index, "is a slice that does not fit its file");
    check->sliced_bytes = end;
    return B10_REASON_OK;
}

static enum b10_reason check_frame(struct check *check, size_t index)
{
    const struct frame *frame = &check->manifest->frames[index];
    const uint64_t most = frame->content_size + frame->content_size / 128 + 512; /* zstd's bound */
    if (frame->content_size < 1 || frame->content_size > FRAME_CONTENT_LIMIT ||
        frame->compressed_size < 1 || frame->compressed_size > most)
        return error_set(check->error, B10_REASON_UNSAFE,
                         "'%s': frame %zu of %" PRIu32 " bytes for %" PRIu32 " of content",
                         check->name, index, frame->compressed_size, frame->content_size);
    check->members += frame->members;
    if (frame->kind == FRAME_SLICE)
        return check_slice(check, index);
    if (!sliced_is_complete(check))
        return bad_frame(check, index, "comes before the last slice of a large file");
    if (frame->kind == FRAME_HEADER)
        return check_header(check, index);
    bool last = index + 1 == check->manifest->frame_count;
    if (frame->kind == FRAME_END)
        return last && frame->content_size == ARCHIVE_END_SIZE && frame->members == 0
                   ? B10_REASON_OK
                   : bad_frame(check, index, "is no end of an archive");
    if (frame->members < 1 || frame->members > frame->content_size / TAR_BLOCK ||
        frame->content_size % TAR_BLOCK != 0)
        return bad_frame(check, index, "cannot hold the members it should");
    return B10_REASON_OK;
}

static enum b10_reason check_frames(struct check *check)
{
    const struct manifest *manifest = check->manifest;
    if (manifest->frame_count > FRAME_COUNT_LIMIT)
        return beyond(check, "frames");
    for (size_t i = 0; i < manifest->frame_count; i++)
        TRY(check_frame(check, i));
    if (manifest->frame_count == 0 || manifest->frames[manifest->frame_count - 1].kind != FRAME_END)
        return corrupt(check, "has no end frame");
    if (check->sliced != manifest->sliced_count)
        return corrupt(check, "has large files without frames");
    return B10_REASON_OK;
}

/* ---- totals ---- */

static enum b10_reason check_totals(const struct check *check)
{
    const struct manifest_totals *totals = &check->manifest->totals;
    const uint64_t most = ARCHIVE_FILES_LIMIT;
    if (check->members > most || totals->files > most || totals->symlinks > most ||
        totals->directories > most)
        return beyond(check, "members");
    /* Links to a void file are void too, so with one of those only a bound is known. */
    uint64_t counted = totals->files + totals->symlinks + totals->directories;
    if (check->void_members == 0 ? counted != check->members
                                 : counted + check->void_members > check->members)
        return corrupt(check, "counts its members wrongly");
    if (totals->duplicates > totals->files || totals->host_code > totals->files ||
        totals->bytes > BYTES_LIMIT || totals->disk_bytes > 2 * BYTES_LIMIT ||
        totals->disk_bytes < totals->bytes)
        return corrupt(check, "has totals that do not add up");
    return B10_REASON_OK;
}

enum b10_reason manifest_check(const struct manifest *manifest, const char *name,
                               struct b10_error *error)
{
    struct check check = {.manifest = manifest, .name = name, .error = error};
    TRY(check_names(&check));
    TRY(check_roots(&check));
    TRY(check_sliced(&check));
    TRY(check_frames(&check));
    TRY(check_totals(&check));
    if (manifest->index_size < 1 || manifest->index_size > UINT32_MAX - SKIPPABLE_HEADER_SIZE)
        return corrupt(&check, "has an index of an impossible size");
    return B10_REASON_OK;
}
