#include "cache/install.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/sandbox.h"

#define TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

static struct b10_error error = ERROR_NONE;

static struct install install(const struct scratch *scratch)
{
    struct install counts = {0};
    assert_int_equal(install_tree(scratch->fd, "staged", scratch_path(scratch, "live"), &counts,
                                  &error),
                     B10_REASON_OK);
    return counts;
}

static void assert_text(const struct scratch *scratch, const char *relative, const char *expected)
{
    char *content = scratch_read(scratch, relative, NULL);
    assert_string_equal(content, expected);
    free(content);
}

static void an_absent_destination_appears_by_one_rename(void **state)
{
    scratch_text(*state, "staged/a/b", "new");
    struct install counts = install(*state);
    assert_int_equal(counts.entries, 1);
    assert_int_equal(counts.existing, 0);
    assert_text(*state, "live/a/b", "new");
    assert_false(scratch_exists(*state, "staged"));
}

static void an_empty_destination_is_replaced_by_one_rename(void **state)
{
    scratch_text(*state, "staged/a/b", "new");
    scratch_mkdir(*state, "live");
    assert_int_equal(install(*state).entries, 1);
    assert_text(*state, "live/a/b", "new");
}

static void existing_names_stay_and_missing_ones_are_added(void **state)
{
    scratch_text(*state, "staged/a/kept", "new");
    scratch_text(*state, "staged/a/added", "new");
    scratch_text(*state, "staged/b/c/d", "new");
    scratch_text(*state, "live/a/kept", "old");
    struct install counts = install(*state);
    assert_int_equal(counts.existing, 1);
    assert_int_equal(counts.entries, 2); /* a/added, and b as a whole */
    assert_text(*state, "live/a/kept", "old");
    assert_text(*state, "live/a/added", "new");
    assert_text(*state, "live/b/c/d", "new");
    assert_false(scratch_exists(*state, "live/.b10transfer.partial"));
}

static void a_directory_with_a_group_file_here_gets_nothing_added(void **state)
{
    scratch_text(*state, "staged/k/kernel.cubin", "new");
    scratch_text(*state, "live/k/__grp__kernel.json", "{}");
    assert_int_equal(install(*state).existing, 1);
    assert_false(scratch_exists(*state, "live/k/kernel.cubin"));
}

static void a_directory_with_a_group_file_in_the_archive_is_one_unit_too(void **state)
{
    scratch_text(*state, "staged/k/__grp__kernel.json", "{}");
    scratch_text(*state, "staged/k/kernel.cubin", "new");
    scratch_text(*state, "live/k/other", "old");
    assert_int_equal(install(*state).existing, 1);
    assert_int_equal(scratch_count(*state, "live/k"), 1);
}

static void a_file_or_link_in_place_of_a_directory_stays(void **state)
{
    scratch_text(*state, "staged/a/x", "new");
    scratch_text(*state, "staged/b/x", "new");
    scratch_text(*state, "live/a", "a file");
    scratch_mkdir(*state, "elsewhere");
    assert_int_equal(symlinkat("../elsewhere", ((struct scratch *)*state)->fd, "live/b"), 0);
    assert_int_equal(install(*state).existing, 2);
    assert_text(*state, "live/a", "a file");
    assert_int_equal(scratch_count(*state, "elsewhere"), 0);
}

static void a_directory_in_place_of_a_file_stays(void **state)
{
    scratch_text(*state, "staged/a", "new");
    scratch_text(*state, "live/a/x", "old");
    assert_int_equal(install(*state).existing, 1);
    assert_text(*state, "live/a/x", "old");
}

static void symlinks_are_moved_not_followed(void **state)
{
    char target[100] = {0};
    scratch_text(*state, "staged/x", "new");
    assert_int_equal(symlinkat("x", ((struct scratch *)*state)->fd, "staged/link"), 0);
    scratch_text(*state, "live/y", "old");
    assert_int_equal(install(*state).entries, 2);
    assert_int_equal(readlink(scratch_path(*state, "live/link"), target, sizeof(target) - 1), 1);
}

static void a_file_as_destination_is_an_error_and_stays(void **state)
{
    struct install counts = {0};
    scratch_text(*state, "staged/a", "new");
    scratch_text(*state, "live", "a file");
    assert_int_not_equal(install_tree(((struct scratch *)*state)->fd, "staged",
                                      scratch_path(*state, "live"), &counts, &error),
                         B10_REASON_OK);
    assert_non_null(strstr(error.message, "live"));
    assert_text(*state, "live", "a file");
}

static void a_dead_marker_is_told_from_a_held_one(void **state)
{
    enum install_marker marker;
    const char *live = scratch_path(*state, "live");
    assert_int_equal(install_marker_state(live, &marker, &error), B10_REASON_OK);
    assert_int_equal(marker, INSTALL_NO_MARKER);
    scratch_text(*state, "live/.b10transfer.partial", "");
    assert_int_equal(install_marker_state(live, &marker, &error), B10_REASON_OK);
    assert_int_equal(marker, INSTALL_MARKER_DEAD);
    int held = open(scratch_path(*state, "live/.b10transfer.partial"), O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(held, LOCK_EX), 0);
    assert_int_equal(install_marker_state(live, &marker, &error), B10_REASON_OK);
    assert_int_equal(marker, INSTALL_MARKER_HELD);
    close(held);
}

static void only_a_regular_file_is_a_marker(void **state)
{
    enum install_marker marker;
    const char *live = scratch_path(*state, "live");
    scratch_mkdir(*state, "live/.b10transfer.partial");
    assert_int_equal(install_marker_state(live, &marker, &error), B10_REASON_OK);
    assert_int_equal(marker, INSTALL_NO_MARKER);
    assert_int_equal(rmdir(scratch_path(*state, "live/.b10transfer.partial")), 0);
    assert_int_equal(mkfifo(scratch_path(*state, "live/.b10transfer.partial"), 0666), 0);
    live = scratch_path(*state, "live");
    assert_int_equal(install_marker_state(live, &marker, &error), B10_REASON_OK);
    assert_int_equal(marker, INSTALL_NO_MARKER);
}

static void what_stands_in_the_markers_place_is_named(void **state)
{
    struct install counts = {0};
    scratch_text(*state, "staged/b", "new");
    scratch_mkdir(*state, "live/.b10transfer.partial");
    assert_int_equal(install_tree(((struct scratch *)*state)->fd, "staged",
                                  scratch_path(*state, "live"), &counts, &error),
                     B10_REASON_IO);
    assert_non_null(strstr(error.message, scratch_path(*state, "live/.b10transfer.partial")));
}

static const char marker_name[] = "live/.b10transfer.partial";

/* Directories move, files do not. */
static void install_without_files(void *context)
{
    struct scratch *scratch = context;
    struct install counts = {0};
    sandbox_deny(EIO, SYS_renameat2);
    CHECK(install_tree(scratch->fd, "staged", scratch_path(scratch, "live"), &counts, &error) ==
          B10_REASON_IO);
}

static void a_failure_on_the_way_leaves_a_dead_marker_that_only_we_can_lock(void **state)
{
    struct stat stat;
    enum install_marker marker;
    scratch_text(*state, "staged/a/x", "new");
    scratch_text(*state, "staged/b", "new");
    scratch_text(*state, "live/y", "old");
    sandbox_run(install_without_files, *state);
    assert_true(scratch_exists(*state, "live/a/x"));
    assert_int_equal(lstat(scratch_path(*state, marker_name), &stat), 0);
    assert_int_equal(stat.st_mode & 07777, 0600);
    assert_int_equal(install_marker_state(scratch_path(*state, "live"), &marker, &error),
                     B10_REASON_OK);
    assert_int_equal(marker, INSTALL_MARKER_DEAD);
}

static void a_failure_before_the_first_entry_leaves_no_marker(void **state)
{
    scratch_text(*state, "staged/b", "new");
    scratch_text(*state, "live/y", "old");
    sandbox_run(install_without_files, *state);
    assert_false(scratch_exists(*state, marker_name));
}

static void a_failure_to_complete_leaves_the_marker_of_the_dead_load(void **state)
{
    scratch_text(*state, "staged/b", "new");
    scratch_text(*state, marker_name, "");
    sandbox_run(install_without_files, *state);
    assert_true(scratch_exists(*state, marker_name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_absent_destination_appears_by_one_rename),
        TEST(an_empty_destination_is_replaced_by_one_rename),
        TEST(existing_names_stay_and_missing_ones_are_added),
        TEST(a_directory_with_a_group_file_here_gets_nothing_added),
        TEST(a_directory_with_a_group_file_in_the_archive_is_one_unit_too),
        TEST(a_file_or_link_in_place_of_a_directory_stays),
        TEST(a_directory_in_place_of_a_file_stays),
        TEST(symlinks_are_moved_not_followed),
        TEST(a_file_as_destination_is_an_error_and_stays),
        TEST(a_dead_marker_is_told_from_a_held_one),
        TEST(only_a_regular_file_is_a_marker),
        TEST(what_stands_in_the_markers_place_is_named),
        TEST(a_failure_on_the_way_leaves_a_dead_marker_that_only_we_can_lock),
        TEST(a_failure_before_the_first_entry_leaves_no_marker),
        TEST(a_failure_to_complete_leaves_the_marker_of_the_dead_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
