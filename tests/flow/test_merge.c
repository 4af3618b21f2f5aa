/* Save and load in mode `merge`, row by row. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/guard.h"
#include "support/merging.h"
#include "support/stored.h"

/* ---- what is added ---- */

static void nothing_new_is_already_saved(void **state)
{
    struct replica replica;
    struct stat before;
    struct stat after;
    merging_begin(&replica, *state);
    assert_int_equal(lstat(replica_archive(&replica), &before), 0);
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_ALREADY_SAVED);
    assert_int_equal(lstat(replica_archive(&replica), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    merging_holds(&replica, "local");
    replica_release(&replica);
}

static void what_is_new_is_added(void **state)
{
    struct replica replica;
    merging_begin(&replica, *state);
    scratch_text(*state, "local/03/new.py", "new");
    scratch_text(*state, "local/a/b/c/new.py", "also new");
    scratch_mkdir(*state, "local/a/empty");
    assert_int_equal(symlinkat("new.py", ((struct scratch *)*state)->fd, "local/03/link"), 0);
    merging_adds(&replica, 3, 4);
    assert_int_equal(replica.report.content_bytes, 11);
    assert_int_equal(replica.report.merged_files, 54);
    merging_holds(&replica, "local");
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_ALREADY_SAVED);
    replica_release(&replica);
}

static void large_files_and_duplicates_are_added(void **state)
{
    struct replica replica;
    merging_begin(&replica, *state);
    scratch_random(*state, "local/aa/large.bin", 5000000, 11);
    scratch_random(*state, "local/ab/copy of large.bin", 5000000, 11);
    scratch_random(*state, "local/ac/copy of stored.bin", 3000001, 7);
    for (unsigned i = 0; i < 20; i++) {
        char name[64];
        snprintf(name, sizeof(name), "local/copies/%u.py", i);
        scratch_text(*state, name, "the same in each");
    }
    merging_adds(&replica, 23, 4);
    assert_int_equal(replica.report.duplicates, 20);
    merging_holds(&replica, "local");
    replica_release(&replica);
}

static void only_directories_are_added_too(void **state)
{
    struct replica replica;
    merging_begin(&replica, *state);
    scratch_mkdir(*state, "local/x/y");
    merging_adds(&replica, 0, 2);
    merging_holds(&replica, "local");
    replica_release(&replica);
}

static void merges_follow_each_other(void **state)
{
    struct replica replica;
    merging_begin(&replica, *state);
    scratch_text(*state, "local/m1/one.py", "1");
    scratch_random(*state, "local/m1/large.bin", 2500000, 5);
    merging_adds(&replica, 2, 1);
    scratch_text(*state, "local/a1/two.py", "2");
    scratch_text(*state, "local/a2/three.py", "3");
    scratch_random(*state, "local/a1/large.bin", 2600000, 6);
    merging_adds(&replica, 3, 2);
    {
        SCOPED(reader) struct reader archive = READER_CLOSED;
        merging_open(&replica, &archive);
        assert_int_equal(archive.manifest.merges, 2);
        assert_int_equal(archive.manifest.last_merge.directories, 2);
        assert_int_equal(archive.manifest.last_merge.files, 3);
        assert_int_equal(archive.manifest.last_merge.bytes, 2600002);
    }
    merging_holds(&replica, "local");
    replica_release(&replica);
}

/* ---- the stored one wins ---- */

static void the_same_path_stays_as_it_is_stored(void **state)
{
    struct replica replica;
    merging_begin(&replica, *state);
    scratch_text(*state, "local/zz/large.bin", "rewritten");
    scratch_text(*state, "local/new.py", "new");
    merging_adds(&replica, 1, 0);
    merging_intact(&replica);
    merging_aim(&replica, "other host");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    size_t size;
    free(scratch_read(*state, "other host/zz/large.bin", &size));
    assert_int_equal(size, 3000001);
    assert_true(scratch_exists(*state, "other host/new.py"));
    replica_release(&replica);
}

static void a_file_and_a_directory_of_one_name_leave_the_stored_one(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    replica_set(&replica, "b10_save_mode", "merge");
    scratch_text(*state, "local/file", "a file");
    scratch_text(*state, "local/directory/x.py", "x");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    merging_aim(&replica, "second");
    scratch_text(*state, "second/file/below.py", "below a file");
    scratch_text(*state, "second/directory", "a file");
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_ALREADY_SAVED);
    scratch_text(*state, "second/more.py", "more");
    scratch_text(*state, "local/more.py", "more");
    merging_adds(&replica, 1, 0);
    merging_intact(&replica);
    merging_aim(&replica, "third");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(scratch_count(*state, "third"), 4);
    assert_true(scratch_exists(*state, "third/directory/x.py"));
    replica_release(&replica);
}

static void a_unit_is_added_whole_or_not_at_all(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    replica_set(&replica, "b10_save_mode", "merge");
    scratch_text(*state, "local/there/__grp__k.json", "{}");
    scratch_text(*state, "local/plain/k.cubin", "one");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    merging_aim(&replica, "second");
    scratch_text(*state, "second/there/k.cubin", "into a unit that is stored");
    scratch_text(*state, "second/plain/__grp__k.json", "{}");
    scratch_text(*state, "second/plain/k.ptx", "a unit here");
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_ALREADY_SAVED);
    scratch_text(*state, "second/new/__grp__k.json", "{}");
    scratch_text(*state, "second/new/k.cubin", "a new unit");
    merging_adds(&replica, 2, 1);
    merging_intact(&replica);
    replica_release(&replica);
}

/* ---- roots ---- */

static void a_new_root_is_added_behind_the_stored_ones(void **state)
{
    struct replica replica;
    char roots[4400];
    merging_begin(&replica, *state);
    scratch_text(*state, "headers/h/cabc.h", "#pragma once");
    scratch_text(*state, "triton/k/kernel", "text");
    snprintf(roots, sizeof(roots), "triton=%s", scratch_path(*state, "triton"));
    replica_set(&replica, "b10_cache_roots", roots);
    merging_adds(&replica, 1, 1);
    snprintf(roots, sizeof(roots), "headers=%s", scratch_path(*state, "headers"));
    replica_set(&replica, "b10_cache_roots", roots); /* a host without triton, with headers */
    scratch_text(*state, "local/more.py", "more");
    merging_adds(&replica, 2, 1);
    SCOPED(reader) struct reader archive = READER_CLOSED;
    merging_open(&replica, &archive);
    assert_int_equal(archive.manifest.root_count, 3);
    assert_string_equal(archive.manifest.roots[1].name, "triton");
    assert_string_equal(archive.manifest.roots[2].name, "headers");
    merging_holds(&replica, "local");
    replica_release(&replica);
}

static void every_original_path_is_kept_once(void **state)
{
    struct replica replica;
    merging_begin(&replica, *state);
    merging_aim(&replica, "second");
    scratch_text(*state, "second/new.py", "new");
    merging_adds(&replica, 1, 0);
    scratch_text(*state, "second/newer.py", "newer than that");
    merging_adds(&replica, 1, 0);
    SCOPED(reader) struct reader archive = READER_CLOSED;
    merging_open(&replica, &archive);
    assert_int_equal(archive.manifest.roots[0].origin_count, 2);
    assert_string_equal(archive.manifest.roots[0].origins[1], scratch_path(*state, "second"));
    replica_release(&replica);
}

/* ---- other readers ---- */

static bool has_program(const char *name)
{
    char command[64];
    snprintf(command, sizeof(command), "command -v %s >/dev/null", name);
    return system(command) == 0;
}

static void tar_makes_the_same_tree_of_it(void **state)
{
    struct replica replica;
    char command[9000];
    if (!has_program("tar") || !has_program("zstd")) {
        print_message("skipped: no tar or zstd\n");
        skip();
    }
    merging_begin(&replica, *state);
    scratch_text(*state, "local/03/new.py", "new");
    scratch_text(*state, "local/a/new.py", "new");
    scratch_random(*state, "local/a/large.bin", 2500000, 9);
    merging_adds(&replica, 3, 1);
    scratch_mkdir(*state, "tar");
    snprintf(command, sizeof(command),
             "tar --zstd -xf '%s' -C '%s' && diff -r --no-dereference '%s/tar/inductor' '%s/local'",
             replica_archive(&replica), scratch_path(*state, "tar"), replica.scratch->path,
             replica.scratch->path);
    assert_int_equal(system(command), 0);
    replica_release(&replica);
}

/* ---- load ---- */

static void a_load_adds_what_is_missing(void **state)
{
    struct replica replica;
    merging_begin(&replica, *state);
    merging_aim(&replica, "second");
    scratch_text(*state, "second/zz/large.bin", "mine");
    scratch_text(*state, "second/own.py", "mine too");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.existing, 1);
    char *kept = scratch_read(*state, "second/zz/large.bin", NULL);
    assert_string_equal(kept, "mine");
    free(kept);
    assert_int_equal(unlink(scratch_path(*state, "second/zz/large.bin")), 0);
    assert_int_equal(unlink(scratch_path(*state, "second/own.py")), 0);
    assert_int_equal(unlink(scratch_path(*state, "local/zz/large.bin")), 0);
    scratch_assert_same_tree(scratch_path(*state, "local"), scratch_path(*state, "second"));
    stored_nothing_left(*state);
    replica_release(&replica);
}

static void a_load_of_what_is_all_there_succeeds(void **state)
{
    struct replica replica;
    merging_begin(&replica, *state);
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_true(replica.report.existing > 0);
    stored_nothing_left(*state);
    replica_release(&replica);
}

static void a_load_into_nothing_is_as_ever(void **state)
{
    struct replica replica;
    merging_begin(&replica, *state);
    merging_holds(&replica, "local");
    replica_release(&replica);
}

static void a_load_waits_for_no_other_load(void **state)
{
    struct replica replica;
    merging_begin(&replica, *state);
    merging_aim(&replica, "second");
    scratch_text(*state, "second/.b10transfer.partial", "");
    int marker = open(scratch_path(*state, "second/.b10transfer.partial"), O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(marker, LOCK_EX), 0);
    replica_assert(&replica, replica_load(&replica), B10_SKIPPED, B10_REASON_LOCAL_PRESENT);
    close(marker);
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    scratch_assert_same_tree(scratch_path(*state, "local"), scratch_path(*state, "second"));
    replica_release(&replica);
}

static void a_load_without_archive_is_absent(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    replica_set(&replica, "b10_load_mode", "merge");
    scratch_text(*state, "local/x.py", "x");
    replica_assert(&replica, replica_load(&replica), B10_DOES_NOT_EXIST, B10_REASON_ABSENT);
    replica_release(&replica);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_new_is_already_saved),
        TEST(what_is_new_is_added),
        TEST(large_files_and_duplicates_are_added),
        TEST(only_directories_are_added_too),
        TEST(merges_follow_each_other),
        TEST(the_same_path_stays_as_it_is_stored),
        TEST(a_file_and_a_directory_of_one_name_leave_the_stored_one),
        TEST(a_unit_is_added_whole_or_not_at_all),
        TEST(a_new_root_is_added_behind_the_stored_ones),
        TEST(every_original_path_is_kept_once),
        TEST(tar_makes_the_same_tree_of_it),
        TEST(a_load_adds_what_is_missing),
        TEST(a_load_of_what_is_all_there_succeeds),
        TEST(a_load_into_nothing_is_as_ever),
        TEST(a_load_waits_for_no_other_load),
        TEST(a_load_without_archive_is_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
