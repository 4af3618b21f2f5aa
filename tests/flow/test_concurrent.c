/* Several processes at once in one place: whoever comes second adds nothing and breaks nothing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/host.h"

enum { LOADERS = 6, ROUNDS = 8 };

static void host_with_archive(struct host *host, const struct scratch *scratch)
{
    host_init(host, scratch);
    host_fill(host, "saved");
    host_set(host, "torchinductor_cache_dir", scratch_path(scratch, "saved"));
    host_assert(host, host_save(host), B10_SUCCESS, B10_REASON_OK);
    host_set(host, "torchinductor_cache_dir", scratch_path(scratch, "local"));
}

/* Child processes that begin together when the pipe closes; the exit code is the status. */
static pid_t start_child(struct host *host, int gate, OperationStatus (*call)(struct host *))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char byte;
        while (read(gate, &byte, 1) < 0 && errno == EINTR)
            ;
        _exit((int)call(host));
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
    struct host host;
    host_with_archive(&host, *state);
    for (int round = 0; round < ROUNDS; round++) {
        int gate[2];
        pid_t children[LOADERS];
        int successes = 0;
        assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
        for (int i = 0; i < LOADERS; i++) {
            children[i] = start_child(&host, gate[0], host_load);
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
        assert_int_equal(b10_clear(host.config, NULL, NULL, &host.error), B10_SUCCESS);
    }
    host_release(&host);
}

static void several_saves_at_once_publish_one_archive(void **state)
{
    struct host host;
    host_init(&host, *state);
    host_fill(&host, "local");
    for (int round = 0; round < ROUNDS; round++) {
        int gate[2];
        pid_t children[LOADERS];
        int successes = 0;
        assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
        for (int i = 0; i < LOADERS; i++)
            children[i] = start_child(&host, gate[0], host_save);
        close(gate[0]);
        close(gate[1]);
        for (int i = 0; i < LOADERS; i++) {
            int status = wait_for(children[i]);
            assert_true(status == B10_SUCCESS || status == B10_SKIPPED);
            successes += status == B10_SUCCESS;
        }
        assert_int_equal(successes, 1);
        assert_int_equal(host_volume_entries(&host), 1);
        assert_int_equal(unlink(host_archive(&host)), 0);
    }
    host_release(&host);
}

/* The server begins to write when the unpacked tree is about to take its place. */
static int write_as_a_server(void *user, const b10_progress *progress)
{
    struct host *host = user;
    if (strcmp(progress->phase, "install") == 0) {
        scratch_text(host->scratch, "local/zz/empty.py", "written by the server");
        scratch_text(host->scratch, "local/triton/copy0/other", "written by the server");
        scratch_text(host->scratch, "local/01", "a file where the archive has a directory");
    }
    return 0;
}

static void what_a_server_writes_meanwhile_is_never_overwritten(void **state)
{
    struct host host;
    host_with_archive(&host, *state);
    host.options.progress = write_as_a_server;
    host.options.progress_user = &host;
    host_assert(&host, host_load(&host), B10_SUCCESS, B10_REASON_OK);
    assert_true(host.report.existing >= 2);
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
    host_release(&host);
}

static int replace_archive(void *user, const b10_progress *progress)
{
    struct host *host = user;
    if (strcmp(progress->phase, "unpack") == 0 && scratch_exists(host->scratch, "volume2"))
        assert_int_equal(rename(scratch_path(host->scratch, "volume2"), host_archive(host)), 0);
    return 0;
}

static void an_archive_replaced_during_a_load_reads_on(void **state)
{
    struct host host;
    host_with_archive(&host, *state);
    scratch_text(*state, "volume2", "not an archive at all");
    host.options.progress = replace_archive;
    host.options.progress_user = &host;
    host_assert(&host, host_load(&host), B10_SUCCESS, B10_REASON_OK);
    scratch_assert_same_tree(scratch_path(*state, "saved"), scratch_path(*state, "local"));
    host_release(&host);
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
