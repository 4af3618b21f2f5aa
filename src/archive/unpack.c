#include "archive/unpack.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "archive/place.h"
#include "archive/tally.h"
#include "base/guard.h"
#include "par/pool.h"

enum { NO_ROOT = -1, RUNS_PER_THREAD = 4 };

/* What each thread keeps from task to task. */
struct worker {
    struct decoder *decoder; /* owned */
    struct bytes run;        /* owned */
    struct placer placer;    /* owned; of `root` */
    int64_t root;            /* or NO_ROOT */
    size_t copies;           /* duplicates of large files met in this task */
};

struct unpacker {
    const struct reader *reader;
    const int *root_fds;
    const struct unpack_filter *filter; /* or NULL */
    unsigned threads;
    struct cancel *cancel;
    struct progress *progress;
    struct worker *workers;  /* owned */
    struct reader_run *runs; /* owned: of the pass in hand */
    size_t run_count;
    _Atomic uint64_t *slices_left; /* owned: per large file */
    unsigned char *copy_frames;    /* owned: 1 for frames with duplicates of large files */
    struct tally seen;             /* in the archive */
    struct tally placed;           /* on the disk */
};

static void unpacker_guard(struct unpacker *unpacker)
{
    for (unsigned i = 0; unpacker->workers != NULL && i < unpacker->threads; i++) {
        struct worker *worker = &unpacker->workers[i];
        decoder_free(worker->decoder);
        bytes_release(&worker->run);
        if (worker->root != NO_ROOT)
            placer_release(&worker->placer);
    }
    free(unpacker->workers);
    free(unpacker->runs);
    free(unpacker->slices_left);
    free(unpacker->copy_frames);
}

static enum b10_reason prepare(struct unpacker *unpacker, struct b10_error *error)
{
    const struct manifest *manifest = &unpacker->reader->manifest;
    unpacker->workers = calloc(unpacker->threads, sizeof(*unpacker->workers));
    for (unsigned i = 0; unpacker->workers != NULL && i < unpacker->threads; i++)
        unpacker->workers[i].root = NO_ROOT;
    unpacker->slices_left = calloc(manifest->sliced_count + 1, sizeof(*unpacker->slices_left));
    unpacker->copy_frames = calloc(manifest->frame_count, 1);
    if (unpacker->workers == NULL || unpacker->slices_left == NULL || unpacker->copy_frames == NULL)
        return error_no_memory(error);
    for (size_t i = 0; i < manifest->frame_count; i++)
        if (manifest->frames[i].kind == FRAME_SLICE)
            unpacker->slices_left[manifest->frames[i].sliced]++;
    return B10_REASON_OK;
}

/* The worker's placer for this root; NULL where nothing is to be placed. */
static struct placer *placer_for(struct unpacker *unpacker, struct worker *worker, uint32_t root)
{
    if (unpacker->root_fds[root] < 0)
        return NULL;
    if (worker->root == root)
        return &worker->placer;
    if (worker->root != NO_ROOT)
        placer_release(&worker->placer);
    placer_init(&worker->placer, unpacker->root_fds[root], unpacker->reader->name);
    worker->root = root;
    return &worker->placer;
}

static enum b10_reason make_directories(struct unpacker *unpacker, struct b10_error *error)
{
    const struct manifest *manifest = &unpacker->reader->manifest;
    for (uint32_t i = 0; i < manifest->root_count; i++) {
        struct placer *placer = placer_for(unpacker, &unpacker->workers[0], i);
        for (size_t k = 0; placer != NULL && k < manifest->roots[i].directory_count; k++)
            TRY(place_directory(placer, manifest->roots[i].directories[k], error));
    }
    return B10_REASON_OK;
}

static enum b10_reason make_large_files(struct unpacker *unpacker, struct b10_error *error)
{
    const struct manifest *manifest = &unpacker->reader->manifest;
    for (size_t i = 0; i < manifest->sliced_count; i++) {
        const struct manifest_sliced *sliced = &manifest->sliced[i];
        struct placer *placer = placer_for(unpacker, &unpacker->workers[0], sliced->root);
        if (placer != NULL && !sliced->is_void)
            TRY(place_create(placer, sliced->path, sliced->executable, sliced->size, error));
    }
    return B10_REASON_OK;
}

static bool is_copy_of_large(const struct decoded *decoded)
{
    return decoded->entry.type == ENTRY_HARDLINK && decoded->sliced != DECODED_NOT_SLICED;
}

static enum b10_reason place_content(const struct unpacker *unpacker, struct placer *placer,
                                     const struct decoded *decoded, struct b10_error *error)
{
    const struct unpack_filter *filter = unpacker->filter;
    SCOPED(bytes) struct bytes other = BYTES_EMPTY;
    bool changed = false;
    if (filter != NULL)
        TRY(filter->content(filter->user, decoded, &other, &changed, error));
    return place_file(placer, decoded->path, &decoded->entry,
                      changed ? other.data : decoded->content, changed ? other.size : decoded->size,
                      error);
}

static enum b10_reason place_small(const struct unpacker *unpacker, struct placer *placer,
                                   const struct decoded *decoded, struct b10_error *error)
{
    switch (decoded->entry.type) {
    case ENTRY_DIRECTORY:
        return place_known_directory(placer, decoded->path, error);
    case ENTRY_SYMLINK:
        return place_symlink(placer, decoded->path, &decoded->entry, error);
    case ENTRY_FILE:
    case ENTRY_HARDLINK:
        break;
    }
    return place_content(unpacker, placer, decoded, error);
}

/* Large files stand already, and fill by their slices; their duplicates wait for the second
 * pass. */
static enum b10_reason take_member(struct unpacker *unpacker, struct worker *worker,
                                   const struct decoded *decoded, struct b10_error *error)
{
    TRY(tally_add(&unpacker->seen, unpacker->reader, decoded, error));
    struct placer *placer = placer_for(unpacker, worker, decoded->root);
    if (placer == NULL)
        return B10_REASON_OK;
    TRY(tally_add(&unpacker->placed, unpacker->reader, decoded, error));
    if (is_copy_of_large(decoded))
        worker->copies++;
    if (decoded->sliced != DECODED_NOT_SLICED)
        return B10_REASON_OK;
    return place_small(unpacker, placer, decoded, error);
}

static enum b10_reason take_members(struct unpacker *unpacker, struct worker *worker, size_t frame,
                                    struct b10_error *error)
{
    struct decoded decoded;
    bool found = false;
    uint64_t bytes = 0, files = 0;
    worker->copies = 0;
    for (;;) {
        TRY(decoder_next(worker->decoder, &decoded, &found, error));
        if (!found)
            break;
        TRY(take_member(unpacker, worker, &decoded, error));
        bool whole = decoded.sliced == DECODED_NOT_SLICED;
        files += whole && decoded.entry.type != ENTRY_DIRECTORY;
        bytes += whole ? decoded.size : 0;
    }
    unpacker->copy_frames[frame] = worker->copies > 0;
    progress_add(unpacker->progress, bytes, files);
    return B10_REASON_OK;
}

/* Whoever brings a large file's last slice sets its time; by then all others have written
 * theirs. */
static enum b10_reason take_slice(struct unpacker *unpacker, struct worker *worker,
                                  const struct frame *frame, const unsigned char *content,
                                  size_t size, struct b10_error *error)
{
    const struct manifest_sliced *sliced = &unpacker->reader->manifest.sliced[frame->sliced];
    struct placer *placer = placer_for(unpacker, worker, sliced->root);
    if (placer == NULL || sliced->is_void)
        return B10_REASON_OK;
    if (!decode_all_zero(content, size))
        TRY(place_slice(placer, sliced->path, content, size, frame->offset, error));
    bool last = atomic_fetch_sub(&unpacker->slices_left[frame->sliced], 1) == 1;
    progress_add(unpacker->progress, size, last);
    if (!last)
        return B10_REASON_OK;
    return place_time(placer, sliced->path, sliced->mtime_s, sliced->mtime_ns, error);
}

static enum b10_reason take_frame(struct unpacker *unpacker, struct worker *worker, size_t frame,
                                  const unsigned char *data, struct b10_error *error)
{
    const struct frame *described = &unpacker->reader->manifest.frames[frame];
    const unsigned char *content = NULL;
    size_t size = 0;
    TRY(decoder_begin(worker->decoder, unpacker->reader, frame, data, &content, &size, error));
    if (described->kind == FRAME_SLICE)
        return take_slice(unpacker, worker, described, content, size, error);
    if (described->kind == FRAME_END)
        return B10_REASON_OK;
    return take_members(unpacker, worker, frame, error);
}

static enum b10_reason read_run(struct unpacker *unpacker, struct worker *worker,
                                const struct reader_run *run, struct b10_error *error)
{
    if (worker->decoder == NULL)
        TRY(decoder_new(&worker->decoder, error));
    TRY(reader_read(unpacker->reader, run, &worker->run, error));
    return progress_step(unpacker->progress, error);
}

static enum b10_reason unpack_run(void *context, unsigned number, size_t index,
                                  struct b10_error *error)
{
    struct unpacker *unpacker = context;
    struct worker *worker = &unpacker->workers[number];
    const struct reader_run *run = &unpacker->runs[index];
    const uint64_t *offsets = unpacker->reader->offsets;
    TRY(read_run(unpacker, worker, run, error));
    for (size_t i = run->first; i < run->first + run->count; i++) {
        if (cancel_tripped(unpacker->cancel))
            return error_set(error, B10_REASON_CANCELLED, "cancelled");
        TRY(take_frame(unpacker, worker, i, worker->run.data + (offsets[i] - offsets[run->first]),
                       error));
    }
    return B10_REASON_OK;
}

static enum b10_reason copy_member(struct unpacker *unpacker, struct worker *worker,
                                   const struct decoded *decoded, struct b10_error *error)
{
    struct placer *placer = placer_for(unpacker, worker, decoded->root);
    if (placer == NULL)
        return B10_REASON_OK;
    TRY(place_copy(placer, decoded->path, &decoded->entry,
                   unpacker->reader->manifest.sliced[decoded->sliced].path, decoded->size,
                   unpacker->cancel, error));
    if (unpacker->filter != NULL)
        TRY(unpacker->filter->copied(unpacker->filter->user, decoded, error));
    progress_add(unpacker->progress, decoded->size, 1);
    return B10_REASON_OK;
}

/* Each frame is decoded once per thread, which then makes every n-th copy of it: a frame's copies
 * may be most of the work that is left. */
static enum b10_reason copy_frame(void *context, unsigned number, size_t index,
                                  struct b10_error *error)
{
    struct unpacker *unpacker = context;
    struct worker *worker = &unpacker->workers[number];
    const struct reader_run *run = &unpacker->runs[index / unpacker->threads];
    size_t share = index % unpacker->threads;
    TRY(read_run(unpacker, worker, run, error));
    const unsigned char *content = NULL;
    size_t size = 0, copies = 0;
    TRY(decoder_begin(worker->decoder, unpacker->reader, run->first, worker->run.data, &content,
                      &size, error));
    for (;;) {
        struct decoded decoded;
        bool found = false;
        TRY(decoder_next(worker->decoder, &decoded, &found, error));
        if (!found)
            return B10_REASON_OK;
        if (is_copy_of_large(&decoded) && copies++ % unpacker->threads == share)
            TRY(copy_member(unpacker, worker, &decoded, error));
    }
}

static enum b10_reason plan(struct unpacker *unpacker, uint64_t run_size,
                            const unsigned char *wanted, struct b10_error *error)
{
    free(unpacker->runs);
    unpacker->runs = NULL;
    return reader_plan(unpacker->reader, run_size, wanted, &unpacker->runs, &unpacker->run_count,
                       error);
}

/* Small archives are cut finer, so that all threads have something to do. */
static uint64_t run_size_for(const struct unpacker *unpacker)
{
    const struct reader *reader = unpacker->reader;
    uint64_t total = reader->offsets[reader->manifest.frame_count];
    uint64_t size = total / (unpacker->threads * RUNS_PER_THREAD);
    if (size < READER_RUN_MIN)
        return READER_RUN_MIN;
    return size > READER_RUN_SIZE ? READER_RUN_SIZE : size;
}

static enum b10_reason run_passes(struct unpacker *unpacker, struct b10_error *error)
{
    TRY(plan(unpacker, run_size_for(unpacker), NULL, error));
    TRY(pool_each(unpack_run, unpacker, unpacker->run_count, unpacker->threads, unpacker->cancel,
                  unpacker->progress, error));
    TRY(tally_complete(&unpacker->seen, unpacker->reader, error));
    TRY(plan(unpacker, 0, unpacker->copy_frames, error));
    return pool_each(copy_frame, unpacker, unpacker->run_count * unpacker->threads,
                     unpacker->threads, unpacker->cancel, unpacker->progress, error);
}

static void report(const struct tally *placed, struct unpack_counts *counts)
{
    counts->files = placed->files + placed->symlinks;
    counts->directories = placed->directories;
    counts->duplicates = placed->duplicates;
    counts->bytes = placed->bytes;
}

enum b10_reason unpack(const struct reader *reader, const int *root_fds,
                       const struct unpack_filter *filter, unsigned threads, struct cancel *cancel,
                       struct progress *progress, struct unpack_counts *counts,
                       struct b10_error *error)
{
    SCOPED(unpacker)
    struct unpacker unpacker = {
        .reader = reader,
        .root_fds = root_fds,
        .filter = filter,
        .threads = pool_threads(threads == 0 ? UNPACK_THREADS : threads, POOL_THREADS_MAX),
        .cancel = cancel,
        .progress = progress,
    };
    const struct manifest_totals *totals = &reader->manifest.totals;
    TRY(prepare(&unpacker, error));
    TRY(progress_phase(progress, "unpack", totals->bytes, totals->files + totals->symlinks, error));
    TRY(make_directories(&unpacker, error));
    TRY(make_large_files(&unpacker, error));
    TRY(run_passes(&unpacker, error));
    report(&unpacker.placed, counts);
    return B10_REASON_OK;
}
