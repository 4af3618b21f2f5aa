#include "archive/same.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/fingerprint.h"
#include "archive/source.h"
#include "base/guard.h"
#include "par/pool.h"

/* Neighbours in the tree share a directory, so a task is a run of them. */
enum { RUN = 64, COUNTERS_MIN = 1024 };

struct candidate {
    uint64_t size;
    uint64_t print; /* fingerprint of the content */
    uint32_t item;
    uint16_t root;
    bool readable;
};

struct reader_state {
    struct source source;
    unsigned char buffer[SOURCE_PIECE];
};

struct search {
    struct tree *tree;
    struct cancel *cancel;
    struct progress *progress;
    struct candidate *candidates; /* owned */
    size_t count;
    struct reader_state *readers; /* owned, one per worker */
    unsigned reader_count;
};

static void search_guard(struct search *search)
{
    for (unsigned i = 0; i < search->reader_count; i++)
        source_release(&search->readers[i].source);
    free(search->readers);
    free(search->candidates);
}

/* Counts up to 2 how many files have a size, in a table where different sizes may meet: that only
 * makes a candidate too many. */
struct size_counters {
    unsigned char *counts; /* owned */
    size_t mask;
};

static void size_counters_guard(struct size_counters *counters)
{
    free(counters->counts);
}

static enum b10_reason size_counters_init(struct size_counters *counters, uint64_t files,
                                          struct b10_error *error)
{
    size_t count = COUNTERS_MIN;
    while (count < files * 4)
        count *= 2;
    counters->mask = count - 1;
    counters->counts = calloc(count, 1);
    return counters->counts != NULL ? B10_REASON_OK : error_no_memory(error);
}

static unsigned char *counter_of(const struct size_counters *counters, const struct tree_item *item)
{
    const uint64_t key[] = {item->size, item->root};
    return &counters->counts[fingerprint(0, key, sizeof(key)) & counters->mask];
}

static bool may_have_equals(const struct tree_item *item)
{
    return item->type == ENTRY_FILE && item->size > 0 && !item->stored;
}

static size_t count_sizes(const struct size_counters *counters, const struct tree *tree)
{
    size_t candidates = 0;
    for (size_t i = 0; i < tree->item_count; i++) {
        if (!may_have_equals(&tree->items[i]))
            continue;
        unsigned char *count = counter_of(counters, &tree->items[i]);
        candidates += *count == 0 ? 0 : *count == 1 ? 2 : 1;
        *count = *count == 0 ? 1 : 2;
    }
    return candidates;
}

/* The name of a .json file decides whether its content counts as torn, so such files only equal
 * each other. */
static bool judged_by_name(const struct tree_item *item)
{
    const size_t length = strlen(item->name);
    return length > 5 && strcmp(item->name + length - 5, ".json") == 0;
}

/* Every file that shares its size with another, in the tree's order. */
static enum b10_reason collect(struct search *search, struct b10_error *error)
{
    SCOPED(size_counters) struct size_counters counters = {0};
    const struct tree *tree = search->tree;
    TRY(size_counters_init(&counters, tree->files, error));
    const size_t count = count_sizes(&counters, tree);
    search->candidates = malloc((count + 1) * sizeof(*search->candidates));
    if (search->candidates == NULL)
        return error_no_memory(error);
    for (size_t i = 0; i < tree->item_count; i++) {
        const struct tree_item *item = &tree->items[i];
        if (may_have_equals(item) && *counter_of(&counters, item) > 1)
            search->candidates[search->count++] = (struct candidate){.size = item->size,
                                                                     .print = judged_by_name(item),
                                                                     .item = (uint32_t)i,
                                                                     .root = item->root};
    }
    return B10_REASON_OK;
}

static enum b10_reason start_readers(struct search *search, unsigned threads,
                                     struct b10_error *error)
{
    search->readers = malloc(threads * sizeof(*search->readers));
    if (search->readers == NULL)
        return error_no_memory(error);
    for (; search->reader_count < threads; search->reader_count++)
        source_init(&search->readers[search->reader_count].source, search->tree);
    return B10_REASON_OK;
}

/* A candidate may be of any size: the stop sign is looked at after every piece. */
static enum b10_reason read_candidate(struct reader_state *reader, struct candidate *candidate,
                                      const struct cancel *cancel, struct b10_error *error)
{
    const struct tree_item *item = &reader->source.tree->items[candidate->item];
    SCOPED(fd) int fd = -1;
    TRY(source_open(&reader->source, item, &fd, error));
    bool whole = fd >= 0;
    for (uint64_t done = 0; whole && done < item->size && !cancel_tripped(cancel);
         done += SOURCE_PIECE) {
        const uint64_t left = item->size - done;
        const size_t piece = left < SOURCE_PIECE ? (size_t)left : SOURCE_PIECE;
        TRY(source_read(reader->source.tree, item, fd, done, reader->buffer, piece, &whole, error));
        if (whole)
            candidate->print = fingerprint(candidate->print, reader->buffer, piece);
    }
    candidate->readable = whole;
    return B10_REASON_OK;
}

static enum b10_reason read_run(void *context, unsigned worker, size_t index,
                                struct b10_error *error)
{
    const struct search *search = context;
    const size_t first = index * RUN;
    const size_t end = search->count - first < RUN ? search->count : first + RUN;
    for (size_t i = first; i < end; i++) {
        TRY(read_candidate(&search->readers[worker], &search->candidates[i], search->cancel,
                           error));
        progress_add(search->progress, search->candidates[i].size, 1);
    }
    return B10_REASON_OK;
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* Equal contents become neighbours, in the tree's order. */
static int compare_candidates(const void *left, const void *right)
{
    const struct candidate *a = left;
    const struct candidate *b = right;
    int order = compare_u64(a->size, b->size);
    if (order == 0)
        order = compare_u64(a->print, b->print);
    if (order == 0)
        order = (a->root > b->root) - (a->root < b->root);
    return order != 0 ? order : (a->item > b->item) - (a->item < b->item);
}

static void mark(struct search *search)
{
    const struct candidate *original = NULL;
    qsort(search->candidates, search->count, sizeof(*search->candidates), compare_candidates);
    for (const struct candidate *c = search->candidates; c < search->candidates + search->count;
         c++) {
        if (!c->readable)
            continue;
        if (original != NULL && c->size == original->size && c->print == original->print &&
            c->root == original->root)
            search->tree->items[c->item].original = original->item;
        else
            original = c;
    }
}

static uint64_t candidate_bytes(const struct search *search)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < search->count; i++)
        bytes += search->candidates[i].size;
    return bytes;
}

enum b10_reason same_find(struct tree *tree, unsigned threads, struct cancel *cancel,
                          struct progress *progress, struct b10_error *error)
{
    SCOPED(search) struct search search = {.tree = tree, .cancel = cancel, .progress = progress};
    const unsigned workers = pool_threads(threads, POOL_THREADS_MAX);
    for (size_t i = 0; i < tree->item_count; i++)
        tree->items[i].original = TREE_NO_ORIGINAL;
    TRY(collect(&search, error));
    if (search.count == 0)
        return B10_REASON_OK;
    TRY(progress_phase(progress, "compare", candidate_bytes(&search), search.count, error));
    TRY(start_readers(&search, workers, error));
    TRY(pool_each(read_run, &search, (search.count + RUN - 1) / RUN, workers, cancel, progress,
                  error));
    mark(&search);
    return B10_REASON_OK;
}
