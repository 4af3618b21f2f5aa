#include "archive/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/tail.h"
#include "base/guard.h"
#include "fs/io.h"

static enum b10_reason not_regular(const struct reader *reader, struct b10_error *error)
{
    return error_set(error, B10_REASON_UNSAFE, "'%s' is not a regular file", reader->name);
}

/* O_NONBLOCK: a FIFO in the archive's place must not make anyone wait. */
static enum b10_reason open_file(struct reader *reader, int dirfd, const char *file,
                                 struct b10_error *error)
{
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    do
        reader->fd = openat(dirfd, file, flags);
    while (reader->fd < 0 && errno == EINTR);
    if (reader->fd < 0 && errno == ENOENT)
        return error_set(error, B10_REASON_ABSENT, "'%s' does not exist", reader->name);
    if (reader->fd < 0 && (errno == ELOOP || errno == ENXIO))
        return not_regular(reader, error);
    if (reader->fd < 0)
        return error_errno(error, errno, "cannot open '%s'", reader->name);
    if (fstat(reader->fd, &reader->stat) != 0)
        return error_errno(error, errno, "cannot look at '%s'", reader->name);
    return S_ISREG(reader->stat.st_mode) ? B10_REASON_OK : not_regular(reader, error);
}

static int compare_paths(const struct manifest *manifest, uint32_t member, uint32_t root,
                         const char *path)
{
    const struct manifest_sliced *sliced = &manifest->sliced[member];
    if (sliced->root != root)
        return sliced->root < root ? -1 : 1;
    return strcmp(sliced->path, path);
}

static int compare_members(const void *a, const void *b, void *manifest_pointer)
{
    const struct manifest *manifest = manifest_pointer;
    uint32_t right = *(const uint32_t *)b;
    const struct manifest_sliced *sliced = &manifest->sliced[right];
    return compare_paths(manifest, *(const uint32_t *)a, sliced->root, sliced->path);
}

static enum b10_reason order_sliced(struct reader *reader, struct b10_error *error)
{
    struct manifest *manifest = &reader->manifest;
    size_t count = manifest->sliced_count;
    if (count == 0)
        return B10_REASON_OK;
    uint32_t *order = calloc(count, sizeof(*order));
    if (order == NULL)
        return error_no_memory(error);
    reader->sliced_order = order;
    for (size_t i = 0; i < count; i++)
        order[i] = (uint32_t)i;
    qsort_r(order, count, sizeof(*order), compare_members, manifest);
    for (size_t i = 1; i < count; i++)
        if (compare_members(&order[i - 1], &order[i], manifest) == 0)
            return error_set(error, B10_REASON_UNSAFE, "'%s' names the large file '%s' twice",
                             reader->name, manifest->sliced[order[i]].path);
    return B10_REASON_OK;
}

static enum b10_reason open_once(struct reader *reader, int dirfd, const char *file,
                                 struct b10_error *error)
{
    TRY(open_file(reader, dirfd, file, error));
    TRY(tail_read(reader->fd, (uint64_t)reader->stat.st_size, reader->name, &reader->manifest,
                  &reader->offsets, error));
    return order_sliced(reader, error);
}

enum b10_reason reader_open(struct reader *reader, int dirfd, const char *file, const char *name,
                            struct b10_error *error)
{
    for (int attempt = 0;; attempt++) {
        struct b10_error record = ERROR_NONE;
        *reader = (struct reader)READER_CLOSED;
        snprintf(reader->name, sizeof(reader->name), "%s", name);
        if (open_once(reader, dirfd, file, &record) == B10_REASON_OK)
            return B10_REASON_OK;
        uint32_t format = reader->manifest.format;
        reader_close(reader);
        reader->manifest.format = format;
        if (record.sys_errno != ESTALE || attempt == 1)
            return error_copy(error, &record);
    }
}

static bool run_takes(const struct reader *reader, const struct reader_run *run, size_t frame,
                      uint64_t run_size)
{
    return run->count > 0 && run->first + run->count == frame &&
           reader->offsets[frame + 1] - reader->offsets[run->first] <= run_size;
}

enum b10_reason reader_plan(const struct reader *reader, uint64_t run_size,
                            const unsigned char *wanted, struct reader_run **runs, size_t *count,
                            struct b10_error *error)
{
    size_t frames = reader->manifest.frame_count;
    struct reader_run *plan = calloc(frames, sizeof(*plan));
    if (plan == NULL)
        return error_no_memory(error);
    size_t made = 0;
    for (size_t i = 0; i < frames; i++) {
        if (wanted != NULL && !wanted[i])
            continue;
        if (made == 0 || !run_takes(reader, &plan[made - 1], i, run_size))
            plan[made++].first = i;
        plan[made - 1].count++;
    }
    *runs = plan;
    *count = made;
    return B10_REASON_OK;
}

/* `size` is at most what the file holds, so that a failed allocation is the only surprise. */
static enum b10_reason read_at(const struct reader *reader, uint64_t offset, uint64_t size,
                               struct bytes *buffer, struct b10_error *error)
{
    bytes_clear(buffer);
    TRY(bytes_reserve(buffer, (size_t)size, error));
    TRY(io_pread_full(reader->fd, buffer->data, (size_t)size, offset, reader->name, error));
    buffer->size = (size_t)size;
    return B10_REASON_OK;
}

enum b10_reason reader_read(const struct reader *reader, const struct reader_run *run,
                            struct bytes *buffer, struct b10_error *error)
{
    uint64_t first = reader->offsets[run->first];
    return read_at(reader, first, reader->offsets[run->first + run->count] - first, buffer, error);
}

enum b10_reason reader_index(const struct reader *reader, struct bytes *payload,
                             struct b10_error *error)
{
    const struct manifest *manifest = &reader->manifest;
    uint64_t offset = reader->offsets[manifest->frame_count] + SKIPPABLE_HEADER_SIZE;
    if (manifest->index_size > READER_INDEX_LIMIT)
        return error_set(error, B10_REASON_UNSAFE, "the index of '%s' is too large", reader->name);
    TRY(read_at(reader, offset, manifest->index_size, payload, error));
    unsigned char digest[DIGEST_SIZE];
    digest_256(digest, payload->data, payload->size);
    if (memcmp(digest, manifest->index_digest, sizeof(digest)) != 0)
        return error_set(error, B10_REASON_CORRUPT, "the index of '%s' is damaged", reader->name);
    return B10_REASON_OK;
}

int64_t reader_find_sliced(const struct reader *reader, uint32_t root, const char *path)
{
    size_t low = 0, high = reader->manifest.sliced_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint32_t member = reader->sliced_order[middle];
        int order = compare_paths(&reader->manifest, member, root, path);
        if (order == 0)
            return member;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

void reader_drop_cache(const struct reader *reader)
{
    posix_fadvise(reader->fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* Opened, because a network file system asks the server only then. */
bool reader_is_at(const struct reader *reader, int dirfd, const char *file)
{
    SCOPED(reader) struct reader now = READER_CLOSED;
    return open_file(&now, dirfd, file, NULL) == B10_REASON_OK &&
           io_unchanged(&reader->stat, &now.stat);
}

void reader_close(struct reader *reader)
{
    fd_guard(&reader->fd);
    reader->fd = -1;
    free(reader->offsets);
    free(reader->sliced_order);
    reader->offsets = NULL;
    reader->sliced_order = NULL;
    manifest_release(&reader->manifest);
    reader->manifest = (struct manifest)MANIFEST_EMPTY;
}

void reader_guard(struct reader *reader)
{
    reader_close(reader);
}
