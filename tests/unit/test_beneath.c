#include "fs/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/io.h"
#include "support/sandbox.h"
#include "support/scratch.h"

static void prepare(const struct scratch *scratch)
{
    scratch_text(scratch, "root/d/e/f", "inside");
    scratch_text(scratch, "root/file", "x");
    scratch_text(scratch, "outside/f", "outside");
    scratch_mkdir(scratch, "root/ba\nd \xff");
    assert_int_equal(symlink("../outside", scratch_path(scratch, "root/out")), 0);
    assert_int_equal(symlink("/etc", scratch_path(scratch, "root/etc")), 0);
    assert_int_equal(symlink("d", scratch_path(scratch, "root/in")), 0);
    assert_int_equal(symlink("e", scratch_path(scratch, "root/d/link")), 0);
    assert_int_equal(symlink("loop", scratch_path(scratch, "root/loop")), 0);
    assert_int_equal(mkfifo(scratch_path(scratch, "root/fifo"), 0600), 0);
}

static enum b10_reason resolve(int root, const char *path)
{
    int fd = -1;
    enum b10_reason reason = beneath_directory(&fd, root, path, NULL);
    CHECK((reason == B10_REASON_OK) == (fd >= 0));
    if (fd >= 0)
        close(fd);
    return reason;
}

static bool leads_to(int root, const char *path, const char *expected)
{
    struct stat a;
    struct stat b;
    int fd = -1;
    CHECK(beneath_directory(&fd, root, path, NULL) == B10_REASON_OK);
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(fstat(fd, &a) == 0 && stat(expected, &b) == 0);
    close(fd);
    return io_same_file(&a, &b);
}

/* The promises of beneath_directory, whichever way it takes. */
static void check_directories(struct scratch *scratch)
{
    const char *unsafe[] = {"..",       "../outside", "/etc", "/",     "d/../d", "d/../../outside",
                            "./d",      "d/",         "d//e", "out",   "etc",    "in",
                            "in/e",     "d/link",     "loop", "file",  "fifo",   "file/x",
                            "out/deep", "loop/x",     ".",    "d/e/f", "d/./e"};
    int root = open(scratch_path(scratch, "root"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK(root >= 0);
    CHECK(leads_to(root, "", scratch_path(scratch, "root")));
    CHECK(leads_to(root, "d", scratch_path(scratch, "root/d")));
    CHECK(leads_to(root, "d/e", scratch_path(scratch, "root/d/e")));
    CHECK(leads_to(root, "ba\nd \xff", scratch_path(scratch, "root/ba\nd \xff")));
    for (size_t i = 0; i < sizeof(unsafe) / sizeof(*unsafe); i++)
        if (resolve(root, unsafe[i]) != B10_REASON_UNSAFE)
            sandbox_fail(__FILE__, __LINE__, unsafe[i]);
    CHECK(resolve(root, "missing") == B10_REASON_CORRUPT);
    CHECK(resolve(root, "d/missing/x") == B10_REASON_CORRUPT);
    close(root);
}

static void check_plain(void *context)
{
    check_directories(context);
}

static void only_real_directories_below_the_root_are_opened(void **state)
{
    prepare(*state);
    sandbox_run(check_plain, *state);
}

static void check_without_openat2(void *context)
{
    sandbox_deny(ENOSYS, SYS_openat2);
    check_directories(context);
}

static void the_same_holds_where_openat2_is_missing(void **state)
{
    prepare(*state);
    sandbox_run(check_without_openat2, *state);
}

static void check_with_refusal(void *context)
{
    sandbox_deny(EPERM, SYS_openat2);
    check_directories(context);
}

static void the_same_holds_where_a_filter_refuses_openat2(void **state)
{
    prepare(*state);
    sandbox_run(check_with_refusal, *state);
}

static void check_late_refusal(void *context)
{
    check_directories(context);
    sandbox_deny(EPERM, SYS_openat2);
    check_directories(context);
}

static void the_same_holds_when_a_filter_is_installed_later(void **state)
{
    prepare(*state);
    sandbox_run(check_late_refusal, *state);
}

static void check_denied(void *context)
{
    struct scratch *scratch = context;
    sandbox_drop_root();
    int root = open(scratch_path(scratch, "root"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK(resolve(root, "closed/x") == B10_REASON_DENIED);
    sandbox_deny(ENOSYS, SYS_openat2);
    CHECK(resolve(root, "closed/x") == B10_REASON_DENIED);
}

static void a_closed_directory_is_denied(void **state)
{
    struct scratch *scratch = *state;
    prepare(scratch);
    scratch_mkdir(scratch, "root/closed/x");
    assert_int_equal(chmod(scratch_path(scratch, "root/closed"), 0), 0);
    sandbox_run(check_denied, scratch);
}

static void a_message_names_the_path_in_printable_form(void **state)
{
    struct scratch *scratch = *state;
    struct b10_error error = ERROR_NONE;
    int fd = -1;
    assert_int_equal(beneath_directory(&fd, scratch->fd, "no\nne", &error), B10_REASON_CORRUPT);
    assert_non_null(strstr(error.message, "'no\\x0ane'"));
}

static void the_deepest_path_of_the_format_is_opened(void **state)
{
    struct scratch *scratch = *state;
    char path[512] = "";
    for (size_t i = 0; i < 256; i++) {
        path[2 * i] = 'd';
        path[2 * i + 1] = '/';
    }
    path[511] = '\0';
    scratch_mkdir(scratch, path);
    size_t before = scratch_open_descriptors();
    assert_int_equal(resolve(scratch->fd, path), B10_REASON_OK);
    assert_int_equal(scratch_open_descriptors(), before);
}

static void neighbours_share_one_descriptor(void **state)
{
    struct scratch *scratch = *state;
    struct beneath_cache cache;
    const char *leaf = NULL;
    int first = -1;
    int second = -1;
    scratch_mkdir(scratch, "a/b");
    scratch_mkdir(scratch, "a/bb");
    beneath_cache_init(&cache, scratch->fd);
    assert_int_equal(beneath_parent(&cache, "a/b/x", &first, &leaf, NULL), B10_REASON_OK);
    assert_string_equal(leaf, "x");
    size_t open_now = scratch_open_descriptors();
    assert_int_equal(beneath_parent(&cache, "a/b/y", &second, &leaf, NULL), B10_REASON_OK);
    assert_string_equal(leaf, "y");
    assert_int_equal(first, second);
    assert_int_equal(scratch_open_descriptors(), open_now);

    struct stat found;
    struct stat expected;
    assert_int_equal(beneath_parent(&cache, "a/bb/z", &second, &leaf, NULL), B10_REASON_OK);
    assert_int_equal(fstat(second, &found), 0);
    assert_int_equal(stat(scratch_path(scratch, "a/bb"), &expected), 0);
    assert_true(io_same_file(&found, &expected));
    assert_int_equal(beneath_parent(&cache, "top", &second, &leaf, NULL), B10_REASON_OK);
    assert_int_equal(fstat(second, &found), 0);
    assert_int_equal(fstat(scratch->fd, &expected), 0);
    assert_true(io_same_file(&found, &expected));
    assert_string_equal(leaf, "top");
    beneath_cache_release(&cache);
    beneath_cache_release(&cache);
    assert_int_equal(scratch_open_descriptors(), open_now - 1);
}

/* A path too long to be kept is opened each time; whichever way, it is the right directory. */
static void few_descriptors_stay_open_however_many_directories(void **state)
{
    struct scratch *scratch = *state;
    struct beneath_cache cache;
    char path[1024];
    char name[BENEATH_KEPT_PATH / 3];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    beneath_cache_init(&cache, scratch->fd);
    size_t before = scratch_open_descriptors();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3 * BENEATH_KEPT; i++) {
            const char *leaf = NULL;
            int dirfd = -1;
            struct stat found;
            struct stat expected;
            if (i % 5 == 0)
                snprintf(path, sizeof(path), "%s/%s/%s/%d", name, name, name, i);
            else
                snprintf(path, sizeof(path), "%d", i);
            if (round == 0)
                scratch_mkdir(scratch, path);
            assert_int_equal(stat(scratch_path(scratch, path), &expected), 0);
            strncat(path, "/x", sizeof(path) - strlen(path) - 1);
            assert_int_equal(beneath_parent(&cache, path, &dirfd, &leaf, NULL), B10_REASON_OK);
            assert_string_equal(leaf, "x");
            assert_int_equal(fstat(dirfd, &found), 0);
            assert_true(io_same_file(&found, &expected));
            assert_true(scratch_open_descriptors() <= before + BENEATH_KEPT + 1);
        }
    }
    beneath_cache_release(&cache);
    assert_int_equal(scratch_open_descriptors(), before);
}

static void a_failed_lookup_leaves_the_cache_usable(void **state)
{
    struct scratch *scratch = *state;
    struct beneath_cache cache;
    const char *leaf = NULL;
    int dirfd = -1;
    scratch_mkdir(scratch, "a");
    beneath_cache_init(&cache, scratch->fd);
    assert_int_equal(beneath_parent(&cache, "a/x", &dirfd, &leaf, NULL), B10_REASON_OK);
    assert_int_equal(beneath_parent(&cache, "none/x", &dirfd, &leaf, NULL), B10_REASON_CORRUPT);
    assert_int_equal(beneath_parent(&cache, "none/x", &dirfd, &leaf, NULL), B10_REASON_CORRUPT);
    assert_int_equal(beneath_parent(&cache, "a/../x", &dirfd, &leaf, NULL), B10_REASON_UNSAFE);
    assert_int_equal(beneath_parent(&cache, "", &dirfd, &leaf, NULL), B10_REASON_UNSAFE);
    assert_int_equal(beneath_parent(&cache, "a/y", &dirfd, &leaf, NULL), B10_REASON_OK);
    assert_string_equal(leaf, "y");
    beneath_cache_release(&cache);
}

struct swapping {
    const struct scratch *scratch;
    _Atomic bool stop;
};

/* Puts a link to the outside where the directory is, and back, all the time. */
static void *swap(void *user)
{
    struct swapping *swapping = user;
    int fd = swapping->scratch->fd;
    while (!atomic_load(&swapping->stop))
        (void)!syscall(SYS_renameat2, fd, "root/d", fd, "root/out", 2 /* RENAME_EXCHANGE */);
    return NULL;
}

static void race(struct scratch *scratch)
{
    struct stat outside;
    struct stat found;
    struct swapping swapping = {.scratch = scratch};
    pthread_t thread;
    CHECK(stat(scratch_path(scratch, "outside"), &outside) == 0);
    int root = open(scratch_path(scratch, "root"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK(pthread_create(&thread, NULL, swap, &swapping) == 0);
    for (int i = 0; i < 20000; i++) {
        int fd = -1;
        enum b10_reason reason = beneath_directory(&fd, root, "d", NULL);
        CHECK(reason == B10_REASON_OK || reason == B10_REASON_UNSAFE);
        CHECK(fd < 0 || (fstat(fd, &found) == 0 && !io_same_file(&found, &outside)));
        if (fd >= 0)
            close(fd);
    }
    atomic_store(&swapping.stop, true);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void race_plain(void *context)
{
    race(context);
}

static void race_without_openat2(void *context)
{
    sandbox_deny(ENOSYS, SYS_openat2);
    race(context);
}

static void a_directory_swapped_for_a_link_is_never_followed(void **state)
{
    prepare(*state);
    sandbox_run(race_plain, *state);
    sandbox_run(race_without_openat2, *state);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(only_real_directories_below_the_root_are_opened),
        TEST(the_same_holds_where_openat2_is_missing),
        TEST(the_same_holds_where_a_filter_refuses_openat2),
        TEST(the_same_holds_when_a_filter_is_installed_later),
        TEST(a_closed_directory_is_denied),
        TEST(a_message_names_the_path_in_printable_form),
        TEST(the_deepest_path_of_the_format_is_opened),
        TEST(neighbours_share_one_descriptor),
        TEST(few_descriptors_stay_open_however_many_directories),
        TEST(a_failed_lookup_leaves_the_cache_usable),
        TEST(a_directory_swapped_for_a_link_is_never_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
