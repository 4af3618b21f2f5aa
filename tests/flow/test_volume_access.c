/* What the host allows: a volume that is mounted read-only, system calls that a filter refuses. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/sandbox.h"
#include "support/stored.h"

/* Defines test `name`, which runs in_`name` with the scratch directory in a sandbox. */
#define IN_SANDBOX(name)                                                                           \
    static void in_##name(void *context);                                                          \
    static void name(void **state)                                                                 \
    {                                                                                              \
        sandbox_run(in_##name, *state);                                                            \
    }                                                                                              \
    static void in_##name(void *context)

/* ---- a read-only volume ---- */

/* volume/ is a mount of its own with an archive of saved/. */
static void start(struct replica *replica, struct scratch *scratch)
{
    sandbox_private_mounts(scratch);
    scratch_mkdir(scratch, "volume");
    sandbox_tmpfs(scratch_path(scratch, "volume"), "size=64m");
    stored_init(replica, scratch, NULL);
}

static void make_read_only(const struct replica *replica)
{
    const char *volume = scratch_path(replica->scratch, "volume");
    sandbox_read_only(volume);
    CHECK(access(volume, W_OK) != 0 && errno == EROFS);
}

static void damage(const struct replica *replica)
{
    unsigned char byte;
    int fd = open(replica_archive(replica), O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, 1000), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, 1000), 1);
    close(fd);
}

IN_SANDBOX(a_read_only_volume_is_loaded_from)
{
    struct replica replica;
    start(&replica, context);
    make_read_only(&replica);
    stored_comes_and_goes(&replica, "local");
    replica_release(&replica);
}

IN_SANDBOX(a_damaged_archive_on_a_read_only_volume_is_corrupt_and_stays)
{
    struct replica replica;
    start(&replica, context);
    damage(&replica);
    make_read_only(&replica);
    replica_assert(&replica, replica_load(&replica), B10_ERROR, B10_REASON_CORRUPT);
    assert_int_equal(replica.report.archives_set_aside, 0);
    assert_int_equal(replica_volume_entries(&replica), 1);
    assert_string_not_equal(replica_archive(&replica), "");
    assert_false(scratch_exists(context, "local"));
    stored_nothing_left(context);
    replica_release(&replica);
}

static void save_is_denied(struct replica *replica)
{
    replica_assert(replica, replica_save(replica), B10_ERROR, B10_REASON_DENIED);
    assert_int_equal(replica->error.sys_errno, EROFS);
    assert_non_null(strstr(replica->error.message, scratch_path(replica->scratch, "volume")));
    assert_int_equal(replica_volume_entries(replica), 1);
}

IN_SANDBOX(a_save_to_a_read_only_volume_is_denied_and_names_it)
{
    struct replica replica;
    start(&replica, context);
    stored_destination(&replica, "saved", NULL);
    make_read_only(&replica);
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_ALREADY_SAVED);
    replica_set(&replica, "b10_save_mode", "replace");
    save_is_denied(&replica);
    replica_set(&replica, "b10_save_mode", "if_absent");
    replica_set(&replica, "b10_cache_tags", "model=another");
    save_is_denied(&replica);
    replica_release(&replica);
}

IN_SANDBOX(a_save_over_a_damaged_archive_on_a_read_only_volume_is_denied)
{
    struct replica replica;
    start(&replica, context);
    stored_destination(&replica, "saved", NULL);
    damage(&replica);
    assert_int_equal(truncate(replica_archive(&replica), 2000), 0);
    make_read_only(&replica);
    save_is_denied(&replica);
    replica_release(&replica);
}

IN_SANDBOX(a_shared_directory_that_cannot_be_made_is_denied_and_named)
{
    struct replica replica;
    start(&replica, context);
    stored_destination(&replica, "saved", NULL);
    make_read_only(&replica);
    replica_set(&replica, "b10fs_cache_dir", scratch_path(context, "volume/compile_cache"));
    replica_assert(&replica, replica_save(&replica), B10_ERROR, B10_REASON_DENIED);
    assert_non_null(strstr(replica.error.message, "volume/compile_cache"));
    stored_destination(&replica, "local", NULL);
    replica_assert(&replica, replica_load(&replica), B10_DOES_NOT_EXIST, B10_REASON_ABSENT);
    replica_release(&replica);
}

/* ---- system calls that a filter refuses ---- */

static const long refusable[] = {SYS_openat2, SYS_renameat2, SYS_statx, SYS_copy_file_range};

static void deny_all(int answer)
{
    for (size_t i = 0; i < sizeof(refusable) / sizeof(*refusable); i++)
        sandbox_deny(answer, refusable[i]);
}

/* Save, load, load entry by entry, save of another environment, replace, clear. */
static void everything_works(struct scratch *scratch)
{
    struct replica replica;
    stored_init(&replica, scratch, NULL);
    stored_comes_and_goes(&replica, "local");
    assert_int_equal(b10_clear(replica_config(&replica), NULL, NULL, &replica.error), B10_SUCCESS);
    scratch_mkdir(scratch, "local/zz");
    stored_comes_and_goes(&replica, "local");
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_ALREADY_SAVED);
    replica_set(&replica, "b10_save_mode", "replace");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    replica_set(&replica, "b10_save_mode", "if_absent");
    replica_set(&replica, "b10_cache_tags", "model=another");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica_volume_entries(&replica), 2);
    replica_release(&replica);
}

IN_SANDBOX(everything_works_where_newer_calls_are_not_permitted)
{
    deny_all(EPERM);
    everything_works(context);
}

IN_SANDBOX(everything_works_where_newer_calls_do_not_exist)
{
    deny_all(ENOSYS);
    everything_works(context);
}

IN_SANDBOX(everything_works_on_a_mount_where_newer_calls_do_not_exist)
{
    struct replica replica;
    sandbox_private_mounts(context);
    stored_init(&replica, context, NULL);
    scratch_mkdir(context, "local");
    sandbox_tmpfs(scratch_path(context, "local"), "size=64m");
    deny_all(ENOSYS);
    stored_comes_and_goes(&replica, "local");
    replica_release(&replica);
}

static void filter_comes_late(struct scratch *scratch, int answer)
{
    struct replica replica;
    stored_init(&replica, scratch, NULL);
    stored_comes_and_goes(&replica, "local");
    deny_all(answer);
    assert_int_equal(b10_clear(replica_config(&replica), NULL, NULL, &replica.error), B10_SUCCESS);
    stored_comes_and_goes(&replica, "local");
    replica_release(&replica);
}

IN_SANDBOX(a_filter_that_comes_after_the_first_load_does_not_matter)
{
    filter_comes_late(context, EPERM);
}

IN_SANDBOX(a_filter_that_hides_calls_after_the_first_load_does_not_matter)
{
    filter_comes_late(context, ENOSYS);
}

/* Some volumes can neither link nor refuse to replace. */
IN_SANDBOX(everything_works_where_links_are_not_permitted_either)
{
    deny_all(EPERM);
    sandbox_deny(EPERM, SYS_linkat);
#ifdef SYS_link
    sandbox_deny(EPERM, SYS_link);
#endif
    everything_works(context);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(a_read_only_volume_is_loaded_from),
        ROW(a_damaged_archive_on_a_read_only_volume_is_corrupt_and_stays),
        ROW(a_save_to_a_read_only_volume_is_denied_and_names_it),
        ROW(a_save_over_a_damaged_archive_on_a_read_only_volume_is_denied),
        ROW(a_shared_directory_that_cannot_be_made_is_denied_and_named),
        ROW(everything_works_where_newer_calls_are_not_permitted),
        ROW(everything_works_where_newer_calls_do_not_exist),
        ROW(everything_works_on_a_mount_where_newer_calls_do_not_exist),
        ROW(a_filter_that_comes_after_the_first_load_does_not_matter),
        ROW(a_filter_that_hides_calls_after_the_first_load_does_not_matter),
        ROW(everything_works_where_links_are_not_permitted_either),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
