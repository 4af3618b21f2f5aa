#include "fs/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(SYS_openat2) && __has_include(<linux/openat2.h>)
#include <linux/openat2.h>
#define HAVE_OPENAT2 1
#else
#define HAVE_OPENAT2 0
#endif

#include "base/guard.h"
#include "fs/io.h"
#include "fs/path.h"

static const int directory_flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

#if HAVE_OPENAT2

enum openat2_answer { OPENAT2_UNKNOWN, OPENAT2_WORKS, OPENAT2_MISSING };
static _Atomic int openat2_answer = OPENAT2_UNKNOWN;

static int openat2_directory(int dirfd, const char *path, uint64_t resolve)
{
    struct open_how how = {.flags = (uint64_t)(unsigned int)directory_flags, .resolve = resolve};
    return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
}

/* "/" can be opened by everyone: a refusal is the kernel's or a filter's, not the file system's. */
static bool openat2_probe(void)
{
    int fd = openat2_directory(AT_FDCWD, "/", RESOLVE_NO_SYMLINKS);
    atomic_store(&openat2_answer, fd >= 0 ? OPENAT2_WORKS : OPENAT2_MISSING);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool openat2_works(void)
{
    int answer = atomic_load(&openat2_answer);
    return answer == OPENAT2_UNKNOWN ? openat2_probe() : answer == OPENAT2_WORKS;
}

/* True when the answer counts (*fd, or -1 and errno); false when openat2 cannot be used. */
static bool open_at_once(int *fd, int root, const char *path)
{
    if (!openat2_works())
        return false;
    *fd = openat2_directory(root, path, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (*fd >= 0)
        return true;
    int failed = errno;
    /* A filter may have been installed since the probe; EAGAIN comes from a concurrent rename. */
    if (failed == EAGAIN || ((failed == EPERM || failed == ENOSYS) && !openat2_probe()))
        return false;
    errno = failed;
    return true;
}

#else

static bool open_at_once(int *fd, int root, const char *path)
{
    (void)fd, (void)root, (void)path;
    return false;
}

#endif

/* Descriptor of `path` below root, or -1 and errno; each component is opened in the one before,
 * none through a link. */
static int open_by_components(int root, const char *path)
{
    SCOPED(fd) int fd = -1;
    int at = root;
    for (const char *component = path; *component != '\0';) {
        char name[PATH_NAME_LIMIT + 1];
        size_t length = strcspn(component, "/");
        memcpy(name, component, length);
        name[length] = '\0';
        int next = openat(at, name, directory_flags);
        if (next < 0)
            return -1;
        fd_guard(&fd);
        at = fd = next;
        component += length;
        component += strspn(component, "/");
    }
    return fd_take(&fd);
}

static enum b10_reason refused(int failed, const char *path, struct b10_error *error)
{
    char quoted[256];
    path_quote(quoted, sizeof(quoted), path);
    if (failed == EXDEV || failed == ELOOP || failed == ENOTDIR)
        return error_set(error, B10_REASON_UNSAFE, "'%s' leads through something not a directory",
                         quoted);
    if (failed == ENOENT)
        return error_set(error, B10_REASON_CORRUPT, "directory '%s' does not exist", quoted);
    return error_errno(error, failed, "cannot open directory '%s'", quoted);
}

enum b10_reason beneath_directory(int *out, int root, const char *path, struct b10_error *error)
{
    if (*path == '\0')
        return io_open(out, root, ".", directory_flags, 0, ".", error);
    if (!path_is_member(path)) {
        char quoted[256];
        return error_set(error, B10_REASON_UNSAFE, "'%s' is not a path below a root",
                         path_quote(quoted, sizeof(quoted), path));
    }
    int fd = -1;
    if (!open_at_once(&fd, root, path))
        fd = open_by_components(root, path);
    if (fd < 0)
        return refused(errno, path, error);
    *out = fd;
    return B10_REASON_OK;
}

void beneath_cache_init(struct beneath_cache *cache, int root)
{
    cache->root = root;
    cache->asked = 0;
    cache->single = -1;
    for (size_t i = 0; i < BENEATH_KEPT; i++) {
        cache->kept[i].fd = -1;
        cache->kept[i].asked = 0;
    }
}

void beneath_cache_release(struct beneath_cache *cache)
{
    for (size_t i = 0; i < BENEATH_KEPT; i++)
        fd_guard(&cache->kept[i].fd);
    fd_guard(&cache->single);
    beneath_cache_init(cache, cache->root);
}

void beneath_cache_guard(struct beneath_cache *cache)
{
    beneath_cache_release(cache);
}

static enum b10_reason open_single(struct beneath_cache *cache, const char *path, size_t length,
                                   int *dirfd, struct b10_error *error)
{
    char directory[PATH_LIMIT + 1];
    snprintf(directory, sizeof(directory), "%.*s", (int)length, path);
    fd_guard(&cache->single);
    TRY(beneath_directory(&cache->single, cache->root, directory, error));
    *dirfd = cache->single;
    return B10_REASON_OK;
}

/* The slot that has this directory, else the one that was not asked for the longest. */
static size_t slot_for(const struct beneath_cache *cache, const char *path, size_t length,
                       bool *found)
{
    size_t oldest = 0;
    for (size_t i = 0; i < BENEATH_KEPT; i++) {
        if (cache->kept[i].fd >= 0 && cache->kept[i].length == length &&
            memcmp(cache->kept[i].path, path, length) == 0) {
            *found = true;
            return i;
        }
        if (cache->kept[i].asked < cache->kept[oldest].asked)
            oldest = i;
    }
    return oldest;
}

static enum b10_reason keep(struct beneath_cache *cache, const char *path, size_t length,
                            int *dirfd, struct b10_error *error)
{
    bool found = false;
    size_t slot = slot_for(cache, path, length, &found);
    if (!found) {
        fd_guard(&cache->kept[slot].fd);
        memcpy(cache->kept[slot].path, path, length);
        cache->kept[slot].path[length] = '\0';
        cache->kept[slot].length = length;
        TRY(beneath_directory(&cache->kept[slot].fd, cache->root, cache->kept[slot].path, error));
    }
    cache->kept[slot].asked = ++cache->asked;
    *dirfd = cache->kept[slot].fd;
    return B10_REASON_OK;
}

enum b10_reason beneath_parent(struct beneath_cache *cache, const char *path, int *dirfd,
                               const char **leaf, struct b10_error *error)
{
    if (!path_is_member(path)) {
        char quoted[256];
        return error_set(error, B10_REASON_UNSAFE, "'%s' is not a path below a root",
                         path_quote(quoted, sizeof(quoted), path));
    }
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    *leaf = slash == NULL ? path : slash + 1;
    if (length < BENEATH_KEPT_PATH)
        return keep(cache, path, length, dirfd, error);
    return open_single(cache, path, length, dirfd, error);
}
