#include "cache/diff.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/merging.h"

/* The list by the public call. */
static b10_diff_list *diff(struct replica *replica, OperationStatus status)
{
    b10_diff_list *list = NULL;
    const OperationStatus got =
        b10_diff(replica_config(replica), &replica->options, &list, &replica->error);
    if (got != status)
        fail_msg("%s: %s", b10_status_name(got), replica->error.message);
    return list;
}

static void nothing_new_is_an_empty_list(void **state)
{
    struct replica replica;
    merging_begin(&replica, *state);
    b10_diff_list *list = diff(&replica, B10_SUCCESS);
    assert_int_equal(list->new_files, 0);
    assert_int_equal(list->new_bytes, 0);
    assert_int_equal(list->new_directories, 0);
    assert_null(b10_diff_list_at(list, 0));
    assert_string_equal(list->archive, replica_archive(&replica));
    assert_true(list->local_files > 0 && list->local_bytes > 0);
    b10_diff_list_free(list);
    replica_release(&replica);
}

static void new_files_are_listed_by_directory(void **state)
{
    static const struct {
        const char *directory, *name;
        uint64_t bytes;
    } expected[] = {{"inductor", "link", 0},
                    {"inductor", "top.py", 3},
                    {"inductor/x", "one.py", 1},
                    {"inductor/x", "two.py", 2},
                    {"inductor/x/deep/er", "three.py", 3}};
    struct replica replica;
    bool seen[5] = {false};
    merging_begin(&replica, *state);
    scratch_text(*state, "local/top.py", "top");
    scratch_text(*state, "local/x/one.py", "1");
    scratch_text(*state, "local/x/deep/er/three.py", "333");
    scratch_text(*state, "local/x/two.py", "22");
    assert_int_equal(symlinkat("top.py", ((struct scratch *)*state)->fd, "local/link"), 0);
    b10_diff_list *list = diff(&replica, B10_SUCCESS);
    assert_int_equal(list->new_files, 5);
    assert_int_equal(list->new_bytes, 9);
    assert_int_equal(list->new_directories, 3);
    const char *last = "";
    unsigned changes = 0;
    for (size_t i = 0; i < 5; i++) {
        const b10_diff_file *file = b10_diff_list_at(list, i);
        changes += strcmp(file->directory, last) != 0;
        last = file->directory;
        for (size_t k = 0; k < 5; k++)
            seen[k] |= strcmp(file->directory, expected[k].directory) == 0 &&
                       strcmp(file->name, expected[k].name) == 0 &&
                       file->bytes == expected[k].bytes;
    }
    assert_int_equal(changes, 3); /* each directory in one piece */
    for (size_t k = 0; k < 5; k++)
        assert_true(seen[k]);
    assert_null(b10_diff_list_at(list, 5));
    b10_diff_list_free(list);
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.files, 5); /* what a merge adds */
    replica_release(&replica);
}

static void without_an_archive_everything_is_new(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    replica_fill(&replica, "local");
    b10_diff_list *list = diff(&replica, B10_SUCCESS);
    assert_string_equal(list->archive, "");
    assert_int_equal(list->new_files, list->local_files);
    assert_int_equal(list->new_bytes, list->local_bytes);
    b10_diff_list_free(list);
    replica_release(&replica);
}

static void nothing_here_and_nothing_allowed_are_told_apart(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    assert_null(diff(&replica, B10_SKIPPED));
    assert_int_equal(replica.error.code, B10_REASON_NOTHING_LOCAL);
    replica_set(&replica, "baseten_fs_enabled", "0");
    assert_null(diff(&replica, B10_ERROR));
    assert_int_equal(replica.error.code, B10_REASON_DISABLED);
    assert_int_equal(b10_diff(NULL, NULL, NULL, NULL), B10_ERROR);
    assert_null(b10_diff_list_at(NULL, 0));
    replica_release(&replica);
}

static void a_damaged_archive_is_an_error(void **state)
{
    struct replica replica;
    merging_begin(&replica, *state);
    assert_int_equal(truncate(replica_archive(&replica), 1000), 0);
    assert_null(diff(&replica, B10_ERROR));
    assert_int_equal(replica.error.code, B10_REASON_CORRUPT);
    replica_release(&replica);
}

static void a_stored_cache_elsewhere_in_the_search_path_counts(void **state)
{
    struct replica replica;
    merging_begin(&replica, *state);
    replica_set(&replica, "b10_read_dirs", scratch_path(*state, "volume"));
    scratch_mkdir(*state, "empty");
    replica_set(&replica, "b10fs_cache_dir", scratch_path(*state, "empty"));
    b10_diff_list *list = diff(&replica, B10_SUCCESS);
    assert_int_equal(list->new_files, 0);
    assert_string_not_equal(list->archive, "");
    b10_diff_list_free(list);
    replica_release(&replica);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_new_is_an_empty_list, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(new_files_are_listed_by_directory, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(without_an_archive_everything_is_new, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(nothing_here_and_nothing_allowed_are_told_apart,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(a_damaged_archive_is_an_error, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(a_stored_cache_elsewhere_in_the_search_path_counts,
                                        scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
