/* A volume that fails on demand: a directory seen through FUSE, with rules for what goes wrong.
 *
 *     faultfs [--rules FILE] [--log FILE] [--latency MS] [--bandwidth MB_PER_S] [--cache SECONDS] DIRECTORY MOUNTPOINT
 *
 * --latency is added to every operation, --bandwidth caps each open file, --cache is how long the kernel may remember
 * names and attributes (default 0: every look reaches this program and its log). It stays in the foreground and dies with
 * the process that started it; killed, it gives whoever waits for it ENOTCONN. rules.h explains the rules. */
#define FUSE_USE_VERSION 31
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fault/faultfs/pace.h"
#include "fault/faultfs/rules.h"

enum { PATH_SIZE = 4400, IO_MAX = 1 << 20 };

static struct {
    const char *backing;
    double cache_s;
} volume;

/* An open file or directory: what fuse_file_info.fh holds. */
struct opened {
    int fd;
    bool is_written;
    struct pace pace;
    char path[]; /* by which it was opened */
};

/* Path below the directory behind the volume. */
struct below {
    char path[PATH_SIZE];
};

static struct below below(const char *path)
{
    struct below full;
    snprintf(full.path, sizeof(full.path), "%s%s", volume.backing, path);
    return full;
}

static struct opened *opened(const struct fuse_file_info *info)
{
    return (struct opened *)(uintptr_t)info->fh;
}

static struct fault meet_bytes(const char *operation, const char *path, off_t offset, size_t size)
{
    pace_operation();
    return rules_meet(operation, path, offset, size);
}

static struct fault meet(const char *operation, const char *path)
{
    return meet_bytes(operation, path, 0, 0);
}

/* What FUSE is told about a system call that answered `result`. */
static int answer(int result, const struct fault *fault)
{
    if (result < 0)
        return -errno;
    return fault->late != 0 ? -fault->late : result;
}

/* Begins an operation: the fault it meets, or the end of it. */
#define MEET(operation, path)                                                                      \
    const struct fault fault = meet(operation, path);                                              \
    if (fault.error != 0)                                                                          \
    return -fault.error

/* ---- names ---- */

static int op_getattr(const char *path, struct stat *stat, struct fuse_file_info *info)
{
    MEET("getattr", info != NULL ? opened(info)->path : path);
    int result = info != NULL ? fstat(opened(info)->fd, stat) : lstat(below(path).path, stat);
    stat->st_mtime += fault.skew_s;
    return answer(result, &fault);
}

static int op_readlink(const char *path, char *text, size_t size)
{
    MEET("readlink", path);
    ssize_t length = readlink(below(path).path, text, size - 1);
    if (length >= 0)
        text[length] = '\0';
    return answer(length < 0 ? -1 : 0, &fault);
}

static int op_mkdir(const char *path, mode_t mode)
{
    MEET("mkdir", path);
    return answer(mkdir(below(path).path, mode), &fault);
}

static int op_unlink(const char *path)
{
    MEET("unlink", path);
    return answer(unlink(below(path).path), &fault);
}

static int op_rmdir(const char *path)
{
    MEET("rmdir", path);
    return answer(rmdir(below(path).path), &fault);
}

static int op_symlink(const char *text, const char *path)
{
    MEET("symlink", path);
    return answer(symlink(text, below(path).path), &fault);
}

static int op_rename(const char *from, const char *to, unsigned flags)
{
    MEET("rename", from);
    return answer(renameat2(AT_FDCWD, below(from).path, AT_FDCWD, below(to).path, flags), &fault);
}

static int op_link(const char *from, const char *to)
{
    MEET("link", from);
    return answer(link(below(from).path, below(to).path), &fault);
}

static int op_chmod(const char *path, mode_t mode, struct fuse_file_info *info)
{
    MEET("chmod", info != NULL ? opened(info)->path : path);
    return answer(info != NULL ? fchmod(opened(info)->fd, mode) : chmod(below(path).path, mode),
                  &fault);
}

static int op_chown(const char *path, uid_t user, gid_t group, struct fuse_file_info *info)
{
    MEET("chown", info != NULL ? opened(info)->path : path);
    return answer(info != NULL ? fchown(opened(info)->fd, user, group)
                               : lchown(below(path).path, user, group),
                  &fault);
}

static int op_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *info)
{
    MEET("utimens", info != NULL ? opened(info)->path : path);
    return answer(info != NULL ? futimens(opened(info)->fd, times)
                               : utimensat(AT_FDCWD, below(path).path, times, AT_SYMLINK_NOFOLLOW),
                  &fault);
}

static int op_truncate(const char *path, off_t size, struct fuse_file_info *info)
{
    MEET("truncate", info != NULL ? opened(info)->path : path);
    return answer(info != NULL ? ftruncate(opened(info)->fd, size)
                               : truncate(below(path).path, size),
                  &fault);
}

static int op_statfs(const char *path, struct statvfs *space)
{
    MEET("statfs", path);
    int result = statvfs(below(path).path, space);
    if (fault.has_avail)
        space->f_bavail = space->f_bfree = fault.avail / space->f_frsize;
    if (fault.is_zero)
        memset(space, 0, sizeof(*space));
    return answer(result, &fault);
}

/* ---- open files and directories ---- */

static int keep_open(int fd, const char *path, struct fuse_file_info *info,
                     const struct fault *fault)
{
    if (fd < 0)
        return -errno;
    if (fault->late != 0) {
        close(fd);
        return -fault->late;
    }
    struct opened *file = calloc(1, sizeof(*file) + strlen(path) + 1);
    if (file == NULL) {
        close(fd);
        return -ENOMEM;
    }
    file->fd = fd;
    file->is_written = (info->flags & O_ACCMODE) != O_RDONLY;
    pace_init(&file->pace);
    strcpy(file->path, path);
    info->fh = (uintptr_t)file;
    return 0;
}

static int op_open(const char *path, struct fuse_file_info *info)
{
    MEET("open", path);
    return keep_open(open(below(path).path, info->flags | O_CLOEXEC), path, info, &fault);
}

static int op_create(const char *path, mode_t mode, struct fuse_file_info *info)
{
    MEET("create", path);
    return keep_open(open(below(path).path, info->flags | O_CREAT | O_CLOEXEC, mode), path, info,
                     &fault);
}

static int op_opendir(const char *path, struct fuse_file_info *info)
{
    MEET("opendir", path);
    return keep_open(open(below(path).path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), path, info,
                     &fault);
}

static int op_read(const char *path, char *bytes, size_t size, off_t offset,
                   struct fuse_file_info *info)
{
    (void)path;
    const struct fault fault = meet_bytes("read", opened(info)->path, offset, size);
    if (fault.error != 0)
        return -fault.error;
    if (fault.is_short && fault.size < size)
        size = fault.size;
    ssize_t got = pread(opened(info)->fd, bytes, size, offset);
    if (fault.is_flipped && got > fault.flipped - offset)
        bytes[fault.flipped - offset] ^= 1;
    if (got > 0)
        pace_transfer(&opened(info)->pace, (size_t)got);
    return answer((int)got, &fault);
}

static int op_write(const char *path, const char *bytes, size_t size, off_t offset,
                    struct fuse_file_info *info)
{
    (void)path;
    MEET("write", opened(info)->path);
    if (fault.is_short && fault.size < size)
        size = fault.size;
    ssize_t put = pwrite(opened(info)->fd, bytes, size, offset);
    if (put > 0)
        pace_transfer(&opened(info)->pace, (size_t)put);
    return answer((int)put, &fault);
}

/* close() waits for this one, and gives its answer. */
static int op_flush(const char *path, struct fuse_file_info *info)
{
    (void)path;
    MEET(opened(info)->is_written ? "flush" : "close", opened(info)->path);
    return answer(close(dup(opened(info)->fd)), &fault);
}

static int op_fsync(const char *path, int data_only, struct fuse_file_info *info)
{
    (void)path, (void)data_only;
    MEET("fsync", opened(info)->path);
    return answer(fsync(opened(info)->fd), &fault);
}

static int op_fsyncdir(const char *path, int data_only, struct fuse_file_info *info)
{
    (void)path, (void)data_only;
    MEET("fsyncdir", opened(info)->path);
    return answer(fsync(opened(info)->fd), &fault);
}

/* Nobody waits for this one. */
static int op_release(const char *path, struct fuse_file_info *info)
{
    (void)path;
    const struct fault fault = rules_meet("release", opened(info)->path, 0, 0);
    close(opened(info)->fd);
    free(opened(info));
    return -fault.error;
}

static int op_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
                      struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
    (void)path, (void)offset, (void)flags;
    MEET("readdir", opened(info)->path);
    DIR *directory = opendir(below(opened(info)->path).path);
    if (directory == NULL)
        return -errno;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        (void)fill(buffer, entry->d_name, NULL, 0, 0);
    closedir(directory);
    return -fault.late;
}

static void *op_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    connection->max_write = IO_MAX;
    connection->max_read = IO_MAX;
    connection->max_readahead = IO_MAX;
    config->use_ino = 1;
    config->hard_remove = 1;
    config->nullpath_ok = 1;
    config->attr_timeout = config->entry_timeout = volume.cache_s;
    config->negative_timeout = 0;
    return NULL;
}

static const struct fuse_operations operations = {
    .init = op_init,
    .getattr = op_getattr,
    .readlink = op_readlink,
    .mkdir = op_mkdir,
    .unlink = op_unlink,
    .rmdir = op_rmdir,
    .symlink = op_symlink,
    .rename = op_rename,
    .link = op_link,
    .chmod = op_chmod,
    .chown = op_chown,
    .truncate = op_truncate,
    .open = op_open,
    .create = op_create,
    .read = op_read,
    .write = op_write,
    .statfs = op_statfs,
    .flush = op_flush,
    .release = op_release,
    .fsync = op_fsync,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .releasedir = op_release,
    .fsyncdir = op_fsyncdir,
    .utimens = op_utimens,
};

static bool read_options(int count, char **words)
{
    static const struct option options[] = {
        {"rules", required_argument, NULL, 'r'},   {"log", required_argument, NULL, 'l'},
        {"latency", required_argument, NULL, 'w'}, {"bandwidth", required_argument, NULL, 'b'},
        {"cache", required_argument, NULL, 'c'},   {NULL, 0, NULL, 0},
    };
    const char *rules = NULL;
    const char *log = NULL;
    double latency_ms = 0;
    double mb_per_s = 0;
    for (int option; (option = getopt_long(count, words, "", options, NULL)) != -1;) {
        if (option == 'r')
            rules = optarg;
        else if (option == 'l')
            log = optarg;
        else if (option == 'w')
            latency_ms = strtod(optarg, NULL);
        else if (option == 'b')
            mb_per_s = strtod(optarg, NULL);
        else if (option == 'c')
            volume.cache_s = strtod(optarg, NULL);
        else
            return false;
    }
    rules_init(rules, log);
    pace_set(latency_ms, mb_per_s);
    return count - optind == 2;
}

int main(int count, char **words)
{
    static char settings[] = "default_permissions,allow_other,fsname=faultfs,max_read=1048576,"
                             "max_idle_threads=64";
    if (!read_options(count, words))
        return 2;
    volume.backing = words[optind];
    umask(0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char *fuse[] = {words[0], words[optind + 1], "-f", "-o", settings};
    return fuse_main((int)(sizeof(fuse) / sizeof(*fuse)), fuse, &operations, NULL);
}
