/* B10_READ_DIRS: where else a load searches, and what info and key --explain say of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/replica.h"

/* The archive of local/ lies in org/, nothing in volume/; local/ is gone. */
static void begin(struct replica *replica, const struct scratch *scratch)
{
    replica_init(replica, scratch);
    scratch_mkdir(scratch, "org");
    replica_fill(replica, "local");
    replica_set(replica, "b10fs_cache_dir", scratch_path(scratch, "org"));
    replica_assert(replica, replica_save(replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(renameat(scratch->fd, "local", scratch->fd, "saved"), 0);
    replica_set(replica, "b10fs_cache_dir", scratch_path(scratch, "volume"));
    replica_set(replica, "b10_read_dirs", scratch_path(scratch, "org"));
}

static void a_load_finds_it_in_a_further_directory(void **state)
{
    struct replica replica;
    begin(&replica, *state);
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(strncmp(replica.report.archive, scratch_path(*state, "org"),
                             strlen(scratch_path(*state, "org"))),
                     0);
    assert_int_equal(replica.report.fallback, 0);
    scratch_assert_same_tree(scratch_path(*state, "saved"), scratch_path(*state, "local"));
    replica_release(&replica);
}

static void the_first_directory_wins(void **state)
{
    const struct scratch *scratch = *state;
    struct replica replica;
    begin(&replica, scratch);
    scratch_text(scratch, "local/of_the_first.py", "x = 1\n");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(unlinkat(scratch->fd, "local/of_the_first.py", 0), 0);
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    struct stat stat;
    assert_int_equal(fstatat(scratch->fd, "local/of_the_first.py", &stat, 0), 0);
    replica_release(&replica);
}

static void directories_that_do_not_exist_are_passed_over(void **state)
{
    const struct scratch *scratch = *state;
    struct replica replica;
    char text[1200];
    begin(&replica, scratch);
    int length = snprintf(text, sizeof(text), "%s,", scratch_path(scratch, "nowhere"));
    snprintf(text + length, sizeof(text) - (size_t)length, "%s", scratch_path(scratch, "org"));
    replica_set(&replica, "b10_read_dirs", text);
    replica_set(&replica, "b10fs_cache_dir", scratch_path(scratch, "not mounted/cache"));
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    replica_release(&replica);
}

static void none_of_them_existing_is_absent(void **state)
{
    const struct scratch *scratch = *state;
    struct replica replica;
    begin(&replica, scratch);
    replica_set(&replica, "b10_read_dirs", scratch_path(scratch, "nowhere"));
    replica_set(&replica, "b10fs_cache_dir", scratch_path(scratch, "not mounted/cache"));
    replica_assert(&replica, replica_load(&replica), B10_DOES_NOT_EXIST, B10_REASON_ABSENT);
    assert_non_null(strstr(replica.error.message, "not mounted/cache"));
    replica_release(&replica);
}

static void a_directory_that_fails_does_not_hide_the_others(void **state)
{
    const struct scratch *scratch = *state;
    struct replica replica;
    begin(&replica, scratch);
    scratch_text(scratch, "a file", "no directory");
    replica_set(&replica, "b10fs_cache_dir", scratch_path(scratch, "a file"));
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_non_null(strstr(replica.log, "a file"));
    assert_int_equal(b10_clear(replica_config(&replica), NULL, NULL, NULL), B10_SUCCESS);
    replica_set(&replica, "b10_read_dirs", scratch_path(scratch, "volume"));
    replica_assert(&replica, replica_load(&replica), B10_ERROR, B10_REASON_IO);
    replica_release(&replica);
}

static void
damage_in_the_first_leads_to_the_next_and_its_code_counts_where_there_is_none(void **state)
{
    const struct scratch *scratch = *state;
    struct replica replica;
    char name[512];
    begin(&replica, scratch);
    replica_set(&replica, "b10fs_cache_dir", scratch_path(scratch, "org"));
    snprintf(name, sizeof(name), "volume/%s", strrchr(replica.report.archive, '/') + 1);
    replica_set(&replica, "b10fs_cache_dir", scratch_path(scratch, "volume"));
    scratch_text(scratch, name, "no archive");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.archives_set_aside, 1);

    assert_int_equal(b10_clear(replica_config(&replica), NULL, NULL, NULL), B10_SUCCESS);
    replica_set(&replica, "b10_read_dirs", "");
    scratch_text(scratch, name, "no archive");
    replica_assert(&replica, replica_load(&replica), B10_ERROR, B10_REASON_CORRUPT);
    replica_release(&replica);
}

static void a_directory_inside_the_local_one_is_refused(void **state)
{
    const struct scratch *scratch = *state;
    struct replica replica;
    begin(&replica, scratch);
    scratch_mkdir(scratch, "local/inside");
    replica_set(&replica, "b10_read_dirs", scratch_path(scratch, "local/inside"));
    replica_assert(&replica, replica_load(&replica), B10_ERROR, B10_REASON_CONFIG);
    assert_non_null(strstr(replica.error.message, "B10_READ_DIRS"));
    replica_release(&replica);
}

static void info_and_explain_look_there_too_and_a_save_does_not(void **state)
{
    const struct scratch *scratch = *state;
    struct replica replica;
    b10_comparison_list *list = NULL;
    begin(&replica, scratch);
    b10_cache_info *info = calloc(1, sizeof(*info));
    assert_non_null(info);
    info->struct_size = sizeof(*info);
    assert_int_equal(b10_info(replica_config(&replica), NULL, info, NULL), B10_SUCCESS);
    assert_int_equal(info->b10fs_cache_exists, 1);
    assert_non_null(strstr(info->archive, "/org/"));
    free(info);
    assert_int_equal(b10_explain(replica_config(&replica), NULL, &list, NULL), B10_SUCCESS);
    assert_int_equal(list->total, 1);
    assert_string_equal(b10_comparison_list_at(list, 0)->directory, scratch_path(scratch, "org"));
    assert_int_equal(b10_comparison_list_at(list, 0)->match, B10_MATCH_EXACT);
    b10_comparison_list_free(list);
    replica_fill(&replica, "local");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    replica_release(&replica);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_load_finds_it_in_a_further_directory),
        TEST(the_first_directory_wins),
        TEST(directories_that_do_not_exist_are_passed_over),
        TEST(none_of_them_existing_is_absent),
        TEST(a_directory_that_fails_does_not_hide_the_others),
        TEST(damage_in_the_first_leads_to_the_next_and_its_code_counts_where_there_is_none),
        TEST(a_directory_inside_the_local_one_is_refused),
        TEST(info_and_explain_look_there_too_and_a_save_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
