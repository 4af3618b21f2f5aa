#include "cache/exclude.h"

#include <sys/stat.h>

#include "support/scratch.h"

static void locks_and_temporaries_are_left_out(void **state)
{
    (void)state;
    static const char *const names[] = {
        "lock",
        "a.lock",
        ".lock",
        "tmp.pid_12_5f0a",
        "tmp.pid_",
        "tmp.0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
        "tmp.0F1E2D3C-4b5a-6978-8796-a5b4c3d2e1f0.cubin",
        ".123.456.tmp",
        "x.pkl.tmp",
        ".b10transfer.partial",
        ".b10transfer-staging-0011",
        ".b10transfer",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (!exclude_name(names[i], S_IFREG | 0644))
            fail_msg("%s would be packed", names[i]);
    }
}

static void everything_else_is_packed(void **state)
{
    (void)state;
    static const char *const names[] = {
        "locks",
        "locked",
        "lock.py",
        "a.lock.py",
        "tmp.pid",
        "tmp.py",
        "tmp.0f1e2d3c",
        "tmp.0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1",
        ".123.tmp",
        ".123.456.tmp2",
        "123.456.tmp",
        ".a.456.tmp",
        ".123.456x.tmp",
        "x.pkl",
        "pkl.tmp",
        "x.tmp",
        "b10transfer",
        "..",
        "",
        "k\xff\n",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (exclude_name(names[i], S_IFREG | 0644))
            fail_msg("%s would be left out", names[i]);
    }
}

static void a_directory_of_locks_is_left_out(void **state)
{
    (void)state;
    assert_true(exclude_name("locks", S_IFDIR | 0755));
    assert_true(exclude_name(".b10transfer-staging-00", S_IFDIR | 0700));
    assert_true(exclude_name("tmp.pid_1", S_IFDIR | 0700));
    assert_false(exclude_name("ab", S_IFDIR | 0755));
    assert_false(exclude_name("locks", S_IFLNK | 0777));
}

static void only_files_directories_and_symlinks_are_packed(void **state)
{
    (void)state;
    assert_false(exclude_name("a", S_IFREG));
    assert_false(exclude_name("a", S_IFDIR));
    assert_false(exclude_name("a", S_IFLNK));
    assert_true(exclude_name("a", S_IFSOCK));
    assert_true(exclude_name("a", S_IFIFO));
    assert_true(exclude_name("a", S_IFBLK));
    assert_true(exclude_name("a", S_IFCHR));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(locks_and_temporaries_are_left_out),
        cmocka_unit_test(everything_else_is_packed),
        cmocka_unit_test(a_directory_of_locks_is_left_out),
        cmocka_unit_test(only_files_directories_and_symlinks_are_packed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
