/* The contract of a save, row by row. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/replica.h"

/* A host with a filled local directory and an empty volume. */
static void replica_with_cache(struct replica *replica, const struct scratch *scratch)
{
    replica_init(replica, scratch);
    replica_fill(replica, "local");
}

/* Loads the archive into `into/`. */
static void load_elsewhere(struct replica *replica)
{
    replica_set(replica, "torchinductor_cache_dir", scratch_path(replica->scratch, "into"));
    replica_assert(replica, replica_load(replica), B10_SUCCESS, B10_REASON_OK);
}

static void what_is_here_is_published(void **state)
{
    struct replica replica;
    replica_with_cache(&replica, *state);
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_string_equal(replica.report.archive, replica_archive(&replica));
    assert_int_equal(replica_volume_entries(&replica), 1);
    struct stat stat;
    assert_int_equal(lstat(replica_archive(&replica), &stat), 0);
    assert_int_equal(replica.report.archive_bytes, stat.st_size);
    load_elsewhere(&replica);
    scratch_assert_same_tree(scratch_path(*state, "local"), scratch_path(*state, "into"));
    replica_release(&replica);
}

static void a_disabled_volume_is_said_before_anything_else(void **state)
{
    struct replica replica;
    replica_with_cache(&replica, *state);
    replica_set(&replica, "baseten_fs_enabled", "no");
    replica_assert(&replica, replica_save(&replica), B10_ERROR, B10_REASON_DISABLED);
    replica_release(&replica);
}

static void save_mode_never_is_read_only(void **state)
{
    struct replica replica;
    replica_with_cache(&replica, *state);
    replica_set(&replica, "b10_save_mode", "never");
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_READ_ONLY);
    assert_int_equal(replica_volume_entries(&replica), 0);
    replica_release(&replica);
}

static void nothing_local_is_skipped(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_NOTHING_LOCAL);
    scratch_mkdir(*state, "local/only/directories");
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_NOTHING_LOCAL);
    scratch_text(*state, "local/only/x.lock", "");
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_NOTHING_LOCAL);
    assert_int_equal(replica_volume_entries(&replica), 0);
    replica_release(&replica);
}

static void a_usable_archive_is_left_alone(void **state)
{
    struct replica replica;
    struct stat before;
    struct stat after;
    replica_with_cache(&replica, *state);
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(lstat(replica_archive(&replica), &before), 0);
    scratch_text(*state, "local/new.py", "more");
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_ALREADY_SAVED);
    assert_int_equal(lstat(replica_archive(&replica), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(replica_volume_entries(&replica), 1);
    replica_release(&replica);
}

static void save_mode_replace_replaces(void **state)
{
    struct replica replica;
    replica_with_cache(&replica, *state);
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    scratch_text(*state, "local/new.py", "more");
    replica_set(&replica, "b10_save_mode", "replace");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica_volume_entries(&replica), 1);
    load_elsewhere(&replica);
    assert_true(scratch_exists(*state, "into/new.py"));
    replica_release(&replica);
}

static void an_unusable_archive_is_replaced(void **state)
{
    struct replica replica;
    replica_with_cache(&replica, *state);
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(truncate(replica_archive(&replica), 5000), 0);
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    load_elsewhere(&replica);
    scratch_assert_same_tree(scratch_path(*state, "local"), scratch_path(*state, "into"));
    replica_release(&replica);
}

static void beyond_the_size_limit_is_too_large_and_leaves_nothing(void **state)
{
    struct replica replica;
    replica_with_cache(&replica, *state);
    replica_set(&replica, "max_cache_size_mb", "1"); /* 3 MB of random bytes do not shrink */
    replica_assert(&replica, replica_save(&replica), B10_ERROR, B10_REASON_TOO_LARGE);
    assert_int_equal(replica_volume_entries(&replica), 0);
    replica_release(&replica);
}

static void beyond_64_times_the_limit_unpacked_is_too_large(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    scratch_text(*state, "local/hole", "");
    assert_int_equal(truncate(scratch_path(*state, "local/hole"), 65 << 20), 0);
    replica_set(&replica, "max_cache_size_mb", "1");
    replica_assert(&replica, replica_save(&replica), B10_ERROR, B10_REASON_TOO_LARGE);
    assert_int_equal(replica_volume_entries(&replica), 0);
    replica_release(&replica);
}

static void free_space_below_the_floor_is_no_space(void **state)
{
    struct replica replica;
    replica_with_cache(&replica, *state);
    replica_set(&replica, "min_b10fs_space_mb", "900000000");
    replica_assert(&replica, replica_save(&replica), B10_ERROR, B10_REASON_NO_SPACE);
    assert_int_equal(replica_volume_entries(&replica), 0);
    replica_release(&replica);
}

static void only_the_last_component_of_the_shared_directory_is_created(void **state)
{
    struct replica replica;
    replica_with_cache(&replica, *state);
    replica_set(&replica, "b10fs_cache_dir", scratch_path(*state, "volume/compile_cache"));
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    replica_set(&replica, "b10fs_cache_dir", scratch_path(*state, "absent/compile_cache"));
    replica_assert(&replica, replica_save(&replica), B10_ERROR, B10_REASON_IO);
    assert_false(scratch_exists(*state, "absent"));
    replica_release(&replica);
}

static void a_shared_directory_inside_the_local_one_is_refused(void **state)
{
    struct replica replica;
    replica_with_cache(&replica, *state);
    assert_int_equal(symlink(scratch_path(*state, "local"), scratch_path(*state, "alias")), 0);
    if (b10_config_set(replica_config(&replica), "b10fs_cache_dir",
                       scratch_path(*state, "alias/shared"), &replica.error) == B10_SUCCESS)
        replica_assert(&replica, replica_save(&replica), B10_ERROR, B10_REASON_CONFIG);
    assert_false(scratch_exists(*state, "local/shared"));
    replica_release(&replica);
}

static void locks_temporaries_and_special_files_are_not_packed(void **state)
{
    static const char *const left_out[] = {
        "local/ab/x.lock",
        "local/ab/lock",
        "local/locks/inner.py",
        "local/ab/tmp.pid_12_x/y",
        "local/.1.2.tmp",
        "local/ab/model.pkl.tmp",
        "local/.b10transfer.partial",
        "local/tmp.0f8fad5b-d9cb-469f-a165-70867728950e/z",
    };
    struct replica replica;
    replica_with_cache(&replica, *state);
    for (size_t i = 0; i < sizeof(left_out) / sizeof(*left_out); i++)
        scratch_text(*state, left_out[i], "x");
    assert_int_equal(mkfifo(scratch_path(*state, "local/fifo"), 0600), 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", scratch_path(*state, "local/s"));
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(sock, (const struct sockaddr *)&address, sizeof(address)), 0);
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    load_elsewhere(&replica);
    for (size_t i = 0; i < sizeof(left_out) / sizeof(*left_out); i++) {
        char name[300];
        snprintf(name, sizeof(name), "into%s", left_out[i] + strlen("local"));
        if (scratch_exists(*state, name))
            fail_msg("%s was packed", left_out[i]);
    }
    assert_false(scratch_exists(*state, "into/fifo"));
    assert_false(scratch_exists(*state, "into/s"));
    assert_true(scratch_exists(*state, "into/zz/large.bin"));
    close(sock);
    replica_release(&replica);
}

static void torn_files_are_left_out_and_counted(void **state)
{
    /* the first 64 bytes of an ELF object whose section headers would lie far behind them */
    unsigned char elf[64] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    struct replica replica;
    replica_with_cache(&replica, *state);
    elf[40] = 0xff; /* e_shoff */
    elf[58] = 64;   /* e_shentsize */
    elf[60] = 1;    /* e_shnum */
    elf[52] = 64;   /* e_ehsize */
    scratch_write(*state, "local/ab/kernel.so", elf, sizeof(elf));
    scratch_text(*state, "local/ab/cut.json", "{\"a\": [1, 2");
    scratch_text(*state, "local/ab/empty.json", "");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.left_out_torn, 3);
    load_elsewhere(&replica);
    assert_false(scratch_exists(*state, "into/ab/kernel.so"));
    assert_false(scratch_exists(*state, "into/ab/cut.json"));
    assert_false(scratch_exists(*state, "into/ab/empty.json"));
    replica_release(&replica);
}

static void symlinks_inside_their_root_are_kept_and_others_left_out(void **state)
{
    char target[4096];
    struct replica replica;
    replica_with_cache(&replica, *state);
    assert_int_equal(symlink("/etc/passwd", scratch_path(*state, "local/outside")), 0);
    assert_int_equal(symlink("../../up", scratch_path(*state, "local/zz/up")), 0);
    assert_int_equal(symlink(scratch_path(*state, "local/zz/empty.py"),
                             scratch_path(*state, "local/zz/own")),
                     0);
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.left_out_unsafe, 2);
    load_elsewhere(&replica);
    assert_false(scratch_exists(*state, "into/outside"));
    assert_false(scratch_exists(*state, "into/zz/up"));
    ssize_t length = readlink(scratch_path(*state, "into/zz/own"), target, sizeof(target) - 1);
    assert_true(length > 0);
    target[length] = '\0';
    assert_string_equal(target, "../zz/empty.py");
    replica_release(&replica);
}

static int grow_a_file(void *user, const b10_progress *progress)
{
    struct replica *replica = user;
    if (strcmp(progress->phase, "pack") == 0 &&
        scratch_exists(replica->scratch, "local/00/c00kernel7.py")) {
        int fd = open(scratch_path(replica->scratch, "local/zz/large.bin"),
                      O_WRONLY | O_APPEND | O_CLOEXEC);
        assert_int_equal(write(fd, "x", 1), 1);
        close(fd);
        assert_int_equal(unlink(scratch_path(replica->scratch, "local/00/c00kernel7.py")), 0);
    }
    return 0;
}

static void files_that_change_or_vanish_meanwhile_are_left_out_and_counted(void **state)
{
    struct replica replica;
    replica_with_cache(&replica, *state);
    replica.options.progress = grow_a_file;
    replica.options.progress_user = &replica;
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.left_out_changed, 2);
    replica.options.progress = NULL;
    load_elsewhere(&replica);
    assert_false(scratch_exists(*state, "into/zz/large.bin"));
    assert_false(scratch_exists(*state, "into/00/c00kernel7.py"));
    assert_true(scratch_exists(*state, "into/00/c00kernel14.py"));
    replica_release(&replica);
}

static int cancel_while_packing(void *user, const b10_progress *progress)
{
    (void)user;
    return strcmp(progress->phase, "pack") == 0;
}

static void a_cancelled_save_leaves_nothing_on_the_volume(void **state)
{
    struct replica replica;
    replica_with_cache(&replica, *state);
    replica.options.progress = cancel_while_packing;
    replica_assert(&replica, replica_save(&replica), B10_ERROR, B10_REASON_CANCELLED);
    assert_int_equal(replica_volume_entries(&replica), 0);
    replica_release(&replica);
}

static void no_descriptor_is_leaked_by_success_or_failure(void **state)
{
    struct replica replica;
    replica_with_cache(&replica, *state);
    size_t before = scratch_open_descriptors();
    replica_set(&replica, "max_cache_size_mb", "1");
    replica_assert(&replica, replica_save(&replica), B10_ERROR, B10_REASON_TOO_LARGE);
    assert_int_equal(scratch_open_descriptors(), before);
    replica_set(&replica, "max_cache_size_mb", "100");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(scratch_open_descriptors(), before);
    replica_release(&replica);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(what_is_here_is_published),
        ROW(a_disabled_volume_is_said_before_anything_else),
        ROW(save_mode_never_is_read_only),
        ROW(nothing_local_is_skipped),
        ROW(a_usable_archive_is_left_alone),
        ROW(save_mode_replace_replaces),
        ROW(an_unusable_archive_is_replaced),
        ROW(beyond_the_size_limit_is_too_large_and_leaves_nothing),
        ROW(beyond_64_times_the_limit_unpacked_is_too_large),
        ROW(free_space_below_the_floor_is_no_space),
        ROW(only_the_last_component_of_the_shared_directory_is_created),
        ROW(a_shared_directory_inside_the_local_one_is_refused),
        ROW(locks_temporaries_and_special_files_are_not_packed),
        ROW(torn_files_are_left_out_and_counted),
        ROW(symlinks_inside_their_root_are_kept_and_others_left_out),
        ROW(files_that_change_or_vanish_meanwhile_are_left_out_and_counted),
        ROW(a_cancelled_save_leaves_nothing_on_the_volume),
        ROW(no_descriptor_is_leaked_by_success_or_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
