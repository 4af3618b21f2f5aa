#include "archive/tree.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/frame.h"
#include "base/guard.h"
#include "support/scratch.h"

static struct stat stat_of(mode_t mode)
{
    return (struct stat){.st_mode = mode,
                         .st_size = 5,
                         .st_ino = 7,
                         .st_dev = 8,
                         .st_mtim = {.tv_sec = -1, .tv_nsec = 999999999},
                         .st_ctim = {.tv_sec = 11, .tv_nsec = 12}};
}

static void add_root(struct tree *tree)
{
    size_t index;
    assert_int_equal(tree_add_root(tree, "inductor", "/tmp/cache", -1, &index, NULL), 0);
}

static void add(struct tree *tree, const char *path, mode_t mode)
{
    const struct stat stat = stat_of(mode);
    assert_int_equal(tree_add(tree, tree->root_count - 1, path, &stat, NULL), 0);
}

static void assert_path(const struct tree *tree, size_t item, const char *expected)
{
    char path[PATH_LIMIT + 1];
    assert_int_equal(tree_path(tree, &tree->items[item], path), strlen(expected));
    assert_string_equal(path, expected);
    assert_int_equal(tree_path_length(tree, &tree->items[item]), strlen(expected));
}

static void entries_keep_what_was_seen(void **state)
{
    (void)state;
    SCOPED(tree) struct tree tree = TREE_EMPTY;
    add_root(&tree);
    add(&tree, "d", S_IFDIR | 0755);
    add(&tree, "d/f", S_IFREG | 0744);
    add(&tree, "d/l", S_IFLNK | 0777);
    assert_int_equal(tree.item_count, 3);
    assert_int_equal(tree.bytes, 5);
    assert_int_equal(tree.files, 2);
    const struct tree_item *file = &tree.items[1];
    assert_path(&tree, 1, "d/f");
    assert_int_equal(file->type, ENTRY_FILE);
    assert_int_equal(file->size, 5);
    assert_int_equal(file->mtime_s, -1);
    assert_int_equal(file->mtime_ns, 999999999);
    assert_int_equal(file->original, TREE_NO_ORIGINAL);
    assert_true(file->executable);
    assert_int_equal(tree.items[0].type, ENTRY_DIRECTORY);
    assert_int_equal(tree.items[0].size, 0);
    assert_int_equal(tree.items[2].type, ENTRY_SYMLINK);
    assert_false(tree.items[2].executable);
}

static void roots_are_numbered_and_keep_their_descriptor(void **state)
{
    const struct scratch *scratch = *state;
    SCOPED(tree) struct tree tree = TREE_EMPTY;
    size_t index = 99;
    add_root(&tree);
    int fd = openat(scratch->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(tree_add_root(&tree, "headers", scratch->path, fd, &index, NULL), 0);
    assert_int_equal(index, 1);
    assert_string_equal(tree.roots[1].name, "headers");
    assert_string_equal(tree.roots[1].origin, scratch->path);
    assert_int_equal(tree.roots[1].dirfd, fd);
    tree_release(&tree);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void paths_stay_valid_while_the_tree_grows(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    SCOPED(tree) struct tree tree = TREE_EMPTY;
    char path[4097];
    add_root(&tree);
    for (int i = 0; i < COUNT; i++) {
        snprintf(path, sizeof(path), "%0*d", i % 97 == 0 ? 4096 : 40, i);
        add(&tree, path, S_IFREG | 0644);
    }
    for (int i = 0; i < COUNT; i++) {
        snprintf(path, sizeof(path), "%0*d", i % 97 == 0 ? 4096 : 40, i);
        assert_path(&tree, (size_t)i, path);
    }
}

static void a_name_is_stored_once_however_deep_it_lies(void **state)
{
    (void)state;
    SCOPED(tree) struct tree tree = TREE_EMPTY;
    add_root(&tree);
    add(&tree, "a", S_IFDIR | 0755);
    add(&tree, "a/b", S_IFDIR | 0755);
    add(&tree, "a/b/f", S_IFREG | 0644);
    add(&tree, "a/b/g", S_IFREG | 0644);
    add(&tree, "a/h", S_IFREG | 0644);
    add(&tree, "a-", S_IFREG | 0644);
    const char *paths[] = {"a", "a/b", "a/b/f", "a/b/g", "a/h", "a-"};
    const char *names[] = {"a", "b", "f", "g", "h", "a-"};
    const uint32_t parents[] = {TREE_NO_PARENT, 0, 1, 1, 0, TREE_NO_PARENT};
    for (size_t i = 0; i < 6; i++) {
        assert_path(&tree, i, paths[i]);
        assert_string_equal(tree.items[i].name, names[i]);
        assert_int_equal(tree.items[i].parent, parents[i]);
    }
}

static void an_entry_without_its_directory_keeps_its_whole_path(void **state)
{
    (void)state;
    SCOPED(tree) struct tree tree = TREE_EMPTY;
    add_root(&tree);
    add(&tree, "a", S_IFDIR | 0755);
    add(&tree, "file", S_IFREG | 0644);
    add(&tree, "file/f", S_IFREG | 0644);
    add(&tree, "ab/f", S_IFREG | 0644);
    add_root(&tree);
    add(&tree, "a/f", S_IFREG | 0644);
    const char *paths[] = {"a", "file", "file/f", "ab/f", "a/f"};
    for (size_t i = 0; i < 5; i++) {
        assert_path(&tree, i, paths[i]);
        assert_int_equal(tree.items[i].parent, TREE_NO_PARENT);
    }
}

static void an_item_costs_no_more_than_48_bytes(void **state)
{
    (void)state;
    assert_true(sizeof(struct tree_item) <= 48);
}

static void every_fact_of_a_change_is_noticed(void **state)
{
    (void)state;
    SCOPED(tree) struct tree tree = TREE_EMPTY;
    add_root(&tree);
    add(&tree, "f", S_IFREG | 0644);
    const struct stat same = stat_of(S_IFREG | 0644);
    assert_true(tree_item_unchanged(&tree.items[0], &same));
    struct stat now[8];
    for (size_t i = 0; i < 8; i++)
        now[i] = same;
    now[0].st_mode = S_IFIFO | 0644;
    now[1].st_size++;
    now[2].st_mtim.tv_sec++;
    now[3].st_mtim.tv_nsec--;
    now[4].st_ctim.tv_sec++;
    now[5].st_ctim.tv_nsec++;
    now[6].st_ino++;
    now[7].st_dev++;
    for (size_t i = 0; i < 8; i++)
        assert_false(tree_item_unchanged(&tree.items[0], &now[i]));
}

static void a_type_no_archive_holds_is_refused(void **state)
{
    (void)state;
    SCOPED(tree) struct tree tree = TREE_EMPTY;
    add_root(&tree);
    const mode_t modes[] = {S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};
    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        const struct stat stat = stat_of(modes[i] | 0644);
        assert_int_equal(tree_add(&tree, 0, "x", &stat, NULL), B10_REASON_INTERNAL);
    }
    assert_int_equal(tree.item_count, 0);
}

static void what_is_appended_keeps_its_directories(void **state)
{
    (void)state;
    SCOPED(tree) struct tree tree = TREE_EMPTY;
    SCOPED(tree) struct tree more = TREE_EMPTY;
    add_root(&tree);
    add_root(&tree);
    add(&tree, "a", S_IFDIR | 0755);
    add(&tree, "a/x", S_IFREG | 0644);
    add_root(&more);
    add(&more, "b", S_IFREG | 0644);
    add(&more, "c", S_IFDIR | 0755);
    add(&more, "c/y", S_IFREG | 0644);
    assert_int_equal(tree_append(&tree, 1, &more, NULL), 0);
    assert_int_equal(more.item_count, 0);
    tree_release(&more);
    static const char *const expected[] = {"a", "a/x", "b", "c", "c/y"};
    assert_int_equal(tree.item_count, 5);
    assert_int_equal(tree.files, 3);
    assert_int_equal(tree.bytes, 15);
    for (size_t i = 0; i < tree.item_count; i++) {
        assert_path(&tree, i, expected[i]);
        assert_int_equal(tree.items[i].root, 1);
    }
    add(&tree, "c/z", S_IFREG | 0644);
    assert_int_equal(tree.items[5].parent, 3);
}

static void two_trees_together_keep_the_limits(void **state)
{
    (void)state;
    SCOPED(tree) struct tree tree = TREE_EMPTY;
    SCOPED(tree) struct tree more = TREE_EMPTY;
    add_root(&tree);
    add_root(&more);
    add(&more, "b", S_IFREG | 0644);
    tree.bytes = UINT64_MAX - 4;
    assert_int_equal(tree_append(&tree, 0, &more, NULL), B10_REASON_TOO_LARGE);
    tree.bytes = 0;
    tree.item_count = ARCHIVE_FILES_LIMIT;
    assert_int_equal(tree_append(&tree, 0, &more, NULL), B10_REASON_TOO_LARGE);
    tree.item_count = 0;
}

static void sizes_beyond_64_bits_are_too_large(void **state)
{
    (void)state;
    SCOPED(tree) struct tree tree = TREE_EMPTY;
    struct stat stat = stat_of(S_IFREG | 0644);
    stat.st_size = INT64_MAX;
    add_root(&tree);
    assert_int_equal(tree_add(&tree, 0, "a", &stat, NULL), 0);
    assert_int_equal(tree_add(&tree, 0, "b", &stat, NULL), 0);
    assert_int_equal(tree_add(&tree, 0, "c", &stat, NULL), B10_REASON_TOO_LARGE);
    assert_int_equal(tree.item_count, 2);
}

static void one_file_more_than_the_format_holds_is_too_large(void **state)
{
    (void)state;
    SCOPED(tree) struct tree tree = TREE_EMPTY;
    const struct stat stat = stat_of(S_IFREG | 0644);
    add_root(&tree);
    for (int i = 0; i < ARCHIVE_FILES_LIMIT; i++)
        assert_int_equal(tree_add(&tree, 0, "f", &stat, NULL), 0);
    assert_int_equal(tree_add(&tree, 0, "f", &stat, NULL), B10_REASON_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_keep_what_was_seen),
        cmocka_unit_test_setup_teardown(roots_are_numbered_and_keep_their_descriptor, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test(paths_stay_valid_while_the_tree_grows),
        cmocka_unit_test(a_name_is_stored_once_however_deep_it_lies),
        cmocka_unit_test(an_entry_without_its_directory_keeps_its_whole_path),
        cmocka_unit_test(an_item_costs_no_more_than_48_bytes),
        cmocka_unit_test(every_fact_of_a_change_is_noticed),
        cmocka_unit_test(a_type_no_archive_holds_is_refused),
        cmocka_unit_test(what_is_appended_keeps_its_directories),
        cmocka_unit_test(two_trees_together_keep_the_limits),
        cmocka_unit_test(sizes_beyond_64_bits_are_too_large),
        cmocka_unit_test(one_file_more_than_the_format_holds_is_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
