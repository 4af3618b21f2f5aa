/* An archive opened for reading: trusted only as far as it has been checked.
 *
 *     open ──▶ (decide by reader.manifest) ──▶ read runs of frames … ──▶ close
 *
 * open reads the tail (128 KiB, more only for large archives) and checks its structure, see tail.h.
 * Content of frames is checked when they are decoded (decode.h), that of the index when it is asked
 * for. Works on the descriptor opened once, so a file replaced meanwhile reads on. ESTALE while
 * opening: opened once more by name; ESTALE later is IO with that sys_errno.
 * Threads: reading frames from any number at once.
 */
#ifndef ARCHIVE_READER_H
#define ARCHIVE_READER_H

#include <sys/stat.h>

#include "archive/manifest.h"

enum {
    READER_RUN_SIZE = 1 << 20,  /* compressed bytes of a run, at most (one frame may be larger) */
    READER_RUN_MIN = 128 << 10, /* smallest run size worth a system call on a volume */
    READER_INDEX_LIMIT = 512 << 20, /* bytes of the index's payload */
};

struct reader {
    int fd;           /* owned, -1 when closed */
    char name[4096];  /* for messages: path as opened */
    struct stat stat; /* at open */
    struct manifest manifest;
    /* owned: of frame i in the file; frame_count + 1 of them, the last is the index's */
    uint64_t *offsets;
    uint32_t *sliced_order; /* owned: indices of manifest.sliced by root and path */
};

#define READER_CLOSED                                                                              \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/* Opens `file` in dirfd; `name` is the path for messages. ABSENT when there is none; UNSAFE when it
 * is not a regular file or is a symlink; CORRUPT, UNSAFE, FORMAT, IO, DENIED. After a failure the
 * reader is closed; FORMAT leaves manifest.format set. */
MUST_CHECK enum b10_reason reader_open(struct reader *reader, int dirfd, const char *file,
                                       const char *name, struct b10_error *error);

/* A run of neighbouring data frames that is read with one pread. */
struct reader_run {
    size_t first; /* frame */
    size_t count;
};

/* Cuts the data frames (end frame included) into runs of about `run_size` compressed bytes; *runs
 * is to be freed. `wanted` (NULL: all) has one byte per frame; frames with 0 are left out. */
MUST_CHECK enum b10_reason reader_plan(const struct reader *reader, uint64_t run_size,
                                       const unsigned char *wanted, struct reader_run **runs,
                                       size_t *count, struct b10_error *error);

/* Reads the run into `buffer` (cleared first). */
MUST_CHECK enum b10_reason reader_read(const struct reader *reader, const struct reader_run *run,
                                       struct bytes *buffer, struct b10_error *error);

/* The index payload, its digest checked. */
MUST_CHECK enum b10_reason reader_index(const struct reader *reader, struct bytes *payload,
                                        struct b10_error *error);

/* The sliced member with this path (relative to its root): its index in the manifest, or -1. */
int64_t reader_find_sliced(const struct reader *reader, uint32_t root, const char *path);

/* Forgets cached pages of the file (POSIX_FADV_DONTNEED), so that the next read asks the volume. */
void reader_drop_cache(const struct reader *reader);

/* The file that has the name now is the one this reader has open, by all that a look at it tells;
 * false also where that cannot be known. */
bool reader_is_at(const struct reader *reader, int dirfd, const char *file);

void reader_close(struct reader *reader); /* harmless on READER_CLOSED, also twice */
void reader_guard(struct reader *reader);

#endif
