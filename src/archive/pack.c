#include "archive/pack.h"

#include <stdlib.h>
#include <string.h>

#include "archive/batch.h"
#include "archive/ledger.h"
#include "archive/tar_codec.h"
#include "archive/torn.h"
#include "base/guard.h"
#include "par/pool.h"
#include "par/window.h"

/* How many finished frames may wait for the one that is written next: every one more costs memory, and a worker that is still
 * ahead of that waits with its own. */
static size_t window_depth(unsigned workers)
{
    return workers / 2 + 2;
}

/* A duplicate of a large file that does not equal it: packed by the next pass, together with the
 * others of that file. */
struct leftover {
    uint32_t item;
    uint32_t sliced_item;
};

/* What the steps of one pack share. `next`, `work` and `consume` each touch their own part. */
struct packing {
    struct tree *tree;
    struct progress *progress;

    struct batcher *batcher; /* next: owned */
    struct source source;    /* next: opens large files */
    struct sliced *sliced;   /* next: owned: large files opened so far, the current one first */
    uint64_t sequence;       /* next */
    struct pack_counts not_begun; /* next: large files that were left out */

    struct packer *packers; /* work: owned, one per worker */
    unsigned packer_count;
    struct window *window;
    struct packed_spares spares; /* owned: work takes, consume gives back */

    uint32_t *roots;               /* consume: owned, of the tree: indices in the manifest */
    struct ledger ledger;          /* consume */
    struct append *before;         /* consume: borrowed; NULL: none */
    struct filler links;           /* consume: links to large files */
    struct pack_counts turned_out; /* consume: large files that became void */
    struct leftover *leftovers;    /* consume: owned */
    size_t leftover_count;
};

struct task {
    struct batch batch; /* owned */
    struct sliced *sliced;
    uint64_t sequence;
};

/* ---- next ---- */

static void count_left_out(struct pack_counts *counts, enum sliced_state state)
{
    counts->left_out_changed += state == SLICED_CHANGED;
    counts->left_out_torn += state == SLICED_TORN;
    counts->left_out_unsafe += state == SLICED_UNSAFE;
}

/* *fit false: the large file of this header batch is left out. */
static enum b10_reason begin_large(struct packing *packing, struct batch *batch, bool *fit,
                                   struct b10_error *error)
{
    struct sliced *opened = NULL;
    enum sliced_state state;
    TRY(sliced_open(&opened, &packing->source, batch, &state, error));
    *fit = opened != NULL;
    if (*fit) {
        opened->next = packing->sliced;
        packing->sliced = opened;
        return B10_REASON_OK;
    }
    count_left_out(&packing->not_begun, state);
    progress_add(packing->progress, packing->tree->items[batch->item].size, 1);
    batcher_drop(packing->batcher);
    return B10_REASON_OK;
}

static enum b10_reason next_batch(struct packing *packing, struct batch *batch, bool *more,
                                  struct b10_error *error)
{
    for (bool fit = false; !fit;) {
        batch_release(batch);
        TRY(batcher_next(packing->batcher, batch, more, error));
        if (!*more)
            return B10_REASON_OK;
        fit = true;
        if (batch->kind == FRAME_HEADER)
            TRY(begin_large(packing, batch, &fit, error));
    }
    return B10_REASON_OK;
}

static enum b10_reason next(void *context, void *memory, bool *more, struct b10_error *error)
{
    struct packing *packing = context;
    struct task *task = memory;
    SCOPED(batch) struct batch batch = {0};
    TRY(next_batch(packing, &batch, more, error));
    if (!*more)
        return B10_REASON_OK;
    task->sequence = packing->sequence++;
    task->sliced = packing->sliced;
    task->batch = batch;
    batch.members = NULL;
    return B10_REASON_OK;
}

/* ---- work ---- */

static enum b10_reason make(struct packer *packer, struct batch *batch, struct sliced *sliced,
                            struct packed **out, struct b10_error *error)
{
    switch (batch->kind) {
    case FRAME_HEADER:
        return packer_header(packer, sliced, out, error);
    case FRAME_SLICE:
        return packer_slice(packer, sliced, batch, out, error);
    default:
        return packer_members(packer, batch, out, error);
    }
}

static enum b10_reason work(void *context, unsigned worker, void *memory, struct b10_error *error)
{
    struct packing *packing = context;
    struct task *task = memory;
    SCOPED(batch) struct batch batch = task->batch;
    SCOPED(packed) struct packed *packed = NULL;
    TRY(make(&packing->packers[worker], &batch, task->sliced, &packed, error));
    return window_put(packing->window, task->sequence, HEAP_TAKE(packed), error);
}

/* ---- consume ---- */

static enum b10_reason write_frame(struct packing *packing, const struct packed *packed,
                                   struct b10_error *error)
{
    const size_t index = packing->ledger.manifest->frame_count;
    TRY(writer_frame(packing->ledger.writer, &packed->frame, packed->compressed.data, error));
    for (size_t i = 0; packed->sliced == NULL && i < packed->frame.members; i++) {
        const struct packed_member *member = &packed_members(packed)[i];
        const bool has_target = packing->tree->items[member->item].type == ENTRY_SYMLINK;
        const char *target =
            has_target ? (const char *)packed->targets.data + member->target : NULL;
        TRY(ledger_member(&packing->ledger, member, target, index, error));
    }
    return B10_REASON_OK;
}

static enum b10_reason add_leftover(struct packing *packing, uint32_t item, uint32_t sliced_item,
                                    struct b10_error *error)
{
    const size_t count = packing->leftover_count;
    if ((count & (count - 1)) == 0) {
        struct leftover *leftovers =
            realloc(packing->leftovers, (count == 0 ? 1 : count * 2) * sizeof(*leftovers));
        if (leftovers == NULL)
            return error_no_memory(error);
        packing->leftovers = leftovers;
    }
    packing->leftovers[packing->leftover_count++] =
        (struct leftover){.item = item, .sliced_item = sliced_item};
    return B10_REASON_OK;
}

static enum b10_reason write_links(struct packing *packing, struct b10_error *error)
{
    SCOPED(packed) struct packed *packed = NULL;
    TRY(filler_close(&packing->links, FRAME_MEMBERS, &packed, error));
    return packed == NULL ? B10_REASON_OK : write_frame(packing, packed, error);
}

static enum b10_reason link_or_leave(struct packing *packing, const struct sliced *sliced,
                                     size_t which, bool is_void, struct b10_error *error)
{
    const uint32_t item = sliced->duplicates[which].item;
    const struct tree_item *file = &packing->tree->items[item];
    bool kept = false;
    if (is_void || atomic_load(&sliced->differs[which]))
        return add_leftover(packing, item, sliced->item, error);
    TRY(filler_header(&packing->links, item, sliced->item, NULL, &kept, error));
    progress_add(packing->progress, file->size, 1);
    packing->turned_out.left_out_unsafe += !kept;
    if (kept && torn_is_host_code(tree_directory(packing->tree, file), file->name, sliced->head,
                                  SLICED_HEAD))
        filler_host_code(&packing->links);
    if (packing->links.content.size + TAR_HEADER_MAX <= FRAME_TARGET_SIZE)
        return B10_REASON_OK;
    return write_links(packing, error);
}

static enum b10_reason write_large_line(struct packing *packing, const struct sliced *sliced,
                                        bool is_void, struct b10_error *error)
{
    const struct tree_item *file = &packing->tree->items[sliced->item];
    const struct packed_member member = {.item = sliced->item,
                                         .original = TREE_NO_ORIGINAL,
                                         .host_code =
                                             torn_is_host_code(tree_directory(packing->tree, file),
                                                               file->name, sliced->head,
                                                               SLICED_HEAD)};
    if (!is_void)
        return ledger_member(&packing->ledger, &member, NULL, sliced->frame, error);
    packing->turned_out.left_out_changed++;
    return ledger_void(&packing->ledger, sliced->item, sliced->manifest_index, sliced->frame,
                       error);
}

/* The last slice is written, so every slice has been read: what became of the file is known. */
static enum b10_reason settle(struct packing *packing, const struct sliced *sliced,
                              struct b10_error *error)
{
    const bool is_void = atomic_load(&sliced->is_void);
    TRY(write_large_line(packing, sliced, is_void, error));
    for (size_t i = 0; i < sliced->duplicate_count; i++)
        TRY(link_or_leave(packing, sliced, i, is_void, error));
    return write_links(packing, error);
}

static enum b10_reason write_packed(struct packing *packing, struct packed *packed,
                                    struct b10_error *error)
{
    struct sliced *sliced = packed->sliced;
    if (sliced == NULL)
        return write_frame(packing, packed, error);
    if (packed->frame.kind == FRAME_HEADER) {
        sliced->frame = (uint32_t)packing->ledger.manifest->frame_count;
        TRY(ledger_sliced(&packing->ledger, sliced->item, &sliced->manifest_index, error));
    }
    packed->frame.sliced = sliced->manifest_index;
    TRY(write_frame(packing, packed, error));
    return packed->last ? settle(packing, sliced, error) : B10_REASON_OK;
}

static enum b10_reason wait_for_what_comes_before(const struct packing *packing,
                                                  struct b10_error *error)
{
    return packing->before == NULL ? B10_REASON_OK : append_wait(packing->before, error);
}

static enum b10_reason consume(void *user, uint64_t sequence, void *item, struct b10_error *error)
{
    (void)sequence;
    SCOPED(packed) struct packed *first = item;
    TRY(wait_for_what_comes_before(user, error));
    for (struct packed *packed = first; packed != NULL; packed = packed->next)
        TRY(write_packed(user, packed, error));
    return B10_REASON_OK;
}

static void discard(void *user, void *item)
{
    (void)user;
    packed_free(item);
}

/* ---- the whole ---- */

static void packing_guard(struct packing **owned)
{
    struct packing *packing = *owned;
    if (packing == NULL)
        return;
    for (unsigned i = 0; i < packing->packer_count; i++)
        packer_release(&packing->packers[i]);
    free(packing->packers);
    filler_release(&packing->links);
    source_release(&packing->source);
    sliced_free(packing->sliced);
    free(packing->leftovers);
    free(packing->roots);
    packed_spares_release(&packing->spares);
    free(packing);
}

static enum b10_reason start(struct packing *packing, int level, unsigned workers,
                             struct b10_error *error)
{
    TRY(filler_init(&packing->links, packing->tree, &packing->spares, level, error));
    packing->packers = malloc(workers * sizeof(*packing->packers));
    if (packing->packers == NULL)
        return error_no_memory(error);
    for (unsigned i = 0; i < workers; i++, packing->packer_count++)
        TRY(packer_init(&packing->packers[i], packing->tree, &packing->spares, level,
                        packing->progress, error));
    return B10_REASON_OK;
}

/* One pass over all items, or over those of `list`. */
static enum b10_reason run_pass(struct packing *packing, const uint32_t *list, size_t count,
                                struct cancel *cancel, struct b10_error *error)
{
    static const struct pool_work steps = {sizeof(struct task), next, work};
    const unsigned workers = packing->packer_count;
    SCOPED(batcher) struct batcher *batcher = NULL;
    SCOPED(window) struct window *window = NULL;
    TRY(batcher_new(&batcher, packing->tree, list, count, error));
    TRY(window_new(&window, window_depth(workers), consume, discard, packing, cancel, error));
    packing->batcher = batcher;
    packing->window = window;
    packing->sequence = 0;
    return pool_run(&steps, packing, workers, cancel, packing->progress, error);
}

/* Of each large file's leftovers the first is an original now, the others are its duplicates. */
static void elect(struct tree *tree, const struct leftover *leftovers, size_t count, uint32_t *list)
{
    uint32_t original = TREE_NO_ORIGINAL;
    for (size_t i = 0; i < count; i++) {
        const bool is_first = i == 0 || leftovers[i].sliced_item != leftovers[i - 1].sliced_item;
        list[i] = leftovers[i].item;
        if (is_first)
            original = list[i];
        tree->items[list[i]].original = is_first ? TREE_NO_ORIGINAL : original;
    }
}

/* Ends, because each pass packs or leaves out at least the first of each file's leftovers. */
static enum b10_reason pack_leftovers(struct packing *packing, struct cancel *cancel,
                                      struct b10_error *error)
{
    while (packing->leftover_count > 0) {
        const size_t count = packing->leftover_count;
        SCOPED(heap) uint32_t *list = malloc(count * sizeof(*list));
        if (list == NULL)
            return error_no_memory(error);
        elect(packing->tree, packing->leftovers, count, list);
        packing->leftover_count = 0;
        TRY(run_pass(packing, list, count, cancel, error));
    }
    return B10_REASON_OK;
}

static void add_counts(struct pack_counts *sum, const struct pack_counts *more)
{
    sum->left_out_changed += more->left_out_changed;
    sum->left_out_torn += more->left_out_torn;
    sum->left_out_unsafe += more->left_out_unsafe;
}

static void sum_counts(const struct packing *packing, struct pack_counts *counts)
{
    for (unsigned i = 0; i < packing->packer_count; i++)
        add_counts(counts, &packing->packers[i].counts);
    add_counts(counts, &packing->not_begun);
    add_counts(counts, &packing->turned_out);
}

static enum b10_reason find_roots(struct packing *packing, const struct manifest *manifest,
                                  struct b10_error *error)
{
    const struct tree *tree = packing->tree;
    packing->roots = calloc(tree->root_count + 1, sizeof(*packing->roots));
    if (packing->roots == NULL)
        return error_no_memory(error);
    for (size_t i = 0; i < tree->root_count; i++) {
        const char *name = tree->roots[i].name;
        const int index = manifest_find_root(manifest, name, strlen(name));
        if (index < 0)
            return error_set(error, B10_REASON_INTERNAL, "the manifest has no root '%s'", name);
        packing->roots[i] = (uint32_t)index;
    }
    packing->ledger.roots = packing->roots;
    return B10_REASON_OK;
}

enum b10_reason pack(struct tree *tree, struct writer *writer, struct manifest *manifest,
                     struct append *before, int level, unsigned threads, struct cancel *cancel,
                     struct progress *progress, struct pack_counts *counts, struct b10_error *error)
{
    /* Too large for the stack of a caller's thread. */
    SCOPED(packing) struct packing *packing = calloc(1, sizeof(*packing));
    if (packing == NULL)
        return error_no_memory(error);
    packing->tree = tree;
    packing->progress = progress;
    packing->ledger.tree = tree;
    packing->ledger.writer = writer;
    packing->ledger.manifest = manifest;
    packing->before = before;
    /* before the next return: the guard closes its descriptor */
    source_init(&packing->source, tree);
    TRY(find_roots(packing, manifest, error));
    TRY(progress_phase(progress, "pack", tree->bytes, tree->files, error));
    TRY(start(packing, level, pool_threads(threads, POOL_THREADS_MAX), error));
    TRY(run_pass(packing, NULL, 0, cancel, error));
    TRY(pack_leftovers(packing, cancel, error));
    TRY(wait_for_what_comes_before(packing, error)); /* there may have been nothing to write */
    sum_counts(packing, counts);
    return B10_REASON_OK;
}
