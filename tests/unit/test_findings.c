#include "cache/findings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "cache/doctor.h"
#include "support/scratch.h"

static struct b10_error error = ERROR_NONE;

static void what_was_added_stands_in_order_with_the_worst_verdict_of_all(void **state)
{
    (void)state;
    SCOPED(heap) struct findings *findings = findings_new();
    assert_non_null(findings);
    assert_int_equal(findings->list.verdict, B10_VERDICT_OK);
    findings_add(findings, "a", B10_VERDICT_FAIL, "%d of %d", 1, 2);
    findings_add(findings, "b", B10_VERDICT_WARN, "text");
    assert_int_equal(findings->list.total, 2);
    assert_int_equal(findings->list.verdict, B10_VERDICT_FAIL);
    assert_string_equal(findings->checks[0].name, "a");
    assert_string_equal(findings->checks[0].message, "1 of 2");
    assert_int_equal(findings->checks[1].verdict, B10_VERDICT_WARN);
    assert_ptr_equal(findings->list.checks, findings->checks);
    assert_int_equal(findings->list.entry_size, sizeof(struct b10_check));
}

static void a_measure_belongs_to_what_was_added_last(void **state)
{
    (void)state;
    SCOPED(heap) struct findings *findings = findings_new();
    findings_add(findings, "a", B10_VERDICT_OK, "text");
    findings_add(findings, "b", B10_VERDICT_OK, "text");
    findings_measure(findings, 2.5, "ms");
    assert_true(findings->checks[0].value < 0);
    assert_string_equal(findings->checks[0].unit, "");
    assert_true(findings->checks[1].value > 2.4 && findings->checks[1].value < 2.6);
    assert_string_equal(findings->checks[1].unit, "ms");
}

static void the_systems_words_stand_at_the_end_and_long_ones_are_cut(void **state)
{
    (void)state;
    char text[2000];
    SCOPED(heap) struct findings *findings = findings_new();
    findings_add_errno(findings, "a", B10_VERDICT_FAIL, EROFS, "no file in '%s'", "x");
    assert_string_equal(findings->checks[0].message, "no file in 'x': Read-only file system");
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    findings_add(findings, text, B10_VERDICT_OK, "%s", text);
    assert_int_equal(strlen(findings->checks[1].message), sizeof(findings->checks[1].message) - 1);
    assert_int_equal(strlen(findings->checks[1].name), sizeof(findings->checks[1].name) - 1);
}

static void free_space_is_judged_against_the_floor(void **state)
{
    const struct scratch *scratch = *state;
    SCOPED(heap) struct findings *findings = findings_new();
    assert_int_equal(doctor_space(findings, "volume", scratch->fd, 0, "FLOOR", "saves end", NULL,
                                  &error),
                     B10_REASON_OK);
    assert_int_equal(doctor_space(findings, "local", scratch->fd, UINT64_MAX / 2, "FLOOR",
                                  "loads end", NULL, &error),
                     B10_REASON_OK);
    assert_int_equal(findings->list.total, 4);
    assert_string_equal(findings->checks[0].name, "volume.space");
    assert_int_equal(findings->checks[0].verdict, B10_VERDICT_OK);
    assert_true(findings->checks[0].value > 0);
    assert_string_equal(findings->checks[1].name, "volume.inodes");
    assert_string_equal(findings->checks[2].name, "local.space");
    assert_int_equal(findings->checks[2].verdict, B10_VERDICT_FAIL);
    assert_non_null(strstr(findings->checks[2].message, "loads end with NO_SPACE"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_stands_in_order_with_the_worst_verdict_of_all),
        cmocka_unit_test(a_measure_belongs_to_what_was_added_last),
        cmocka_unit_test(the_systems_words_stand_at_the_end_and_long_ones_are_cut),
        cmocka_unit_test_setup_teardown(free_space_is_judged_against_the_floor, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
