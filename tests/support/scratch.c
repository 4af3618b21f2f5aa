#include "support/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int scratch_setup(void **state)
{
    struct scratch *scratch = calloc(1, sizeof(*scratch));
    if (scratch == NULL)
        return -1;
    const char *base = getenv("B10_TEST_SCRATCH");
    snprintf(scratch->path, sizeof(scratch->path), "%s/b10test.XXXXXX", base ? base : "/tmp");
    if (mkdtemp(scratch->path) == NULL || chmod(scratch->path, 0755) != 0)
        return -1;
    scratch->fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = scratch;
    return scratch->fd < 0 ? -1 : 0;
}

static int remove_entry(const char *path, const struct stat *stat, int type, struct FTW *where)
{
    (void)stat, (void)type, (void)where;
    return remove(path);
}

int scratch_teardown(void **state)
{
    struct scratch *scratch = *state;
    close(scratch->fd);
    nftw(scratch->path, remove_entry, 32, FTW_DEPTH | FTW_PHYS);
    free(scratch);
    return 0;
}

const char *scratch_path(const struct scratch *scratch, const char *relative)
{
    static char buffers[16][4400];
    static unsigned next;
    char *buffer = buffers[next++ % 16];
    snprintf(buffer, sizeof(buffers[0]), "%s/%s", scratch->path, relative);
    return buffer;
}

static void make_parents(char *path, const char *below)
{
    for (char *slash = path + strlen(below) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST)
            fail_msg("mkdir %s: %d", path, errno);
        *slash = '/';
    }
}

void scratch_write(const struct scratch *scratch, const char *relative, const void *content,
                   size_t size)
{
    char path[4400];
    snprintf(path, sizeof(path), "%s/%s", scratch->path, relative);
    make_parents(path, scratch->path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        fail_msg("open %s: %d", path, errno);
    for (size_t done = 0; done < size;) {
        ssize_t written = write(fd, (const char *)content + done, size - done);
        if (written <= 0)
            fail_msg("write %s: %d", path, errno);
        done += (size_t)written;
    }
    assert_int_equal(close(fd), 0);
}

void scratch_text(const struct scratch *scratch, const char *relative, const char *text)
{
    scratch_write(scratch, relative, text, strlen(text));
}

void scratch_random(const struct scratch *scratch, const char *relative, size_t size, uint32_t seed)
{
    unsigned char *content = malloc(size + 1);
    assert_non_null(content);
    uint64_t x = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    for (size_t i = 0; i < size; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        content[i] = (unsigned char)(x >> 24);
    }
    scratch_write(scratch, relative, content, size);
    free(content);
}

void scratch_mkdir(const struct scratch *scratch, const char *relative)
{
    char path[4400];
    snprintf(path, sizeof(path), "%s/%s/", scratch->path, relative);
    make_parents(path, scratch->path);
}

char *scratch_read(const struct scratch *scratch, const char *relative, size_t *size)
{
    const char *path = scratch_path(scratch, relative);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail_msg("open %s: %d", path, errno);
    struct stat stat;
    assert_int_equal(fstat(fd, &stat), 0);
    char *content = calloc(1, (size_t)stat.st_size + 1);
    assert_non_null(content);
    assert_int_equal(read(fd, content, (size_t)stat.st_size), stat.st_size);
    close(fd);
    if (size != NULL)
        *size = (size_t)stat.st_size;
    return content;
}

int scratch_exists(const struct scratch *scratch, const char *relative)
{
    struct stat stat;
    return fstatat(scratch->fd, relative, &stat, AT_SYMLINK_NOFOLLOW) == 0;
}

static size_t entries;

static int count_entry(const char *path, const struct stat *stat, int type, struct FTW *where)
{
    (void)path, (void)stat, (void)type;
    entries += where->level > 0;
    return 0;
}

size_t scratch_count(const struct scratch *scratch, const char *relative)
{
    entries = 0;
    nftw(scratch_path(scratch, relative), count_entry, 32, FTW_PHYS);
    return entries;
}

size_t scratch_open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    assert_non_null(directory);
    size_t count = 0;
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static void assert_same_file(const char *a, const char *b)
{
    FILE *files[2] = {fopen(a, "re"), fopen(b, "re")};
    if (files[0] == NULL || files[1] == NULL)
        fail_msg("cannot open %s or %s", a, b);
    static char blocks[2][1 << 16];
    for (;;) {
        size_t n = fread(blocks[0], 1, sizeof(blocks[0]), files[0]);
        size_t m = fread(blocks[1], 1, sizeof(blocks[1]), files[1]);
        if (n != m || memcmp(blocks[0], blocks[1], n) != 0)
            fail_msg("content differs: %s and %s", a, b);
        if (n == 0)
            break;
    }
    fclose(files[0]);
    fclose(files[1]);
}

static void assert_same_entry(const char *a, const char *b)
{
    struct stat x;
    struct stat y;
    if (lstat(a, &x) != 0 || lstat(b, &y) != 0)
        fail_msg("missing: %s or %s", a, b);
    if ((x.st_mode & S_IFMT) != (y.st_mode & S_IFMT))
        fail_msg("types differ: %s and %s", a, b);
    if (!S_ISDIR(x.st_mode) &&
        (x.st_mtim.tv_sec != y.st_mtim.tv_sec || x.st_mtim.tv_nsec != y.st_mtim.tv_nsec))
        fail_msg("modification times differ: %s and %s", a, b);
    if (S_ISREG(x.st_mode)) {
        if ((x.st_mode & S_IXUSR) != (y.st_mode & S_IXUSR))
            fail_msg("executable bits differ: %s and %s", a, b);
        assert_same_file(a, b);
    }
    if (S_ISLNK(x.st_mode)) {
        char targets[2][4096] = {{0}, {0}};
        if (readlink(a, targets[0], 4095) < 0 || readlink(b, targets[1], 4095) < 0 ||
            strcmp(targets[0], targets[1]) != 0)
            fail_msg("symlink targets differ: %s and %s", a, b);
    }
}

static size_t count_names(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL)
        fail_msg("opendir %s: %d", path, errno);
    size_t count = 0;
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

void scratch_assert_same_tree(const char *a, const char *b)
{
    if (count_names(a) != count_names(b))
        fail_msg("number of entries differs: %s and %s", a, b);
    DIR *directory = opendir(a);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        size_t size = strlen(a) + strlen(b) + strlen(entry->d_name) + 2;
        char *x = malloc(size);
        char *y = malloc(size);
        snprintf(x, size, "%s/%s", a, entry->d_name);
        snprintf(y, size, "%s/%s", b, entry->d_name);
        assert_same_entry(x, y);
        struct stat stat;
        if (lstat(x, &stat) == 0 && S_ISDIR(stat.st_mode))
            scratch_assert_same_tree(x, y);
        free(x);
        free(y);
    }
    closedir(directory);
}
