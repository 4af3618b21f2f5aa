#include "cache/clear.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cache/holder.h"
#include "support/sandbox.h"
#include "support/scratch.h"

static struct log silent;

/* Clears `local` (absolute) with a temporary and a home directory elsewhere. */
static enum b10_reason clear(const char *local, struct b10_error *error)
{
    char path[4400];
    char temporary[] = "/somewhere/tmp";
    char home[] = "/somewhere/home";
    struct b10_report report = B10_INIT(b10_report);
    struct settings settings = {.local_dir = path, .temporary_dir = temporary, .home_dir = home};
    snprintf(path, sizeof(path), "%s", local);
    enum b10_reason reason = clear_local(&settings, &silent, NULL, &report, error);
    CHECK(strcmp(report.destination, local) == 0);
    return reason;
}

static void fill(const struct scratch *scratch)
{
    scratch_text(scratch, "outside/precious", "p");
    scratch_text(scratch, "parent/beside", "b");
    scratch_text(scratch, "parent/cache/f", "1");
    scratch_text(scratch, "parent/cache/a/b/c", "2");
    scratch_text(scratch, "parent/cache/ne\nw/\xff", "3");
    scratch_mkdir(scratch, "parent/cache/empty");
    CHECK(symlink("../../outside", scratch_path(scratch, "parent/cache/out")) == 0);
    CHECK(symlink("/", scratch_path(scratch, "parent/cache/a/root")) == 0);
}

/* Everything but the contents of the cache is as it was, and nothing of ours is left. */
static void check_surroundings(const struct scratch *scratch)
{
    CHECK(scratch_exists(scratch, "outside/precious"));
    CHECK(scratch_exists(scratch, "parent/beside"));
    CHECK(scratch_count(scratch, "outside") == 1);
    CHECK(scratch_count(scratch, "parent") <= 2);
}

static void the_contents_are_gone_and_nothing_else(void **state)
{
    struct scratch *scratch = *state;
    fill(scratch);
    size_t before = scratch_open_descriptors();
    assert_int_equal(clear(scratch_path(scratch, "parent/cache"), NULL), B10_REASON_OK);
    assert_int_equal(scratch_count(scratch, "parent/cache"), 0);
    check_surroundings(scratch);
    assert_int_equal(scratch_open_descriptors(), before);
}

/* A link to it would lead nowhere, and makedirs() fails on such a link. */
static void the_directory_itself_stays_with_its_mode_and_owner(void **state)
{
    struct scratch *scratch = *state;
    struct stat stat;
    uid_t owner = geteuid() == 0 ? 65534 : geteuid();
    fill(scratch);
    const char *cache = scratch_path(scratch, "parent/cache");
    assert_int_equal(lchown(cache, owner, (gid_t)-1), 0);
    assert_int_equal(chmod(cache, 02751), 0);
    assert_int_equal(clear(cache, NULL), B10_REASON_OK);
    assert_int_equal(lstat(scratch_path(scratch, "parent/cache"), &stat), 0);
    assert_int_equal(stat.st_mode, S_IFDIR | 02751);
    assert_int_equal(stat.st_uid, owner);
    assert_int_equal(scratch_count(scratch, "parent"), 2);
}

static void an_absent_directory_is_fine(void **state)
{
    struct scratch *scratch = *state;
    assert_int_equal(clear(scratch_path(scratch, "none"), NULL), B10_REASON_OK);
    assert_int_equal(clear(scratch_path(scratch, "no/ne"), NULL), B10_REASON_OK);
    assert_int_equal(scratch_count(scratch, ""), 0);
}

static void an_empty_directory_is_fine(void **state)
{
    struct scratch *scratch = *state;
    scratch_mkdir(scratch, "cache");
    assert_int_equal(clear(scratch_path(scratch, "cache"), NULL), B10_REASON_OK);
    assert_int_equal(clear(scratch_path(scratch, "cache"), NULL), B10_REASON_OK);
}

static void a_file_or_a_link_is_not_cleared(void **state)
{
    struct scratch *scratch = *state;
    fill(scratch);
    assert_int_equal(symlink("outside", scratch_path(scratch, "link")), 0);
    assert_int_equal(clear(scratch_path(scratch, "link"), NULL), B10_REASON_IO);
    assert_int_equal(clear(scratch_path(scratch, "parent/beside"), NULL), B10_REASON_IO);
    assert_true(scratch_exists(scratch, "outside/precious"));
    assert_true(scratch_exists(scratch, "parent/beside"));
    assert_true(scratch_exists(scratch, "link"));
}

static void assert_refused(struct settings *settings, const char *local)
{
    struct b10_error error = ERROR_NONE;
    struct b10_report report = B10_INIT(b10_report);
    char path[4400];
    snprintf(path, sizeof(path), "%s", local);
    settings->local_dir = path;
    assert_int_equal(clear_local(settings, &silent, NULL, &report, &error), B10_REASON_CONFIG);
    if (strstr(error.message, path) == NULL)
        fail_msg("'%s' is not named: %s", path, error.message);
}

static void precious_directories_and_what_holds_them_are_refused(void **state)
{
    struct scratch *scratch = *state;
    char temporary[4400];
    char home[4400];
    struct settings settings = {.temporary_dir = temporary, .home_dir = home};
    scratch_text(scratch, "a/tmp/precious", "p");
    scratch_text(scratch, "b/home/precious", "p");
    snprintf(temporary, sizeof(temporary), "%s/a/tmp", scratch->path);
    snprintf(home, sizeof(home), "%s/b/home", scratch->path);
    assert_refused(&settings, temporary);
    assert_refused(&settings, home);
    assert_refused(&settings, scratch_path(scratch, "a"));
    assert_refused(&settings, scratch_path(scratch, "b"));
    assert_refused(&settings, scratch->path);
    assert_true(scratch_exists(scratch, "a/tmp/precious"));
    assert_true(scratch_exists(scratch, "b/home/precious"));
}

/* With every call denied that could remove something, because these are the machine's own. */
static void refuse_system_directories(void *context)
{
    (void)context;
    const char *directories[] = {"/", "/tmp", "/var/tmp", "/var", "/home", "/root", "/dev/shm"};
    sandbox_deny(EPERM, SYS_unlinkat);
    sandbox_deny(EPERM, SYS_renameat);
    sandbox_deny(EPERM, SYS_renameat2);
    sandbox_deny(EPERM, SYS_mkdirat);
    for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
        CHECK(clear(directories[i], NULL) == B10_REASON_CONFIG);
}

static void the_directories_of_the_system_are_refused(void **state)
{
    sandbox_run(refuse_system_directories, *state);
}

static void clear_mount_point(void *context)
{
    struct scratch *scratch = context;
    sandbox_private_mounts(scratch);
    scratch_mkdir(scratch, "parent/cache");
    sandbox_tmpfs(scratch_path(scratch, "parent/cache"), "size=1m");
    fill(scratch);
    CHECK(clear(scratch_path(scratch, "parent/cache"), NULL) == B10_REASON_OK);
    CHECK(scratch_exists(scratch, "parent/cache"));
    CHECK(scratch_count(scratch, "parent/cache") == 0);
    check_surroundings(scratch);
    CHECK(umount(scratch_path(scratch, "parent/cache")) == 0); /* it is still the mount */
}

static void a_mount_point_is_emptied_and_stays(void **state)
{
    sandbox_run(clear_mount_point, *state);
}

static void clear_around_mount(void *context)
{
    struct scratch *scratch = context;
    struct b10_error error = ERROR_NONE;
    fill(scratch);
    sandbox_private_mounts(scratch);
    sandbox_bind(scratch_path(scratch, "outside"), scratch_path(scratch, "parent/cache/empty"));
    CHECK(clear(scratch_path(scratch, "parent/cache"), &error) == B10_REASON_IO);
    CHECK(error.sys_errno == EBUSY);
    CHECK(scratch_exists(scratch, "outside/precious"));
    CHECK(scratch_exists(scratch, "parent/cache/empty/precious")); /* where it was mounted */
    CHECK(!scratch_exists(scratch, "parent/cache/a"));
    CHECK(scratch_count(scratch, "parent") == 4); /* cache, empty, precious, beside: no holder */
}

static void a_mount_inside_survives_in_its_place_and_is_reported(void **state)
{
    sandbox_run(clear_around_mount, *state);
}

static void clear_below_closed_parent(void *context)
{
    struct scratch *scratch = context;
    sandbox_drop_root();
    CHECK(clear(scratch_path(scratch, "parent/cache"), NULL) == B10_REASON_OK);
    CHECK(scratch_count(scratch, "parent/cache") == 0);
    check_surroundings(scratch);
}

static void give_away(const struct scratch *scratch, const char *path)
{
    if (geteuid() == 0)
        assert_int_equal(lchown(scratch_path(scratch, path), 65534, 65534), 0);
}

static void below_a_parent_that_is_not_writable_it_goes_entry_by_entry(void **state)
{
    struct scratch *scratch = *state;
    const char *directories[] = {"parent/cache", "parent/cache/a", "parent/cache/a/b",
                                 "parent/cache/ne\nw", "parent/cache/empty"};
    fill(scratch);
    for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
        give_away(scratch, directories[i]);
    assert_int_equal(chmod(scratch_path(scratch, "parent"), 0555), 0);
    sandbox_run(clear_below_closed_parent, scratch);
    assert_true(scratch_exists(scratch, "parent/cache"));
}

static void clear_without_rename(void *context)
{
    struct scratch *scratch = context;
    sandbox_deny(EXDEV, SYS_renameat); /* a directory of an overlay's lower layer */
    CHECK(clear(scratch_path(scratch, "parent/cache"), NULL) == B10_REASON_OK);
    CHECK(scratch_count(scratch, "parent/cache") == 0);
    check_surroundings(scratch);
}

static void what_cannot_be_renamed_goes_entry_by_entry(void **state)
{
    fill(*state);
    sandbox_run(clear_without_rename, *state);
}

static void clear_foreign(void *context)
{
    struct scratch *scratch = context;
    struct b10_error error = ERROR_NONE;
    sandbox_drop_root();
    CHECK(clear(scratch_path(scratch, "parent/cache"), &error) == B10_REASON_DENIED);
    CHECK(error.sys_errno == EACCES);
}

static void what_belongs_to_others_is_denied(void **state)
{
    struct scratch *scratch = *state;
    if (geteuid() != 0) {
        print_message("skipped: making another user's directory needs root\n");
        skip();
    }
    fill(scratch);
    sandbox_run(clear_foreign, scratch);
    assert_true(scratch_exists(scratch, "parent/cache/f"));
}

static void *clear_in_thread(void *user)
{
    const char *path = user;
    CHECK(clear(path, NULL) == B10_REASON_OK);
    return NULL;
}

static void two_at_once_both_succeed(void **state)
{
    struct scratch *scratch = *state;
    for (int round = 0; round < 30; round++) {
        pthread_t threads[2];
        char cache[4400];
        snprintf(cache, sizeof(cache), "%s/parent/cache", scratch->path);
        scratch_text(scratch, "outside/precious", "p");
        scratch_text(scratch, "parent/beside", "b");
        for (int i = 0; i < 20; i++) {
            char path[64];
            snprintf(path, sizeof(path), "parent/cache/%d/f", i);
            scratch_text(scratch, path, "");
        }
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, clear_in_thread, cache), 0);
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(scratch_count(scratch, "parent/cache"), 0);
        check_surroundings(scratch);
    }
}

static void clear_and_die(void *context)
{
    struct scratch *scratch = context;
    sandbox_kill(SYS_unlinkat);
    (void)!clear(scratch_path(scratch, "parent/cache"), NULL);
}

static void what_a_killed_clear_leaves_is_swept(void **state)
{
    struct scratch *scratch = *state;
    fill(scratch);
    assert_int_equal(sandbox_signal(clear_and_die, scratch), SIGSYS);
    assert_int_equal(scratch_count(scratch, "parent/cache"), 0);
    assert_true(scratch_count(scratch, "parent") > 2);
    holder_sweep(scratch_path(scratch, "parent"), &silent);
    assert_int_equal(scratch_count(scratch, "parent"), 2);
    check_surroundings(scratch);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_contents_are_gone_and_nothing_else),
        TEST(the_directory_itself_stays_with_its_mode_and_owner),
        TEST(an_absent_directory_is_fine),
        TEST(an_empty_directory_is_fine),
        TEST(a_file_or_a_link_is_not_cleared),
        TEST(precious_directories_and_what_holds_them_are_refused),
        TEST(the_directories_of_the_system_are_refused),
        TEST(a_mount_point_is_emptied_and_stays),
        TEST(a_mount_inside_survives_in_its_place_and_is_reported),
        TEST(below_a_parent_that_is_not_writable_it_goes_entry_by_entry),
        TEST(what_cannot_be_renamed_goes_entry_by_entry),
        TEST(what_belongs_to_others_is_denied),
        TEST(two_at_once_both_succeed),
        TEST(what_a_killed_clear_leaves_is_swept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
