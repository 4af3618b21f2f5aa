/* An archive opened for reading: trusted only as far as it has been checked.
 *
 *     open ──▶ (decide by reader.manifest) ──▶ read runs of frames … ──▶ close
 *
 * open reads the tail (64 KiB, more only for large archives) and checks its structure: seek table, manifest digest, rows
 * against manifest, skippable headers, no gaps, the file's size exactly. Content of frames is checked when they are
 * decoded (decode.h). Works on the descriptor opened once, so a file replaced meanwhile reads on.
 * Threads: reading frames from any number at once.
 */
#ifndef ARCHIVE_READER_H
#define ARCHIVE_READER_H

#include <sys/stat.h>

#include "archive/manifest.h"

enum { READER_TAIL_SIZE = 64 << 10, READER_RUN_SIZE = 1 << 20, READER_RUN_MIN = 128 << 10 };

struct reader {
    int fd;                 /* owned, -1 when closed */
    char name[4096];        /* for messages: path as opened */
    struct stat stat;       /* at open */
    struct manifest manifest;
    uint64_t *offsets;      /* owned: of frame i in the file; frame_count + 1 of them */
};

#define READER_CLOSED {.fd = -1}

/* Opens `file` in dirfd; `name` is the path for messages. ABSENT when there is none; UNSAFE when it is not a regular file
 * or is a symlink; CORRUPT, UNSAFE, FORMAT, IO, DENIED. FORMAT leaves manifest.format set. */
MUST_CHECK enum b10_reason reader_open(struct reader *reader, int dirfd, const char *file, const char *name,
                                       struct b10_error *error);

/* A run of neighbouring data frames that is read with one pread. */
struct reader_run {
    size_t first; /* frame */
    size_t count;
};

/* Cuts the data frames (end frame included) into runs of about `run_size` compressed bytes; *runs is to be freed. */
MUST_CHECK enum b10_reason reader_plan(const struct reader *reader, uint64_t run_size, struct reader_run **runs,
                                       size_t *count, struct b10_error *error);

/* Reads the run into `buffer` (cleared first). */
MUST_CHECK enum b10_reason reader_read(const struct reader *reader, const struct reader_run *run, struct bytes *buffer,
                                       struct b10_error *error);

/* The index payload, its digest checked. */
MUST_CHECK enum b10_reason reader_index(const struct reader *reader, struct bytes *payload, struct b10_error *error);

/* Forgets cached pages of the file (POSIX_FADV_DONTNEED), so that the next read asks the volume. */
void reader_drop_cache(const struct reader *reader);

void reader_close(struct reader *reader); /* harmless on READER_CLOSED, also twice */
void reader_guard(struct reader *reader);

#endif
