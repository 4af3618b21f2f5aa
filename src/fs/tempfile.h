/* A file that is either published whole under its final name or never seen there.
 *
 *     begin ──▶ write … ──▶ sync ──▶ close ──▶ publish     in place under its final name, directory
 *       │          │         │         │                   synced
 *       └──────────┴─────────┴─────────┴──────▶ discard     removed; harmless at any time, also twice
 *
 * The name holds 128 random bits and is created exclusively, so no two writers share one, on
 * whatever host. A process that dies leaves the temporary name behind; whoever sweeps knows it by
 * its form: `.NAME.<32 hex>.tmp`. publish asks the volume afterwards what is really there: after an
 * error of rename or link the outcome is unknown (network file systems), so the file under the
 * final name is compared with ours by device and inode.
 * Threads: one at a time.
 */
#ifndef FS_TEMPFILE_H
#define FS_TEMPFILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/random.h"

struct tempfile {
    int dirfd;                   /* borrowed */
    int fd;                      /* owned, -1 when closed; read and write */
    bool exists;                 /* the temporary name is ours and still there */
    char token[TOKEN_TEXT_SIZE]; /* the random part of the name */
    char name[256];              /* temporary name, relative to dirfd */
    bool is_known;               /* `written` says which file it is */
    struct stat written;
};

#define TEMPFILE_NONE                                                                              \
    {                                                                                              \
        .dirfd = -1, .fd = -1                                                                      \
    }

/* Creates `.<stem>.<token>.tmp` in dirfd (borrowed for the life of the tempfile) with `mode` under
 * the umask. */
MUST_CHECK enum b10_reason tempfile_begin(struct tempfile *file, int dirfd, const char *stem,
                                          mode_t mode, struct b10_error *error);

/* fsync. */
MUST_CHECK enum b10_reason tempfile_sync(struct tempfile *file, struct b10_error *error);

/* It was opened by its name, and looked like this: close need not look itself. */
void tempfile_seen(struct tempfile *file, const struct stat *stat);

/* Closes it, its close checked: on a network the last write may fail, or hang, only there. Whoever
 * must not publish any more once a call has hung looks between this and publish. OK when closed. */
MUST_CHECK enum b10_reason tempfile_close(struct tempfile *file, struct b10_error *error);

/* Moves it to `final_name` and syncs the directory. replace false: link() or RENAME_NOREPLACE where
 * the volume has them; a name already taken sets *taken and leaves the temporary file to be
 * discarded (OK is returned). `taken` may be NULL when replace is true. Closes
 * it first. */
MUST_CHECK enum b10_reason tempfile_publish(struct tempfile *file, const char *final_name,
                                            bool replace, bool *taken, struct b10_error *error);

void tempfile_discard(struct tempfile *file);
void tempfile_guard(struct tempfile *file);

#endif
