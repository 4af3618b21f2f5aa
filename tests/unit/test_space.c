#include "fs/space.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/sandbox.h"
#include "support/scratch.h"

static void free_space_is_read(void **state)
{
    struct scratch *scratch = *state;
    struct space space = {0};
    assert_int_equal(space_read(&space, scratch->fd, "d", NULL), B10_REASON_OK);
    assert_true(space.free_bytes > 0);
    assert_true(space.free_inodes > 0);
}

static void what_is_there_is_enough_and_more_is_not(void **state)
{
    struct scratch *scratch = *state;
    struct b10_error error = ERROR_NONE;
    assert_int_equal(space_require(scratch->fd, "d", 1, 1, 1, NULL), B10_REASON_OK);
    const uint64_t much = UINT64_C(1) << 60;
    assert_int_equal(space_require(scratch->fd, "the disk", much, 1, 5, &error),
                     B10_REASON_NO_SPACE);
    assert_non_null(strstr(error.message, "'the disk'"));
    assert_non_null(strstr(error.message, "1152921504606846976"));
    assert_non_null(strstr(error.message, " 5 "));
    assert_int_equal(space_require(scratch->fd, "d", 1, 1, much, NULL), B10_REASON_NO_SPACE);
    assert_int_equal(space_require(scratch->fd, "d", UINT64_MAX, 1, UINT64_MAX, NULL),
                     B10_REASON_NO_SPACE);
}

static void measure_small_disk(void *context)
{
    struct scratch *scratch = context;
    struct space space = {0};
    struct b10_error error = ERROR_NONE;
    sandbox_private_mounts(scratch);
    sandbox_tmpfs(scratch->path, "size=1m,nr_inodes=10");
    int fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(space_read(&space, fd, "d", NULL) == B10_REASON_OK);
    CHECK(space.free_bytes == 1 << 20 && space.free_inodes == 9);
    CHECK(space_require(fd, "d", 1 << 19, 9, 1 << 19, NULL) == B10_REASON_OK);
    CHECK(space_require(fd, "d", 1 << 19, 9, (1 << 19) + 1, NULL) == B10_REASON_NO_SPACE);
    CHECK(space_require(fd, "d", 1, 10, 1, &error) == B10_REASON_NO_SPACE);
    CHECK(strstr(error.message, "inodes") != NULL && strstr(error.message, "10") != NULL);
}

static void bytes_and_inodes_are_exact(void **state)
{
    sandbox_run(measure_small_disk, *state);
}

/* As the watchdog asks: nothing more is needed, but the floor and an inode. */
static enum b10_reason ask_for_floor(int fd, uint64_t floor_bytes, struct b10_error *error)
{
    return space_require(fd, "the disk", 0, 1, floor_bytes, error);
}

static void fill_small_disk(void *context)
{
    struct scratch *scratch = context;
    struct b10_error error = ERROR_NONE;
    char path[4400];
    static const char block[4096];
    sandbox_private_mounts(scratch);
    sandbox_tmpfs(scratch->path, "size=1m,nr_inodes=10");
    int fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(ask_for_floor(fd, 1 << 20, NULL) == B10_REASON_OK);

    snprintf(path, sizeof(path), "%s/f", scratch->path);
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    CHECK(write(file, block, sizeof(block)) == sizeof(block));
    CHECK(ask_for_floor(fd, 1 << 20, &error) == B10_REASON_NO_SPACE);
    CHECK(strstr(error.message, "'the disk'") != NULL);

    CHECK(ask_for_floor(fd, 0, NULL) == B10_REASON_OK);
    for (int i = 0; i < 8; i++) {
        snprintf(path, sizeof(path), "%s/%d", scratch->path, i);
        CHECK(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666) >= 0);
    }
    CHECK(ask_for_floor(fd, 0, &error) == B10_REASON_NO_SPACE);
    CHECK(strstr(error.message, "inode") != NULL);
}

static void the_floor_and_the_last_inode_are_told(void **state)
{
    sandbox_run(fill_small_disk, *state);
}

static void a_file_system_that_says_nothing_counts_as_unknown(void **state)
{
    (void)state;
    struct space space = {0};
    int fd = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(space_read(&space, fd, "/proc", NULL), B10_REASON_OK);
    assert_true(space.free_bytes == UINT64_MAX);
    assert_true(space.free_inodes == UINT64_MAX);
    assert_int_equal(space_require(fd, "/proc", UINT64_MAX, UINT64_MAX, 1, NULL), B10_REASON_OK);
    assert_int_equal(space_require(fd, "/proc", 0, 1, UINT64_MAX, NULL), B10_REASON_OK);
    close(fd);
}

static void a_bad_descriptor_is_an_error(void **state)
{
    (void)state;
    struct space space;
    struct b10_error error = ERROR_NONE;
    assert_int_equal(space_read(&space, -1, "x", &error), B10_REASON_IO);
    assert_int_equal(error.sys_errno, EBADF);
    assert_int_equal(space_require(-1, "x", 0, 0, 0, NULL), B10_REASON_IO);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(free_space_is_read),
        TEST(what_is_there_is_enough_and_more_is_not),
        TEST(bytes_and_inodes_are_exact),
        TEST(the_floor_and_the_last_inode_are_told),
        TEST(a_file_system_that_says_nothing_counts_as_unknown),
        TEST(a_bad_descriptor_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
