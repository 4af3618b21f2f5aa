/* What the full and the simple calls promise about their arguments, whatever the operation itself
 * does. */
#include "api/operation.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "support/scratch.h"

/* Settings under which every operation is harmless: all places lie in the scratch directory, the
 * volume is off. */
static int setup(void **state)
{
    if (scratch_setup(state) != 0)
        return -1;
    const struct scratch *scratch = *state;
    scratch_mkdir(scratch, "tmp");
    return setenv("TORCHINDUCTOR_CACHE_DIR", scratch_path(scratch, "tmp/local"), 1) |
           setenv("B10FS_CACHE_DIR", scratch_path(scratch, "shared"), 1) |
           setenv("LOCAL_WORK_DIR", "/tmp", 1) | setenv("B10_LOCAL_PREFIXES", "any", 1) |
           setenv("TMPDIR", scratch_path(scratch, "tmp"), 1) | unsetenv("BASETEN_FS_ENABLED");
}

#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, setup, scratch_teardown)

struct heard {
    unsigned lines;
    char last[2048];
};

static void hear(void *user, b10_log_level level, const char *message)
{
    struct heard *heard = user;
    assert_int_equal(level, B10_LOG_ERROR);
    heard->lines++;
    strncpy(heard->last, message, sizeof(heard->last) - 1);
}

static void a_disabled_load_or_save_is_an_error_everywhere_the_same(void **state)
{
    (void)state;
    b10_report report = B10_INIT(b10_report);
    b10_error error = B10_INIT(b10_error);
    assert_int_equal(b10_load(NULL, NULL, &report, &error), B10_ERROR);
    assert_int_equal(error.code, B10_REASON_DISABLED);
    assert_int_equal(report.reason, B10_REASON_DISABLED);
    assert_true(report.wall_ns > 0);
    assert_int_equal(b10_save(NULL, NULL, NULL, NULL), B10_ERROR);
    assert_int_equal(b10_save_compile_cache(), B10_ERROR);
    assert_int_equal(b10_last_error()->code, B10_REASON_DISABLED);
    assert_string_equal(b10_last_error()->message, error.message);
}

static void success_clears_the_record(void **state)
{
    (void)state;
    b10_error error = B10_INIT(b10_error);
    error.code = 99;
    error.sys_errno = 99;
    strcpy(error.message, "old");
    assert_int_equal(b10_clear(NULL, NULL, NULL, &error), B10_SUCCESS);
    assert_int_equal(error.code, B10_REASON_OK);
    assert_int_equal(error.sys_errno, 0);
    assert_string_equal(error.message, "");
}

static void a_report_without_its_size_is_refused_and_untouched(void **state)
{
    (void)state;
    b10_error error = B10_INIT(b10_error);
    b10_report report;
    memset(&report, 0xa5, sizeof(report));
    b10_report before = report;
    report.struct_size = before.struct_size = 8;
    assert_int_equal(b10_clear(NULL, NULL, &report, &error), B10_ERROR);
    assert_int_equal(error.code, B10_REASON_INTERNAL);
    assert_non_null(strstr(error.message, "b10_report"));
    assert_memory_equal(&report, &before, sizeof(report));
}

static void info_and_verify_results_without_their_size_are_refused(void **state)
{
    (void)state;
    b10_error error = B10_INIT(b10_error);
    static b10_cache_info info;
    static b10_verify_report result;
    assert_int_equal(b10_info(NULL, NULL, &info, &error), B10_ERROR);
    assert_int_equal(error.code, B10_REASON_INTERNAL);
    assert_non_null(strstr(error.message, "b10_cache_info"));
    assert_int_equal(b10_verify(NULL, NULL, "key", &result, &error), B10_ERROR);
    assert_int_equal(error.code, B10_REASON_INTERNAL);
    assert_non_null(strstr(error.message, "b10_verify_report"));
}

static void options_without_their_size_are_refused(void **state)
{
    (void)state;
    b10_error error = B10_INIT(b10_error);
    b10_options options = {0};
    assert_int_equal(b10_clear(NULL, &options, NULL, &error), B10_ERROR);
    assert_int_equal(error.code, B10_REASON_INTERNAL);
    assert_non_null(strstr(error.message, "b10_options"));
}

static void a_record_without_its_size_is_left_alone_and_the_log_says_so(void **state)
{
    (void)state;
    struct heard heard = {0};
    b10_options options = B10_INIT(b10_options);
    options.log = hear;
    options.log_user = &heard;
    b10_error error;
    memset(&error, 0xa5, sizeof(error));
    b10_error before = error;
    error.struct_size = before.struct_size = 0;
    assert_int_equal(b10_clear(NULL, &options, NULL, &error), B10_ERROR);
    assert_memory_equal(&error, &before, sizeof(error));
    assert_int_equal(heard.lines, 1);
    assert_non_null(strstr(heard.last, "b10_error"));
}

static void missing_arguments_are_named(void **state)
{
    (void)state;
    b10_error error = B10_INIT(b10_error);
    char value[64];
    assert_int_equal(b10_info(NULL, NULL, NULL, &error), B10_ERROR);
    assert_string_equal(error.message, "b10_info: argument 'info' is NULL");
    assert_int_equal(b10_list(NULL, NULL, NULL, &error), B10_ERROR);
    assert_string_equal(error.message, "b10_list: argument 'list' is NULL");
    assert_int_equal(b10_verify(NULL, NULL, NULL, NULL, &error), B10_ERROR);
    assert_string_equal(error.message, "b10_verify: argument 'archive' is NULL");
    assert_int_equal(b10_transfer_file(NULL, NULL, NULL, "/x", &error), B10_ERROR);
    assert_string_equal(error.message, "b10_transfer_file: argument 'source' is NULL");
    assert_int_equal(b10_transfer_file(NULL, NULL, "/x", NULL, &error), B10_ERROR);
    assert_string_equal(error.message, "b10_transfer_file: argument 'dest' is NULL");
    assert_int_equal(b10_config_set(NULL, "B10_THREADS", "1", &error), B10_ERROR);
    assert_int_equal(error.code, B10_REASON_INTERNAL);
    assert_int_equal(b10_config_get(NULL, NULL, value, sizeof(value), NULL, &error), B10_ERROR);
    assert_int_equal(error.code, B10_REASON_INTERNAL);
    assert_int_equal(b10_config_get(NULL, "B10_THREADS", NULL, 0, NULL, &error), B10_ERROR);
    assert_int_equal(error.code, B10_REASON_INTERNAL);
    assert_int_equal(b10_setting_at(0, NULL), 0);
    b10_setting setting = {0};
    assert_int_equal(b10_setting_at(0, &setting), 0);
    b10_config_free(NULL);
    b10_cache_list_free(NULL);
}

static void a_failed_list_is_null(void **state)
{
    (void)state;
    setenv("B10_THREADS", "many", 1);
    b10_cache_list *list = (b10_cache_list *)&list;
    assert_int_equal(b10_list_available_caches(&list), B10_ERROR);
    unsetenv("B10_THREADS");
    assert_null(list);
    assert_int_equal(b10_last_error()->code, B10_REASON_CONFIG);
}

static void nothing_is_absent_for_a_copy_but_a_failure(void **state)
{
    const struct scratch *scratch = *state;
    b10_error error = B10_INIT(b10_error);
    assert_int_equal(b10_transfer_file(NULL, NULL, scratch_path(scratch, "none"),
                                       scratch_path(scratch, "copy"), &error),
                     B10_ERROR);
    assert_int_equal(error.code, B10_REASON_ABSENT);
    assert_int_equal(b10_verify(NULL, NULL, scratch_path(scratch, "none"), NULL, &error),
                     B10_DOES_NOT_EXIST);
    assert_int_equal(error.code, B10_REASON_ABSENT);
}

static void *fail_elsewhere(void *argument)
{
    const b10_error **seen = argument;
    *seen = b10_last_error();
    bool fresh = b10_last_error()->code == B10_REASON_OK;
    (void)b10_load_compile_cache();
    return fresh && b10_last_error()->code == B10_REASON_DISABLED ? argument : NULL;
}

static void each_thread_has_its_own_last_error(void **state)
{
    (void)state;
    assert_int_equal(b10_clear_local_cache(), B10_SUCCESS);
    assert_int_equal(b10_last_error()->code, B10_REASON_OK);
    const b10_error *theirs = NULL;
    pthread_t thread;
    void *result = NULL;
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, &theirs), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_non_null(result);
    assert_ptr_not_equal(theirs, b10_last_error());
    assert_int_equal(b10_last_error()->code, B10_REASON_OK);
}

static void a_list_is_walked_with_its_own_stride(void **state)
{
    (void)state;
    struct wide {
        b10_cache_entry entry;
        char more[40];
    } entries[3];
    memset(entries, 0, sizeof(entries));
    strcpy(entries[2].entry.filename, "third");
    b10_cache_list list = B10_INIT(b10_cache_list);
    list.entry_size = sizeof(entries[0]);
    list.total_caches = 3;
    list.caches = &entries[0].entry;
    assert_string_equal(b10_cache_list_at(&list, 2)->filename, "third");
    assert_null(b10_cache_list_at(&list, 3));
    assert_null(b10_cache_list_at(&list, SIZE_MAX));
    assert_null(b10_cache_list_at(NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SCRATCH(a_disabled_load_or_save_is_an_error_everywhere_the_same),
        WITH_SCRATCH(success_clears_the_record),
        WITH_SCRATCH(a_report_without_its_size_is_refused_and_untouched),
        WITH_SCRATCH(info_and_verify_results_without_their_size_are_refused),
        WITH_SCRATCH(options_without_their_size_are_refused),
        WITH_SCRATCH(a_record_without_its_size_is_left_alone_and_the_log_says_so),
        WITH_SCRATCH(missing_arguments_are_named),
        WITH_SCRATCH(a_failed_list_is_null),
        WITH_SCRATCH(nothing_is_absent_for_a_copy_but_a_failure),
        WITH_SCRATCH(each_thread_has_its_own_last_error),
        WITH_SCRATCH(a_list_is_walked_with_its_own_stride),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
