#include "archive/entry.h"

#include <string.h>

#include "fs/path.h"
#include "support/scratch.h"

static enum b10_reason check(struct entry entry)
{
    struct b10_error error = ERROR_NONE;
    enum b10_reason reason = entry_check(&entry, "the.archive", &error);
    if (reason != B10_REASON_OK)
        assert_non_null(strstr(error.message, "member '"));
    return reason;
}

static enum b10_reason check_path(const char *path)
{
    return check((struct entry){.type = ENTRY_FILE, .path = path});
}

static enum b10_reason check_link(enum entry_type type, const char *path, const char *target)
{
    return check((struct entry){.type = type, .path = path, .target = target});
}

static void ordinary_members_are_accepted(void **state)
{
    (void)state;
    assert_int_equal(check_path("inductor/x"), B10_REASON_OK);
    assert_int_equal(check_path("r2_d2/a/b/kernel..v2"), B10_REASON_OK);
    assert_int_equal(check_path("r/ spaces and \n\xff"), B10_REASON_OK);
    assert_int_equal(check_link(ENTRY_SYMLINK, "r/a/b", "../c"), B10_REASON_OK);
    assert_int_equal(check_link(ENTRY_SYMLINK, "r/a/b", ".."), B10_REASON_OK);
    assert_int_equal(check_link(ENTRY_HARDLINK, "r/a/b", "r/c"), B10_REASON_OK);
}

static void root_names_are_short_and_plain(void **state)
{
    (void)state;
    static const char longest[] = "abcdefghijklmnopqrstuvwxyz012345";
    assert_int_equal(strlen(longest), 32);
    assert_true(entry_is_root_name("inductor", 8));
    assert_true(entry_is_root_name("a", 1));
    assert_true(entry_is_root_name("torch_extensions", 16));
    assert_true(entry_is_root_name(longest, 32));
    assert_false(entry_is_root_name("", 0));
    assert_false(entry_is_root_name("_a", 2));
    assert_false(entry_is_root_name("0a", 2));
    assert_false(entry_is_root_name("A", 1));
    assert_false(entry_is_root_name("a-b", 3));
    assert_false(entry_is_root_name("..", 2));
    assert_false(entry_is_root_name("abcdefghijklmnopqrstuvwxyz0123456", 33));
}

static void the_inner_path_is_behind_the_root(void **state)
{
    (void)state;
    assert_string_equal(entry_inner_path("inductor/a/b"), "a/b");
    assert_string_equal(entry_inner_path("inductor/"), "");
    assert_string_equal(entry_inner_path("inductor"), "");
}

static void content_is_padded_to_whole_blocks(void **state)
{
    (void)state;
    assert_int_equal(entry_padded(0), 0);
    assert_int_equal(entry_padded(1), 512);
    assert_int_equal(entry_padded(512), 512);
    assert_int_equal(entry_padded(513), 1024);
    assert_true(entry_padded((UINT64_C(1) << 40) + 1) == (UINT64_C(1) << 40) + 512);
}

static void paths_outside_a_root_are_unsafe(void **state)
{
    (void)state;
    static const char *const paths[] = {"",     "/",      "/etc/x", "r",     "r/",     "r//x",
                                        "../x", "r/../x", "r/..",   "r/.",   "r/./x",  "./r/x",
                                        "R/x",  "_r/x",   "r/x/",   "r x/x", "r/a/..", "/r/x"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_int_equal(check_path(paths[i]), B10_REASON_UNSAFE);
}

static void the_limits_of_a_path_hold(void **state)
{
    (void)state;
    char path[PATH_LIMIT + 100] = "r/";
    memset(path + 2, 'x', PATH_NAME_LIMIT);
    assert_int_equal(check_path(path), B10_REASON_OK);
    path[2 + PATH_NAME_LIMIT] = 'x';
    assert_int_equal(check_path(path), B10_REASON_UNSAFE);

    memset(path, 0, sizeof path);
    path[0] = 'r';
    for (int i = 1; i < PATH_DEPTH_LIMIT; i++)
        memcpy(path + strlen(path), "/x", 3);
    assert_int_equal(check_path(path), B10_REASON_OK);
    memcpy(path + strlen(path), "/x", 3);
    assert_int_equal(check_path(path), B10_REASON_UNSAFE);

    memset(path, 0, sizeof path);
    path[0] = 'r';
    while (strlen(path) < PATH_LIMIT + 10)
        memcpy(path + strlen(path), "/0123456789012345678901234567890", 33);
    assert_int_equal(check_path(path), B10_REASON_UNSAFE);
}

static void links_out_of_their_root_are_unsafe(void **state)
{
    (void)state;
    static const struct {
        enum entry_type type;
        const char *target;
    } links[] = {{ENTRY_SYMLINK, NULL},
                 {ENTRY_SYMLINK, ""},
                 {ENTRY_SYMLINK, "/x"},
                 {ENTRY_SYMLINK, "../../x"},
                 {ENTRY_SYMLINK, "c/../../../x"},
                 {ENTRY_HARDLINK, NULL},
                 {ENTRY_HARDLINK, ""},
                 {ENTRY_HARDLINK, "x"},
                 {ENTRY_HARDLINK, "s/x"},
                 {ENTRY_HARDLINK, "rr/x"},
                 {ENTRY_HARDLINK, "/r/x"},
                 {ENTRY_HARDLINK, "r/../x"},
                 {ENTRY_HARDLINK, "r/a/b"}};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        assert_int_equal(check_link(links[i].type, "r/a/b", links[i].target), B10_REASON_UNSAFE);
}

static void a_target_longer_than_any_path_is_unsafe(void **state)
{
    (void)state;
    char target[PATH_LIMIT + 2];
    memset(target, 'x', sizeof target);
    target[PATH_LIMIT + 1] = '\0';
    assert_int_equal(check_link(ENTRY_SYMLINK, "r/a", target), B10_REASON_UNSAFE);
}

static void impossible_times_and_sizes_are_unsafe(void **state)
{
    (void)state;
    struct entry entry = {.type = ENTRY_FILE, .path = "r/x", .mtime_ns = 999999999};
    assert_int_equal(check(entry), B10_REASON_OK);
    entry.mtime_ns = 1000000000;
    assert_int_equal(check(entry), B10_REASON_UNSAFE);
    entry = (struct entry){.type = ENTRY_DIRECTORY, .path = "r/x", .size = 1};
    assert_int_equal(check(entry), B10_REASON_UNSAFE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_members_are_accepted),
        cmocka_unit_test(root_names_are_short_and_plain),
        cmocka_unit_test(the_inner_path_is_behind_the_root),
        cmocka_unit_test(content_is_padded_to_whole_blocks),
        cmocka_unit_test(paths_outside_a_root_are_unsafe),
        cmocka_unit_test(the_limits_of_a_path_hold),
        cmocka_unit_test(links_out_of_their_root_are_unsafe),
        cmocka_unit_test(a_target_longer_than_any_path_is_unsafe),
        cmocka_unit_test(impossible_times_and_sizes_are_unsafe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
