#include "fs/clone.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/sandbox.h"
#include "support/scratch.h"

enum { SIZE = 3 * (1 << 20) + 17 };

static int source_of(const struct scratch *scratch)
{
    return openat(scratch->fd, "from", O_RDONLY | O_CLOEXEC);
}

static int target_in(const struct scratch *scratch)
{
    return openat(scratch->fd, "to", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

static void assert_copied(const struct scratch *scratch, size_t size)
{
    size_t from_size;
    size_t to_size;
    char *from = scratch_read(scratch, "from", &from_size);
    char *to = scratch_read(scratch, "to", &to_size);
    CHECK(to_size == size && from_size >= size);
    CHECK(memcmp(from, to, size) == 0);
    free(from);
    free(to);
}

struct counting {
    uint64_t last;
    unsigned calls;
    unsigned stop_at;
    bool rose;
};

static enum b10_reason count(void *user, uint64_t copied, struct b10_error *error)
{
    struct counting *counting = user;
    counting->rose = copied > counting->last && (counting->calls == 0 || counting->rose);
    counting->last = copied;
    if (++counting->calls == counting->stop_at)
        return error_set(error, B10_REASON_CANCELLED, "stopped");
    return B10_REASON_OK;
}

static void a_file_is_copied_whole_and_told_of(void **state)
{
    struct scratch *scratch = *state;
    struct counting counting = {0};
    scratch_random(scratch, "from", SIZE, 1);
    int from = source_of(scratch);
    int to = target_in(scratch);
    assert_int_equal(clone_file(from, to, SIZE, "from", count, &counting, NULL), B10_REASON_OK);
    assert_int_equal(counting.last, SIZE);
    assert_true(counting.rose);
    assert_copied(scratch, SIZE);
    close(from);
    close(to);
}

static void the_position_of_the_source_does_not_matter(void **state)
{
    struct scratch *scratch = *state;
    scratch_random(scratch, "from", SIZE, 2);
    int from = source_of(scratch);
    int to = target_in(scratch);
    assert_int_equal(lseek(from, 100, SEEK_SET), 100);
    assert_int_equal(clone_file(from, to, SIZE, "from", NULL, NULL, NULL), B10_REASON_OK);
    assert_copied(scratch, SIZE);
    close(from);
    close(to);
}

static void an_empty_file_stays_empty(void **state)
{
    struct scratch *scratch = *state;
    scratch_text(scratch, "from", "");
    int from = source_of(scratch);
    int to = target_in(scratch);
    assert_int_equal(clone_file(from, to, 0, "from", NULL, NULL, NULL), B10_REASON_OK);
    assert_copied(scratch, 0);
    close(from);
    close(to);
}

static void what_the_source_grew_by_is_left_out(void **state)
{
    struct scratch *scratch = *state;
    scratch_random(scratch, "from", SIZE, 3);
    int from = source_of(scratch);
    int to = target_in(scratch);
    assert_int_equal(clone_file(from, to, SIZE - 5000, "from", NULL, NULL, NULL), B10_REASON_OK);
    assert_copied(scratch, SIZE - 5000);
    close(from);
    close(to);
}

static void a_source_that_ends_early_is_an_error(void **state)
{
    struct scratch *scratch = *state;
    struct b10_error error = ERROR_NONE;
    scratch_random(scratch, "from", SIZE, 4);
    int from = source_of(scratch);
    int to = target_in(scratch);
    assert_int_equal(clone_file(from, to, SIZE + 1, "the source", NULL, NULL, &error),
                     B10_REASON_IO);
    assert_non_null(strstr(error.message, "'the source'"));
    close(from);
    close(to);
}

static void holes_come_back_as_zeros(void **state)
{
    struct scratch *scratch = *state;
    scratch_text(scratch, "from", "begin");
    assert_int_equal(truncate(scratch_path(scratch, "from"), SIZE), 0);
    int from = source_of(scratch);
    int to = target_in(scratch);
    assert_int_equal(clone_file(from, to, SIZE, "from", NULL, NULL, NULL), B10_REASON_OK);
    assert_copied(scratch, SIZE);
    close(from);
    close(to);
}

static void copy_without_reflink(void *context)
{
    struct scratch *scratch = context;
    struct counting counting = {0};
    sandbox_deny_argument(EOPNOTSUPP, SYS_ioctl, 1, FICLONE);
    sandbox_deny(ENOSYS, SYS_copy_file_range);
    int from = source_of(scratch);
    CHECK(clone_file(from, target_in(scratch), SIZE, "from", count, &counting, NULL) ==
          B10_REASON_OK);
    CHECK(counting.calls == 4 && counting.last == SIZE && counting.rose);
    assert_copied(scratch, SIZE);

    CHECK(unlink(scratch_path(scratch, "to")) == 0);
    counting = (struct counting){.stop_at = 2};
    CHECK(clone_file(from, target_in(scratch), SIZE, "from", count, &counting, NULL) ==
          B10_REASON_CANCELLED);
    CHECK(counting.calls == 2);
}

static void without_reflink_it_is_copied_in_pieces_and_can_be_stopped(void **state)
{
    scratch_random(*state, "from", SIZE, 5);
    sandbox_run(copy_without_reflink, *state);
}

static void copy_with_refusals(void *context)
{
    struct scratch *scratch = context;
    sandbox_deny_argument(EPERM, SYS_ioctl, 1, FICLONE);
    sandbox_deny(EPERM, SYS_copy_file_range);
    sandbox_deny(EPERM, SYS_statx);
    CHECK(clone_file(source_of(scratch), target_in(scratch), SIZE, "from", NULL, NULL, NULL) ==
          B10_REASON_OK);
    assert_copied(scratch, SIZE);
}

static void a_filter_that_refuses_everything_new_is_no_obstacle(void **state)
{
    scratch_random(*state, "from", SIZE, 6);
    sandbox_run(copy_with_refusals, *state);
}

static void copy_to_full_disk(void *context)
{
    struct scratch *scratch = context;
    sandbox_private_mounts(scratch);
    int from = source_of(scratch);
    sandbox_tmpfs(scratch->path, "size=1m");
    int to = open(scratch_path(scratch, "to"), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    CHECK(clone_file(from, to, SIZE, "from", NULL, NULL, NULL) == B10_REASON_NO_SPACE);
}

static void a_full_disk_is_no_space(void **state)
{
    scratch_random(*state, "from", SIZE, 7);
    sandbox_run(copy_to_full_disk, *state);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_copied_whole_and_told_of),
        TEST(the_position_of_the_source_does_not_matter),
        TEST(an_empty_file_stays_empty),
        TEST(what_the_source_grew_by_is_left_out),
        TEST(a_source_that_ends_early_is_an_error),
        TEST(holes_come_back_as_zeros),
        TEST(without_reflink_it_is_copied_in_pieces_and_can_be_stopped),
        TEST(a_filter_that_refuses_everything_new_is_no_obstacle),
        TEST(a_full_disk_is_no_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
