/* Savers that meet: real processes, one of which waits, is stopped, or is killed in the middle. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/replica.h"

/* A saver in a process of its own, halted at its phase `publish`: everything is still to be written
 * to its end, and it holds its lock. */
enum halt { HALT_NOT, HALT_WAITING, HALT_STOPPED };

struct child {
    pid_t pid;
    int halted[2]; /* the child says that it has halted */
    int go[2];     /* the parent says that it may go on */
};

struct halting {
    struct child *child;
    enum halt how;
};

static int halt_at_publish(void *user, const b10_progress *progress)
{
    struct halting *halting = user;
    char byte = 0;
    if (halting->how == HALT_NOT || strcmp(progress->phase, "publish") != 0)
        return 0;
    const enum halt how = halting->how;
    halting->how = HALT_NOT;
    if (write(halting->child->halted[1], &byte, 1) != 1)
        return 1;
    if (how == HALT_STOPPED)
        return raise(SIGSTOP);
    return read(halting->child->go[0], &byte, 1) == 1 ? 0 : 1;
}

static void start_child(struct child *child, struct replica *replica, enum halt how)
{
    char byte;
    assert_int_equal(pipe2(child->halted, O_CLOEXEC), 0);
    assert_int_equal(pipe2(child->go, O_CLOEXEC), 0);
    child->pid = fork();
    assert_true(child->pid >= 0);
    if (child->pid == 0) {
        struct halting halting = {.child = child, .how = how};
        replica->options.progress = halt_at_publish;
        replica->options.progress_user = &halting;
        (void)replica_save(replica);
        _exit((int)replica->error.code);
    }
    if (how != HALT_NOT)
        assert_int_equal(read(child->halted[0], &byte, 1), 1);
    if (how == HALT_STOPPED) {
        siginfo_t info;
        assert_int_equal(waitid(P_PID, (id_t)child->pid, &info, WSTOPPED | WNOWAIT), 0);
    }
}

static void close_child(struct child *child)
{
    for (int i = 0; i < 2; i++) {
        close(child->halted[i]);
        close(child->go[i]);
    }
}

/* The reason that the child's save ended with. */
static int finish_child(struct child *child)
{
    int status;
    assert_int_equal(write(child->go[1], "", 1), 1);
    assert_int_equal(kill(child->pid, SIGCONT), 0);
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    close_child(child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void kill_child(struct child *child)
{
    int status;
    assert_int_equal(kill(child->pid, SIGKILL), 0);
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    close_child(child);
}

static void init(struct replica *replica, const struct scratch *scratch)
{
    replica_init(replica, scratch);
    replica_fill(replica, "local");
    replica_set(replica, "b10_environment_key", "one");
}

static void assert_archive_is_whole(struct replica *replica)
{
    replica_set(replica, "torchinductor_cache_dir", scratch_path(replica->scratch, "loaded"));
    replica_assert(replica, replica_load(replica), B10_SUCCESS, B10_REASON_OK);
    scratch_assert_same_tree(scratch_path(replica->scratch, "local"),
                             scratch_path(replica->scratch, "loaded"));
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void a_second_saver_leaves_the_work_to_the_first(void **state)
{
    struct replica replica;
    struct child child;
    init(&replica, *state);
    start_child(&child, &replica, HALT_WAITING);
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_IN_PROGRESS);
    replica_set(&replica, "b10_save_mode", "replace");
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_IN_PROGRESS);
    assert_int_equal(finish_child(&child), B10_REASON_OK);
    assert_int_equal(replica_volume_entries(&replica), 1);
    assert_archive_is_whole(&replica);
    replica_release(&replica);
}

static void what_a_saver_has_on_the_volume_is_no_archive(void **state)
{
    struct replica replica;
    struct child child;
    b10_cache_list *list = NULL;
    init(&replica, *state);
    start_child(&child, &replica, HALT_WAITING);
    assert_true(replica_volume_entries(&replica) >= 2); /* the lock and the file */
    assert_int_equal(b10_list(replica_config(&replica), &replica.options, &list, &replica.error),
                     B10_SUCCESS);
    assert_int_equal(list->total_caches, 0);
    b10_cache_list_free(list);
    replica_set(&replica, "torchinductor_cache_dir", scratch_path(*state, "elsewhere"));
    replica_assert(&replica, replica_load(&replica), B10_DOES_NOT_EXIST, B10_REASON_ABSENT);
    assert_int_equal(finish_child(&child), B10_REASON_OK);
    replica_release(&replica);
}

static void a_killed_saver_is_succeeded_at_once_and_leaves_nothing(void **state)
{
    struct replica replica;
    struct child child;
    init(&replica, *state);
    replica_set(&replica, "cleanup_lock_timeout_seconds", "3600");
    start_child(&child, &replica, HALT_WAITING);
    kill_child(&child);
    assert_true(replica_volume_entries(&replica) >= 2);
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica_volume_entries(&replica), 1);
    assert_archive_is_whole(&replica);
    replica_release(&replica);
}

static void a_stopped_saver_is_succeeded_after_the_timeout_and_publishes_no_more(void **state)
{
    struct replica replica;
    struct child child;
    init(&replica, *state);
    replica_set(&replica, "cleanup_lock_timeout_seconds", "1");
    start_child(&child, &replica, HALT_STOPPED);
    scratch_text(*state, "local/later.py", "import later\n");
    const double began_s = now_s();
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_true(now_s() - began_s >= 0.9);
    assert_int_equal(replica_volume_entries(&replica), 1);
    assert_int_equal(finish_child(&child), B10_REASON_IN_PROGRESS);
    assert_int_equal(replica_volume_entries(&replica), 1);
    assert_archive_is_whole(&replica); /* the later one */
    replica_release(&replica);
}

static void a_stopped_saver_that_goes_on_in_time_publishes(void **state)
{
    struct replica replica;
    struct child child;
    init(&replica, *state);
    start_child(&child, &replica, HALT_STOPPED);
    assert_int_equal(finish_child(&child), B10_REASON_OK);
    assert_int_equal(replica_volume_entries(&replica), 1);
    replica_release(&replica);
}

static void at_the_limit_another_key_is_busy(void **state)
{
    struct replica replica;
    struct child child;
    init(&replica, *state);
    replica_set(&replica, "max_concurrent_saves", "1");
    start_child(&child, &replica, HALT_WAITING);
    replica_set(&replica, "b10_environment_key", "two");
    const double began_s = now_s();
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_BUSY);
    assert_true(now_s() - began_s < 20);
    replica_set(&replica, "max_concurrent_saves", "2");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    replica_set(&replica, "b10_environment_key", "three");
    replica_set(&replica, "max_concurrent_saves", "1");
    kill_child(&child); /* the dead do not count */
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica_volume_entries(&replica), 3); /* two archives, and one's file */
    replica_release(&replica);
}

static void what_is_stored_already_is_found_without_the_lock(void **state)
{
    struct replica replica;
    struct child child;
    init(&replica, *state);
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    replica_set(&replica, "b10_save_mode", "replace");
    start_child(&child, &replica, HALT_STOPPED);
    replica_set(&replica, "b10_save_mode", "if_absent");
    const double began_s = now_s();
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_ALREADY_SAVED);
    replica_set(&replica, "b10_save_mode", "merge");
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_ALREADY_SAVED);
    replica_set(&replica, "b10_save_mode", "never");
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_READ_ONLY);
    assert_true(now_s() - began_s < 20); /* nobody has waited for the stopped one */
    assert_int_equal(finish_child(&child), B10_REASON_OK);
    replica_release(&replica);
}

static void what_others_left_is_swept_when_it_has_not_changed_for_the_timeout(void **state)
{
    struct replica replica;
    const struct timespec pause = {.tv_sec = 1, .tv_nsec = 50000000};
    const char *left = "volume/.two.0123456789abcdef0123456789abcdef.tmp";
    init(&replica, *state);
    replica_set(&replica, "cleanup_incomplete_timeout_seconds", "1");
    replica_set(&replica, "b10_save_mode", "replace");
    scratch_text(*state, left, "half an archive");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_true(scratch_exists(*state, left));
    nanosleep(&pause, NULL);
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_false(scratch_exists(*state, left));
    replica_release(&replica);
}

/* ---- many ---- */

enum { SAVERS = 10, LIMIT = 2 };

static void of_many_savers_of_a_key_one_publishes(void **state)
{
    struct replica replica;
    struct child children[SAVERS];
    int published = 0;
    init(&replica, *state);
    for (int i = 0; i < SAVERS; i++)
        start_child(&children[i], &replica, HALT_NOT);
    for (int i = 0; i < SAVERS; i++) {
        const int reason = finish_child(&children[i]);
        published += reason == B10_REASON_OK;
        assert_true(reason == B10_REASON_OK || reason == B10_REASON_IN_PROGRESS ||
                    reason == B10_REASON_ALREADY_SAVED);
    }
    assert_int_equal(published, 1);
    assert_int_equal(replica_volume_entries(&replica), 1);
    assert_archive_is_whole(&replica);
    replica_release(&replica);
}

static unsigned count_temporaries(const struct scratch *scratch)
{
    unsigned count = 0;
    DIR *volume = opendir(scratch_path(scratch, "volume"));
    assert_non_null(volume);
    for (const struct dirent *entry; (entry = readdir(volume)) != NULL;) {
        const size_t length = strlen(entry->d_name);
        count += length > 4 && strcmp(entry->d_name + length - 4, ".tmp") == 0;
    }
    closedir(volume);
    return count;
}

/* Seen from outside, as long as any of them runs. */
static void never_more_than_the_limit_write_at_once(void **state)
{
    struct replica replica;
    struct child children[SAVERS];
    int published = 0;
    unsigned most = 0;
    init(&replica, *state);
    replica_set(&replica, "max_concurrent_saves", "2");
    for (int i = 0; i < SAVERS; i++) {
        char key[16];
        snprintf(key, sizeof(key), "key-%d", i);
        replica_set(&replica, "b10_environment_key", key);
        start_child(&children[i], &replica, HALT_NOT);
    }
    for (int left = SAVERS; left > 0;) {
        siginfo_t info = {0};
        const unsigned now = count_temporaries(*state);
        most = now > most ? now : most;
        for (int i = 0; i < SAVERS; i++) {
            if (children[i].pid == 0 ||
                waitid(P_PID, (id_t)children[i].pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
                info.si_pid != children[i].pid)
                continue;
            const int reason = finish_child(&children[i]);
            assert_true(reason == B10_REASON_OK || reason == B10_REASON_BUSY);
            published += reason == B10_REASON_OK;
            children[i].pid = 0;
            left--;
        }
    }
    assert_true(most <= LIMIT);
    assert_true(published >= 1);
    assert_int_equal(replica_volume_entries(&replica), published);
    replica_release(&replica);
}

/* What the savers observe is theirs. */
static int setup(void **state)
{
    int failed = scratch_setup(state);
    const struct scratch *scratch = *state;
    return failed != 0 ? failed : setenv("TMPDIR", scratch->path, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_second_saver_leaves_the_work_to_the_first),
        TEST(what_a_saver_has_on_the_volume_is_no_archive),
        TEST(a_killed_saver_is_succeeded_at_once_and_leaves_nothing),
        TEST(a_stopped_saver_is_succeeded_after_the_timeout_and_publishes_no_more),
        TEST(a_stopped_saver_that_goes_on_in_time_publishes),
        TEST(at_the_limit_another_key_is_busy),
        TEST(what_is_stored_already_is_found_without_the_lock),
        TEST(what_others_left_is_swept_when_it_has_not_changed_for_the_timeout),
        TEST(of_many_savers_of_a_key_one_publishes),
        TEST(never_more_than_the_limit_write_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
