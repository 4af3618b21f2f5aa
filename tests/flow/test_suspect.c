/* Archives that servers died of: marked, passed over, replaced; and what a load brought taken out
 * again. */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/replica.h"

#define OTHER_BOOT "0badb007"

/* local/ saved and gone, loaded again; report is the load's. */
static void begin(struct replica *replica, const struct scratch *scratch)
{
    replica_init(replica, scratch);
    replica_fill(replica, "local");
    replica_assert(replica, replica_save(replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(strlen(replica->report.archive_token), 32);
    assert_int_equal(renameat(scratch->fd, "local", scratch->fd, "saved"), 0);
    replica_assert(replica, replica_load(replica), B10_SUCCESS, B10_REASON_OK);
}

static OperationStatus mark(struct replica *replica, const char *token)
{
    return b10_mark_suspect(replica_config(replica), &replica->options, token, &replica->error);
}

static OperationStatus unload(struct replica *replica)
{
    replica->report = (b10_report)B10_INIT(b10_report);
    return b10_unload(replica_config(replica), &replica->options, &replica->report,
                      &replica->error);
}

/* The number of marks; the last one's name in `name`. */
static size_t marks(const struct scratch *scratch, char name[300])
{
    size_t count = 0;
    DIR *volume = opendir(scratch_path(scratch, "volume"));
    assert_non_null(volume);
    for (const struct dirent *entry; (entry = readdir(volume)) != NULL;) {
        if (strstr(entry->d_name, ".suspect-") == NULL)
            continue;
        snprintf(name, 300, "%s", entry->d_name);
        count++;
    }
    closedir(volume);
    return count;
}

/* Another host says the same. */
static void mark_elsewhere(const struct scratch *scratch)
{
    char name[300];
    char path[400];
    assert_int_equal(marks(scratch, name), 1);
    strcpy(strrchr(name, '-') + 1, OTHER_BOOT);
    snprintf(path, sizeof(path), "volume/%s", name);
    scratch_text(scratch, path, "");
}

/* Another host's word on the archive of that token. */
static void mark_elsewhere_about(const struct replica *replica, const char *token, const char *boot)
{
    char path[600];
    snprintf(path, sizeof(path), "volume/.%s.suspect-%.16s-%s", replica->report.environment_key,
             token, boot);
    scratch_text(replica->scratch, path, "");
}

/* Loaded and merged with one more file: the token of the new archive. */
static void merge_one(struct replica *replica, const char *path, char token[33])
{
    replica_set(replica, "b10_save_mode", "merge");
    replica_set(replica, "b10_load_mode", "merge");
    scratch_text(replica->scratch, path, path);
    replica_assert(replica, replica_save(replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica->report.files, 1);
    snprintf(token, 33, "%s", replica->report.archive_token);
    assert_int_equal(strlen(token), 32);
}

/* Marked by two boots; local/ gone. */
static void begin_suspect(struct replica *replica, const struct scratch *scratch)
{
    begin(replica, scratch);
    assert_int_equal(mark(replica, replica->report.archive_token), B10_SUCCESS);
    mark_elsewhere(scratch);
    assert_int_equal(renameat(scratch->fd, "local", scratch->fd, "loaded"), 0);
}

/* ---- marks ---- */

static void a_mark_names_key_token_and_boot(void **state)
{
    struct replica replica;
    char name[300];
    char expected[300];
    begin(&replica, *state);
    const char *token = replica.report.archive_token;
    for (int i = 0; i < 2; i++) { /* again is fine */
        replica_assert(&replica, mark(&replica, token), B10_SUCCESS, B10_REASON_OK);
        assert_int_equal(marks(*state, name), 1);
    }
    snprintf(expected, sizeof(expected), ".%s.suspect-%.16s-", replica.report.environment_key,
             token);
    assert_int_equal(strncmp(name, expected, strlen(expected)), 0);
    assert_int_equal(strlen(name), strlen(expected) + 8);
    replica_release(&replica);
}

static void an_archive_that_is_not_there_cannot_be_marked(void **state)
{
    struct replica replica;
    char name[300];
    begin(&replica, *state);
    replica_assert(&replica, mark(&replica, "0123456789abcdef0123456789abcdef"), B10_DOES_NOT_EXIST,
                   B10_REASON_ABSENT);
    replica_assert(&replica, mark(&replica, "../../etc"), B10_ERROR, B10_REASON_CONFIG);
    replica_assert(&replica, mark(&replica, NULL), B10_ERROR, B10_REASON_INTERNAL);
    assert_int_equal(marks(*state, name), 0);
    replica_release(&replica);
}

static void one_boot_is_not_believed(void **state)
{
    const struct scratch *scratch = *state;
    struct replica replica;
    begin(&replica, scratch);
    assert_int_equal(mark(&replica, replica.report.archive_token), B10_SUCCESS);
    assert_int_equal(renameat(scratch->fd, "local", scratch->fd, "loaded"), 0);
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.suspect, 0);
    replica_release(&replica);
}

static void a_suspect_archive_is_absent_for_a_load(void **state)
{
    struct replica replica;
    begin_suspect(&replica, *state);
    replica_assert(&replica, replica_load(&replica), B10_DOES_NOT_EXIST, B10_REASON_ABSENT);
    assert_non_null(strstr(replica.error.message, "suspect"));
    assert_int_equal(replica.report.suspect, 1);
    assert_string_equal(replica.report.archive_token, "");
    assert_false(scratch_exists(*state, "local"));
    replica_release(&replica);
}

static void the_next_directory_is_tried(void **state)
{
    const struct scratch *scratch = *state;
    struct replica replica;
    begin_suspect(&replica, scratch);
    scratch_mkdir(scratch, "org");
    assert_int_equal(renameat(scratch->fd, "loaded", scratch->fd, "local"), 0);
    replica_set(&replica, "b10fs_cache_dir", scratch_path(scratch, "org"));
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(renameat(scratch->fd, "local", scratch->fd, "loaded"), 0);
    replica_set(&replica, "b10fs_cache_dir", scratch_path(scratch, "volume"));
    replica_set(&replica, "b10_read_dirs", scratch_path(scratch, "org"));
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.suspect, 1);
    assert_non_null(strstr(replica.report.archive, "/org/"));
    replica_release(&replica);
}

static void replaced_by_save(void **state, const char *mode)
{
    const struct scratch *scratch = *state;
    struct replica replica;
    char name[300];
    begin_suspect(&replica, scratch);
    replica_set(&replica, "b10_save_mode", mode);
    scratch_text(scratch, "local/compiled.py", "afresh");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.files, 1);
    assert_int_equal(replica.report.merged_files, 0);
    assert_int_equal(marks(scratch, name), 0);
    assert_int_equal(unlinkat(scratch->fd, "local/compiled.py", 0), 0);
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.files, 1);
    replica_release(&replica);
}

static void a_save_replaces_it_and_removes_its_marks(void **state)
{
    replaced_by_save(state, "if_absent");
}

static void a_merge_does_not_add_to_it(void **state)
{
    replaced_by_save(state, "merge");
}

/* ---- marks of an archive that was merged with more ---- */

static void assert_is_suspect(struct replica *replica, bool expected)
{
    assert_int_equal(renameat(replica->scratch->fd, "local", replica->scratch->fd, "aside"), 0);
    replica_assert(replica, replica_load(replica), expected ? B10_DOES_NOT_EXIST : B10_SUCCESS,
                   expected ? B10_REASON_ABSENT : B10_REASON_OK);
    assert_int_equal(replica->report.suspect, expected);
    replica_release(replica);
}

static void a_mark_holds_for_what_is_merged_afterwards(void **state)
{
    struct replica replica;
    char name[300];
    char merged[33];
    begin(&replica, *state);
    assert_int_equal(mark(&replica, replica.report.archive_token), B10_SUCCESS);
    merge_one(&replica, "local/more.py", merged);
    assert_int_equal(marks(*state, name), 1);
    merge_one(&replica, "local/and/yet/more.py", merged);
    assert_int_equal(marks(*state, name), 1);
    mark_elsewhere_about(&replica, merged, OTHER_BOOT);
    assert_is_suspect(&replica, true);
}

static void one_boot_counts_once_whatever_it_marks(void **state)
{
    struct replica replica;
    char first[33];
    char merged[33];
    begin(&replica, *state);
    snprintf(first, sizeof(first), "%s", replica.report.archive_token);
    merge_one(&replica, "local/more.py", merged);
    mark_elsewhere_about(&replica, first, OTHER_BOOT);
    mark_elsewhere_about(&replica, merged, OTHER_BOOT);
    assert_is_suspect(&replica, false);
}

static void what_was_loaded_can_be_marked_after_a_merge(void **state)
{
    struct replica replica;
    char name[300];
    char loaded[33];
    char merged[33];
    begin(&replica, *state);
    snprintf(loaded, sizeof(loaded), "%s", replica.report.archive_token);
    merge_one(&replica, "local/more.py", merged);
    replica_assert(&replica, mark(&replica, loaded), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(marks(*state, name), 1);
    char expected[32];
    snprintf(expected, sizeof(expected), ".suspect-%.16s-", loaded);
    assert_non_null(strstr(name, expected));
    mark_elsewhere_about(&replica, merged, OTHER_BOOT);
    assert_is_suspect(&replica, true);
}

static void a_mark_of_a_merge_does_not_reach_another_archive(void **state)
{
    struct replica replica;
    char name[300];
    char first[33];
    char merged[33];
    begin(&replica, *state);
    snprintf(first, sizeof(first), "%s", replica.report.archive_token);
    merge_one(&replica, "local/more.py", merged);
    mark_elsewhere_about(&replica, first, OTHER_BOOT);
    mark_elsewhere_about(&replica, merged, "0badb008");
    replica_set(&replica, "b10_save_mode", "replace");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(marks(*state, name), 0);
    mark_elsewhere_about(&replica, first, OTHER_BOOT); /* late */
    mark_elsewhere_about(&replica, merged, "0badb008");
    assert_is_suspect(&replica, false);
}

static void marks_are_not_listed(void **state)
{
    struct replica replica;
    b10_cache_list *list = NULL;
    begin_suspect(&replica, *state);
    assert_int_equal(b10_list(replica_config(&replica), NULL, &list, NULL), B10_SUCCESS);
    assert_int_equal(list->total_caches, 1);
    b10_cache_list_free(list);
    replica_release(&replica);
}

/* ---- unload ---- */

static void everything_that_was_loaded_goes(void **state)
{
    const struct scratch *scratch = *state;
    struct replica replica;
    begin(&replica, scratch);
    const uint64_t files = replica.report.files;
    const uint64_t bytes = replica.report.content_bytes;
    replica_assert(&replica, unload(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.files, files);
    assert_int_equal(replica.report.content_bytes, bytes);
    assert_int_equal(strlen(replica.report.archive_token), 32);
    assert_false(scratch_exists(scratch, "local"));
    assert_int_equal(scratch_count(scratch, ""), scratch_count(scratch, "saved") + 2 + 1);
    replica_assert(&replica, unload(&replica), B10_SKIPPED, B10_REASON_NOTHING_LOCAL);
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    scratch_assert_same_tree(scratch_path(scratch, "saved"), scratch_path(scratch, "local"));
    replica_release(&replica);
}

static void remove_loaded(const struct scratch *scratch, const char *path)
{
    if (scratch_exists(scratch, path))
        fail_msg("%s is still there", path);
}

static void what_the_server_wrote_stays(void **state)
{
    const struct scratch *scratch = *state;
    struct replica replica;
    replica_init(&replica, scratch);
    scratch_text(scratch, "local/whole/a.py", "a");
    scratch_text(scratch, "local/whole/deeper/b.py", "b");
    scratch_text(scratch, "local/mixed/c.py", "c");
    scratch_text(scratch, "local/mixed/changed.py", "d");
    scratch_text(scratch, "local/mixed/inner/e.py", "e");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(renameat(scratch->fd, "local", scratch->fd, "saved"), 0);
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    scratch_text(scratch, "local/mixed/own.py", "own");
    scratch_text(scratch, "local/mixed/changed.py", "D");
    scratch_mkdir(scratch, "local/own");
    replica_assert(&replica, unload(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.files, 4);
    remove_loaded(scratch, "local/whole");
    remove_loaded(scratch, "local/mixed/c.py");
    remove_loaded(scratch, "local/mixed/inner");
    assert_true(scratch_exists(scratch, "local/mixed/own.py"));
    assert_true(scratch_exists(scratch, "local/mixed/changed.py"));
    assert_true(scratch_exists(scratch, "local/own"));
    assert_int_equal(scratch_count(scratch, "local"), 4);
    replica_release(&replica);
}

static void the_same_time_with_another_size_stays(void **state)
{
    const struct scratch *scratch = *state;
    struct replica replica;
    struct stat stat;
    replica_init(&replica, scratch);
    scratch_text(scratch, "local/a.py", "a");
    scratch_text(scratch, "local/b.py", "b");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(fstatat(scratch->fd, "local/a.py", &stat, 0), 0);
    scratch_text(scratch, "local/a.py", "longer");
    const struct timespec times[2] = {stat.st_atim, stat.st_mtim};
    assert_int_equal(utimensat(scratch->fd, "local/a.py", times, 0), 0);
    replica_assert(&replica, unload(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.files, 1);
    assert_true(scratch_exists(scratch, "local/a.py"));
    replica_release(&replica);
}

static void further_roots_are_emptied_as_well(void **state)
{
    const struct scratch *scratch = *state;
    struct replica replica;
    char roots[800];
    replica_init(&replica, scratch);
    int length = snprintf(roots, sizeof(roots), "outer=%s,", scratch_path(scratch, "outer"));
    snprintf(roots + length, sizeof(roots) - (size_t)length, "inner=%s",
             scratch_path(scratch, "local/in/inner"));
    replica_set(&replica, "b10_cache_roots", roots);
    scratch_text(scratch, "local/a.py", "a");
    scratch_text(scratch, "local/in/inner/b.py", "b");
    scratch_text(scratch, "outer/c.py", "c");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    scratch_text(scratch, "outer/own.py", "own");
    replica_assert(&replica, unload(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.files, 3);
    assert_false(scratch_exists(scratch, "local"));
    assert_false(scratch_exists(scratch, "outer/c.py"));
    assert_true(scratch_exists(scratch, "outer/own.py"));
    replica_release(&replica);
}

static void without_an_archive_nothing_is_touched(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    replica_fill(&replica, "local");
    const size_t before = scratch_count(*state, "local");
    replica_assert(&replica, unload(&replica), B10_DOES_NOT_EXIST, B10_REASON_ABSENT);
    assert_int_equal(scratch_count(*state, "local"), before);
    replica_release(&replica);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_mark_names_key_token_and_boot),
        TEST(an_archive_that_is_not_there_cannot_be_marked),
        TEST(one_boot_is_not_believed),
        TEST(a_suspect_archive_is_absent_for_a_load),
        TEST(the_next_directory_is_tried),
        TEST(a_save_replaces_it_and_removes_its_marks),
        TEST(a_merge_does_not_add_to_it),
        TEST(a_mark_holds_for_what_is_merged_afterwards),
        TEST(one_boot_counts_once_whatever_it_marks),
        TEST(what_was_loaded_can_be_marked_after_a_merge),
        TEST(a_mark_of_a_merge_does_not_reach_another_archive),
        TEST(marks_are_not_listed),
        TEST(everything_that_was_loaded_goes),
        TEST(what_the_server_wrote_stays),
        TEST(the_same_time_with_another_size_stays),
        TEST(further_roots_are_emptied_as_well),
        TEST(without_an_archive_nothing_is_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
