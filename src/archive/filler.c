#include "archive/filler.h"

#include <stdlib.h>
#include <string.h>

#include "archive/tar_codec.h"
#include "base/guard.h"

enum { FIRST_CONTENT = FRAME_TARGET_SIZE + TAR_HEADER_MAX };

enum b10_reason filler_init(struct filler *filler, const struct tree *tree,
                            struct packed_spares *spares, int level, struct b10_error *error)
{
    memset(filler, 0, offsetof(struct filler, path));
    filler->tree = tree;
    filler->spares = spares;
    filler->content.cap = FRAME_CONTENT_LIMIT;
    return zstd_encoder_new(&filler->encoder, level, error);
}

void filler_release(struct filler *filler)
{
    zstd_encoder_free(filler->encoder);
    bytes_release(&filler->content);
    bytes_release(&filler->targets);
    bytes_release(&filler->members);
}

/* "root/path"; false when it is longer than any member's path may be. */
static bool full_path(char *out, size_t size, const struct tree *tree, uint32_t index)
{
    const struct tree_item *item = &tree->items[index];
    const char *root = tree->roots[item->root].name;
    const size_t root_length = strlen(root);
    const size_t path_length = tree_path_length(tree, item);
    if (root_length + path_length + 2 > size)
        return false;
    memcpy(out, root, root_length);
    out[root_length] = '/';
    tree_path(tree, item, out + root_length + 1);
    return true;
}

bool filler_accepts(const struct tree *tree, uint32_t item)
{
    char path[PATH_LIMIT + 64];
    const struct entry entry = {.type = ENTRY_FILE, .path = path};
    return full_path(path, sizeof(path), tree, item) &&
           entry_check(&entry, "", NULL) == B10_REASON_OK;
}

/* Directories' times are not kept by a load, so they are not stored either: touching a directory
 * changes no archive. */
static bool describe(struct filler *filler, uint32_t index, uint32_t original, const char *target,
                     struct entry *entry)
{
    const struct tree_item *item = &filler->tree->items[index];
    const bool is_link = original != TREE_NO_ORIGINAL;
    *entry = (struct entry){.type = is_link ? ENTRY_HARDLINK : (enum entry_type)item->type,
                            .executable = item->executable,
                            .path = filler->path,
                            .target = is_link ? filler->original : target,
                            .size = is_link ? 0 : item->size};
    if (item->type != ENTRY_DIRECTORY) {
        entry->mtime_s = item->mtime_s;
        entry->mtime_ns = item->mtime_ns;
    }
    return full_path(filler->path, sizeof(filler->path), filler->tree, index) &&
           (!is_link ||
            full_path(filler->original, sizeof(filler->original), filler->tree, original)) &&
           entry_check(entry, "", NULL) == B10_REASON_OK;
}

static enum b10_reason add_member(struct filler *filler, uint32_t item, uint32_t original,
                                  struct b10_error *error)
{
    const struct packed_member member = {.item = item,
                                         .original = original,
                                         .target = (uint32_t)filler->target_mark};
    return bytes_append(&filler->members, &member, sizeof(member), error);
}

enum b10_reason filler_header(struct filler *filler, uint32_t item, uint32_t original,
                              const char *target, bool *kept, struct b10_error *error)
{
    struct entry entry;
    *kept = describe(filler, item, original, target, &entry);
    if (!*kept)
        return B10_REASON_OK;
    if (filler->content.capacity == 0)
        TRY(bytes_reserve(&filler->content, FIRST_CONTENT, error));
    filler->mark = filler->content.size;
    filler->target_mark = filler->targets.size;
    if (target != NULL)
        TRY(bytes_append(&filler->targets, target, strlen(target) + 1, error));
    TRY(tar_encode_header(&entry, &filler->content, error));
    return add_member(filler, item, original, error);
}

void filler_undo(struct filler *filler)
{
    filler->content.size = filler->mark;
    filler->targets.size = filler->target_mark;
    filler->members.size -= sizeof(struct packed_member);
}

enum b10_reason filler_room(struct filler *filler, size_t size, unsigned char **room,
                            struct b10_error *error)
{
    if (filler->content.capacity == 0)
        TRY(bytes_reserve(&filler->content, FIRST_CONTENT, error));
    TRY(bytes_reserve(&filler->content, (size_t)entry_padded(size), error));
    *room = filler->content.data + filler->content.size;
    return B10_REASON_OK;
}

enum b10_reason filler_content(struct filler *filler, size_t size, bool pad,
                               struct b10_error *error)
{
    filler->content.size += size;
    return pad ? tar_encode_padding(size, &filler->content, error) : B10_REASON_OK;
}

void filler_host_code(struct filler *filler)
{
    unsigned char *end = filler->members.data + filler->members.size;
    ((struct packed_member *)(void *)end)[-1].host_code = true;
}

static enum b10_reason fill(struct filler *filler, enum frame_kind kind, struct packed *packed,
                            struct b10_error *error)
{
    const struct bytes *content = &filler->content;
    TRY(zstd_encode(filler->encoder, content->data, content->size, &packed->compressed, error));
    TRY(bytes_append(&packed->members, filler->members.data, filler->members.size, error));
    TRY(bytes_append(&packed->targets, filler->targets.data, filler->targets.size, error));
    packed->frame =
        (struct frame){.kind = kind,
                       .compressed_size = (uint32_t)packed->compressed.size,
                       .content_size = (uint32_t)content->size,
                       .members = (uint32_t)(filler->members.size / sizeof(struct packed_member))};
    digest_256(packed->frame.digest, packed->compressed.data, packed->compressed.size);
    return B10_REASON_OK;
}

enum b10_reason filler_close(struct filler *filler, enum frame_kind kind, struct packed **out,
                             struct b10_error *error)
{
    SCOPED(packed) struct packed *packed = NULL;
    *out = NULL;
    if (filler->content.size == 0)
        return B10_REASON_OK;
    TRY(packed_new(&packed, filler->spares, error));
    TRY(fill(filler, kind, packed, error));
    bytes_clear(&filler->content);
    bytes_clear(&filler->targets);
    bytes_clear(&filler->members);
    *out = HEAP_TAKE(packed);
    return B10_REASON_OK;
}
