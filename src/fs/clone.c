#include "fs/clone.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "fs/io.h"

/* Large enough for a volume with latency, small enough for its check to be called often. */
static const size_t piece_size = (size_t)1 << 20;

static enum b10_reason copy(int from, int to, uint64_t size, const char *name, clone_check_fn check,
                            void *user, struct b10_error *error)
{
    SCOPED(heap) void *buffer = malloc(size < piece_size ? (size_t)size + 1 : piece_size);
    if (buffer == NULL)
        return error_no_memory(error);
    for (uint64_t done = 0; done < size;) {
        size_t piece = size - done < piece_size ? (size_t)(size - done) : piece_size;
        TRY(io_pread_full(from, buffer, piece, done, name, error));
        TRY(io_pwrite_full(to, buffer, piece, done, name, error));
        done += piece;
        if (check != NULL)
            TRY(check(user, done, error));
    }
    return B10_REASON_OK;
}

/* A reflink takes the whole file as it is at that moment; what it grew by since is cut off. */
static enum b10_reason trim(int to, uint64_t size, const char *name, struct b10_error *error)
{
    struct stat made;
    if (fstat(to, &made) != 0)
        return error_errno(error, errno, "cannot read the size of '%s'", name);
    if ((uint64_t)made.st_size < size)
        return error_set(error, B10_REASON_IO, "'%s' became shorter while it was copied", name);
    if ((uint64_t)made.st_size > size && ftruncate(to, (off_t)size) != 0)
        return error_errno(error, errno, "cannot write '%s'", name);
    return B10_REASON_OK;
}

enum b10_reason clone_file(int from, int to, uint64_t size, const char *name, clone_check_fn check,
                           void *user, struct b10_error *error)
{
    /* Whatever the reason why there is no reflink, the copy decides. */
    if (size == 0 || ioctl(to, FICLONE, from) != 0)
        return copy(from, to, size, name, check, user, error);
    TRY(trim(to, size, name, error));
    return check == NULL ? B10_REASON_OK : check(user, size, error);
}
