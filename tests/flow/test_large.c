/* Large caches: a file of 5 GiB, 100,000 files in 3,000 directories, and the memory that they take. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "support/sandbox.h"
#include "support/stored.h"

#ifndef __has_feature /* clang's way to say it */
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static void need_space(const struct scratch *scratch, unsigned long long bytes)
{
    struct statvfs space;
    assert_int_equal(statvfs(scratch->path, &space), 0);
    if (space.f_bavail * space.f_frsize >= bytes)
        return;
    print_message("skipped: less than %llu MB free at %s\n", bytes >> 20, scratch->path);
    skip();
}

/* The peak of this process since it began, in bytes. */
static size_t peak_memory(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return (size_t)usage.ru_maxrss * 1024;
}

/* What a save or a load of `files` may take at most; the sanitizers' own share is not ours. */
static void assert_memory(const char *what, size_t files)
{
    const size_t allowed = ((size_t)64 << 20) + 250 * files;
    const size_t peak = peak_memory();
    if (!SANITIZED && peak > allowed)
        fail_msg("%s took %zu KB, more than %zu KB", what, peak >> 10, allowed >> 10);
}

/* ---- one large file ---- */

static const off_t sparse_size = ((off_t)5 << 30) + 12345;
/* At the beginning, across the marks of 2 and 4 GiB, at the end. */
static const off_t marks[] = {0, ((off_t)2 << 30) - 3, ((off_t)4 << 30) - 3,
                              ((off_t)5 << 30) + 12337};

static void save_in_child(void *context)
{
    struct replica *replica = context;
    stored_destination(replica, "saved", NULL);
    replica_assert(replica, replica_save(replica), B10_SUCCESS, B10_REASON_OK);
    assert_memory("the save", (size_t)replica->report.files);
}

static void load_in_child(void *context)
{
    struct replica *replica = context;
    stored_destination(replica, "local", NULL);
    replica_assert(replica, replica_load(replica), B10_SUCCESS, B10_REASON_OK);
    assert_memory("the load", (size_t)replica->report.files);
}

static void make_sparse(const struct scratch *scratch)
{
    scratch_text(scratch, "saved/sparse", "");
    int fd = openat(scratch->fd, "saved/sparse", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, sparse_size), 0);
    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++)
        assert_int_equal(pwrite(fd, &marks[i], 8, marks[i]), 8);
    close(fd);
}

/* The marks stand where they stood, and between them is nothing. */
static void assert_sparse(const struct scratch *scratch)
{
    struct stat before;
    struct stat after;
    off_t mark;
    int fd = openat(scratch->fd, "local/sparse", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(lstat(scratch_path(scratch, "saved/sparse"), &before), 0);
    assert_int_equal(fstat(fd, &after), 0);
    assert_int_equal(after.st_size, sparse_size);
    assert_int_equal(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
    assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
        assert_int_equal(pread(fd, &mark, 8, marks[i]), 8);
        assert_int_equal(mark, marks[i]);
    }
    assert_true(after.st_blocks * 512 < 64 << 20);
    close(fd);
}

/* Whatever is data in the loaded file lies within a slice of a mark; the rest reads as zeros. */
static void assert_only_marks(const struct scratch *scratch)
{
    static unsigned char block[1 << 20];
    off_t data = 0;
    int fd = openat(scratch->fd, "local/sparse", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    size_t set = 0;
    while ((data = lseek(fd, data, SEEK_DATA)) >= 0) {
        ssize_t got = pread(fd, block, sizeof(block), data);
        assert_true(got > 0);
        for (ssize_t i = 0; i < got; i++)
            set += block[i] != 0;
        data += got;
    }
    size_t expected = 0;
    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++)
        for (size_t byte = 0; byte < 8; byte++)
            expected += ((const unsigned char *)&marks[i])[byte] != 0;
    assert_int_equal(set, expected);
    close(fd);
}

static void a_sparse_file_of_5_gib_comes_back_and_stays_sparse(void **state)
{
    struct replica replica;
    if (SANITIZED) {
        print_message("skipped: 5 GiB take too long under a sanitizer\n");
        skip();
    }
    need_space(*state, 6ULL << 30); /* the announced size has to be free, though it is not used */
    replica_init(&replica, *state);
    make_sparse(*state);
    sandbox_run(save_in_child, &replica);
    sandbox_run(load_in_child, &replica);
    assert_sparse(*state);
    assert_only_marks(*state);
    stored_nothing_left(*state);
    replica_release(&replica);
}

static void a_file_beyond_64_times_the_limit_is_too_large_before_it_is_published(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    scratch_text(*state, "saved/sparse", "");
    assert_int_equal(truncate(scratch_path(*state, "saved/sparse"), (off_t)65 << 20), 0);
    replica_set(&replica, "max_cache_size_mb", "1");
    stored_destination(&replica, "saved", NULL);
    replica_assert(&replica, replica_save(&replica), B10_ERROR, B10_REASON_TOO_LARGE);
    assert_int_equal(replica_volume_entries(&replica), 0);
    replica_release(&replica);
}

/* ---- many small files ---- */

enum {
    DIRECTORIES = SANITIZED ? 300 : 3000,
    FILES = SANITIZED ? 10000 : 100000,
};

/* About a quarter of the files equal others, as in a cache of Triton's. */
static void make_files(const struct scratch *scratch)
{
    char name[64];
    char text[400];
    for (unsigned i = 0; i < DIRECTORIES; i++) {
        snprintf(name, sizeof(name), "saved/%02x/%u", i % 64, i);
        scratch_mkdir(scratch, name);
    }
    for (unsigned i = 0; i < FILES; i++) {
        const unsigned directory = i % DIRECTORIES;
        const unsigned content = i % 4 == 0 ? i % 64 : i;
        int size =
            snprintf(text, sizeof(text), "# kernel %u\n%*s\n", content, (int)(content % 300), "x");
        snprintf(name, sizeof(name), "saved/%02x/%u/%u.py", directory % 64, directory, i);
        int fd = openat(scratch->fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, (size_t)size), size);
        close(fd);
    }
}

/* In memory, where it can be had: a disk would take minutes over so many files. */
static void cover_with_tmpfs(struct scratch *scratch)
{
    if (geteuid() != 0)
        return;
    sandbox_private_mounts(scratch);
    sandbox_tmpfs(scratch->path, "size=3g,nr_inodes=1m");
    close(scratch->fd);
    scratch->fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(scratch->fd >= 0);
}

static void many_files(void *context)
{
    struct replica replica;
    struct scratch *scratch = context;
    cover_with_tmpfs(scratch);
    replica_init(&replica, scratch);
    make_files(scratch);
    sandbox_run(save_in_child, &replica);
    sandbox_run(load_in_child, &replica);
    scratch_assert_same_tree(scratch_path(scratch, "saved"), scratch_path(scratch, "local"));
    assert_int_equal(scratch_count(scratch, "local"),
                     FILES + DIRECTORIES + (DIRECTORIES < 64 ? DIRECTORIES : 64));
    assert_int_equal(b10_verify(replica_config(&replica), NULL, replica_archive(&replica), NULL,
                                &replica.error),
                     B10_SUCCESS);
    assert_int_equal(b10_clear(replica_config(&replica), NULL, NULL, &replica.error), B10_SUCCESS);
    assert_int_equal(scratch_count(scratch, "local"), 0);
    stored_nothing_left(scratch);
    replica_release(&replica);
}

static void a_hundred_thousand_files_come_back_in_little_memory(void **state)
{
    need_space(*state, 2ULL << 30);
    sandbox_run(many_files, *state);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(a_sparse_file_of_5_gib_comes_back_and_stays_sparse),
        ROW(a_file_beyond_64_times_the_limit_is_too_large_before_it_is_published),
        ROW(a_hundred_thousand_files_come_back_in_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
