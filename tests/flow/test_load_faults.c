/* A load whose volume or local disk fails for a moment: what is retried, and who gets the blame. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/stored.h"

/* ---- a volume that answers ESTALE ---- */

static _Atomic int preads_until_stale; /* 0: never; then that many answers are ESTALE */
static _Atomic int stale_answers;

/* In place of the C library's: the frames, and before them the archive's tail, come through it. */
ssize_t pread(int fd, void *buffer, size_t size, off_t offset)
{
    if (stale_answers > 0 && --preads_until_stale <= 0) {
        stale_answers--;
        errno = ESTALE;
        return -1;
    }
    return syscall(SYS_pread64, fd, buffer, size, offset);
}

static void an_archive_replaced_while_it_is_read_is_opened_again(void **state)
{
    struct replica replica;
    stored_init(&replica, *state, NULL);
    replica_set(&replica, "b10_threads", "1");
    for (int first = 1; first <= 3; first++) { /* the tail, and frames */
        preads_until_stale = first;
        stale_answers = 1;
        stored_comes_back(&replica, "local");
        assert_int_equal(stale_answers, 0);
        assert_int_equal(b10_clear(replica_config(&replica), NULL, NULL, NULL), B10_SUCCESS);
    }
    assert_non_null(strstr(replica.log, "opening it again"));
    replica_release(&replica);
}

static void an_archive_that_stays_stale_is_an_io_error_and_stays_where_it_is(void **state)
{
    struct replica replica;
    stored_init(&replica, *state, NULL);
    for (int first = 1; first <= 2; first++) {
        preads_until_stale = first;
        stale_answers = 1000;
        replica_assert(&replica, replica_load(&replica), B10_ERROR, B10_REASON_IO);
        assert_true(stale_answers > 950); /* not tried for ever */
        stale_answers = 0;
        assert_int_equal(replica.error.sys_errno, ESTALE);
        assert_string_not_equal(replica_archive(&replica), "");
        assert_false(scratch_exists(*state, "local"));
        stored_nothing_left(*state);
    }
    replica_release(&replica);
}

/* ---- a local disk that makes an intact archive look damaged ---- */

/* As on a disk where names that differ only in case are one: a member's name is taken. */
static int take_a_name(void *user, const b10_progress *progress)
{
    char command[4400];
    const struct scratch *scratch = user;
    if (strcmp(progress->phase, "unpack") != 0 || progress->files_done > 0)
        return 0;
    snprintf(command, sizeof(command),
             "for d in '%s'/.b10transfer-staging-*/inductor; do "
             "ln -s taken \"$d/zz\" 2> '%s/ln.log'; done",
             scratch->path, scratch->path);
    return system(command) == -1; // NOLINT(cert-env33-c): a fixed command of the test
}

static void an_intact_archive_is_not_set_aside_for_the_local_disk(void **state)
{
    struct replica replica;
    stored_init(&replica, *state, NULL);
    replica.options.progress = take_a_name;
    replica.options.progress_user = *state;
    replica_assert(&replica, replica_load(&replica), B10_ERROR, B10_REASON_UNSAFE);
    assert_int_equal(replica.report.archives_set_aside, 0);
    assert_non_null(strstr(replica.log, "intact"));
    assert_string_not_equal(replica_archive(&replica), "");
    replica.options.progress = NULL;
    stored_comes_back(&replica, "local");
    replica_release(&replica);
}

/* ---- cancelled at the second look ---- */

static int cancel_second_unpack(void *user, const b10_progress *progress)
{
    const struct replica *replica = user;
    return strcmp(progress->phase, "unpack") == 0 &&
           strstr(replica->log, "reading it once more") != NULL;
}

static void a_second_look_that_is_cancelled_is_cancelled(void **state)
{
    struct replica replica;
    stored_init(&replica, *state, NULL);
    int archive = open(replica_archive(&replica), O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(archive, "\0\0\0\0", 4, 1000), 4);
    close(archive);
    replica.options.progress = cancel_second_unpack;
    replica.options.progress_user = &replica;
    replica_assert(&replica, replica_load(&replica), B10_ERROR, B10_REASON_CANCELLED);
    assert_non_null(strstr(replica.log, "reading it once more"));
    assert_string_not_equal(replica_archive(&replica), ""); /* seen damaged only once */
    replica_release(&replica);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(an_archive_replaced_while_it_is_read_is_opened_again),
        ROW(an_archive_that_stays_stale_is_an_io_error_and_stays_where_it_is),
        ROW(an_intact_archive_is_not_set_aside_for_the_local_disk),
        ROW(a_second_look_that_is_cancelled_is_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
