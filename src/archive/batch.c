#include "archive/batch.h"

#include <stdlib.h>
#include <string.h>

#include "archive/tar_codec.h"
#include "base/guard.h"

#define NONE TREE_NO_ORIGINAL

struct batcher {
    const struct tree *tree; /* borrowed */
    const uint32_t *list;    /* borrowed, NULL: all items */
    size_t count;            /* of list, or of all items */
    size_t position;         /* of the next leader in it */
    uint32_t *next;          /* owned; by item: the duplicate after it, NONE at the end */
    uint32_t heir;           /* the duplicate that is an original next, or NONE */
    uint32_t large;          /* the file being sliced, or NONE */
    uint64_t sliced;         /* bytes of it in slices so far */
};

void batch_release(struct batch *batch)
{
    free(batch->members);
    *batch = (struct batch){0};
}

void batch_guard(struct batch *batch)
{
    batch_release(batch);
}

static uint32_t item_at(const struct batcher *batcher, size_t position)
{
    return batcher->list != NULL ? batcher->list[position] : (uint32_t)position;
}

/* From the last to the first, each duplicate is put right behind its original: the chains end up in
 * the tree's order. */
static void chain_duplicates(struct batcher *batcher)
{
    for (size_t i = 0; i < batcher->tree->item_count; i++)
        batcher->next[i] = NONE;
    for (size_t i = batcher->count; i-- > 0;) {
        const uint32_t item = item_at(batcher, i);
        const uint32_t original = batcher->tree->items[item].original;
        if (original == NONE)
            continue;
        batcher->next[item] = batcher->next[original];
        batcher->next[original] = item;
    }
}

enum b10_reason batcher_new(struct batcher **out, const struct tree *tree, const uint32_t *list,
                            size_t count, struct b10_error *error)
{
    *out = NULL;
    SCOPED(batcher) struct batcher *batcher = calloc(1, sizeof(*batcher));
    if (batcher == NULL)
        return error_no_memory(error);
    *batcher = (struct batcher){.tree = tree,
                                .list = list,
                                .count = list != NULL ? count : tree->item_count,
                                .heir = NONE,
                                .large = NONE};
    batcher->next = malloc((tree->item_count + 1) * sizeof(*batcher->next));
    if (batcher->next == NULL)
        return error_no_memory(error);
    chain_duplicates(batcher);
    *out = HEAP_TAKE(batcher);
    return B10_REASON_OK;
}

/* The item that leads what comes next: no duplicate, or one that is an original now. NONE at the
 * end. */
static uint32_t peek(struct batcher *batcher)
{
    if (batcher->heir != NONE)
        return batcher->heir;
    for (; batcher->position < batcher->count; batcher->position++) {
        const uint32_t item = item_at(batcher, batcher->position);
        if (batcher->tree->items[item].original == NONE && !batcher->tree->items[item].stored)
            return item;
    }
    return NONE;
}

static void advance(struct batcher *batcher)
{
    if (batcher->heir != NONE)
        batcher->heir = NONE;
    else
        batcher->position++;
}

/* Bytes that a member's header takes, seldom less: a pax record for the mtime, longer when a name
 * is, and a ustar block. */
static uint64_t header_size(const struct tree *tree, uint32_t item, uint32_t original)
{
    enum { SHORT_NAME = 100, RECORD = 64 };
    const size_t root = strlen(tree->roots[tree->items[item].root].name) + 1;
    const size_t path = root + tree_path_length(tree, &tree->items[item]);
    const size_t target =
        original == NONE ? 0 : root + tree_path_length(tree, &tree->items[original]);
    uint64_t records = RECORD;
    records += path > SHORT_NAME ? path + RECORD : 0;
    records += target > SHORT_NAME ? target + RECORD : 0;
    return 2 * TAR_BLOCK + entry_padded(records);
}

static bool is_large(const struct batcher *batcher, uint32_t item)
{
    return batcher->tree->items[item].size > FRAME_TARGET_SIZE;
}

/* Room for one more: the capacity is the power of two that holds the count. */
static enum b10_reason add_member(struct batch *batch, uint32_t item, bool duplicate,
                                  struct b10_error *error)
{
    const size_t count = batch->member_count;
    if ((count & (count - 1)) == 0) {
        const size_t capacity = count == 0 ? 1 : count * 2;
        struct batch_member *members = realloc(batch->members, capacity * sizeof(*members));
        if (members == NULL)
            return error_no_memory(error);
        batch->members = members;
    }
    batch->members[batch->member_count++] =
        (struct batch_member){.item = item, .duplicate = duplicate};
    return B10_REASON_OK;
}

/* The duplicates of `original` while they fit; the first that does not is the heir. */
static enum b10_reason add_duplicates(struct batcher *batcher, struct batch *batch,
                                      uint32_t original, uint64_t *size, uint64_t limit,
                                      struct b10_error *error)
{
    uint32_t item = batcher->next[original];
    for (; item != NONE; item = batcher->next[item]) {
        const uint64_t more = header_size(batcher->tree, item, original);
        if (*size + more > limit)
            break;
        TRY(add_member(batch, item, true, error));
        *size += more;
    }
    batcher->heir = item;
    return B10_REASON_OK;
}

static enum b10_reason fill_members(struct batcher *batcher, struct batch *batch,
                                    struct b10_error *error)
{
    uint64_t size = 0;
    uint32_t item;
    batch->kind = FRAME_MEMBERS;
    while ((item = peek(batcher)) != NONE && !is_large(batcher, item)) {
        const uint64_t more =
            header_size(batcher->tree, item, NONE) + entry_padded(batcher->tree->items[item].size);
        if (batch->member_count > 0 && size + more > FRAME_TARGET_SIZE)
            break;
        advance(batcher);
        TRY(add_member(batch, item, false, error));
        size += more;
        TRY(add_duplicates(batcher, batch, item, &size, FRAME_LINKS_SIZE, error));
        if (batcher->heir != NONE)
            break;
    }
    return B10_REASON_OK;
}

static enum b10_reason begin_large(struct batcher *batcher, struct batch *batch, uint32_t item,
                                   struct b10_error *error)
{
    uint64_t size = 0;
    advance(batcher);
    batcher->large = item;
    batcher->sliced = 0;
    batch->kind = FRAME_HEADER;
    batch->item = item;
    return add_duplicates(batcher, batch, item, &size, UINT64_MAX, error);
}

static void cut_slice(struct batcher *batcher, struct batch *batch)
{
    const uint64_t left = batcher->tree->items[batcher->large].size - batcher->sliced;
    batch->kind = FRAME_SLICE;
    batch->item = batcher->large;
    batch->offset = batcher->sliced;
    batch->length = left < FRAME_TARGET_SIZE ? (uint32_t)left : (uint32_t)FRAME_TARGET_SIZE;
    batch->last = left == batch->length;
    batcher->sliced += batch->length;
    if (batch->last)
        batcher->large = NONE;
}

enum b10_reason batcher_next(struct batcher *batcher, struct batch *batch, bool *more,
                             struct b10_error *error)
{
    SCOPED(batch) struct batch made = {0};
    *batch = made;
    *more = true;
    if (batcher->large != NONE) {
        cut_slice(batcher, batch);
        return B10_REASON_OK;
    }
    const uint32_t item = peek(batcher);
    *more = item != NONE;
    if (!*more)
        return B10_REASON_OK;
    if (is_large(batcher, item))
        TRY(begin_large(batcher, &made, item, error));
    else
        TRY(fill_members(batcher, &made, error));
    *batch = made;
    made.members = NULL;
    return B10_REASON_OK;
}

void batcher_drop(struct batcher *batcher)
{
    batcher->heir = batcher->next[batcher->large];
    batcher->large = NONE;
}

void batcher_free(struct batcher *batcher)
{
    if (batcher == NULL)
        return;
    free(batcher->next);
    free(batcher);
}

void batcher_guard(struct batcher **batcher)
{
    batcher_free(*batcher);
    *batcher = NULL;
}
