#include "fs/space.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/statvfs.h>

static uint64_t add_capped(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t multiply_capped(uint64_t a, uint64_t b)
{
    return b != 0 && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

enum b10_reason space_read(struct space *space, int fd, const char *name, struct b10_error *error)
{
    struct statvfs found;
    int result;
    do {
        result = fstatvfs(fd, &found);
    } while (result != 0 && errno == EINTR);
    if (result != 0)
        return error_errno(error, errno, "cannot read the free space of '%s'", name);
    uint64_t unit = found.f_frsize != 0 ? found.f_frsize : found.f_bsize;
    space->free_bytes = found.f_blocks == 0 ? UINT64_MAX : multiply_capped(found.f_bavail, unit);
    space->free_inodes = found.f_files == 0 ? UINT64_MAX : found.f_favail;
    return B10_REASON_OK;
}

enum b10_reason space_require(int fd, const char *name, uint64_t need_bytes, uint64_t need_inodes,
                              uint64_t floor_bytes, struct b10_error *error)
{
    struct space space;
    TRY(space_read(&space, fd, name, error));
    if (space.free_bytes < add_capped(need_bytes, floor_bytes))
        return error_set(error, B10_REASON_NO_SPACE,
                         "'%s' has %" PRIu64 " bytes free; needed are %" PRIu64 " and %" PRIu64
                         " that stay free",
                         name, space.free_bytes, need_bytes, floor_bytes);
    if (space.free_inodes < need_inodes)
        return error_set(error, B10_REASON_NO_SPACE,
                         "'%s' has %" PRIu64 " inodes free; needed are %" PRIu64, name,
                         space.free_inodes, need_inodes);
    return B10_REASON_OK;
}
