/* The contract of a load, row by row. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/replica.h"

/* A host whose volume holds an archive of `saved/`; nothing local. */
static void replica_with_archive(struct replica *replica, const struct scratch *scratch)
{
    replica_init(replica, scratch);
    replica_fill(replica, "saved");
    replica_set(replica, "torchinductor_cache_dir", scratch_path(scratch, "saved"));
    replica_assert(replica, replica_save(replica), B10_SUCCESS, B10_REASON_OK);
    replica_set(replica, "torchinductor_cache_dir", scratch_path(scratch, "local"));
}

static void what_was_saved_comes_back(void **state)
{
    struct replica replica;
    replica_with_archive(&replica, *state);
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    scratch_assert_same_tree(scratch_path(*state, "saved"), scratch_path(*state, "local"));
    assert_string_equal(replica.report.archive, replica_archive(&replica));
    assert_true(replica.report.files > 40);
    assert_true(replica.report.duplicates >= 9);
    /* beside the destination nothing is left: saved, local, volume and what is in them */
    assert_int_equal(scratch_count(*state, ""),
                     3 + scratch_count(*state, "saved") * 2 + scratch_count(*state, "volume"));
    replica_release(&replica);
}

static void a_disabled_volume_is_said_before_anything_else(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    replica_set(&replica, "baseten_fs_enabled", "0");
    replica_assert(&replica, replica_load(&replica), B10_ERROR, B10_REASON_DISABLED);
    replica_release(&replica);
}

static void an_invalid_setting_names_variable_and_value(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    setenv("MAX_CACHE_SIZE_MB", "much", 1);
    replica_assert(&replica, replica_load(&replica), B10_ERROR, B10_REASON_CONFIG);
    unsetenv("MAX_CACHE_SIZE_MB");
    assert_non_null(strstr(replica.error.message, "MAX_CACHE_SIZE_MB"));
    assert_non_null(strstr(replica.error.message, "much"));
    replica_release(&replica);
}

static void a_filled_local_directory_is_left_alone(void **state)
{
    struct replica replica;
    replica_with_archive(&replica, *state);
    scratch_text(*state, "local/own.py", "mine");
    replica_assert(&replica, replica_load(&replica), B10_SKIPPED, B10_REASON_LOCAL_PRESENT);
    assert_int_equal(scratch_count(*state, "local"), 1);
    replica_release(&replica);
}

static void a_filled_local_directory_costs_no_look_at_the_volume(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    scratch_text(*state, "local/own.py", "mine");
    replica_set(&replica, "b10fs_cache_dir", "/nonexistent/volume/compile_cache");
    replica_assert(&replica, replica_load(&replica), B10_SKIPPED, B10_REASON_LOCAL_PRESENT);
    replica_release(&replica);
}

static void files_that_a_save_would_not_pack_do_not_count_as_filled(void **state)
{
    struct replica replica;
    replica_with_archive(&replica, *state);
    scratch_text(*state, "local/locks/x.lock", "");
    scratch_mkdir(*state, "local/empty");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_true(scratch_exists(*state, "local/zz/large.bin"));
    assert_true(scratch_exists(*state, "local/locks/x.lock"));
    assert_false(scratch_exists(*state, "local/.b10transfer.partial"));
    replica_release(&replica);
}

static void no_archive_does_not_exist(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    replica_assert(&replica, replica_load(&replica), B10_DOES_NOT_EXIST, B10_REASON_ABSENT);
    assert_false(scratch_exists(*state, "local"));
    replica_release(&replica);
}

static void no_shared_directory_does_not_exist(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    replica_set(&replica, "b10fs_cache_dir", scratch_path(*state, "no/such/volume"));
    replica_assert(&replica, replica_load(&replica), B10_DOES_NOT_EXIST, B10_REASON_ABSENT);
    replica_release(&replica);
}

static void other_tags_are_another_environment(void **state)
{
    struct replica replica;
    replica_with_archive(&replica, *state);
    replica_set(&replica, "b10_cache_tags", "torch=2.13.0");
    replica_assert(&replica, replica_load(&replica), B10_DOES_NOT_EXIST, B10_REASON_ABSENT);
    replica_release(&replica);
}

static void too_little_local_space_writes_nothing(void **state)
{
    struct replica replica;
    replica_with_archive(&replica, *state);
    replica_set(&replica, "min_local_space_mb", "900000000");
    replica_assert(&replica, replica_load(&replica), B10_ERROR, B10_REASON_NO_SPACE);
    assert_false(scratch_exists(*state, "local"));
    replica_release(&replica);
}

static void a_manifest_beyond_64_times_the_limit_is_too_large(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    /* 65 MiB of zeros: a few KB in the archive, more than 64 times 1 MiB unpacked */
    scratch_text(*state, "saved/hole", "");
    assert_int_equal(truncate(scratch_path(*state, "saved/hole"), 65 << 20), 0);
    replica_set(&replica, "torchinductor_cache_dir", scratch_path(*state, "saved"));
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    replica_set(&replica, "torchinductor_cache_dir", scratch_path(*state, "local"));
    replica_set(&replica, "max_cache_size_mb", "1");
    replica_assert(&replica, replica_load(&replica), B10_ERROR, B10_REASON_TOO_LARGE);
    assert_false(scratch_exists(*state, "local"));
    replica_set(&replica, "max_cache_size_mb", "2");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    scratch_assert_same_tree(scratch_path(*state, "saved"), scratch_path(*state, "local"));
    replica_release(&replica);
}

static void flip(const char *path, off_t offset)
{
    unsigned char byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

static void a_damaged_archive_is_corrupt_and_set_aside(void **state)
{
    struct replica replica;
    replica_with_archive(&replica, *state);
    flip(replica_archive(&replica), 1000);
    replica_assert(&replica, replica_load(&replica), B10_ERROR, B10_REASON_CORRUPT);
    assert_false(scratch_exists(*state, "local"));
    assert_int_equal(replica.report.archives_set_aside, 1);
    assert_string_equal(replica_archive(&replica), "");
    assert_int_equal(replica_volume_entries(&replica), 1); /* the .bad file */
    /* the next save replaces it, the next load finds that */
    replica_set(&replica, "torchinductor_cache_dir", scratch_path(*state, "saved"));
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    replica_set(&replica, "torchinductor_cache_dir", scratch_path(*state, "local"));
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    replica_release(&replica);
}

static void only_one_damaged_archive_per_key_is_kept(void **state)
{
    struct replica replica;
    replica_with_archive(&replica, *state);
    for (int round = 0; round < 3; round++) {
        flip(replica_archive(&replica), 1000);
        replica_assert(&replica, replica_load(&replica), B10_ERROR, B10_REASON_CORRUPT);
        assert_int_equal(replica_volume_entries(&replica), 1);
        replica_set(&replica, "torchinductor_cache_dir", scratch_path(*state, "saved"));
        replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
        replica_set(&replica, "torchinductor_cache_dir", scratch_path(*state, "local"));
    }
    replica_release(&replica);
}

static void a_directory_in_place_of_the_archive_is_unsafe_and_replaced_by_a_save(void **state)
{
    struct replica replica;
    replica_with_archive(&replica, *state);
    char path[4400];
    snprintf(path, sizeof(path), "%s", replica_archive(&replica));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0755), 0);
    replica_assert(&replica, replica_load(&replica), B10_ERROR, B10_REASON_UNSAFE);
    replica_set(&replica, "torchinductor_cache_dir", scratch_path(*state, "saved"));
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    replica_release(&replica);
}

static void a_directory_that_was_set_aside_goes_when_the_next_one_does(void **state)
{
    struct replica replica;
    replica_with_archive(&replica, *state);
    char path[4400];
    snprintf(path, sizeof(path), "%s", replica_archive(&replica));
    assert_int_equal(unlink(path), 0);
    for (int round = 0; round < 2; round++) {
        char inside[4500];
        snprintf(inside, sizeof(inside), "%s/inside", path);
        assert_int_equal(mkdir(path, 0755), 0);
        assert_int_equal(mkdir(inside, 0755), 0);
        replica_assert(&replica, replica_load(&replica), B10_ERROR, B10_REASON_UNSAFE);
        assert_int_equal(replica.report.archives_set_aside, 1);
        assert_int_equal(replica_volume_entries(&replica), 2); /* one .bad, and what is in it */
    }
    replica_release(&replica);
}

static void an_empty_destination_keeps_its_mode(void **state)
{
    struct replica replica;
    struct stat stat;
    replica_with_archive(&replica, *state);
    scratch_mkdir(*state, "local");
    assert_int_equal(chmod(scratch_path(*state, "local"), 0750), 0);
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(lstat(scratch_path(*state, "local"), &stat), 0);
    assert_int_equal(stat.st_mode & 07777, 0750);
    replica_release(&replica);
}

static void missing_parents_of_the_destination_are_made(void **state)
{
    struct replica replica;
    replica_with_archive(&replica, *state);
    replica_set(&replica, "torchinductor_cache_dir", scratch_path(*state, "a/b/c/local"));
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    scratch_assert_same_tree(scratch_path(*state, "saved"), scratch_path(*state, "a/b/c/local"));
    replica_release(&replica);
}

static void a_failed_load_leaves_no_parents_behind(void **state)
{
    struct replica replica;
    replica_with_archive(&replica, *state);
    flip(replica_archive(&replica), 1000);
    replica_set(&replica, "torchinductor_cache_dir", scratch_path(*state, "a/b/c/local"));
    replica_assert(&replica, replica_load(&replica), B10_ERROR, B10_REASON_CORRUPT);
    assert_false(scratch_exists(*state, "a"));
    replica_release(&replica);
}

static void a_partly_filled_destination_of_a_dead_load_is_completed(void **state)
{
    struct replica replica;
    replica_with_archive(&replica, *state);
    scratch_text(*state, "local/.b10transfer.partial", "");
    scratch_text(*state, "local/zz/own.py", "mine");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_true(scratch_exists(*state, "local/zz/own.py"));
    assert_true(scratch_exists(*state, "local/zz/large.bin"));
    assert_false(scratch_exists(*state, "local/.b10transfer.partial"));
    replica_release(&replica);
}

static void a_destination_that_another_load_is_filling_is_skipped(void **state)
{
    struct replica replica;
    replica_with_archive(&replica, *state);
    scratch_text(*state, "local/.b10transfer.partial", "");
    int held = open(scratch_path(*state, "local/.b10transfer.partial"), O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(held, LOCK_EX | LOCK_NB), 0);
    replica_assert(&replica, replica_load(&replica), B10_SKIPPED, B10_REASON_LOCAL_PRESENT);
    close(held);
    replica_release(&replica);
}

static int cancel_at_once(void *user, const b10_progress *progress)
{
    (void)user, (void)progress;
    return 1;
}

static void a_progress_callback_cancels_and_nothing_is_left(void **state)
{
    struct replica replica;
    replica_with_archive(&replica, *state);
    replica.options.progress = cancel_at_once;
    size_t before = scratch_count(*state, "");
    replica_assert(&replica, replica_load(&replica), B10_ERROR, B10_REASON_CANCELLED);
    assert_int_equal(scratch_count(*state, ""), before);
    replica_release(&replica);
}

static void a_dead_loads_staging_is_swept(void **state)
{
    struct replica replica;
    replica_with_archive(&replica, *state);
    scratch_text(*state, ".b10transfer-staging-0123456789abcdef0123456789abcdef/inductor/x", "x");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_false(scratch_exists(*state, ".b10transfer-staging-0123456789abcdef0123456789abcdef"));
    replica_release(&replica);
}

static void a_live_loads_staging_is_not_swept(void **state)
{
    struct replica replica;
    replica_with_archive(&replica, *state);
    const char *name = ".b10transfer-staging-0123456789abcdef0123456789abcdef";
    scratch_mkdir(*state, name);
    int held = open(scratch_path(*state, name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(held, LOCK_EX | LOCK_NB), 0);
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_true(scratch_exists(*state, name));
    close(held);
    replica_release(&replica);
}

static void no_descriptor_is_leaked_by_success_or_failure(void **state)
{
    struct replica replica;
    replica_with_archive(&replica, *state);
    size_t before = scratch_open_descriptors();
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(scratch_open_descriptors(), before);
    assert_int_equal(b10_clear(replica_config(&replica), NULL, NULL, &replica.error), B10_SUCCESS);
    flip(replica_archive(&replica), 1000);
    replica_assert(&replica, replica_load(&replica), B10_ERROR, B10_REASON_CORRUPT);
    assert_int_equal(scratch_open_descriptors(), before);
    replica_release(&replica);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(what_was_saved_comes_back),
        ROW(a_disabled_volume_is_said_before_anything_else),
        ROW(an_invalid_setting_names_variable_and_value),
        ROW(a_filled_local_directory_is_left_alone),
        ROW(a_filled_local_directory_costs_no_look_at_the_volume),
        ROW(files_that_a_save_would_not_pack_do_not_count_as_filled),
        ROW(no_archive_does_not_exist),
        ROW(no_shared_directory_does_not_exist),
        ROW(other_tags_are_another_environment),
        ROW(too_little_local_space_writes_nothing),
        ROW(a_manifest_beyond_64_times_the_limit_is_too_large),
        ROW(a_damaged_archive_is_corrupt_and_set_aside),
        ROW(only_one_damaged_archive_per_key_is_kept),
        ROW(a_directory_in_place_of_the_archive_is_unsafe_and_replaced_by_a_save),
        ROW(a_directory_that_was_set_aside_goes_when_the_next_one_does),
        ROW(an_empty_destination_keeps_its_mode),
        ROW(missing_parents_of_the_destination_are_made),
        ROW(a_failed_load_leaves_no_parents_behind),
        ROW(a_partly_filled_destination_of_a_dead_load_is_completed),
        ROW(a_destination_that_another_load_is_filling_is_skipped),
        ROW(a_progress_callback_cancels_and_nothing_is_left),
        ROW(a_dead_loads_staging_is_swept),
        ROW(a_live_loads_staging_is_not_swept),
        ROW(no_descriptor_is_leaked_by_success_or_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
