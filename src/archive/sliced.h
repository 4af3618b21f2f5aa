/* A large file while its slices are read by any workers, and what became of it.
 *
 *     sliced_open ──▶ sliced_read of each slice, by any worker ──▶ [ the last slice leaves the window ] ──▶ is_void, differs
 *
 * The file's state is asked after each read, so once all slices are read nothing that changed
 * before the last read went unseen. While a slice is in memory, the same range of every duplicate
 * is compared with it: those equal to the end may become links. Duplicates are opened slice by
 * slice, so a thousand of them need no thousand descriptors.
 * Threads: sliced_read any number at once; the fields when the last slice has left the window.
 */
#ifndef ARCHIVE_SLICED_H
#define ARCHIVE_SLICED_H

#include <stdatomic.h>

#include "archive/batch.h"
#include "archive/source.h"

enum { SLICED_HEAD = 64 };

struct sliced {
    struct sliced *next;     /* owned: the one opened before it */
    const struct tree *tree; /* borrowed */
    uint32_t item;
    int fd;                          /* owned, closed with the last read */
    struct batch_member *duplicates; /* owned */
    size_t duplicate_count;
    atomic_bool *differs;            /* owned: by duplicate, not equal to what was packed */
    atomic_bool is_void;             /* changed while it was read: slices read later are zeros */
    _Atomic uint64_t unread;         /* slices */
    unsigned char head[SLICED_HEAD]; /* the file's first bytes */
    uint32_t manifest_index;         /* among the manifest's sliced members; the consumer's */
    uint32_t frame;                  /* of its header; the consumer's */
};

enum sliced_state { SLICED_OPENED, SLICED_CHANGED, SLICED_TORN, SLICED_UNSAFE };

/* Opens the file of a header batch and takes the batch's members. *out is NULL unless *state is
 * OPENED. */
MUST_CHECK enum b10_reason sliced_open(struct sliced **out, struct source *source,
                                       struct batch *batch, enum sliced_state *state,
                                       struct b10_error *error);

/* The bytes of a slice batch into `room` (zeros once the file is void), and the duplicates compared
 * with them, through the worker's own source. `buffer` has SOURCE_PIECE bytes. */
MUST_CHECK enum b10_reason sliced_read(struct sliced *sliced, const struct batch *batch,
                                       struct source *duplicates, unsigned char *room,
                                       unsigned char *buffer, struct b10_error *error);

/* With everything opened before it; NULL is fine. */
void sliced_free(struct sliced *sliced);
void sliced_guard(struct sliced **sliced);

#endif
