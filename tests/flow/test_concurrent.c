/* Several processes at once in one place: whoever comes second adds nothing and breaks nothing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/replica.h"

enum { LOADERS = 6, ROUNDS = 8 };

static void replica_with_archive(struct replica *replica, const struct scratch *scratch)
{
    replica_init(replica, scratch);
    replica_fill(replica, "saved");
    replica_set(replica, "torchinductor_cache_dir", scratch_path(scratch, "saved"));
    replica_assert(replica, replica_save(replica), B10_SUCCESS, B10_REASON_OK);
    replica_set(replica, "torchinductor_cache_dir", scratch_path(scratch, "local"));
}

/* Child processes that begin together when the pipe closes; the exit code is the status. */
static pid_t start_child(struct replica *replica, const int gate[2],
                         OperationStatus (*call)(struct replica *))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char byte;
        close(gate[1]);
        while (read(gate[0], &byte, 1) < 0 && errno == EINTR)
            ;
        _exit((int)call(replica));
    }
    return child;
}

static int wait_for(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void two_and_more_loads_at_once_leave_one_whole_tree(void **state)
{
    struct replica replica;
    replica_with_archive(&replica, *state);
    for (int round = 0; round < ROUNDS; round++) {
        int gate[2];
        pid_t children[LOADERS];
        int successes = 0;
        assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
        for (int i = 0; i < LOADERS; i++) {
            children[i] = start_child(&replica, gate, replica_load);
        }
        close(gate[0]);
        close(gate[1]);
        for (int i = 0; i < LOADERS; i++) {
            int status = wait_for(children[i]);
            assert_true(status == B10_SUCCESS || status == B10_SKIPPED);
            successes += status == B10_SUCCESS;
        }
        assert_true(successes >= 1);
        scratch_assert_same_tree(scratch_path(*state, "saved"), scratch_path(*state, "local"));
        assert_int_equal(b10_clear(replica_config(&replica), NULL, NULL, &replica.error),
                         B10_SUCCESS);
    }
    replica_release(&replica);
}

static void several_saves_at_once_publish_one_archive(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    replica_fill(&replica, "local");
    for (int round = 0; round < ROUNDS; round++) {
        int gate[2];
        pid_t children[LOADERS];
        int successes = 0;
        assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
        for (int i = 0; i < LOADERS; i++)
            children[i] = start_child(&replica, gate, replica_save);
        close(gate[0]);
        close(gate[1]);
        for (int i = 0; i < LOADERS; i++) {
            int status = wait_for(children[i]);
            assert_true(status == B10_SUCCESS || status == B10_SKIPPED);
            successes += status == B10_SUCCESS;
        }
        assert_int_equal(successes, 1);
        assert_int_equal(replica_volume_entries(&replica), 1);
        assert_int_equal(unlink(replica_archive(&replica)), 0);
    }
    replica_release(&replica);
}

/* The server begins to write when the unpacked tree is about to take its place. */
static int write_as_a_server(void *user, const b10_progress *progress)
{
    struct replica *replica = user;
    if (strcmp(progress->phase, "install") == 0) {
        scratch_text(replica->scratch, "local/zz/empty.py", "written by the server");
        scratch_text(replica->scratch, "local/triton/copy0/other", "written by the server");
        scratch_text(replica->scratch, "local/01", "a file where the archive has a directory");
    }
    return 0;
}

static void what_a_server_writes_meanwhile_is_never_overwritten(void **state)
{
    struct replica replica;
    replica_with_archive(&replica, *state);
    replica.options.progress = write_as_a_server;
    replica.options.progress_user = &replica;
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_true(replica.report.existing >= 2);
    static const char *const own[] = {"local/zz/empty.py", "local/triton/copy0/other"};
    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++) {
        char *content = scratch_read(*state, own[i], NULL);
        assert_string_equal(content, "written by the server");
        free(content);
    }
    assert_true(scratch_exists(*state, "local/zz/large.bin"));
    assert_true(scratch_exists(*state, "local/triton/copy0/kernel.ttir"));
    assert_true(scratch_exists(*state, "local/00/c00kernel0.py"));
    assert_false(scratch_exists(*state, "local/.b10transfer.partial"));
    replica_release(&replica);
}

static int replace_archive(void *user, const b10_progress *progress)
{
    struct replica *replica = user;
    if (strcmp(progress->phase, "unpack") == 0 && scratch_exists(replica->scratch, "volume2"))
        assert_int_equal(rename(scratch_path(replica->scratch, "volume2"),
                                replica_archive(replica)),
                         0);
    return 0;
}

static void an_archive_replaced_during_a_load_reads_on(void **state)
{
    struct replica replica;
    replica_with_archive(&replica, *state);
    scratch_text(*state, "volume2", "not an archive at all");
    replica.options.progress = replace_archive;
    replica.options.progress_user = &replica;
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    scratch_assert_same_tree(scratch_path(*state, "saved"), scratch_path(*state, "local"));
    replica_release(&replica);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(two_and_more_loads_at_once_leave_one_whole_tree),
        ROW(several_saves_at_once_publish_one_archive),
        ROW(what_a_server_writes_meanwhile_is_never_overwritten),
        ROW(an_archive_replaced_during_a_load_reads_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
