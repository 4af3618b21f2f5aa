#include "cache/transfer.h"

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

#include "support/sandbox.h"
#include "support/scratch.h"

static char nowhere[] = "/no-such-volume/compile_cache";
static const struct settings no_floors = {.shared_dir = nowhere};

static enum b10_reason transfer(const char *source, const char *dest, struct b10_error *error)
{
    struct progress progress = {0};
    return transfer_file(&no_floors, source, dest, NULL, &progress, error);
}

static void assert_same_content(const struct scratch *scratch, const char *a, const char *b)
{
    size_t size[2];
    char *content[2] = {scratch_read(scratch, a, &size[0]), scratch_read(scratch, b, &size[1])};
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(content[0], content[1], size[0]);
    free(content[0]);
    free(content[1]);
}

static void a_copy_has_content_permissions_and_time(void **state)
{
    struct scratch *scratch = *state;
    const mode_t modes[] = {0644, 0755, 0600, 0444, 06755, 01777};
    const struct timespec times[2] = {{.tv_sec = 5}, {.tv_sec = 1234567890, .tv_nsec = 123456789}};
    size_t before = scratch_open_descriptors();
    scratch_random(scratch, "from", 2500000, 1);
    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        struct stat stat;
        assert_int_equal(chmod(scratch_path(scratch, "from"), modes[i]), 0);
        assert_int_equal(utimensat(scratch->fd, "from", times, 0), 0);
        assert_int_equal(transfer(scratch_path(scratch, "from"), scratch_path(scratch, "to"), NULL),
                         B10_REASON_OK);
        assert_int_equal(fstatat(scratch->fd, "to", &stat, 0), 0);
        assert_int_equal(stat.st_mode & 07777, modes[i] & 0777);
        assert_int_equal(stat.st_mtim.tv_sec, 1234567890);
        assert_int_equal(stat.st_mtim.tv_nsec, 123456789);
        assert_same_content(scratch, "from", "to");
    }
    assert_int_equal(scratch_count(scratch, ""), 2);
    assert_int_equal(scratch_open_descriptors(), before);
}

static void missing_parents_are_made(void **state)
{
    struct scratch *scratch = *state;
    scratch_text(scratch, "from", "content");
    assert_int_equal(transfer(scratch_path(scratch, "from"), scratch_path(scratch, "a/b/to"), NULL),
                     B10_REASON_OK);
    assert_same_content(scratch, "from", "a/b/to");
}

static void what_was_there_is_replaced_and_links_are_not_written_through(void **state)
{
    struct scratch *scratch = *state;
    struct stat stat;
    scratch_text(scratch, "from", "new");
    scratch_text(scratch, "old", "old");
    assert_int_equal(symlink("old", scratch_path(scratch, "to")), 0);
    assert_int_equal(transfer(scratch_path(scratch, "from"), scratch_path(scratch, "to"), NULL),
                     B10_REASON_OK);
    assert_int_equal(fstatat(scratch->fd, "to", &stat, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISREG(stat.st_mode));
    char *old = scratch_read(scratch, "old", NULL);
    assert_string_equal(old, "old");
    free(old);
}

static void a_link_to_a_file_and_an_empty_file_are_copied(void **state)
{
    struct scratch *scratch = *state;
    scratch_text(scratch, "empty", "");
    assert_int_equal(symlink("empty", scratch_path(scratch, "link")), 0);
    assert_int_equal(transfer(scratch_path(scratch, "link"), scratch_path(scratch, "to"), NULL),
                     B10_REASON_OK);
    assert_same_content(scratch, "empty", "to");
}

static void a_file_may_be_copied_onto_itself(void **state)
{
    struct scratch *scratch = *state;
    scratch_text(scratch, "f", "content");
    assert_int_equal(transfer(scratch_path(scratch, "f"), scratch_path(scratch, "f"), NULL),
                     B10_REASON_OK);
    char *content = scratch_read(scratch, "f", NULL);
    assert_string_equal(content, "content");
    free(content);
}

static void long_and_strange_names_are_kept(void **state)
{
    struct scratch *scratch = *state;
    char name[256];
    memset(name, 'n', 255);
    name[255] = '\0';
    memcpy(name, "a\nb\xff", 4);
    scratch_text(scratch, "from", "content");
    assert_int_equal(transfer(scratch_path(scratch, "from"), scratch_path(scratch, name), NULL),
                     B10_REASON_OK);
    assert_same_content(scratch, "from", name);
    assert_int_equal(scratch_count(scratch, ""), 2);
}

static void transfer_relative(void *context)
{
    struct scratch *scratch = context;
    CHECK(fchdir(scratch->fd) == 0);
    CHECK(transfer("from", "sub/to", NULL) == B10_REASON_OK);
    CHECK(transfer("from", "to", NULL) == B10_REASON_OK);
    CHECK(scratch_exists(scratch, "sub/to") && scratch_exists(scratch, "to"));
}

static void relative_paths_start_at_the_working_directory(void **state)
{
    scratch_text(*state, "from", "content");
    sandbox_run(transfer_relative, *state);
}

static void a_missing_source_is_absent(void **state)
{
    struct scratch *scratch = *state;
    struct b10_error error = ERROR_NONE;
    assert_int_equal(transfer(scratch_path(scratch, "none"), scratch_path(scratch, "a/to"), &error),
                     B10_REASON_ABSENT);
    assert_non_null(strstr(error.message, "/none'"));
    assert_int_equal(scratch_count(scratch, ""), 0);
}

static void assert_config(const struct scratch *scratch, const char *source, const char *dest)
{
    struct b10_error error = ERROR_NONE;
    size_t before = scratch_count(scratch, "");
    assert_int_equal(transfer(source, dest, &error), B10_REASON_CONFIG);
    assert_true(error.message[0] != '\0');
    assert_int_equal(scratch_count(scratch, ""), before);
}

static void only_a_regular_file_goes_to_the_name_of_a_file(void **state)
{
    struct scratch *scratch = *state;
    scratch_text(scratch, "from", "content");
    scratch_mkdir(scratch, "directory");
    assert_int_equal(mkfifo(scratch_path(scratch, "fifo"), 0600), 0);
    const char *from = scratch_path(scratch, "from");
    assert_config(scratch, scratch_path(scratch, "directory"), scratch_path(scratch, "to"));
    assert_config(scratch, scratch_path(scratch, "fifo"), scratch_path(scratch, "to"));
    assert_config(scratch, "/dev/null", scratch_path(scratch, "to"));
    assert_config(scratch, from, scratch_path(scratch, "directory"));
    assert_config(scratch, from, scratch_path(scratch, "new/"));
    assert_config(scratch, from, "");
}

static void the_floor_is_that_of_the_file_system_written(void **state)
{
    struct scratch *scratch = *state;
    struct progress progress = {0};
    char shared[4400];
    snprintf(shared, sizeof(shared), "%s/shared", scratch->path);
    struct settings settings = {.shared_dir = shared, .min_shared_bytes = UINT64_MAX};
    scratch_text(scratch, "from", "content");
    scratch_mkdir(scratch, "shared");
    assert_int_equal(symlink("shared", scratch_path(scratch, "link")), 0);
    const char *from = scratch_path(scratch, "from");
    const char *inside[] = {"shared/to", "shared/new/to", "link/to", "link/new/to"};
    const char *outside[] = {"to", "shared2/to", "shared/../to"};
    for (size_t i = 0; i < 4; i++) {
        struct b10_error error = ERROR_NONE;
        assert_int_equal(transfer_file(&settings, from, scratch_path(scratch, inside[i]), NULL,
                                       &progress, &error),
                         B10_REASON_NO_SPACE);
    }
    assert_int_equal(scratch_count(scratch, "shared"), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(transfer_file(&settings, from, scratch_path(scratch, outside[i]), NULL,
                                       &progress, NULL),
                         B10_REASON_OK);
    settings.min_shared_bytes = 0;
    settings.min_local_bytes = UINT64_MAX;
    assert_int_equal(transfer_file(&settings, from, scratch_path(scratch, "shared/to"), NULL,
                                   &progress, NULL),
                     B10_REASON_OK);
    assert_int_equal(transfer_file(&settings, from, scratch_path(scratch, "new/to"), NULL,
                                   &progress, NULL),
                     B10_REASON_NO_SPACE);
    assert_false(scratch_exists(scratch, "new"));
}

static void transfer_to_small_disk(void *context)
{
    struct scratch *scratch = context;
    struct b10_error error = ERROR_NONE;
    scratch_random(scratch, "from", 3 << 20, 2);
    scratch_mkdir(scratch, "disk");
    sandbox_private_mounts(scratch);
    sandbox_tmpfs(scratch_path(scratch, "disk"), "size=2m,nr_inodes=4");
    scratch_text(scratch, "disk/to", "old");
    CHECK(transfer(scratch_path(scratch, "from"), scratch_path(scratch, "disk/to"), &error) ==
          B10_REASON_NO_SPACE);
    CHECK(scratch_count(scratch, "disk") == 1);

    /* A file system that does not tell its free space: found out while writing. */
    sandbox_deny(ENOSPC, SYS_pwrite64);
    CHECK(truncate(scratch_path(scratch, "from"), 1 << 20) == 0);
    CHECK(transfer(scratch_path(scratch, "from"), scratch_path(scratch, "disk/a/to"), &error) ==
          B10_REASON_NO_SPACE);
    CHECK(error.sys_errno == ENOSPC);
    CHECK(scratch_count(scratch, "disk") == 1);
}

static void no_space_leaves_what_was_there(void **state)
{
    sandbox_run(transfer_to_small_disk, *state);
}

struct listening {
    unsigned calls;
    uint64_t total;
    unsigned finals;
    int answer;
};

static int listen_to(void *user, const b10_progress *progress)
{
    struct listening *listening = user;
    listening->calls++;
    listening->total = progress->bytes_total;
    listening->finals += progress->phase_is_final;
    return listening->answer;
}

static void progress_is_told(void **state)
{
    struct scratch *scratch = *state;
    struct listening listening = {0};
    struct progress progress = {.fn = listen_to, .user = &listening};
    scratch_random(scratch, "from", 2500000, 3);
    assert_int_equal(transfer_file(&no_floors, scratch_path(scratch, "from"),
                                   scratch_path(scratch, "to"), NULL, &progress, NULL),
                     B10_REASON_OK);
    assert_true(listening.calls >= 1);
    assert_int_equal(listening.total, 2500000);
    assert_int_equal(listening.finals, 0); /* the final report is the caller's */
    assert_int_equal(atomic_load(&progress.bytes_done), 2500000);
    assert_int_equal(atomic_load(&progress.files_done), 1);
}

static void the_callback_can_cancel(void **state)
{
    struct scratch *scratch = *state;
    struct listening listening = {.answer = 1};
    struct progress progress = {.fn = listen_to, .user = &listening};
    scratch_text(scratch, "from", "content");
    assert_int_equal(transfer_file(&no_floors, scratch_path(scratch, "from"),
                                   scratch_path(scratch, "new/to"), NULL, &progress, NULL),
                     B10_REASON_CANCELLED);
    assert_int_equal(scratch_count(scratch, ""), 1);
}

static void transfer_with_refusals(void *context)
{
    struct scratch *scratch = context;
    sandbox_deny(EPERM, SYS_fchmod);
    sandbox_deny(EPERM, SYS_utimensat);
    sandbox_deny(ENOSYS, SYS_copy_file_range);
    sandbox_deny(ENOSYS, SYS_renameat2);
    CHECK(transfer(scratch_path(scratch, "from"), scratch_path(scratch, "to"), NULL) ==
          B10_REASON_OK);
}

static void a_volume_without_permissions_or_times_takes_the_content(void **state)
{
    scratch_text(*state, "from", "content");
    sandbox_run(transfer_with_refusals, *state);
    assert_same_content(*state, "from", "to");
}

static void transfer_denied(void *context)
{
    struct scratch *scratch = context;
    sandbox_drop_root();
    CHECK(transfer(scratch_path(scratch, "closed"), scratch_path(scratch, "open/to"), NULL) ==
          B10_REASON_DENIED);
    CHECK(transfer(scratch_path(scratch, "from"), scratch_path(scratch, "to"), NULL) ==
          B10_REASON_DENIED);
    CHECK(transfer(scratch_path(scratch, "from"), scratch_path(scratch, "open/to"), NULL) ==
          B10_REASON_OK);
}

static void what_may_not_be_read_or_written_is_denied(void **state)
{
    struct scratch *scratch = *state;
    scratch_text(scratch, "from", "content");
    scratch_text(scratch, "closed", "content");
    scratch_mkdir(scratch, "open");
    assert_int_equal(chmod(scratch_path(scratch, "closed"), 0), 0);
    assert_int_equal(chmod(scratch_path(scratch, "open"), 0777), 0);
    if (geteuid() != 0)
        assert_int_equal(chmod(scratch->path, 0555), 0);
    sandbox_run(transfer_denied, scratch);
    assert_int_equal(chmod(scratch->path, 0755), 0);
}

struct growing {
    const struct scratch *scratch;
    unsigned calls;
};

static int grow(void *user, const b10_progress *progress)
{
    struct growing *growing = user;
    if (growing->calls++ == 0 && progress->bytes_done == 0) {
        int fd = openat(growing->scratch->fd, "from", O_WRONLY | O_APPEND | O_CLOEXEC);
        (void)!write(fd, "more", 4);
        close(fd);
    }
    return 0;
}

static void a_source_that_changes_meanwhile_is_not_published(void **state)
{
    struct scratch *scratch = *state;
    struct growing growing = {.scratch = scratch};
    struct progress progress = {.fn = grow, .user = &growing};
    struct b10_error error = ERROR_NONE;
    scratch_text(scratch, "from", "content");
    assert_int_equal(transfer_file(&no_floors, scratch_path(scratch, "from"),
                                   scratch_path(scratch, "new/to"), NULL, &progress, &error),
                     B10_REASON_IO);
    assert_non_null(strstr(error.message, "changed"));
    assert_int_equal(scratch_count(scratch, ""), 1);
}

struct reading {
    const struct scratch *scratch;
    _Atomic bool stop;
    unsigned wrong;
};

static void *read_whole(void *user)
{
    struct reading *reading = user;
    struct stat stat;
    while (!atomic_load(&reading->stop))
        if (fstatat(reading->scratch->fd, "to", &stat, 0) != 0 || stat.st_size != 2500000)
            reading->wrong++;
    return NULL;
}

static void a_reader_sees_the_old_file_or_the_new_one(void **state)
{
    struct scratch *scratch = *state;
    struct reading reading = {.scratch = scratch};
    pthread_t thread;
    scratch_random(scratch, "from", 2500000, 4);
    scratch_random(scratch, "to", 2500000, 5);
    assert_int_equal(pthread_create(&thread, NULL, read_whole, &reading), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(transfer(scratch_path(scratch, "from"), scratch_path(scratch, "to"), NULL),
                         B10_REASON_OK);
    atomic_store(&reading.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(reading.wrong, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_copy_has_content_permissions_and_time),
        TEST(missing_parents_are_made),
        TEST(what_was_there_is_replaced_and_links_are_not_written_through),
        TEST(a_link_to_a_file_and_an_empty_file_are_copied),
        TEST(a_file_may_be_copied_onto_itself),
        TEST(long_and_strange_names_are_kept),
        TEST(relative_paths_start_at_the_working_directory),
        TEST(a_missing_source_is_absent),
        TEST(only_a_regular_file_goes_to_the_name_of_a_file),
        TEST(the_floor_is_that_of_the_file_system_written),
        TEST(no_space_leaves_what_was_there),
        TEST(progress_is_told),
        TEST(the_callback_can_cancel),
        TEST(a_volume_without_permissions_or_times_takes_the_content),
        TEST(what_may_not_be_read_or_written_is_denied),
        TEST(a_source_that_changes_meanwhile_is_not_published),
        TEST(a_reader_sees_the_old_file_or_the_new_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
