#include "fs/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/scratch.h"

static void assert_joined(const char *a, const char *b, const char *expected)
{
    char *joined = NULL;
    assert_int_equal(path_join(&joined, a, b, NULL), B10_REASON_OK);
    assert_string_equal(joined, expected);
    free(joined);
}

static void joining_puts_one_slash_between(void **state)
{
    (void)state;
    assert_joined("/a", "b", "/a/b");
    assert_joined("/a/", "b", "/a/b");
    assert_joined("/", "b", "/b");
    assert_joined("", "b/c", "b/c");
    assert_joined("a", "", "a/");
}

static void assert_split(const char *path, const char *parent, const char *base)
{
    char *found = NULL;
    assert_int_equal(path_parent(&found, path, NULL), B10_REASON_OK);
    assert_string_equal(found, parent);
    assert_memory_equal(path_base(path), base, strlen(base));
    assert_int_equal(strspn(path_base(path) + strlen(base), "/"),
                     strlen(path_base(path) + strlen(base)));
    free(found);
}

static void a_path_is_its_parent_and_its_last_component(void **state)
{
    (void)state;
    assert_split("/a/b/c", "/a/b", "c");
    assert_split("/a/b/c/", "/a/b", "c");
    assert_split("/a//b", "/a", "b");
    assert_split("/a", "/", "a");
    assert_split("/", "/", "/");
    assert_split("//", "/", "/");
    assert_split("a", ".", "a");
    assert_split("a/b", "a", "b");
}

static void an_archive_may_name_plain_relative_paths(void **state)
{
    (void)state;
    const char *members[] = {"a",       "a/b",    "kernel..v2", "..a",    "a..",     "...",
                             ".hidden", "a b\nc", "\xff/x",     "a/.b/c", "a\\..\\b"};
    const char *others[] = {"",      "/",    "/a",   "a/",     "a//b", ".",   "..", "./a",
                            "a/./b", "a/..", "../a", "a/../b", "a/.",  "/..", "//a"};
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
        if (!path_is_member(members[i]))
            fail_msg("refused: '%s'", members[i]);
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        if (path_is_member(others[i]))
            fail_msg("accepted: '%s'", others[i]);
}

/* A path of `count` components, each `length` bytes. */
static char *make_path(size_t count, size_t length)
{
    char *path = malloc(count * (length + 1) + 1);
    assert_non_null(path);
    memset(path, 'x', count * (length + 1));
    for (size_t i = 1; i <= count; i++)
        path[i * (length + 1) - 1] = '/';
    path[count * (length + 1) - 1] = '\0';
    return path;
}

static void assert_member(size_t count, size_t length, bool expected)
{
    char *path = make_path(count, length);
    if (path_is_member(path) != expected)
        fail_msg("%zu components of %zu bytes: %d", count, length, !expected);
    free(path);
}

static void the_limits_are_exact(void **state)
{
    (void)state;
    assert_member(1, 255, true);
    assert_member(1, 256, false);
    assert_member(256, 1, true);
    assert_member(257, 1, false);
    assert_member(16, 255, true); /* 4,095 bytes */
    assert_member(17, 240, true); /* 4,096 bytes */
    assert_member(241, 16, true); /* 4,096 bytes */
    char *path = make_path(17, 240);
    path[4095] = 'y';
    assert_int_equal(strlen(path), 4096);
    assert_true(path_is_member(path));
    free(path);
    path = make_path(18, 240);
    path[4097] = '\0';
    assert_int_equal(strlen(path), 4097);
    assert_false(path_is_member(path));
    free(path);
}

static void dotdot_counts_only_as_a_component(void **state)
{
    (void)state;
    assert_true(path_has_dotdot(".."));
    assert_true(path_has_dotdot("/a/../b"));
    assert_true(path_has_dotdot("/a/.."));
    assert_true(path_has_dotdot("../a"));
    assert_false(path_has_dotdot("/a/kernel..v2"));
    assert_false(path_has_dotdot("/a/..b/c.."));
    assert_false(path_has_dotdot("/a/.../b"));
    assert_false(path_has_dotdot(""));
}

static void prefixes_are_whole_components(void **state)
{
    (void)state;
    assert_true(path_is_within("/tmp/a", "/tmp"));
    assert_true(path_is_within("/tmp", "/tmp"));
    assert_true(path_is_within("/tmp", "/tmp/"));
    assert_true(path_is_within("/tmp", "/"));
    assert_true(path_is_within("/", "/"));
    assert_false(path_is_within("/tmpx", "/tmp"));
    assert_false(path_is_within("/tm", "/tmp"));
    assert_false(path_is_within("/", "/tmp"));
    assert_true(path_is_below("/tmp/a", "/tmp"));
    assert_false(path_is_below("/tmp", "/tmp"));
    assert_false(path_is_below("/tmp/", "/tmp"));
    assert_true(path_is_below("/tmp", "/"));
    assert_false(path_is_below("/", "/"));
}

static void a_walk_takes_a_directory_before_what_sorts_behind_its_name(void **state)
{
    (void)state;
    static const char *const walked[] = {"", "a", "a/b", "a/b/c", "a b", "a-b", "ab", "b"};
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < 8; k++) {
            const int order = path_compare(walked[i], walked[k]);
            assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
        }
}

static void a_link_may_lead_within_its_root_only(void **state)
{
    (void)state;
    assert_true(path_link_stays_inside("a", "b"));
    assert_true(path_link_stays_inside("a", "b/c"));
    assert_true(path_link_stays_inside("a", "."));
    assert_true(path_link_stays_inside("d/a", "../b"));
    assert_true(path_link_stays_inside("d/e/a", "../../b"));
    assert_true(path_link_stays_inside("d/e/a", "./.././../b//c/."));
    assert_true(path_link_stays_inside("a", "..b/c.."));
    assert_false(path_link_stays_inside("a", ""));
    assert_false(path_link_stays_inside("a", "/etc"));
    assert_false(path_link_stays_inside("a", ".."));
    assert_false(path_link_stays_inside("a", "../a"));
    assert_false(path_link_stays_inside("d/a", "../../x"));
    assert_false(path_link_stays_inside("d/e/a", "../../../x"));
}

static void a_link_may_not_climb_out_of_another_link(void **state)
{
    (void)state;
    /* With d/e/s -> ../.. (the root), the text d/e/s/../x stays inside; the kernel leads out. */
    assert_false(path_link_stays_inside("d/e/l", "s/../x"));
    assert_false(path_link_stays_inside("a", "b/.."));
}

static void assert_resolved(const char *path, const char *expected)
{
    char *resolved = NULL;
    struct b10_error error = ERROR_NONE;
    if (path_resolve(&resolved, path, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
    assert_string_equal(resolved, expected);
    free(resolved);
}

static void links_are_resolved_in_the_part_that_exists(void **state)
{
    struct scratch *scratch = *state;
    scratch_mkdir(scratch, "real/sub");
    assert_int_equal(symlink("real", scratch_path(scratch, "link")), 0);
    const char *real = scratch_path(scratch, "real");
    assert_resolved(real, real);
    assert_resolved(scratch_path(scratch, "link"), real);
    assert_resolved(scratch_path(scratch, "link/"), real);
    assert_resolved(scratch_path(scratch, "link/sub"), scratch_path(scratch, "real/sub"));
    assert_resolved(scratch_path(scratch, "link/new/one"), scratch_path(scratch, "real/new/one"));
    assert_resolved(scratch_path(scratch, "link//new/./one//"),
                    scratch_path(scratch, "real/new/one"));
    assert_resolved("/", "/");
    assert_resolved("//", "/");
    assert_resolved("/no-such-directory-here/x", "/no-such-directory-here/x");
}

static void assert_unresolved(const char *path, enum b10_reason reason, int sys_errno)
{
    char *resolved = NULL;
    struct b10_error error = ERROR_NONE;
    assert_int_equal(path_resolve(&resolved, path, &error), reason);
    assert_int_equal(error.sys_errno, sys_errno);
    assert_null(resolved);
}

static void what_cannot_be_resolved_is_refused(void **state)
{
    struct scratch *scratch = *state;
    scratch_text(scratch, "file", "");
    assert_int_equal(symlink("loop", scratch_path(scratch, "loop")), 0);
    assert_int_equal(symlink("/nowhere-at-all/x", scratch_path(scratch, "dangling")), 0);
    assert_unresolved("relative", B10_REASON_CONFIG, 0);
    assert_unresolved(scratch_path(scratch, "file/x"), B10_REASON_IO, ENOTDIR);
    assert_unresolved(scratch_path(scratch, "loop/x"), B10_REASON_IO, ELOOP);
    assert_unresolved(scratch_path(scratch, "dangling"), B10_REASON_IO, ENOENT);
    assert_unresolved(scratch_path(scratch, "dangling/x"), B10_REASON_IO, ENOENT);
}

static void assert_quoted(const char *path, size_t size, const char *expected)
{
    char buffer[64];
    memset(buffer, '#', sizeof(buffer));
    assert_ptr_equal(path_quote(buffer, size, path), buffer);
    assert_string_equal(buffer, expected);
    assert_int_equal(buffer[size], '#');
}

static void a_quoted_path_is_printable_and_fits(void **state)
{
    (void)state;
    assert_quoted("plain", 32, "plain");
    assert_quoted("a\nb\x7f\xff", 32, "a\\x0ab\\x7f\\xff");
    assert_quoted("abcdef", 7, "abcdef");
    assert_quoted("abcdefg", 7, "abc…");
    assert_quoted("a\nbcdefg", 8, "a…");
    assert_quoted("a\nbcdefg", 9, "a\\x0a…");
    assert_quoted("abc", 3, "");
    assert_quoted("abc", 1, "");
    assert_quoted("", 1, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joining_puts_one_slash_between),
        cmocka_unit_test(a_path_is_its_parent_and_its_last_component),
        cmocka_unit_test(an_archive_may_name_plain_relative_paths),
        cmocka_unit_test(the_limits_are_exact),
        cmocka_unit_test(dotdot_counts_only_as_a_component),
        cmocka_unit_test(prefixes_are_whole_components),
        cmocka_unit_test(a_walk_takes_a_directory_before_what_sorts_behind_its_name),
        cmocka_unit_test(a_link_may_lead_within_its_root_only),
        cmocka_unit_test(a_link_may_not_climb_out_of_another_link),
        cmocka_unit_test_setup_teardown(links_are_resolved_in_the_part_that_exists, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_resolved_is_refused, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test(a_quoted_path_is_printable_and_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
