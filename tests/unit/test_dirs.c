#include "fs/dirs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/guard.h"
#include "support/sandbox.h"
#include "support/scratch.h"

static void missing_directories_are_made_and_counted(void **state)
{
    struct scratch *scratch = *state;
    size_t made = 9;
    scratch_mkdir(scratch, "a");
    assert_int_equal(dirs_make_all(scratch_path(scratch, "a/b/c//d/"), &made, NULL), B10_REASON_OK);
    assert_int_equal(made, 3);
    assert_true(scratch_exists(scratch, "a/b/c/d"));
    assert_int_equal(dirs_make_all(scratch_path(scratch, "a/b/c/d"), &made, NULL), B10_REASON_OK);
    assert_int_equal(made, 0);
    assert_int_equal(dirs_make_all(scratch_path(scratch, "a/x"), NULL, NULL), B10_REASON_OK);
    assert_int_equal(dirs_make_all("/", &made, NULL), B10_REASON_OK);
}

static void links_to_directories_are_gone_through(void **state)
{
    struct scratch *scratch = *state;
    size_t made = 0;
    scratch_mkdir(scratch, "real");
    assert_int_equal(symlink("real", scratch_path(scratch, "link")), 0);
    assert_int_equal(dirs_make_all(scratch_path(scratch, "link/a"), &made, NULL), B10_REASON_OK);
    assert_int_equal(made, 1);
    assert_true(scratch_exists(scratch, "real/a"));
}

static void unmaking_stops_at_what_is_not_empty(void **state)
{
    struct scratch *scratch = *state;
    size_t made = 0;
    const char *path = scratch_path(scratch, "a/b/c//d/");
    scratch_mkdir(scratch, "a");
    assert_int_equal(dirs_make_all(path, &made, NULL), B10_REASON_OK);
    dirs_unmake(path, made);
    assert_true(scratch_exists(scratch, "a"));
    assert_false(scratch_exists(scratch, "a/b"));

    assert_int_equal(dirs_make_all(path, &made, NULL), B10_REASON_OK);
    scratch_text(scratch, "a/b/file", "");
    dirs_unmake(path, made);
    assert_false(scratch_exists(scratch, "a/b/c"));
    assert_true(scratch_exists(scratch, "a/b/file"));
    dirs_unmake(scratch_path(scratch, "a/none"), 3);
    assert_true(scratch_exists(scratch, "a/b/file"));
}

static void a_failure_leaves_nothing_made(void **state)
{
    struct scratch *scratch = *state;
    struct b10_error error = ERROR_NONE;
    size_t made = 9;
    char path[4400];
    char name[300];
    scratch_text(scratch, "file", "");
    assert_int_equal(dirs_make_all(scratch_path(scratch, "file/x"), &made, &error), B10_REASON_IO);
    assert_int_equal(error.sys_errno, ENOTDIR);
    assert_int_equal(made, 0);

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    snprintf(path, sizeof(path), "%s/new/%s", scratch->path, name);
    assert_int_equal(dirs_make_all(path, &made, &error), B10_REASON_IO);
    assert_int_equal(error.sys_errno, ENAMETOOLONG);
    assert_int_equal(made, 0);
    assert_false(scratch_exists(scratch, "new"));
    assert_int_equal(dirs_make_all("relative", &made, &error), B10_REASON_INTERNAL);
}

static void make_below_full_disk(void *context)
{
    struct scratch *scratch = context;
    size_t made = 0;
    sandbox_private_mounts(scratch);
    sandbox_tmpfs(scratch->path, "size=64k,nr_inodes=4");
    CHECK(dirs_make_all(scratch_path(scratch, "a/b/c/d/e/f"), &made, NULL) == B10_REASON_NO_SPACE);
    CHECK(access(scratch_path(scratch, "a"), F_OK) != 0);
}

static void out_of_inodes_is_no_space_and_leaves_nothing(void **state)
{
    sandbox_run(make_below_full_disk, *state);
}

static void names_come_sorted_by_bytes_with_their_types(void **state)
{
    struct scratch *scratch = *state;
    SCOPED(dirs_names) struct dirs_names names = {0};
    char longest[256];
    memset(longest, 'z', 255);
    longest[255] = '\0';
    scratch_text(scratch, "d/\xff", "");
    scratch_text(scratch, "d/b", "");
    scratch_text(scratch, "d/B", "");
    scratch_text(scratch, "d/ba\nd", "");
    scratch_text(scratch, "d/.hidden", "");
    scratch_mkdir(scratch, "d/a");
    assert_int_equal(symlink("a", scratch_path(scratch, "d/c")), 0);
    char path[4400];
    snprintf(path, sizeof(path), "d/%s", longest);
    scratch_text(scratch, path, "");

    const char *expected[] = {".hidden", "B", "a", "b", "ba\nd", "c", longest, "\xff"};
    const unsigned char types[] = {DT_REG, DT_REG, DT_DIR, DT_REG, DT_REG, DT_LNK, DT_REG, DT_REG};
    int fd = open(scratch_path(scratch, "d"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(dirs_list(&names, fd, "d", NULL), B10_REASON_OK);
    assert_int_equal(names.count, 8);
    for (size_t i = 0; i < 8; i++) {
        assert_string_equal(names.names[i], expected[i]);
        assert_int_equal(names.types[i], types[i]);
    }
    close(fd);
}

static void a_listing_does_not_depend_on_the_position_of_the_descriptor(void **state)
{
    struct scratch *scratch = *state;
    scratch_text(scratch, "a", "");
    for (int i = 0; i < 2; i++) {
        SCOPED(dirs_names) struct dirs_names names = {0};
        assert_int_equal(dirs_list(&names, scratch->fd, "d", NULL), B10_REASON_OK);
        assert_int_equal(names.count, 1);
    }
}

static void many_names_are_listed(void **state)
{
    struct scratch *scratch = *state;
    SCOPED(dirs_names) struct dirs_names names = {0};
    char path[64];
    for (int i = 0; i < 1500; i++) {
        snprintf(path, sizeof(path), "n%d", (i * 7919) % 1500);
        scratch_text(scratch, path, "");
    }
    assert_int_equal(dirs_list(&names, scratch->fd, "d", NULL), B10_REASON_OK);
    assert_int_equal(names.count, 1500);
    for (size_t i = 1; i < names.count; i++)
        assert_true(strcmp(names.names[i - 1], names.names[i]) < 0);
}

static void an_empty_directory_is_known(void **state)
{
    struct scratch *scratch = *state;
    SCOPED(dirs_names) struct dirs_names names = {0};
    bool empty = false;
    assert_int_equal(dirs_is_empty(&empty, scratch->fd, "d", NULL), B10_REASON_OK);
    assert_true(empty);
    assert_int_equal(dirs_list(&names, scratch->fd, "d", NULL), B10_REASON_OK);
    assert_int_equal(names.count, 0);
    scratch_text(scratch, ".a", "");
    assert_int_equal(dirs_is_empty(&empty, scratch->fd, "d", NULL), B10_REASON_OK);
    assert_false(empty);
}

static void what_is_not_a_directory_cannot_be_listed(void **state)
{
    struct scratch *scratch = *state;
    struct b10_error error = ERROR_NONE;
    SCOPED(dirs_names) struct dirs_names names = {0};
    bool empty = false;
    size_t before = scratch_open_descriptors();
    scratch_text(scratch, "f", "");
    int fd = open(scratch_path(scratch, "f"), O_RDONLY | O_CLOEXEC);
    assert_int_equal(dirs_list(&names, fd, "the file", &error), B10_REASON_IO);
    assert_non_null(strstr(error.message, "'the file'"));
    assert_int_equal(dirs_read(&names, fd, "f", NULL), B10_REASON_IO);
    assert_int_equal(dirs_is_empty(&empty, fd, "f", NULL), B10_REASON_IO);
    close(fd);
    assert_int_equal(scratch_open_descriptors(), before);
}

static void fill_with_everything(const struct scratch *scratch, const char *root)
{
    char path[4400];
    const char *files[] = {"f", "a/f", "a/b/f", "a/b/ne\nw", "a/b/\xff\xfe", "z/y/x/w/f"};
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        snprintf(path, sizeof(path), "%s/%s", root, files[i]);
        scratch_text(scratch, path, "content");
    }
    snprintf(path, sizeof(path), "%s/empty", root);
    scratch_mkdir(scratch, path);
    snprintf(path, sizeof(path), "%s/%s/a/fifo", scratch->path, root);
    assert_int_equal(mkfifo(path, 0600), 0);
    snprintf(path, sizeof(path), "%s/%s/a/dangling", scratch->path, root);
    assert_int_equal(symlink("nowhere", path), 0);
    snprintf(path, sizeof(path), "%s/%s/a/out", scratch->path, root);
    assert_int_equal(symlink("../../outside", path), 0);
    snprintf(path, sizeof(path), "%s/%s/a/up", scratch->path, root);
    assert_int_equal(symlink("..", path), 0);
}

static void a_directory_that_another_was_renamed_onto_holds_nothing(void **state)
{
    struct scratch *scratch = *state;
    SCOPED(dirs_names) struct dirs_names names = {0};
    bool empty = false;
    scratch_mkdir(scratch, "d");
    scratch_text(scratch, "new/file", "x");
    SCOPED(fd) int fd = open(scratch_path(scratch, "d"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(renameat(scratch->fd, "new", scratch->fd, "d"), 0);
    assert_int_equal(dirs_list(&names, fd, "d", NULL), B10_REASON_OK);
    assert_int_equal(names.count, 0);
    assert_int_equal(dirs_is_empty(&empty, fd, "d", NULL), B10_REASON_OK);
    assert_true(empty);
}

static void a_tree_is_removed_and_nothing_else(void **state)
{
    struct scratch *scratch = *state;
    scratch_text(scratch, "outside/precious", "p");
    fill_with_everything(scratch, "t");
    size_t before = scratch_open_descriptors();
    assert_int_equal(dirs_remove_tree(scratch->fd, "t", NULL, NULL), B10_REASON_OK);
    assert_false(scratch_exists(scratch, "t"));
    assert_int_equal(scratch_count(scratch, ""), 2);
    assert_int_equal(scratch_open_descriptors(), before);
}

static void contents_are_removed_and_the_directory_stays(void **state)
{
    struct scratch *scratch = *state;
    struct stat before;
    struct stat after;
    scratch_text(scratch, "outside/precious", "p");
    fill_with_everything(scratch, "t");
    int fd = open(scratch_path(scratch, "t"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(fstat(fd, &before), 0);
    assert_int_equal(dirs_remove_contents(fd, "t", NULL, NULL), B10_REASON_OK);
    assert_int_equal(stat(scratch_path(scratch, "t"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(scratch_count(scratch, "t"), 0);
    assert_true(scratch_exists(scratch, "outside/precious"));
    close(fd);
}

static void what_is_absent_or_no_directory_is_removed_too(void **state)
{
    struct scratch *scratch = *state;
    scratch_text(scratch, "outside/precious", "p");
    scratch_text(scratch, "f", "");
    assert_int_equal(symlink("outside", scratch_path(scratch, "link")), 0);
    assert_int_equal(dirs_remove_tree(scratch->fd, "none", NULL, NULL), B10_REASON_OK);
    assert_int_equal(dirs_remove_tree(scratch->fd, "f", NULL, NULL), B10_REASON_OK);
    assert_int_equal(dirs_remove_tree(scratch->fd, "link", NULL, NULL), B10_REASON_OK);
    assert_int_equal(scratch_count(scratch, ""), 2);
}

static void the_name_may_be_a_path(void **state)
{
    struct scratch *scratch = *state;
    const char *path = scratch_path(scratch, "a/b");
    scratch_text(scratch, "a/b/c/d", "");
    assert_int_equal(dirs_remove_tree(AT_FDCWD, path, NULL, NULL), B10_REASON_OK);
    assert_int_equal(scratch_count(scratch, ""), 1);
    assert_int_equal(dirs_remove_tree(AT_FDCWD, path, NULL, NULL), B10_REASON_OK);
}

/* A chain of directories named "d" below `name`, a file in each, deeper than a path can say. */
static void make_deep(const struct scratch *scratch, const char *name, int depth)
{
    assert_int_equal(mkdirat(scratch->fd, name, 0777), 0);
    int at = openat(scratch->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < depth; i++) {
        assert_int_equal(mkdirat(at, "d", 0777), 0);
        int next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(openat(at, "e", O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
        close(openat(at, "c", O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
        assert_true(next >= 0);
        close(at);
        at = next;
    }
    close(at);
}

static void a_tree_deeper_than_any_path_is_removed(void **state)
{
    struct scratch *scratch = *state;
    make_deep(scratch, "deep", 1200);
    size_t before = scratch_open_descriptors();
    assert_int_equal(dirs_remove_tree(scratch->fd, "deep", NULL, NULL), B10_REASON_OK);
    assert_false(scratch_exists(scratch, "deep"));
    assert_int_equal(scratch_open_descriptors(), before);
}

static void remove_closed(void *context)
{
    struct scratch *scratch = context;
    sandbox_drop_root();
    const int modes[] = {0000, 0100, 0200, 0400, 0500, 0600};
    char path[4400];
    CHECK(mkdirat(scratch->fd, "t", 0777) == 0);
    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        snprintf(path, sizeof(path), "t/%zu", i);
        CHECK(mkdirat(scratch->fd, path, 0777) == 0);
        snprintf(path, sizeof(path), "t/%zu/sub", i);
        CHECK(mkdirat(scratch->fd, path, 0777) == 0);
        snprintf(path, sizeof(path), "t/%zu", i);
        CHECK(fchmodat(scratch->fd, path, (mode_t)modes[i], 0) == 0);
    }
    CHECK(chmod(scratch_path(scratch, "t"), 0) == 0);
    CHECK(dirs_remove_tree(scratch->fd, "t", NULL, NULL) == B10_REASON_OK);
    CHECK(!scratch_exists(scratch, "t"));
}

static void closed_directories_of_ones_own_are_removed(void **state)
{
    struct scratch *scratch = *state;
    assert_int_equal(chmod(scratch->path, 0777), 0);
    sandbox_run(remove_closed, scratch);
}

static void remove_foreign(void *context)
{
    struct scratch *scratch = context;
    struct b10_error error = ERROR_NONE;
    sandbox_drop_root();
    CHECK(dirs_remove_tree(scratch->fd, "t", NULL, &error) == B10_REASON_DENIED);
    CHECK(error.sys_errno == EACCES && strstr(error.message, "'locked'") != NULL);
    CHECK(scratch_exists(scratch, "t/foreign/locked"));
    CHECK(!scratch_exists(scratch, "t/a") && !scratch_exists(scratch, "t/z"));
}

static void what_can_be_removed_is_removed_and_the_first_failure_told(void **state)
{
    struct scratch *scratch = *state;
    if (geteuid() != 0) {
        print_message("skipped: making another user's directory needs root\n");
        skip();
    }
    scratch_text(scratch, "t/a/f", "");
    scratch_text(scratch, "t/foreign/locked", "");
    scratch_text(scratch, "t/z/f", "");
    const char *opened[] = {"", "t", "t/a", "t/z"};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(chmod(scratch_path(scratch, opened[i]), 0777), 0);
    sandbox_run(remove_foreign, scratch);
}

static void remove_around_mounts(void *context)
{
    struct scratch *scratch = context;
    struct b10_error error = ERROR_NONE;
    sandbox_private_mounts(scratch);
    sandbox_tmpfs(scratch_path(scratch, "t/a/tmpfs"), "size=64k");
    scratch_text(scratch, "t/a/tmpfs/precious", "p");
    sandbox_bind(scratch_path(scratch, "outside"), scratch_path(scratch, "t/bind"));
    CHECK(dirs_remove_tree(scratch->fd, "t", NULL, &error) == B10_REASON_IO);
    CHECK(error.sys_errno == EBUSY);
    CHECK(scratch_exists(scratch, "t/a/tmpfs/precious"));
    CHECK(scratch_exists(scratch, "t/bind/precious"));
    CHECK(scratch_exists(scratch, "outside/precious"));
    CHECK(!scratch_exists(scratch, "t/z"));
}

static void mounts_are_reported_and_not_crossed(void **state)
{
    struct scratch *scratch = *state;
    scratch_text(scratch, "outside/precious", "p");
    scratch_mkdir(scratch, "t/a/tmpfs");
    scratch_mkdir(scratch, "t/bind");
    scratch_text(scratch, "t/z/f", "");
    sandbox_run(remove_around_mounts, scratch);
}

static void *remove_too(void *user)
{
    const struct scratch *scratch = user;
    assert_int_equal(dirs_remove_tree(scratch->fd, "t", NULL, NULL), B10_REASON_OK);
    return NULL;
}

static void two_that_remove_the_same_tree_both_succeed(void **state)
{
    struct scratch *scratch = *state;
    for (int round = 0; round < 40; round++) {
        pthread_t thread;
        char path[64];
        for (int i = 0; i < 10; i++) {
            snprintf(path, sizeof(path), "t/%d/%d/f", i % 2, i);
            scratch_text(scratch, path, "");
        }
        assert_int_equal(pthread_create(&thread, NULL, remove_too, scratch), 0);
        (void)remove_too(scratch);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_false(scratch_exists(scratch, "t"));
    }
}

struct swapping {
    const struct scratch *scratch;
    _Atomic bool stop;
};

/* Puts a link to the outside where a directory is, and back, all the time. */
static void *swap(void *user)
{
    struct swapping *swapping = user;
    int fd = swapping->scratch->fd;
    while (!atomic_load(&swapping->stop))
        (void)!syscall(SYS_renameat2, fd, "t/d", fd, "link", 2 /* RENAME_EXCHANGE */);
    return NULL;
}

static void a_directory_swapped_for_a_link_does_not_lead_out(void **state)
{
    struct scratch *scratch = *state;
    scratch_text(scratch, "outside/precious", "p");
    scratch_text(scratch, "outside/sub/precious", "p");
    for (int round = 0; round < 60; round++) {
        struct swapping swapping = {.scratch = scratch};
        pthread_t thread;
        scratch_text(scratch, "t/d/sub/f", "");
        (void)!symlinkat("outside", scratch->fd, "link");
        assert_int_equal(pthread_create(&thread, NULL, swap, &swapping), 0);
        enum b10_reason reason = dirs_remove_tree(scratch->fd, "t", NULL, NULL);
        atomic_store(&swapping.stop, true);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(reason == B10_REASON_OK || reason == B10_REASON_IO);
        assert_int_equal(scratch_count(scratch, "outside"), 3);
        assert_int_equal(dirs_remove_tree(scratch->fd, "t", NULL, NULL), B10_REASON_OK);
        assert_int_equal(dirs_remove_tree(scratch->fd, "link", NULL, NULL), B10_REASON_OK);
    }
}

static void *move_out(void *user)
{
    struct swapping *swapping = user;
    char path[200] = "t";
    for (int i = 0; i < 60; i++)
        strcat(path, "/d");
    int fd = swapping->scratch->fd;
    while (!atomic_load(&swapping->stop))
        (void)!renameat(fd, path, fd, "outside/moved");
    return NULL;
}

static void a_deep_tree_moved_meanwhile_does_not_lead_out(void **state)
{
    struct scratch *scratch = *state;
    scratch_text(scratch, "outside/precious", "p");
    for (int round = 0; round < 3; round++) {
        struct swapping swapping = {.scratch = scratch};
        pthread_t thread;
        make_deep(scratch, "t", 300);
        assert_int_equal(pthread_create(&thread, NULL, move_out, &swapping), 0);
        (void)!dirs_remove_tree(scratch->fd, "t", NULL, NULL);
        atomic_store(&swapping.stop, true);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(scratch_exists(scratch, "outside/precious"));
        assert_int_equal(dirs_remove_tree(scratch->fd, "t", NULL, NULL), B10_REASON_OK);
        assert_int_equal(dirs_remove_tree(scratch->fd, "outside/moved", NULL, NULL), B10_REASON_OK);
    }
}

static void *add_names(void *user)
{
    struct swapping *swapping = user;
    char name[64];
    for (unsigned i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "t/a/new%u", i);
        (void)!mkdirat(swapping->scratch->fd, name, 0777);
    }
    return NULL;
}

static void names_that_appear_meanwhile_are_removed_or_reported(void **state)
{
    struct scratch *scratch = *state;
    for (int round = 0; round < 61; round++) {
        struct swapping swapping = {.scratch = scratch};
        struct b10_error error = ERROR_NONE;
        pthread_t thread;
        scratch_text(scratch, "t/a/f", "");
        assert_int_equal(pthread_create(&thread, NULL, add_names, &swapping), 0);
        enum b10_reason reason = dirs_remove_tree(scratch->fd, "t", NULL, &error);
        assert_int_equal(pthread_join(thread, NULL), 0);
        if (reason == B10_REASON_OK)
            assert_false(scratch_exists(scratch, "t"));
        else
            assert_int_equal(error.sys_errno, ENOTEMPTY);
        assert_int_equal(dirs_remove_tree(scratch->fd, "t", NULL, NULL), B10_REASON_OK);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(missing_directories_are_made_and_counted),
        TEST(links_to_directories_are_gone_through),
        TEST(unmaking_stops_at_what_is_not_empty),
        TEST(a_failure_leaves_nothing_made),
        TEST(out_of_inodes_is_no_space_and_leaves_nothing),
        TEST(names_come_sorted_by_bytes_with_their_types),
        TEST(a_listing_does_not_depend_on_the_position_of_the_descriptor),
        TEST(many_names_are_listed),
        TEST(an_empty_directory_is_known),
        TEST(what_is_not_a_directory_cannot_be_listed),
        TEST(a_directory_that_another_was_renamed_onto_holds_nothing),
        TEST(a_tree_is_removed_and_nothing_else),
        TEST(contents_are_removed_and_the_directory_stays),
        TEST(what_is_absent_or_no_directory_is_removed_too),
        TEST(the_name_may_be_a_path),
        TEST(a_tree_deeper_than_any_path_is_removed),
        TEST(closed_directories_of_ones_own_are_removed),
        TEST(what_can_be_removed_is_removed_and_the_first_failure_told),
        TEST(mounts_are_reported_and_not_crossed),
        TEST(a_directory_swapped_for_a_link_does_not_lead_out),
        TEST(a_deep_tree_moved_meanwhile_does_not_lead_out),
        TEST(two_that_remove_the_same_tree_both_succeed),
        TEST(names_that_appear_meanwhile_are_removed_or_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
