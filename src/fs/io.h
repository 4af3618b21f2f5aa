/* System calls that finish what they began: EINTR repeated, short counts continued, every failure
 * in words.
 *
 * `name` is only used in messages. Descriptors are O_CLOEXEC. Threads: any, also on one descriptor
 * (positions given).
 */
#ifndef FS_IO_H
#define FS_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"

/* openat with O_CLOEXEC added. *fd is the caller's. */
MUST_CHECK enum b10_reason io_open(int *fd, int dirfd, const char *path, int flags, mode_t mode,
                                   const char *name, struct b10_error *error);

/* Reads up to `size` bytes at `offset`; *got < size only at the end of the file. */
MUST_CHECK enum b10_reason io_pread(int fd, void *buffer, size_t size, uint64_t offset, size_t *got,
                                    const char *name, struct b10_error *error);
/* Exactly `size` bytes, else IO (a file that ended early is named as such). */
MUST_CHECK enum b10_reason io_pread_full(int fd, void *buffer, size_t size, uint64_t offset,
                                         const char *name, struct b10_error *error);
MUST_CHECK enum b10_reason io_write_full(int fd, const void *data, size_t size, const char *name,
                                         struct b10_error *error);
MUST_CHECK enum b10_reason io_pwrite_full(int fd, const void *data, size_t size, uint64_t offset,
                                          const char *name, struct b10_error *error);
MUST_CHECK enum b10_reason io_fsync(int fd, const char *name, struct b10_error *error);

/* Closes *fd and sets it to -1; a failure is reported, because some volumes fail a write only
 * here. */
MUST_CHECK enum b10_reason io_close(int *fd, const char *name, struct b10_error *error);

/* fsync of a directory; EINVAL and ENOTSUP (file systems that have none) are fine. */
MUST_CHECK enum b10_reason io_fsync_directory(int dirfd, const char *name, struct b10_error *error);

/* renameat2(RENAME_NOREPLACE), with link()+unlink for regular files where the kernel, a filter or
 * the file system lacks it (ENOSYS, EINVAL, EPERM). `directory`: the source is a directory; then
 * the fallback is a plain rename, which never replaces a non-empty directory. Returns 0 or an errno
 * value: EEXIST when the name is taken. */
MUST_CHECK int io_rename_noreplace(int from_dir, const char *from, int to_dir, const char *to,
                                   bool directory);

/* Whether the errno value says that a name is gone, has become something else, or was never ours to
 * read: a reason to leave it out. Anything else is a failure of disk, network or process. */
bool io_is_absence(int sys_errno);

/* Same device and inode. */
bool io_same_file(const struct stat *a, const struct stat *b);

/* Unchanged since `before`: device, inode, size, mtime and ctime to the nanosecond. */
bool io_unchanged(const struct stat *before, const struct stat *after);

#endif
