#include "cache/holder.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/scratch.h"

#define TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

static struct b10_error error = ERROR_NONE;
static struct log silent;

static void a_holder_is_private_and_gone_after_release(void **state)
{
    struct scratch *scratch = *state;
    struct holder holder = HOLDER_NONE;
    struct stat stat;
    assert_int_equal(holder_make(&holder, scratch->path, &error), B10_REASON_OK);
    assert_int_equal(lstat(holder.path, &stat), 0);
    assert_int_equal(stat.st_mode & 07777, 0700);
    assert_int_equal(mkdirat(holder.fd, "inside", 0777), 0);
    holder_release(&holder);
    assert_int_equal(scratch_count(scratch, ""), 0);
    holder_release(&holder);
}

static void a_living_holder_is_not_swept(void **state)
{
    struct scratch *scratch = *state;
    struct holder holder = HOLDER_NONE;
    assert_int_equal(holder_make(&holder, scratch->path, &error), B10_REASON_OK);
    holder_sweep(scratch->path, &silent);
    assert_int_equal(scratch_count(scratch, ""), 1);
    holder_release(&holder);
}

static void a_dead_processs_holder_is_swept_with_its_content(void **state)
{
    struct scratch *scratch = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct holder holder = HOLDER_NONE;
        int failed = holder_make(&holder, scratch->path, &error) != B10_REASON_OK ||
                     mkdirat(holder.fd, "inside", 0000) != 0;
        _exit(failed);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(scratch_count(scratch, ""), 2);
    holder_sweep(scratch->path, &silent);
    assert_int_equal(scratch_count(scratch, ""), 0);
}

static void other_names_and_links_are_never_swept(void **state)
{
    struct scratch *scratch = *state;
    scratch_text(scratch, "precious/file", "x");
    scratch_text(scratch, ".b10transfer-stagingx/file", "x");
    assert_int_equal(symlinkat("precious", scratch->fd, EXCLUDE_STAGING_PREFIX "link"), 0);
    scratch_text(scratch, EXCLUDE_STAGING_PREFIX "file", "x");
    holder_sweep(scratch->path, &silent);
    assert_int_equal(scratch_count(scratch, ""), 6);
}

static void what_another_user_owns_is_not_swept(void **state)
{
    struct scratch *scratch = *state;
    if (geteuid() != 0) {
        print_message("skipped: needs root to make another user's directory\n");
        skip();
    }
    scratch_mkdir(scratch, EXCLUDE_STAGING_PREFIX "theirs");
    assert_int_equal(fchownat(scratch->fd, EXCLUDE_STAGING_PREFIX "theirs", 12345, 12345, 0), 0);
    holder_sweep(scratch->path, &silent);
    assert_int_equal(scratch_count(scratch, ""), 1);
}

static void a_holder_reaches_its_own_file_system_and_leaves_no_trace(void **state)
{
    struct scratch *scratch = *state;
    struct holder holder = HOLDER_NONE;
    scratch_mkdir(scratch, "target");
    assert_int_equal(holder_make(&holder, scratch->path, &error), B10_REASON_OK);
    assert_int_equal(holder_reaches(&holder, scratch_path(scratch, "target"), &error),
                     B10_REASON_OK);
    assert_int_equal(scratch_count(scratch, "target"), 0);
    assert_int_not_equal(holder_reaches(&holder, "/proc", &error), B10_REASON_OK);
    holder_release(&holder);
    assert_int_equal(scratch_count(scratch, ""), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_holder_is_private_and_gone_after_release),
        TEST(a_living_holder_is_not_swept),
        TEST(a_dead_processs_holder_is_swept_with_its_content),
        TEST(other_names_and_links_are_never_swept),
        TEST(what_another_user_owns_is_not_swept),
        TEST(a_holder_reaches_its_own_file_system_and_leaves_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
