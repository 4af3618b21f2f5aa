#include "archive/link_text.h"

#include <string.h>
#include <unistd.h>

#include "fs/path.h"
#include "support/scratch.h"

static void assert_text(const char *origin, const char *path, const char *target,
                        const char *expected)
{
    char text[PATH_LIMIT + 1];
    bool inside;
    assert_int_equal(link_text(text, origin, path, target, &inside, NULL), 0);
    assert_int_equal(inside, expected != NULL);
    if (expected != NULL)
        assert_string_equal(text, expected);
}

static void a_relative_target_inside_the_root_is_kept_as_it_is(void **state)
{
    (void)state;
    assert_text("/r", "a/b/link", "file", "file");
    assert_text("/r", "a/b/link", "../c/./file", "../c/./file");
    assert_text("/r", "a/b/link", "../../top", "../../top");
    assert_text("/r", "link", "does/not/exist", "does/not/exist");
}

static void an_absolute_target_in_its_own_root_becomes_relative(void **state)
{
    (void)state;
    assert_text("/x/r", "link", "/x/r/file", "file");
    assert_text("/x/r", "a/b/link", "/x/r/c/file", "../../c/file");
    assert_text("/x/r", "a/link", "/x/r", "../");
    assert_text("/x/r", "link", "/x/r", ".");
    assert_text("/x/r", "link", "/x/r//file", "file");
}

static void what_leads_out_of_the_root_is_refused(void **state)
{
    (void)state;
    assert_text("/x/r", "link", "../file", NULL);
    assert_text("/x/r", "a/link", "../../r/file", NULL);
    assert_text("/x/r", "link", "/x/rest/file", NULL);
    assert_text("/x/r", "link", "/etc/passwd", NULL);
    assert_text("/x/r", "link", "/x/r/../file", NULL);
    assert_text("/x/r", "link", "/x/r/a/../../file", NULL);
}

static void the_root_may_be_meant_by_another_name(void **state)
{
    const struct scratch *scratch = *state;
    char target[512];
    scratch_text(scratch, "real/r/file", "x");
    assert_int_equal(symlink("real", scratch_path(scratch, "alias")), 0);
    strcpy(target, scratch_path(scratch, "alias/r/file"));
    assert_text(scratch_path(scratch, "real/r"), "a/link", target, "../file");
    strcpy(target, scratch_path(scratch, "alias/other"));
    assert_text(scratch_path(scratch, "real/r"), "a/link", target, NULL);
}

/* Resolving the target itself would follow a second link and store where that one leads. */
static void a_link_to_a_link_stays_one(void **state)
{
    const struct scratch *scratch = *state;
    char target[512];
    scratch_text(scratch, "real/r/file", "x");
    assert_int_equal(symlink("file", scratch_path(scratch, "real/r/second")), 0);
    assert_int_equal(symlink("real", scratch_path(scratch, "alias")), 0);
    strcpy(target, scratch_path(scratch, "alias/r/second"));
    assert_text(scratch_path(scratch, "real/r"), "first", target, "second");
}

static void a_text_that_becomes_too_long_is_refused(void **state)
{
    (void)state;
    char target[PATH_LIMIT + 1] = "/r/";
    char expected[PATH_LIMIT + 1];
    memset(target + 3, 'x', PATH_LIMIT - 3);
    for (size_t i = 3 + 255; i < PATH_LIMIT; i += 256)
        target[i] = '/';
    target[PATH_LIMIT] = '\0';
    strcpy(expected, target + 3);
    assert_text("/r", "link", target, expected);
    assert_text("/r", "a/b/link", target, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_relative_target_inside_the_root_is_kept_as_it_is),
        cmocka_unit_test(an_absolute_target_in_its_own_root_becomes_relative),
        cmocka_unit_test(what_leads_out_of_the_root_is_refused),
        cmocka_unit_test_setup_teardown(the_root_may_be_meant_by_another_name, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(a_link_to_a_link_stays_one, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test(a_text_that_becomes_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
