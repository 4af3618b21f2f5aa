#include <string.h>

#include "b10transfer.h"
#include "support/scratch.h"

static void statuses_have_their_names_and_the_python_packages_values(void **state)
{
    (void)state;
    assert_int_equal(B10_SUCCESS, 1);
    assert_int_equal(B10_ERROR, 2);
    assert_int_equal(B10_DOES_NOT_EXIST, 3);
    assert_int_equal(B10_SKIPPED, 4);
    assert_int_equal(sizeof(OperationStatus), 4);
    assert_string_equal(b10_status_name(B10_SUCCESS), "SUCCESS");
    assert_string_equal(b10_status_name(B10_ERROR), "ERROR");
    assert_string_equal(b10_status_name(B10_DOES_NOT_EXIST), "DOES_NOT_EXIST");
    assert_string_equal(b10_status_name(B10_SKIPPED), "SKIPPED");
    assert_string_equal(b10_status_name(B10_STATUS_FORCE32), "UNKNOWN");
}

static void every_reason_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (uint32_t i = 0; i <= B10_REASON_FORKED; i++) {
        assert_non_null(b10_reason_name(i));
        assert_string_not_equal(b10_reason_name(i), "UNKNOWN");
        for (uint32_t j = 0; j < i; j++)
            assert_string_not_equal(b10_reason_name(i), b10_reason_name(j));
    }
    assert_string_equal(b10_reason_name(B10_REASON_LOCAL_PRESENT), "LOCAL_PRESENT");
    assert_string_equal(b10_reason_name(B10_REASON_NO_KEY), "NO_KEY");
    assert_string_equal(b10_reason_name(B10_REASON_TIMEOUT), "TIMEOUT");
}

static void any_other_value_is_unknown(void **state)
{
    (void)state;
    assert_string_equal(b10_reason_name(B10_REASON_FORKED + 1), "UNKNOWN");
    assert_string_equal(b10_reason_name(UINT32_MAX), "UNKNOWN");
}

static void the_version_is_that_of_the_build(void **state)
{
    (void)state;
    assert_string_equal(b10_version(), B10_VERSION_TEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses_have_their_names_and_the_python_packages_values),
        cmocka_unit_test(every_reason_has_a_name_of_its_own),
        cmocka_unit_test(any_other_value_is_unknown),
        cmocka_unit_test(the_version_is_that_of_the_build),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
