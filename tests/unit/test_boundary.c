#include "api/boundary.h"

#include <string.h>

#include "support/scratch.h"

static void every_reason_has_the_status_of_the_header(void **state)
{
    (void)state;
    static const OperationStatus expected[] = {
        [B10_REASON_OK] = B10_SUCCESS,
        [B10_REASON_DISABLED] = B10_ERROR,
        [B10_REASON_CONFIG] = B10_ERROR,
        [B10_REASON_LOCAL_PRESENT] = B10_SKIPPED,
        [B10_REASON_ABSENT] = B10_DOES_NOT_EXIST,
        [B10_REASON_NO_SPACE] = B10_ERROR,
        [B10_REASON_TOO_LARGE] = B10_ERROR,
        [B10_REASON_CORRUPT] = B10_ERROR,
        [B10_REASON_UNSAFE] = B10_ERROR,
        [B10_REASON_FORMAT] = B10_ERROR,
        [B10_REASON_READ_ONLY] = B10_SKIPPED,
        [B10_REASON_NOTHING_LOCAL] = B10_SKIPPED,
        [B10_REASON_ALREADY_SAVED] = B10_SKIPPED,
        [B10_REASON_IO] = B10_ERROR,
        [B10_REASON_DENIED] = B10_ERROR,
        [B10_REASON_NO_MEMORY] = B10_ERROR,
        [B10_REASON_CANCELLED] = B10_ERROR,
        [B10_REASON_INTERNAL] = B10_ERROR,
        [B10_REASON_NO_KEY] = B10_SKIPPED,
    };
    for (unsigned reason = 0; reason < sizeof(expected) / sizeof(expected[0]); reason++)
        assert_int_equal(boundary_status((enum b10_reason)reason, B10_DOES_NOT_EXIST),
                         expected[reason]);
    assert_int_equal(boundary_status(B10_REASON_ABSENT, B10_ERROR), B10_ERROR);
}

struct first {
    uint32_t struct_size;
    uint32_t a;
};

struct grown {
    uint32_t struct_size;
    uint32_t a;
    uint32_t b;
    uint32_t c;
};

static void an_older_callers_struct_gets_only_its_own_size(void **state)
{
    (void)state;
    struct grown ours = {sizeof(struct grown), 1, 2, 3};
    struct grown theirs = {sizeof(struct first), 9, 9, 9};
    boundary_copy(&theirs, &ours);
    assert_int_equal(theirs.struct_size, sizeof(struct first));
    assert_int_equal(theirs.a, 1);
    assert_int_equal(theirs.b, 9);
    assert_int_equal(theirs.c, 9);
}

static void what_a_newer_callers_struct_has_more_stays(void **state)
{
    (void)state;
    struct first ours = {sizeof(struct first), 1};
    struct grown theirs = {sizeof(struct grown), 9, 9, 9};
    boundary_copy(&theirs, &ours);
    assert_int_equal(theirs.struct_size, sizeof(struct grown));
    assert_int_equal(theirs.a, 1);
    assert_int_equal(theirs.b, 9);
    assert_int_equal(theirs.c, 9);
}

static void a_struct_without_its_size_is_named(void **state)
{
    (void)state;
    struct b10_error error = ERROR_NONE;
    size_t first = FIRST_SIZE(struct grown, b);
    assert_int_equal(first, 12);
    assert_int_equal(boundary_check("grown", 12, first, &error), B10_REASON_OK);
    assert_int_equal(boundary_check("grown", 16, first, &error), B10_REASON_OK);
    assert_int_equal(boundary_check("grown", 11, first, &error), B10_REASON_INTERNAL);
    assert_int_equal(boundary_check("grown", 0, first, &error), B10_REASON_INTERNAL);
    assert_non_null(strstr(error.message, "struct_size of grown is 0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_has_the_status_of_the_header),
        cmocka_unit_test(an_older_callers_struct_gets_only_its_own_size),
        cmocka_unit_test(what_a_newer_callers_struct_has_more_stays),
        cmocka_unit_test(a_struct_without_its_size_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
