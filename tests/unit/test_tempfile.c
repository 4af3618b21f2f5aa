#include "fs/tempfile.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/guard.h"
#include "fs/io.h"
#include "support/sandbox.h"
#include "support/scratch.h"

/* A temporary file for "final" with this content. */
static void begin(struct tempfile *file, const struct scratch *scratch, const char *text)
{
    CHECK(tempfile_begin(file, scratch->fd, "final", 0666, NULL) == B10_REASON_OK);
    CHECK(io_write_full(file->fd, text, strlen(text), file->name, NULL) == B10_REASON_OK);
    CHECK(tempfile_sync(file, NULL) == B10_REASON_OK);
}

static bool holds(const struct scratch *scratch, const char *text)
{
    char found[64] = "";
    int fd = openat(scratch->fd, "final", O_RDONLY | O_CLOEXEC);
    bool same = fd >= 0 && read(fd, found, sizeof(found) - 1) >= 0 && strcmp(found, text) == 0;
    if (fd >= 0)
        close(fd);
    return same;
}

static void nothing_is_seen_until_it_is_published(void **state)
{
    struct scratch *scratch = *state;
    struct tempfile file = TEMPFILE_NONE;
    size_t before = scratch_open_descriptors();
    begin(&file, scratch, "content");
    assert_false(scratch_exists(scratch, "final"));
    assert_int_equal(tempfile_publish(&file, "final", true, NULL, NULL), B10_REASON_OK);
    assert_true(holds(scratch, "content"));
    assert_false(file.exists);
    assert_int_equal(file.fd, -1);
    tempfile_discard(&file);
    assert_true(holds(scratch, "content"));
    assert_int_equal(scratch_count(scratch, ""), 1);
    assert_int_equal(scratch_open_descriptors(), before);
}

static void the_name_has_the_form_that_a_sweep_knows(void **state)
{
    struct scratch *scratch = *state;
    SCOPED(tempfile) struct tempfile file = TEMPFILE_NONE;
    char expected[256];
    assert_int_equal(tempfile_begin(&file, scratch->fd, "KEY", 0600, NULL), B10_REASON_OK);
    assert_int_equal(strlen(file.token), 32);
    assert_int_equal(strspn(file.token, "0123456789abcdef"), 32);
    snprintf(expected, sizeof(expected), ".KEY.%s.tmp", file.token);
    assert_string_equal(file.name, expected);
    assert_true(scratch_exists(scratch, expected));
    struct stat stat;
    assert_int_equal(fstat(file.fd, &stat), 0);
    assert_int_equal(stat.st_mode & 07777, 0600);
    assert_true(fcntl(file.fd, F_GETFD) & FD_CLOEXEC);
}

static void a_discarded_file_is_gone_and_discarding_again_is_harmless(void **state)
{
    struct scratch *scratch = *state;
    struct tempfile file = TEMPFILE_NONE;
    tempfile_discard(&file);
    size_t before = scratch_open_descriptors();
    begin(&file, scratch, "content");
    tempfile_discard(&file);
    tempfile_discard(&file);
    assert_int_equal(scratch_count(scratch, ""), 0);
    assert_int_equal(scratch_open_descriptors(), before);
}

static void replacing_takes_the_place_of_what_was_there(void **state)
{
    struct scratch *scratch = *state;
    struct tempfile file = TEMPFILE_NONE;
    scratch_text(scratch, "final", "old");
    begin(&file, scratch, "new");
    assert_int_equal(tempfile_publish(&file, "final", true, NULL, NULL), B10_REASON_OK);
    assert_true(holds(scratch, "new"));
    assert_int_equal(scratch_count(scratch, ""), 1);
}

static void check_exclusive(struct scratch *scratch)
{
    struct tempfile first = TEMPFILE_NONE;
    struct tempfile second = TEMPFILE_NONE;
    bool taken = true;
    begin(&first, scratch, "first");
    begin(&second, scratch, "second");
    CHECK(tempfile_publish(&first, "final", false, &taken, NULL) == B10_REASON_OK);
    CHECK(!taken && !first.exists);
    CHECK(tempfile_publish(&second, "final", false, &taken, NULL) == B10_REASON_OK);
    CHECK(taken && second.exists);
    tempfile_discard(&second);
    CHECK(holds(scratch, "first"));
    CHECK(scratch_count(scratch, "") == 1);
}

static void exclusive_plainly(void *context)
{
    check_exclusive(context);
}

static void exclusive_by_link(void *context)
{
    sandbox_deny(ENOSYS, SYS_renameat2);
    check_exclusive(context);
}

static void exclusive_by_looking(void *context)
{
    sandbox_deny(EPERM, SYS_renameat2);
    sandbox_deny(EPERM, SYS_linkat);
    check_exclusive(context);
}

static void a_taken_name_is_told_and_left(void **state)
{
    sandbox_run(exclusive_plainly, *state);
}

static void the_same_holds_by_link(void **state)
{
    sandbox_run(exclusive_by_link, *state);
}

static void the_same_holds_where_neither_link_nor_flag_exists(void **state)
{
    sandbox_run(exclusive_by_looking, *state);
}

/* A volume that does what it is asked and then says EIO: our file stands there already. */
static void publish_after_lost_answer(void *context)
{
    struct scratch *scratch = context;
    const bool replace[] = {true, false};
    sandbox_deny(EIO, SYS_renameat2);
    sandbox_deny(EIO, SYS_renameat);
    for (size_t i = 0; i < 2; i++) {
        struct tempfile file = TEMPFILE_NONE;
        bool taken = true;
        begin(&file, scratch, "content");
        (void)unlinkat(scratch->fd, "final", 0);
        CHECK(linkat(scratch->fd, file.name, scratch->fd, "final", 0) == 0);
        CHECK(tempfile_publish(&file, "final", replace[i], &taken, NULL) == B10_REASON_OK);
        CHECK(!taken && !file.exists);
        CHECK(holds(scratch, "content") && scratch_count(scratch, "") == 1);
    }
}

static void a_rename_that_succeeded_with_an_error_counts(void **state)
{
    sandbox_run(publish_after_lost_answer, *state);
}

static void publish_failing(void *context)
{
    struct scratch *scratch = context;
    const bool replace[] = {true, false};
    sandbox_deny(EIO, SYS_renameat2);
    sandbox_deny(EIO, SYS_renameat);
    for (size_t i = 0; i < 2; i++) {
        struct tempfile file = TEMPFILE_NONE;
        struct b10_error error = ERROR_NONE;
        bool taken = true;
        begin(&file, scratch, "content");
        CHECK(tempfile_publish(&file, "final", replace[i], &taken, &error) == B10_REASON_IO);
        CHECK(error.sys_errno == EIO && strstr(error.message, "'final'") != NULL);
        CHECK(!taken && file.exists && file.fd == -1);
        tempfile_discard(&file);
        CHECK(scratch_count(scratch, "") == 0);
    }
}

static void a_failed_rename_is_told_and_leaves_nothing(void **state)
{
    sandbox_run(publish_failing, *state);
}

static void publish_unsyncable(void *context)
{
    struct scratch *scratch = context;
    struct tempfile file = TEMPFILE_NONE;
    begin(&file, scratch, "content");
    sandbox_deny(EIO, SYS_fsync);
    CHECK(tempfile_sync(&file, NULL) == B10_REASON_IO);
    CHECK(tempfile_publish(&file, "final", true, NULL, NULL) == B10_REASON_IO);
    tempfile_discard(&file);
    CHECK(holds(scratch, "content"));
}

static void a_failed_sync_is_told(void **state)
{
    sandbox_run(publish_unsyncable, *state);
}

static void publish_unclosable(void *context)
{
    struct scratch *scratch = context;
    struct tempfile file = TEMPFILE_NONE;
    scratch_text(scratch, "final", "old");
    begin(&file, scratch, "new");
    sandbox_deny(EIO, SYS_close);
    CHECK(tempfile_publish(&file, "final", true, NULL, NULL) == B10_REASON_IO);
    CHECK(holds(scratch, "old"));
    tempfile_discard(&file);
    CHECK(scratch_count(scratch, "") == 1);
}

static void what_fails_at_close_is_not_published(void **state)
{
    sandbox_run(publish_unclosable, *state);
}

static void a_name_too_long_or_a_lost_directory_is_an_error(void **state)
{
    struct scratch *scratch = *state;
    struct tempfile file = TEMPFILE_NONE;
    struct b10_error error = ERROR_NONE;
    char stem[256];
    memset(stem, 's', sizeof(stem));
    stem[218] = '\0';
    assert_int_equal(tempfile_begin(&file, scratch->fd, stem, 0666, &error), B10_REASON_IO);
    assert_int_equal(error.sys_errno, ENAMETOOLONG);
    stem[217] = '\0';
    assert_int_equal(tempfile_begin(&file, scratch->fd, stem, 0666, NULL), B10_REASON_OK);
    assert_int_equal(strlen(file.name), 255);
    tempfile_discard(&file);
    assert_int_equal(tempfile_begin(&file, scratch->fd, "no/where", 0666, &error), B10_REASON_IO);
    assert_false(file.exists);
    tempfile_discard(&file);
    assert_int_equal(scratch_count(scratch, ""), 0);
}

enum { PUBLISHERS = 8 };

struct publishing {
    const struct scratch *scratch;
    pthread_barrier_t *start;
    bool taken;
    enum b10_reason reason;
};

static void *publish(void *user)
{
    struct publishing *publishing = user;
    SCOPED(tempfile) struct tempfile file = TEMPFILE_NONE;
    begin(&file, publishing->scratch, "content");
    pthread_barrier_wait(publishing->start);
    publishing->reason = tempfile_publish(&file, "final", false, &publishing->taken, NULL);
    return NULL;
}

static void race(void *context)
{
    struct scratch *scratch = context;
    for (int round = 0; round < 50; round++) {
        pthread_barrier_t start;
        pthread_t threads[PUBLISHERS];
        struct publishing publishing[PUBLISHERS];
        int winners = 0;
        CHECK(pthread_barrier_init(&start, NULL, PUBLISHERS) == 0);
        for (int i = 0; i < PUBLISHERS; i++) {
            publishing[i] = (struct publishing){.scratch = scratch, .start = &start};
            CHECK(pthread_create(&threads[i], NULL, publish, &publishing[i]) == 0);
        }
        for (int i = 0; i < PUBLISHERS; i++) {
            CHECK(pthread_join(threads[i], NULL) == 0);
            CHECK(publishing[i].reason == B10_REASON_OK);
            winners += !publishing[i].taken;
        }
        CHECK(winners == 1);
        CHECK(scratch_count(scratch, "") == 1);
        CHECK(unlinkat(scratch->fd, "final", 0) == 0);
        pthread_barrier_destroy(&start);
    }
}

static void race_by_link(void *context)
{
    sandbox_deny(ENOSYS, SYS_renameat2);
    race(context);
}

static void of_many_publishers_exactly_one_wins(void **state)
{
    sandbox_run(race, *state);
    sandbox_run(race_by_link, *state);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_seen_until_it_is_published),
        TEST(the_name_has_the_form_that_a_sweep_knows),
        TEST(a_discarded_file_is_gone_and_discarding_again_is_harmless),
        TEST(replacing_takes_the_place_of_what_was_there),
        TEST(a_taken_name_is_told_and_left),
        TEST(the_same_holds_by_link),
        TEST(the_same_holds_where_neither_link_nor_flag_exists),
        TEST(a_rename_that_succeeded_with_an_error_counts),
        TEST(a_failed_rename_is_told_and_leaves_nothing),
        TEST(a_failed_sync_is_told),
        TEST(what_fails_at_close_is_not_published),
        TEST(a_name_too_long_or_a_lost_directory_is_an_error),
        TEST(of_many_publishers_exactly_one_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
