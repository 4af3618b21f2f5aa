#include "archive/tally.h"

#include <string.h>

#include "support/scratch.h"

static struct reader announced(void)
{
    return (struct reader){.fd = -1,
                           .name = "the.archive",
                           .manifest.totals = {.files = 2,
                                               .symlinks = 1,
                                               .directories = 1,
                                               .duplicates = 1,
                                               .bytes = 30,
                                               .disk_bytes = 3 * 4096}};
}

static struct decoded member(enum entry_type type, uint64_t size)
{
    return (struct decoded){.entry = {.type = type, .path = "inductor/x"}, .size = size};
}

static enum b10_reason add(struct tally *tally, const struct reader *reader, enum entry_type type,
                           uint64_t size)
{
    struct decoded decoded = member(type, size);
    return tally_add(tally, reader, &decoded, NULL);
}

static void exactly_what_is_announced_is_complete(void **state)
{
    (void)state;
    struct reader reader = announced();
    struct tally tally = TALLY_EMPTY;
    assert_int_equal(tally_complete(&tally, &reader, NULL), B10_REASON_CORRUPT);
    assert_int_equal(add(&tally, &reader, ENTRY_FILE, 15), B10_REASON_OK);
    assert_int_equal(add(&tally, &reader, ENTRY_HARDLINK, 15), B10_REASON_OK);
    assert_int_equal(add(&tally, &reader, ENTRY_SYMLINK, 0), B10_REASON_OK);
    assert_int_equal(tally_complete(&tally, &reader, NULL), B10_REASON_CORRUPT);
    assert_int_equal(add(&tally, &reader, ENTRY_DIRECTORY, 0), B10_REASON_OK);
    assert_int_equal(tally_complete(&tally, &reader, NULL), B10_REASON_OK);
}

static void one_more_of_anything_is_corrupt(void **state)
{
    (void)state;
    const struct {
        enum entry_type type;
        uint64_t size;
    } members[] = {{ENTRY_FILE, 0},      {ENTRY_HARDLINK, 0}, {ENTRY_SYMLINK, 0},
                   {ENTRY_DIRECTORY, 0}, {ENTRY_FILE, 31},    {ENTRY_FILE, UINT64_MAX}};
    const unsigned fine[] = {2, 1, 1, 1, 0, 0};
    for (size_t i = 0; i < 6; i++) {
        struct reader reader = announced();
        struct tally tally = TALLY_EMPTY;
        for (unsigned k = 0; k < fine[i]; k++)
            assert_int_equal(add(&tally, &reader, members[i].type, members[i].size), B10_REASON_OK);
        assert_int_equal(add(&tally, &reader, members[i].type, members[i].size),
                         B10_REASON_CORRUPT);
    }
}

/* Thousands of files of one byte need megabytes, which the free space was not asked for. */
static void small_files_count_by_what_they_take_on_a_disk(void **state)
{
    (void)state;
    struct reader reader = announced();
    reader.manifest.totals.files = 1000;
    reader.manifest.totals.bytes = 1000;
    struct tally tally = TALLY_EMPTY;
    for (int i = 0; i < 3; i++)
        assert_int_equal(add(&tally, &reader, ENTRY_FILE, 1), B10_REASON_OK);
    assert_int_equal(add(&tally, &reader, ENTRY_FILE, 1), B10_REASON_CORRUPT);
}

static void sums_do_not_wrap(void **state)
{
    (void)state;
    struct reader reader = announced();
    struct tally tally = TALLY_EMPTY;
    assert_int_equal(add(&tally, &reader, ENTRY_FILE, 20), B10_REASON_OK);
    assert_int_equal(add(&tally, &reader, ENTRY_FILE, UINT64_MAX - 10), B10_REASON_CORRUPT);
}

static void a_void_member_counts_nothing(void **state)
{
    (void)state;
    struct reader reader = announced();
    struct tally tally = TALLY_EMPTY;
    struct decoded decoded = member(ENTRY_FILE, 1000);
    decoded.is_void = true;
    assert_int_equal(tally_add(&tally, &reader, &decoded, NULL), B10_REASON_OK);
    assert_int_equal(tally.files, 0);
    assert_int_equal(tally.bytes, 0);
}

static void messages_name_archive_and_member(void **state)
{
    (void)state;
    struct reader reader = announced();
    struct tally tally = TALLY_EMPTY;
    struct b10_error error = ERROR_NONE;
    struct decoded decoded = member(ENTRY_FILE, 31);
    assert_int_equal(tally_add(&tally, &reader, &decoded, &error), B10_REASON_CORRUPT);
    assert_non_null(strstr(error.message, "the.archive"));
    assert_non_null(strstr(error.message, "inductor/x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exactly_what_is_announced_is_complete),
        cmocka_unit_test(one_more_of_anything_is_corrupt),
        cmocka_unit_test(sums_do_not_wrap),
        cmocka_unit_test(small_files_count_by_what_they_take_on_a_disk),
        cmocka_unit_test(a_void_member_counts_nothing),
        cmocka_unit_test(messages_name_archive_and_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
