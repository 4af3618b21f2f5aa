/* Whatever a tree holds comes back: times of any year, links, empty things, holes. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/stored.h"

/* ---- times ---- */

static void set_time(const struct scratch *scratch, const char *relative, time_t seconds,
                     long nanoseconds)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                      {.tv_sec = seconds, .tv_nsec = nanoseconds}};
    assert_int_equal(utimensat(scratch->fd, relative, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void times_of_any_year_come_back_to_the_nanosecond(void **state)
{
    static const struct timespec times[] = {
        {-1, 500000000},
        {-1, 0},
        {-2000000000, 1},
        {-1, 999999999},
        {0, 0},
        {0, 1},
        {1700000000, 123456789},
        {2147483647, 999999999},
        {2147483648, 1},
        {8589934591, 999999999},
        {8589934592, 1},
        {13569465600, 7},
    };
    struct replica replica;
    char path[64];
    replica_init(&replica, *state);
    for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
        static const char *const kinds[] = {"unique", "equal", "link", "large"};
        for (size_t kind = 0; kind < 4; kind++) {
            snprintf(path, sizeof(path), "saved/%s%zu", kinds[kind], i);
            if (kind < 2)
                scratch_text(*state, path, kind == 0 ? path : "equal");
            else if (kind == 2)
                assert_int_equal(symlinkat("unique0", ((struct scratch *)*state)->fd, path), 0);
            else if (i < 2)
                scratch_random(*state, path, 2500000, 9);
            else
                continue;
            set_time(*state, path, times[i].tv_sec, times[i].tv_nsec);
        }
    }
    stored_round_trip(&replica);
    replica_release(&replica);
}

/* ---- kinds ---- */

static void empty_files_and_directories_come_back(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    scratch_text(*state, "saved/a", "");
    scratch_text(*state, "saved/b", "");
    scratch_mkdir(*state, "saved/empty");
    scratch_mkdir(*state, "saved/empty in/empty in/empty");
    assert_int_equal(chmod(scratch_path(*state, "saved/b"), 0755), 0);
    stored_round_trip(&replica);
    assert_int_equal(replica.report.files, 2);
    assert_int_equal(replica.report.directories, 4);
    replica_release(&replica);
}

static void hard_links_come_back_as_files_of_their_own(void **state)
{
    static const char *const loaded[] = {"local/small", "local/a/small", "local/large",
                                         "local/a/large"};
    struct replica replica;
    struct stat stat;
    replica_init(&replica, *state);
    scratch_text(*state, "saved/small", "small");
    scratch_random(*state, "saved/large", 2500000, 4);
    scratch_mkdir(*state, "saved/a");
    assert_int_equal(link(scratch_path(*state, "saved/small"),
                          scratch_path(*state, "saved/a/small")),
                     0);
    assert_int_equal(link(scratch_path(*state, "saved/large"),
                          scratch_path(*state, "saved/a/large")),
                     0);
    stored_round_trip(&replica);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(lstat(scratch_path(*state, loaded[i]), &stat), 0);
        assert_int_equal(stat.st_nlink, 1);
    }
    replica_release(&replica);
}

static void symlinks_in_circles_and_to_nowhere_come_back(void **state)
{
    static const char *const links[][2] = {
        {"self", "saved/self"},     {"b", "saved/a"},
        {"a", "saved/b"},           {".", "saved/d/here"},
        {"..", "saved/d/up"},       {"../d/up/d", "saved/d/round"},
        {"absent", "saved/broken"}, {"d/up/d/f", "saved/through"},
    };
    struct replica replica;
    replica_init(&replica, *state);
    scratch_text(*state, "saved/d/f", "f");
    scratch_mkdir(*state, "saved/d/e");
    for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
        assert_int_equal(symlink(links[i][0], scratch_path(*state, links[i][1])), 0);
    stored_round_trip(&replica);
    assert_int_equal(replica.report.files, 1 + sizeof(links) / sizeof(*links));
    replica_release(&replica);
}

static void write_at(const struct scratch *scratch, const char *relative, off_t offset)
{
    int fd = openat(scratch->fd, relative, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "data", 4, offset), 4);
    close(fd);
}

static void files_with_holes_come_back(void **state)
{
    struct replica replica;
    struct stat stat;
    replica_init(&replica, *state);
    scratch_mkdir(*state, "saved");
    write_at(*state, "saved/end", 64 << 20);
    write_at(*state, "saved/middle", 20 << 20);
    assert_int_equal(truncate(scratch_path(*state, "saved/middle"), 40 << 20), 0);
    write_at(*state, "saved/small", 300000);
    scratch_text(*state, "saved/nothing else", "");
    assert_int_equal(truncate(scratch_path(*state, "saved/nothing else"), 30000001), 0);
    stored_round_trip(&replica);
    assert_int_equal(lstat(scratch_path(*state, "local/end"), &stat), 0);
    assert_true(stat.st_blocks * 512 < 16 << 20);
    replica_release(&replica);
}

static void what_is_no_file_is_not_packed(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    scratch_text(*state, "saved/file", "f");
    assert_int_equal(mkfifo(scratch_path(*state, "saved/fifo"), 0666), 0);
    stored_destination(&replica, "saved", NULL);
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    stored_destination(&replica, "local", NULL);
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(scratch_count(*state, "local"), 1);
    replica_release(&replica);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(times_of_any_year_come_back_to_the_nanosecond),
        ROW(empty_files_and_directories_come_back),
        ROW(hard_links_come_back_as_files_of_their_own),
        ROW(symlinks_in_circles_and_to_nowhere_come_back),
        ROW(files_with_holes_come_back),
        ROW(what_is_no_file_is_not_packed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
