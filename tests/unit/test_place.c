#include "archive/place.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/scratch.h"
#include "support/stop.h"

struct fixture {
    struct scratch *scratch;
    struct placer placer;
    struct b10_error error;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (fixture == NULL || scratch_setup((void **)&fixture->scratch) != 0)
        return -1;
    scratch_mkdir(fixture->scratch, "root");
    int root = openat(fixture->scratch->fd, "root", O_PATH | O_CLOEXEC);
    placer_init(&fixture->placer, root, "the.archive");
    fixture->error = (struct b10_error)ERROR_NONE;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    close(fixture->placer.directory.root);
    placer_release(&fixture->placer);
    void *scratch = fixture->scratch;
    free(fixture);
    return scratch_teardown(&scratch);
}

static struct entry file_entry(bool executable)
{
    return (struct entry){.type = ENTRY_FILE,
                          .executable = executable,
                          .path = "inductor/x",
                          .mtime_s = 1234567890,
                          .mtime_ns = 123456789};
}

static struct stat stat_of(const struct fixture *fixture, const char *path)
{
    struct stat stat;
    assert_int_equal(fstatat(fixture->scratch->fd, path, &stat, AT_SYMLINK_NOFOLLOW), 0);
    return stat;
}

static void ok(struct fixture *fixture, enum b10_reason reason)
{
    if (reason != B10_REASON_OK)
        fail_msg("%s", fixture->error.message);
}

static void refused(struct fixture *fixture, enum b10_reason reason, enum b10_reason expected,
                    const char *member)
{
    assert_int_equal(reason, expected);
    assert_int_equal(fixture->error.code, expected);
    assert_non_null(strstr(fixture->error.message, "the.archive"));
    assert_non_null(strstr(fixture->error.message, member));
}

static void a_file_has_content_mode_and_time(void **state)
{
    struct fixture *fixture = *state;
    struct b10_error *error = &fixture->error;
    struct entry plain = file_entry(false), tool = file_entry(true);
    ok(fixture, place_directory(&fixture->placer, "d", error));
    ok(fixture, place_file(&fixture->placer, "d/plain", &plain, "content", 7, error));
    ok(fixture, place_file(&fixture->placer, "d/tool", &tool, "tool", 4, error));
    ok(fixture, place_file(&fixture->placer, "empty", &plain, NULL, 0, error));

    mode_t mask = umask(022);
    umask(mask);
    struct stat stat = stat_of(fixture, "root/d/plain");
    assert_int_equal(stat.st_mode, S_IFREG | (0666 & ~mask));
    assert_int_equal(stat.st_mtim.tv_sec, 1234567890);
    assert_int_equal(stat.st_mtim.tv_nsec, 123456789);
    assert_int_equal(stat_of(fixture, "root/d/tool").st_mode, S_IFREG | (0777 & ~mask));
    assert_int_equal(stat_of(fixture, "root/empty").st_size, 0);
    char *text = scratch_read(fixture->scratch, "root/d/plain", NULL);
    assert_string_equal(text, "content");
    free(text);
}

static void modes_follow_the_umask(void **state)
{
    struct fixture *fixture = *state;
    struct entry tool = file_entry(true);
    mode_t kept = umask(027);
    enum b10_reason directory = place_directory(&fixture->placer, "d", &fixture->error);
    enum b10_reason file = place_file(&fixture->placer, "t", &tool, "t", 1, &fixture->error);
    umask(kept);
    ok(fixture, directory);
    ok(fixture, file);
    assert_int_equal(stat_of(fixture, "root/d").st_mode, S_IFDIR | 0750);
    assert_int_equal(stat_of(fixture, "root/t").st_mode, S_IFREG | 0750);
}

static void a_symlink_has_target_and_time(void **state)
{
    struct fixture *fixture = *state;
    struct entry entry = file_entry(false);
    entry.type = ENTRY_SYMLINK;
    entry.target = "not/there";
    ok(fixture, place_symlink(&fixture->placer, "link", &entry, &fixture->error));
    char target[32] = "";
    assert_int_equal(readlinkat(fixture->scratch->fd, "root/link", target, sizeof(target) - 1), 9);
    assert_string_equal(target, "not/there");
    assert_int_equal(stat_of(fixture, "root/link").st_mtim.tv_sec, 1234567890);
    assert_int_equal(stat_of(fixture, "root/link").st_mtim.tv_nsec, 123456789);
}

static void a_large_file_is_filled_in_any_order_and_keeps_its_holes(void **state)
{
    struct fixture *fixture = *state;
    struct b10_error *error = &fixture->error;
    enum { HOLE = 1 << 24 };
    ok(fixture, place_create(&fixture->placer, "large", false, HOLE + 10, error));
    ok(fixture, place_slice(&fixture->placer, "large", "end", 3, HOLE + 7, error));
    ok(fixture, place_slice(&fixture->placer, "large", "begin", 5, 0, error));
    ok(fixture, place_time(&fixture->placer, "large", 77, 88, error));
    struct stat stat = stat_of(fixture, "root/large");
    assert_int_equal(stat.st_size, HOLE + 10);
    assert_true(stat.st_blocks * 512 < HOLE);
    assert_int_equal(stat.st_mtim.tv_sec, 77);
    assert_int_equal(stat.st_mtim.tv_nsec, 88);
    char *content = scratch_read(fixture->scratch, "root/large", NULL);
    assert_memory_equal(content, "begin\0\0\0", 8);
    assert_memory_equal(content + HOLE, "\0\0\0\0\0\0\0end", 10);
    free(content);
}

static void a_copy_is_a_file_of_its_own(void **state)
{
    struct fixture *fixture = *state;
    struct b10_error *error = &fixture->error;
    struct entry original = file_entry(false), copy = file_entry(true);
    copy.mtime_s = 99;
    ok(fixture, place_directory(&fixture->placer, "d", error));
    ok(fixture, place_file(&fixture->placer, "original", &original, "content", 7, error));
    ok(fixture, place_copy(&fixture->placer, "d/copy", &copy, "original", 7, NULL, error));
    struct stat first = stat_of(fixture, "root/original"), second = stat_of(fixture, "root/d/copy");
    assert_int_not_equal(first.st_ino, second.st_ino);
    assert_int_equal(second.st_nlink, 1);
    assert_int_equal(second.st_mtim.tv_sec, 99);
    assert_int_equal(second.st_mode & 0100, 0100);
    char *text = scratch_read(fixture->scratch, "root/d/copy", NULL);
    assert_string_equal(text, "content");
    free(text);
}

static void a_copy_ends_when_the_stop_sign_goes_up(void **state)
{
    struct fixture *fixture = *state;
    struct entry entry = file_entry(false);
    enum { SIZE = 64 << 20 };
    struct cancel cancel = CANCEL_CLEAR;
    stop_for(&cancel, B10_REASON_CANCELLED);
    ok(fixture, place_create(&fixture->placer, "large", false, SIZE, &fixture->error));
    ok(fixture, place_slice(&fixture->placer, "large", "x", 1, SIZE - 1, &fixture->error));
    enum b10_reason reason =
        place_copy(&fixture->placer, "copy", &entry, "large", SIZE, &cancel, &fixture->error);
    /* A reflink is done at once, whatever the sign says. */
    if (reason != B10_REASON_OK)
        assert_int_equal(reason, B10_REASON_CANCELLED);
}

static void a_name_taken_is_unsafe(void **state)
{
    struct fixture *fixture = *state;
    struct b10_error *error = &fixture->error;
    struct entry entry = file_entry(false);
    ok(fixture, place_file(&fixture->placer, "name", &entry, "first", 5, error));
    ok(fixture, place_directory(&fixture->placer, "d", error));
    for (int i = 0; i < 2; i++) {
        const char *name = i == 0 ? "name" : "d";
        refused(fixture, place_file(&fixture->placer, name, &entry, "evil", 4, error),
                B10_REASON_UNSAFE, name);
        refused(fixture, place_create(&fixture->placer, name, false, 4, error), B10_REASON_UNSAFE,
                name);
        refused(fixture, place_directory(&fixture->placer, name, error), B10_REASON_UNSAFE, name);
        refused(fixture, place_copy(&fixture->placer, name, &entry, "name", 5, NULL, error),
                B10_REASON_UNSAFE, name);
        entry.target = "x";
        refused(fixture, place_symlink(&fixture->placer, name, &entry, error), B10_REASON_UNSAFE,
                name);
    }
    char *text = scratch_read(fixture->scratch, "root/name", NULL);
    assert_string_equal(text, "first");
    free(text);
}

static void a_member_without_its_directory_is_corrupt(void **state)
{
    struct fixture *fixture = *state;
    struct entry entry = file_entry(false);
    refused(fixture, place_file(&fixture->placer, "no/name", &entry, "x", 1, &fixture->error),
            B10_REASON_CORRUPT, "no/name");
    refused(fixture, place_directory(&fixture->placer, "no/d", &fixture->error), B10_REASON_CORRUPT,
            "no/d");
}

static void only_directories_are_known_directories(void **state)
{
    struct fixture *fixture = *state;
    struct b10_error *error = &fixture->error;
    struct entry entry = file_entry(false);
    entry.target = "d";
    ok(fixture, place_directory(&fixture->placer, "d", error));
    ok(fixture, place_file(&fixture->placer, "f", &entry, "x", 1, error));
    ok(fixture, place_symlink(&fixture->placer, "l", &entry, error));
    ok(fixture, place_known_directory(&fixture->placer, "d", error));
    const char *others[] = {"f", "l", "none"};
    for (size_t i = 0; i < 3; i++)
        refused(fixture, place_known_directory(&fixture->placer, others[i], error),
                B10_REASON_CORRUPT, others[i]);
}

static void nothing_leads_out_of_the_root(void **state)
{
    struct fixture *fixture = *state;
    struct b10_error *error = &fixture->error;
    struct entry entry = file_entry(false);
    scratch_mkdir(fixture->scratch, "outside");
    assert_int_equal(symlinkat("../outside", fixture->scratch->fd, "root/way"), 0);
    assert_int_equal(symlinkat("../outside/leaf", fixture->scratch->fd, "root/leaf"), 0);
    const char *paths[] = {"way/evil", "../evil", "/tmp/evil", "d/../../evil", "leaf", "", "."};
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        refused(fixture, place_file(&fixture->placer, paths[i], &entry, "x", 1, error),
                B10_REASON_UNSAFE, paths[i]);
        refused(fixture, place_create(&fixture->placer, paths[i], false, 1, error),
                B10_REASON_UNSAFE, paths[i]);
        refused(fixture, place_directory(&fixture->placer, paths[i], error), B10_REASON_UNSAFE,
                paths[i]);
    }
    assert_int_not_equal(place_slice(&fixture->placer, "leaf", "x", 1, 0, error), B10_REASON_OK);
    assert_int_equal(scratch_count(fixture->scratch, "outside"), 0);
    assert_int_equal(scratch_count(fixture->scratch, "root"), 2);
}

static void a_full_disk_is_no_space(void **state)
{
    struct fixture *fixture = *state;
    struct entry entry = file_entry(false);
    struct rlimit kept, small = {.rlim_cur = 4096};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &kept), 0);
    small.rlim_max = kept.rlim_max;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    static const char content[8192] = "x";
    size_t descriptors = scratch_open_descriptors();
    enum b10_reason reason =
        place_file(&fixture->placer, "large", &entry, content, sizeof(content), &fixture->error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &kept), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(reason, B10_REASON_NO_SPACE);
    assert_non_null(strstr(fixture->error.message, "large"));
    /* The directory of the last path stays open. */
    assert_true(scratch_open_descriptors() <= descriptors + 1);
}

int main(void)
{
#define PLACE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        PLACE(a_file_has_content_mode_and_time),
        PLACE(modes_follow_the_umask),
        PLACE(a_symlink_has_target_and_time),
        PLACE(a_large_file_is_filled_in_any_order_and_keeps_its_holes),
        PLACE(a_copy_is_a_file_of_its_own),
        PLACE(a_copy_ends_when_the_stop_sign_goes_up),
        PLACE(a_name_taken_is_unsafe),
        PLACE(a_member_without_its_directory_is_corrupt),
        PLACE(only_directories_are_known_directories),
        PLACE(nothing_leads_out_of_the_root),
        PLACE(a_full_disk_is_no_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
