#include "fs/io.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/sandbox.h"
#include "support/scratch.h"

static int open_file(const struct scratch *scratch, const char *name, int flags)
{
    int fd = -1;
    assert_int_equal(io_open(&fd, scratch->fd, name, flags, 0666, name, NULL), B10_REASON_OK);
    return fd;
}

static void an_open_descriptor_is_closed_on_exec(void **state)
{
    struct scratch *scratch = *state;
    int fd = open_file(scratch, "f", O_RDWR | O_CREAT);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(io_close(&fd, "f", NULL), B10_REASON_OK);
    assert_int_equal(fd, -1);
}

static void what_is_written_is_read_back(void **state)
{
    struct scratch *scratch = *state;
    char text[16] = "";
    size_t got = 0;
    int fd = open_file(scratch, "f", O_RDWR | O_CREAT);
    assert_int_equal(io_write_full(fd, "hello ", 6, "f", NULL), B10_REASON_OK);
    assert_int_equal(io_pwrite_full(fd, "world", 5, 6, "f", NULL), B10_REASON_OK);
    assert_int_equal(io_fsync(fd, "f", NULL), B10_REASON_OK);
    assert_int_equal(io_pread(fd, text, sizeof(text), 0, &got, "f", NULL), B10_REASON_OK);
    assert_int_equal(got, 11);
    assert_string_equal(text, "hello world");
    assert_int_equal(io_pread_full(fd, text, 5, 6, "f", NULL), B10_REASON_OK);
    assert_memory_equal(text, "world", 5);
    assert_int_equal(io_close(&fd, "f", NULL), B10_REASON_OK);
}

static void a_file_that_ends_early_is_named(void **state)
{
    struct scratch *scratch = *state;
    struct b10_error error = ERROR_NONE;
    char text[16];
    size_t got = 7;
    scratch_text(scratch, "f", "four");
    int fd = open_file(scratch, "f", O_RDONLY);
    assert_int_equal(io_pread_full(fd, text, 5, 0, "the file", &error), B10_REASON_IO);
    assert_non_null(strstr(error.message, "the file"));
    assert_int_equal(error.sys_errno, 0);
    assert_int_equal(io_pread(fd, text, 5, 100, &got, "f", &error), B10_REASON_OK);
    assert_int_equal(got, 0);
    close(fd);
}

static void an_offset_beyond_every_file_is_an_error(void **state)
{
    struct scratch *scratch = *state;
    struct b10_error error = ERROR_NONE;
    char byte = 0;
    size_t got;
    int fd = open_file(scratch, "f", O_RDWR | O_CREAT);
    const uint64_t offsets[] = {UINT64_MAX, (uint64_t)INT64_MAX + 1, INT64_MAX};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(io_pread(fd, &byte, 1, offsets[i], &got, "f", &error), B10_REASON_IO);
        assert_int_not_equal(io_pwrite_full(fd, &byte, 1, offsets[i], "f", &error), B10_REASON_OK);
    }
    close(fd);
}

static void an_absent_file_keeps_its_errno(void **state)
{
    struct scratch *scratch = *state;
    struct b10_error error = ERROR_NONE;
    int fd = 5;
    assert_int_equal(io_open(&fd, scratch->fd, "none", O_RDONLY, 0, "/a/none", &error),
                     B10_REASON_IO);
    assert_int_equal(error.sys_errno, ENOENT);
    assert_non_null(strstr(error.message, "'/a/none'"));
    assert_int_equal(fd, -1);
}

static void a_failed_read_or_write_is_an_error(void **state)
{
    struct scratch *scratch = *state;
    char byte = 0;
    size_t got;
    int fd = open_file(scratch, "f", O_WRONLY | O_CREAT);
    assert_int_equal(io_pread(fd, &byte, 1, 0, &got, "f", NULL), B10_REASON_IO);
    close(fd);
    fd = open_file(scratch, "f", O_RDONLY);
    assert_int_equal(io_write_full(fd, &byte, 1, "f", NULL), B10_REASON_IO);
    assert_int_equal(io_pwrite_full(fd, &byte, 1, 0, "f", NULL), B10_REASON_IO);
    close(fd);
}

static void closing_twice_is_harmless_and_a_bad_descriptor_is_reported(void **state)
{
    struct scratch *scratch = *state;
    int fd = open_file(scratch, "f", O_RDWR | O_CREAT);
    int copy = fd;
    assert_int_equal(io_close(&fd, "f", NULL), B10_REASON_OK);
    assert_int_equal(io_close(&fd, "f", NULL), B10_REASON_OK);
    assert_int_equal(io_close(&copy, "f", NULL), B10_REASON_IO);
    assert_int_equal(copy, -1);
}

static void write_beyond_the_limit(void *context)
{
    struct scratch *scratch = context;
    struct rlimit limit = {.rlim_cur = 10, .rlim_max = 10};
    static const char data[100];
    int fd = openat(scratch->fd, "f", O_RDWR | O_CREAT, 0666);
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHECK(io_write_full(fd, data, 100, "f", NULL) == B10_REASON_NO_SPACE);
    CHECK(io_pwrite_full(fd, data, 100, 0, "f", NULL) == B10_REASON_NO_SPACE);
}

static void a_short_write_goes_on_and_then_says_why(void **state)
{
    sandbox_run(write_beyond_the_limit, *state);
}

static void write_to_full_disk(void *context)
{
    struct scratch *scratch = context;
    static const char data[1 << 18];
    sandbox_private_mounts(scratch);
    sandbox_tmpfs(scratch->path, "size=64k,nr_inodes=4");
    int fd = -1;
    int more = -1;
    struct b10_error error = ERROR_NONE;
    CHECK(io_open(&fd, AT_FDCWD, scratch_path(scratch, "a"), O_RDWR | O_CREAT, 0666, "a", NULL) ==
          B10_REASON_OK);
    CHECK(io_write_full(fd, data, sizeof(data), "a", &error) == B10_REASON_NO_SPACE);
    CHECK(error.sys_errno == ENOSPC);
    char path[4400];
    int reason = B10_REASON_OK;
    for (int i = 0; i < 8 && reason == B10_REASON_OK; i++) {
        snprintf(path, sizeof(path), "%s/n%d", scratch->path, i);
        reason = (int)io_open(&more, AT_FDCWD, path, O_RDWR | O_CREAT, 0666, "n", NULL);
    }
    CHECK(reason == B10_REASON_NO_SPACE);
}

static void a_full_disk_is_no_space_in_bytes_and_in_inodes(void **state)
{
    sandbox_run(write_to_full_disk, *state);
}

static void a_directory_can_be_synced_and_a_file_system_without_that_is_fine(void **state)
{
    struct scratch *scratch = *state;
    int proc = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(io_fsync_directory(scratch->fd, "d", NULL), B10_REASON_OK);
    assert_int_equal(io_fsync_directory(proc, "/proc/self", NULL), B10_REASON_OK);
    assert_int_equal(io_fsync_directory(-1, "nothing", NULL), B10_REASON_IO);
    close(proc);
}

static int rename_file(const struct scratch *scratch, const char *from, const char *to)
{
    return io_rename_noreplace(scratch->fd, from, scratch->fd, to, false);
}

static int rename_directory(const struct scratch *scratch, const char *from, const char *to)
{
    return io_rename_noreplace(scratch->fd, from, scratch->fd, to, true);
}

static bool holds(const struct scratch *scratch, const char *name, const char *text)
{
    char found[64] = "";
    int fd = openat(scratch->fd, name, O_RDONLY | O_CLOEXEC);
    bool same = fd >= 0 && read(fd, found, sizeof(found) - 1) >= 0 && strcmp(found, text) == 0;
    close(fd);
    return same;
}

/* The promises of io_rename_noreplace, whatever the kernel offers. */
static void check_renames(void *context)
{
    struct scratch *scratch = context;
    CHECK(rename_file(scratch, "a", "b") == EEXIST);
    CHECK(holds(scratch, "a", "A") && holds(scratch, "b", "B"));
    CHECK(rename_file(scratch, "a", "dangling") == EEXIST);
    CHECK(rename_file(scratch, "a", "full") == EEXIST);
    CHECK(rename_file(scratch, "a", "c") == 0);
    CHECK(!scratch_exists(scratch, "a") && holds(scratch, "c", "A"));
    CHECK(rename_file(scratch, "none", "d") == ENOENT);
    CHECK(rename_file(scratch, "c", "nowhere/c") == ENOENT);

    CHECK(rename_directory(scratch, "dir", "full") == EEXIST);
    CHECK(rename_directory(scratch, "dir", "b") == EEXIST);
    CHECK(rename_directory(scratch, "dir", "dangling") == EEXIST);
    CHECK(rename_directory(scratch, "dir", "new") == 0);
    CHECK(!scratch_exists(scratch, "dir") && holds(scratch, "new/x", "X"));
    CHECK(rename_directory(scratch, "none", "d") == ENOENT);
}

static void prepare_renames(const struct scratch *scratch)
{
    scratch_text(scratch, "a", "A");
    scratch_text(scratch, "b", "B");
    scratch_text(scratch, "dir/x", "X");
    scratch_text(scratch, "full/y", "Y");
    assert_int_equal(symlinkat("nowhere", scratch->fd, "dangling"), 0);
}

static void a_rename_never_replaces(void **state)
{
    prepare_renames(*state);
    sandbox_run(check_renames, *state);
}

static void renames_after_enosys(void *context)
{
    sandbox_deny(ENOSYS, SYS_renameat2);
    check_renames(context);
}

static void renames_after_eperm(void *context)
{
    sandbox_deny(EPERM, SYS_renameat2);
    check_renames(context);
}

static void renames_after_einval(void *context)
{
    sandbox_deny(EINVAL, SYS_renameat2);
    check_renames(context);
}

static void a_rename_never_replaces_where_renameat2_is_missing(void **state)
{
    prepare_renames(*state);
    sandbox_run(renames_after_enosys, *state);
}

static void a_rename_never_replaces_where_a_filter_refuses_renameat2(void **state)
{
    prepare_renames(*state);
    sandbox_run(renames_after_eperm, *state);
}

static void a_rename_never_replaces_where_the_file_system_lacks_the_flag(void **state)
{
    prepare_renames(*state);
    sandbox_run(renames_after_einval, *state);
}

static void rename_without_links(void *context)
{
    struct scratch *scratch = context;
    sandbox_deny(ENOSYS, SYS_renameat2);
    sandbox_deny(EPERM, SYS_linkat);
    CHECK(rename_file(scratch, "a", "b") == EEXIST);
    CHECK(rename_file(scratch, "a", "c") == EPERM);
    CHECK(holds(scratch, "a", "A") && !scratch_exists(scratch, "c"));
}

static void without_links_either_nothing_is_renamed(void **state)
{
    prepare_renames(*state);
    sandbox_run(rename_without_links, *state);
}

static void rename_over_a_mount(void *context)
{
    struct scratch *scratch = context;
    sandbox_private_mounts(scratch);
    sandbox_tmpfs(scratch_path(scratch, "full"), "size=64k");
    CHECK(rename_directory(scratch, "dir", "full/dir") == EXDEV);
    CHECK(rename_file(scratch, "a", "full/a") == EXDEV);
    sandbox_deny(ENOSYS, SYS_renameat2);
    CHECK(rename_directory(scratch, "dir", "full/dir") == EXDEV);
    CHECK(rename_directory(scratch, "dir", "full") == EBUSY);
    CHECK(rename_file(scratch, "a", "full/a") == EXDEV);
}

static void another_mount_is_told_apart_from_a_taken_name(void **state)
{
    prepare_renames(*state);
    sandbox_run(rename_over_a_mount, *state);
}

static void a_change_of_any_kind_is_seen(void **state)
{
    struct scratch *scratch = *state;
    struct stat before;
    struct stat after;
    scratch_text(scratch, "f", "1234");
    assert_int_equal(fstatat(scratch->fd, "f", &before, 0), 0);
    assert_int_equal(fstatat(scratch->fd, "f", &after, 0), 0);
    assert_true(io_unchanged(&before, &after));
    assert_true(io_same_file(&before, &after));

    after.st_mtim.tv_nsec ^= 1;
    assert_false(io_unchanged(&before, &after));
    after = before;
    after.st_ctim.tv_nsec ^= 1;
    assert_false(io_unchanged(&before, &after));
    after = before;
    after.st_size++;
    assert_false(io_unchanged(&before, &after));
    after = before;
    after.st_ino++;
    assert_false(io_unchanged(&before, &after));
    assert_false(io_same_file(&before, &after));
    after = before;
    after.st_dev++;
    assert_false(io_same_file(&before, &after));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_open_descriptor_is_closed_on_exec),
        TEST(what_is_written_is_read_back),
        TEST(a_file_that_ends_early_is_named),
        TEST(an_offset_beyond_every_file_is_an_error),
        TEST(an_absent_file_keeps_its_errno),
        TEST(a_failed_read_or_write_is_an_error),
        TEST(closing_twice_is_harmless_and_a_bad_descriptor_is_reported),
        TEST(a_short_write_goes_on_and_then_says_why),
        TEST(a_full_disk_is_no_space_in_bytes_and_in_inodes),
        TEST(a_directory_can_be_synced_and_a_file_system_without_that_is_fine),
        TEST(a_rename_never_replaces),
        TEST(a_rename_never_replaces_where_renameat2_is_missing),
        TEST(a_rename_never_replaces_where_a_filter_refuses_renameat2),
        TEST(a_rename_never_replaces_where_the_file_system_lacks_the_flag),
        TEST(without_links_either_nothing_is_renamed),
        TEST(another_mount_is_told_apart_from_a_taken_name),
        TEST(a_change_of_any_kind_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
