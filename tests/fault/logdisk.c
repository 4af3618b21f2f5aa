/* logdisk IMAGE LOG DIRECTORY: IMAGE as the file DIRECTORY/disk, of which every write and every flush is kept in LOG, in the
 * order in which they were asked for. With a file system in IMAGE that is what a disk was told, block by block, so
 * block_cut.py can make the disk as it was at any moment.
 *
 * LOG is a row of records, each a header and, for a write, its bytes. Runs in the foreground until it is unmounted.
 */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RECORD_WRITE = 1, RECORD_FLUSH = 2 };

struct record {
    uint32_t kind;
    uint32_t size;
    uint64_t offset;
};

static const char disk[] = "/disk";
static int image;
static int record_log;

static int append(uint32_t kind, const char *data, size_t size, off_t offset)
{
    const struct record record = {.kind = kind, .size = (uint32_t)size, .offset = (uint64_t)offset};
    if (write(record_log, &record, sizeof(record)) != (ssize_t)sizeof(record) ||
        (size > 0 && write(record_log, data, size) != (ssize_t)size))
        return -EIO;
    return 0;
}

static int disk_getattr(const char *path, struct stat *stat, struct fuse_file_info *file)
{
    struct stat found;
    (void)file;
    memset(stat, 0, sizeof(*stat));
    if (strcmp(path, "/") == 0) {
        stat->st_mode = S_IFDIR | 0700;
        stat->st_nlink = 2;
        return 0;
    }
    if (strcmp(path, disk) != 0)
        return -ENOENT;
    if (fstat(image, &found) != 0)
        return -errno;
    stat->st_mode = S_IFREG | 0600;
    stat->st_nlink = 1;
    stat->st_size = found.st_size;
    return 0;
}

/* Nothing is kept by the kernel: every write comes here when it is made. */
static int disk_open(const char *path, struct fuse_file_info *file)
{
    (void)path;
    file->direct_io = 1;
    return 0;
}

static int disk_read(const char *path, char *data, size_t size, off_t offset,
                     struct fuse_file_info *file)
{
    (void)path, (void)file;
    const ssize_t got = pread(image, data, size, offset);
    return got < 0 ? -errno : (int)got;
}

static int disk_write(const char *path, const char *data, size_t size, off_t offset,
                      struct fuse_file_info *file)
{
    (void)path, (void)file;
    const int failed = append(RECORD_WRITE, data, size, offset);
    if (failed != 0)
        return failed;
    const ssize_t put = pwrite(image, data, size, offset);
    return put < 0 ? -errno : (int)put;
}

static int disk_fsync(const char *path, int only_data, struct fuse_file_info *file)
{
    (void)path, (void)only_data, (void)file;
    return append(RECORD_FLUSH, NULL, 0, 0);
}

int main(int count, char **arguments)
{
    static const struct fuse_operations operations = {.getattr = disk_getattr,
                                                      .open = disk_open,
                                                      .read = disk_read,
                                                      .write = disk_write,
                                                      .fsync = disk_fsync};
    if (count != 4)
        return 2;
    image = open(arguments[1], O_RDWR | O_CLOEXEC);
    record_log = open(arguments[2], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (image < 0 || record_log < 0) {
        perror("logdisk");
        return 1;
    }
    /* -s: one request at a time, so that the log is in order */
    char *fuse[] = {arguments[0], arguments[3], "-s", "-f", NULL};
    return fuse_main(4, fuse, &operations, NULL);
}
