#include "archive/packer.h"

#include <string.h>

#include "archive/tar_codec.h"
#include "archive/torn.h"
#include "base/guard.h"

enum b10_reason packer_init(struct packer *packer, const struct tree *tree,
                            struct packed_spares *spares, int level, struct progress *progress,
                            struct b10_error *error)
{
    packer->tree = tree;
    packer->progress = progress;
    packer->counts = (struct pack_counts){0};
    packer->original = TREE_NO_ORIGINAL;
    source_init(&packer->files, tree);
    source_init(&packer->duplicates, tree);
    return filler_init(&packer->filler, tree, spares, level, error);
}

void packer_release(struct packer *packer)
{
    filler_release(&packer->filler);
    source_release(&packer->files);
    source_release(&packer->duplicates);
}

/* Ends the frame begun; links never lead into another frame. */
static enum b10_reason close_frame(struct packer *packer, enum frame_kind kind,
                                   struct b10_error *error)
{
    TRY(filler_close(&packer->filler, kind, packer->end, error));
    if (*packer->end != NULL)
        packer->end = &(*packer->end)->next;
    packer->original = TREE_NO_ORIGINAL;
    return B10_REASON_OK;
}

/* The batch counted on links; files that differ after all may need a frame more. */
static enum b10_reason make_room(struct packer *packer, uint64_t size, struct b10_error *error)
{
    if (packer->filler.content.size + TAR_HEADER_MAX + entry_padded(size) <= FRAME_CONTENT_LIMIT)
        return B10_REASON_OK;
    return close_frame(packer, FRAME_MEMBERS, error);
}

/* Reads the file behind its header; *whole false when it is not what was scanned. */
static enum b10_reason read_content(struct packer *packer, const struct tree_item *item, int fd,
                                    unsigned char **content, bool *whole, struct b10_error *error)
{
    const size_t size = (size_t)item->size;
    TRY(filler_room(&packer->filler, size, content, error));
    TRY(source_read(packer->tree, item, fd, 0, *content, size, whole, error));
    *whole = *whole && source_unchanged(item, fd);
    return B10_REASON_OK;
}

/* The member's header is there: its content follows, or the header goes again. */
static enum b10_reason add_content(struct packer *packer, uint32_t index, int fd,
                                   struct b10_error *error)
{
    const struct tree_item *item = &packer->tree->items[index];
    const size_t size = (size_t)item->size;
    unsigned char *content;
    bool whole;
    TRY(read_content(packer, item, fd, &content, &whole, error));
    const bool torn = whole && torn_in_memory(item->name, content, size);
    if (!whole || torn) {
        packer->counts.left_out_changed += !whole;
        packer->counts.left_out_torn += torn;
        filler_undo(&packer->filler);
        return B10_REASON_OK;
    }
    if (torn_is_host_code(tree_directory(packer->tree, item), item->name, content, size))
        filler_host_code(&packer->filler);
    if (packer->original == TREE_NO_ORIGINAL) {
        packer->original = index;
        packer->original_start = packer->filler.content.size;
    }
    return filler_content(&packer->filler, size, true, error);
}

static enum b10_reason add_file(struct packer *packer, uint32_t index, struct b10_error *error)
{
    const struct tree_item *item = &packer->tree->items[index];
    SCOPED(fd) int fd = -1;
    bool kept;
    TRY(make_room(packer, item->size, error));
    TRY(source_open(&packer->files, item, &fd, error));
    if (fd < 0) {
        packer->counts.left_out_changed++;
        return B10_REASON_OK;
    }
    TRY(filler_header(&packer->filler, index, TREE_NO_ORIGINAL, NULL, &kept, error));
    if (kept)
        return add_content(packer, index, fd, error);
    packer->counts.left_out_unsafe++;
    return B10_REASON_OK;
}

/* *linked false: it does not equal the original, or cannot be read, or may not be a member. */
static enum b10_reason add_link(struct packer *packer, uint32_t index, bool *linked,
                                struct b10_error *error)
{
    const struct tree_item *item = &packer->tree->items[index];
    const size_t size = (size_t)item->size;
    *linked = false;
    TRY(make_room(packer, 0, error));
    if (packer->original == TREE_NO_ORIGINAL)
        return B10_REASON_OK;
    TRY(source_equals(&packer->duplicates, item, 0,
                      packer->filler.content.data + packer->original_start, size, packer->buffer,
                      linked, error));
    if (!*linked)
        return B10_REASON_OK;
    TRY(filler_header(&packer->filler, index, packer->original, NULL, linked, error));
    if (*linked && torn_is_host_code(tree_directory(packer->tree, item), item->name,
                                     packer->filler.content.data + packer->original_start, size))
        filler_host_code(&packer->filler);
    return B10_REASON_OK;
}

static enum b10_reason add_directory(struct packer *packer, uint32_t index, struct b10_error *error)
{
    bool kept;
    TRY(make_room(packer, 0, error));
    TRY(filler_header(&packer->filler, index, TREE_NO_ORIGINAL, NULL, &kept, error));
    packer->counts.left_out_unsafe += !kept;
    return B10_REASON_OK;
}

static enum b10_reason add_symlink(struct packer *packer, uint32_t index, struct b10_error *error)
{
    char text[PATH_LIMIT + 1];
    enum source_link state;
    bool kept = false;
    TRY(make_room(packer, 0, error));
    TRY(source_link(&packer->files, &packer->tree->items[index], text, &state, error));
    if (state == SOURCE_LINK_KEPT)
        TRY(filler_header(&packer->filler, index, TREE_NO_ORIGINAL, text, &kept, error));
    packer->counts.left_out_changed += state == SOURCE_LINK_CHANGED;
    packer->counts.left_out_unsafe += !kept && state != SOURCE_LINK_CHANGED;
    return B10_REASON_OK;
}

static enum b10_reason add_leader(struct packer *packer, uint32_t index, struct b10_error *error)
{
    packer->original = TREE_NO_ORIGINAL;
    switch ((enum entry_type)packer->tree->items[index].type) {
    case ENTRY_DIRECTORY:
        return add_directory(packer, index, error);
    case ENTRY_SYMLINK:
        return add_symlink(packer, index, error);
    default:
        return add_file(packer, index, error);
    }
}

/* *done false: it differs from the original, which still stands in the frame. */
static enum b10_reason add_duplicate(struct packer *packer, uint32_t index, bool *done,
                                     struct b10_error *error)
{
    TRY(add_link(packer, index, done, error));
    if (*done || packer->original != TREE_NO_ORIGINAL)
        return B10_REASON_OK;
    *done = true;
    return add_file(packer, index, error);
}

/* An original with its duplicates. Those that differ gather at the front and are added last, as
 * files of their own. */
static enum b10_reason add_group(struct packer *packer, struct batch_member *members, size_t count,
                                 struct b10_error *error)
{
    size_t different = 0;
    TRY(add_leader(packer, members[0].item, error));
    for (size_t i = 1; i < count; i++) {
        bool done;
        TRY(add_duplicate(packer, members[i].item, &done, error));
        if (!done)
            members[different++] = members[i];
    }
    for (size_t i = 0; i < different; i++)
        TRY(add_file(packer, members[i].item, error));
    return B10_REASON_OK;
}

static void report_progress(const struct packer *packer, const struct batch_member *members,
                            size_t count)
{
    const struct tree_item *item = &packer->tree->items[members->item];
    progress_add(packer->progress, item->size * count, item->type == ENTRY_DIRECTORY ? 0 : count);
}

enum b10_reason packer_members(struct packer *packer, struct batch *batch, struct packed **out,
                               struct b10_error *error)
{
    packer->end = out;
    *out = NULL;
    for (size_t i = 0, count; i < batch->member_count; i += count) {
        for (count = 1; i + count < batch->member_count && batch->members[i + count].duplicate;)
            count++;
        report_progress(packer, &batch->members[i], count);
        TRY(add_group(packer, &batch->members[i], count, error));
    }
    return close_frame(packer, FRAME_MEMBERS, error);
}

enum b10_reason packer_header(struct packer *packer, struct sliced *sliced, struct packed **out,
                              struct b10_error *error)
{
    bool kept;
    TRY(filler_header(&packer->filler, sliced->item, TREE_NO_ORIGINAL, NULL, &kept, error));
    if (!kept)
        return error_set(error, B10_REASON_INTERNAL, "'%s' is no member of an archive",
                         packer->tree->items[sliced->item].name);
    TRY(filler_close(&packer->filler, FRAME_HEADER, out, error));
    (*out)->sliced = sliced;
    return B10_REASON_OK;
}

enum b10_reason packer_slice(struct packer *packer, struct sliced *sliced,
                             const struct batch *batch, struct packed **out,
                             struct b10_error *error)
{
    unsigned char *room;
    TRY(filler_room(&packer->filler, batch->length, &room, error));
    TRY(sliced_read(sliced, batch, &packer->duplicates, room, packer->buffer, error));
    TRY(filler_content(&packer->filler, batch->length, true, error));
    TRY(filler_close(&packer->filler, FRAME_SLICE, out, error));
    (*out)->frame.offset = batch->offset;
    (*out)->sliced = sliced;
    (*out)->last = batch->last;
    progress_add(packer->progress, batch->length, batch->last);
    return B10_REASON_OK;
}
