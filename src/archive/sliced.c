#include "archive/sliced.h"

#include <stdlib.h>
#include <string.h>

#include "archive/filler.h"
#include "archive/torn.h"
#include "base/guard.h"

static enum b10_reason new_sliced(struct sliced **out, const struct tree *tree, struct batch *batch,
                                  struct b10_error *error)
{
    const uint64_t size = tree->items[batch->item].size;
    SCOPED(sliced) struct sliced *sliced = calloc(1, sizeof(*sliced));
    if (sliced == NULL)
        return error_no_memory(error);
    sliced->tree = tree;
    sliced->item = batch->item;
    sliced->fd = -1;
    atomic_init(&sliced->is_void, false);
    atomic_init(&sliced->unread, (size + FRAME_TARGET_SIZE - 1) / FRAME_TARGET_SIZE);
    sliced->differs = calloc(batch->member_count + 1, sizeof(*sliced->differs));
    if (sliced->differs == NULL)
        return error_no_memory(error);
    sliced->duplicates = HEAP_TAKE(batch->members);
    sliced->duplicate_count = batch->member_count;
    *out = HEAP_TAKE(sliced);
    return B10_REASON_OK;
}

enum b10_reason sliced_open(struct sliced **out, struct source *source, struct batch *batch,
                            enum sliced_state *state, struct b10_error *error)
{
    const struct tree_item *item = &source->tree->items[batch->item];
    SCOPED(fd) int fd = -1;
    *out = NULL;
    *state = SLICED_UNSAFE;
    if (!filler_accepts(source->tree, batch->item))
        return B10_REASON_OK;
    *state = SLICED_CHANGED;
    TRY(source_open(source, item, &fd, error));
    if (fd < 0)
        return B10_REASON_OK;
    *state = SLICED_TORN;
    if (torn_on_disk(item->name, fd, item->size))
        return B10_REASON_OK;
    *state = SLICED_OPENED;
    TRY(new_sliced(out, source->tree, batch, error));
    (*out)->fd = fd_take(&fd);
    return B10_REASON_OK;
}

static enum b10_reason read_slice(struct sliced *sliced, const struct tree_item *item,
                                  const struct batch *batch, unsigned char *room,
                                  struct b10_error *error)
{
    bool whole = false;
    if (!atomic_load(&sliced->is_void))
        TRY(source_read(sliced->tree, item, sliced->fd, batch->offset, room, batch->length, &whole,
                        error));
    if (!whole)
        memset(room, 0, batch->length);
    if (!whole || !source_unchanged(item, sliced->fd))
        atomic_store(&sliced->is_void, true);
    if (batch->offset == 0)
        memcpy(sliced->head, room, SLICED_HEAD);
    return B10_REASON_OK;
}

static enum b10_reason compare_duplicates(struct sliced *sliced, const struct batch *batch,
                                          struct source *source, const unsigned char *room,
                                          unsigned char *buffer, struct b10_error *error)
{
    for (size_t i = 0; i < sliced->duplicate_count; i++) {
        const struct tree_item *item = &sliced->tree->items[sliced->duplicates[i].item];
        bool equal = false;
        if (atomic_load(&sliced->is_void))
            return B10_REASON_OK;
        if (atomic_load(&sliced->differs[i]))
            continue;
        TRY(source_equals(source, item, batch->offset, room, batch->length, buffer, &equal, error));
        if (!equal)
            atomic_store(&sliced->differs[i], true);
    }
    return B10_REASON_OK;
}

enum b10_reason sliced_read(struct sliced *sliced, const struct batch *batch,
                            struct source *duplicates, unsigned char *room, unsigned char *buffer,
                            struct b10_error *error)
{
    TRY(read_slice(sliced, &sliced->tree->items[sliced->item], batch, room, error));
    TRY(compare_duplicates(sliced, batch, duplicates, room, buffer, error));
    if (atomic_fetch_sub(&sliced->unread, 1) == 1) {
        fd_guard(&sliced->fd);
        sliced->fd = -1;
    }
    return B10_REASON_OK;
}

void sliced_free(struct sliced *sliced)
{
    while (sliced != NULL) {
        struct sliced *next = sliced->next;
        fd_guard(&sliced->fd);
        free(sliced->duplicates);
        free(sliced->differs);
        free(sliced);
        sliced = next;
    }
}

void sliced_guard(struct sliced **sliced)
{
    sliced_free(*sliced);
    *sliced = NULL;
}
