#include "archive/check.h"

#include <string.h>

#include "support/forge.h"

enum { LARGE = 10000 };

static enum b10_reason check_forged(struct scratch *scratch, struct forge *forge,
                                    struct progress *progress, struct b10_error *error)
{
    forge_save(forge, scratch_path(scratch, "a"));
    forge_release(forge);
    size_t descriptors = scratch_open_descriptors();
    enum b10_reason reason = B10_REASON_OK;
    {
        SCOPED(reader) struct reader reader = READER_CLOSED;
        if (reader_open(&reader, scratch->fd, "a", "the.archive", error) != B10_REASON_OK)
            fail_msg("%s", error->message);
        reason = check_archive(&reader, progress, error);
    }
    assert_int_equal(scratch_open_descriptors(), descriptors);
    assert_int_equal(scratch_count(scratch, "."), 1);
    return reason;
}

static void an_intact_archive_is_intact(void **state)
{
    struct forge forge;
    struct b10_error error = ERROR_NONE;
    forge_init(&forge);
    forge_sample(&forge, LARGE);
    if (check_forged(*state, &forge, NULL, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
}

static void a_void_file_is_part_of_an_intact_archive(void **state)
{
    struct forge forge;
    struct b10_error error = ERROR_NONE;
    forge_init(&forge);
    forge_sample(&forge, 0);
    forge_sliced(&forge, "inductor/torn", "half", 4, 512, true);
    if (check_forged(*state, &forge, NULL, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
}

static void progress_arrives_at_the_totals(void **state)
{
    struct forge forge;
    struct b10_error error = ERROR_NONE;
    struct progress progress = {0};
    forge_init(&forge);
    forge_sample(&forge, LARGE);
    assert_int_equal(check_forged(*state, &forge, &progress, &error), B10_REASON_OK);
    assert_string_equal(progress.phase, "verify");
    assert_int_equal(progress.bytes_done, progress.bytes_total);
    assert_int_equal(progress.files_done, progress.files_total);
    assert_int_equal(progress.files_total, 9);
}

static int refuse(void *user, const b10_progress *progress)
{
    (void)user, (void)progress;
    return 1;
}

static void the_callback_cancels(void **state)
{
    struct forge forge;
    struct b10_error error = ERROR_NONE;
    struct progress progress = {.fn = refuse};
    forge_init(&forge);
    forge_sample(&forge, LARGE);
    assert_int_equal(check_forged(*state, &forge, &progress, &error), B10_REASON_CANCELLED);
}

static void a_damaged_index_is_corrupt(void **state)
{
    struct forge forge;
    struct b10_error error = ERROR_NONE;
    forge_init(&forge);
    forge_sample(&forge, 0);
    forge_assemble(&forge);
    forge.file.data[forge.index_offset + SKIPPABLE_HEADER_SIZE + 3] ^= 1;
    assert_int_equal(check_forged(*state, &forge, NULL, &error), B10_REASON_CORRUPT);
    assert_non_null(strstr(error.message, "index of 'the.archive'"));
}

static void a_member_that_the_index_lacks_is_named(void **state)
{
    struct forge forge;
    struct b10_error error = ERROR_NONE;
    forge_init(&forge);
    forge_file(&forge, "inductor/first", "1");
    size_t size = forge.index.size;
    forge_file(&forge, "inductor/second", "2");
    forge.index.size = size;
    assert_int_equal(check_forged(*state, &forge, NULL, &error), B10_REASON_CORRUPT);
    assert_non_null(strstr(error.message, "inductor/second"));
    assert_non_null(strstr(error.message, "the.archive"));
}

static void a_line_without_its_member_is_named(void **state)
{
    struct forge forge;
    struct b10_error error = ERROR_NONE;
    forge_init(&forge);
    forge_file(&forge, "inductor/first", "1");
    assert_int_equal(bytes_append_text(&forge.index, "[0,\"ghost\",\"file\",0,0,0,1,0,0]\n", NULL),
                     B10_REASON_OK);
    assert_int_equal(check_forged(*state, &forge, NULL, &error), B10_REASON_CORRUPT);
    assert_non_null(strstr(error.message, "ghost"));
}

/* What a load would hear from the file system. */
static void names_are_checked_without_a_file_system(void **state)
{
    struct forge forge;
    struct b10_error error = ERROR_NONE;
    forge_init(&forge);
    forge_file(&forge, "inductor/twice", "1");
    forge_close_frame(&forge);
    forge_file(&forge, "inductor/twice", "2");
    assert_int_equal(check_forged(*state, &forge, NULL, &error), B10_REASON_UNSAFE);
    assert_non_null(strstr(error.message, "inductor/twice"));

    forge_init(&forge);
    forge_file(&forge, "inductor/nowhere/x", "1");
    assert_int_equal(check_forged(*state, &forge, NULL, &error), B10_REASON_CORRUPT);
    assert_non_null(strstr(error.message, "nowhere/x"));

    forge_init(&forge);
    forge_file(&forge, "inductor/x", "1");
    forge_file(&forge, "headers/x", "1");
    assert_int_equal(check_forged(*state, &forge, NULL, &error), B10_REASON_OK);
}

int main(void)
{
#define CHECK(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        CHECK(an_intact_archive_is_intact),        CHECK(a_void_file_is_part_of_an_intact_archive),
        CHECK(progress_arrives_at_the_totals),     CHECK(the_callback_cancels),
        CHECK(a_damaged_index_is_corrupt),         CHECK(a_member_that_the_index_lacks_is_named),
        CHECK(a_line_without_its_member_is_named), CHECK(names_are_checked_without_a_file_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
