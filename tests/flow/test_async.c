/* Load and save beside the caller's work; stopping them; handles in a forked child. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "support/replica.h"
#include "support/sandbox.h"

static void moment(void)
{
    const struct timespec one_ms = {.tv_nsec = 1000000};
    nanosleep(&one_ms, NULL);
}

/* ---- start, poll, wait ---- */

static void a_save_and_a_load_run_beside_the_caller(void **state)
{
    struct replica replica;
    b10_progress progress = B10_INIT(b10_progress);
    replica_init(&replica, *state);
    replica_fill(&replica, "local");
    b10_operation *save = b10_save_start(replica_config(&replica), NULL, &replica.error);
    assert_non_null(save);
    while (b10_operation_poll(save, &progress) == 0)
        moment();
    assert_int_equal(b10_operation_poll(save, &progress), 1);
    assert_string_equal(progress.phase, "publish");
    replica_assert(&replica, b10_operation_wait(save, &replica.report, &replica.error), B10_SUCCESS,
                   B10_REASON_OK);
    assert_true(replica.report.files > 40);
    assert_true(replica.report.wall_ns > 0);
    /* a second time, and without records */
    assert_int_equal(b10_operation_wait(save, NULL, NULL), B10_SUCCESS);
    b10_operation_free(save);

    assert_int_equal(b10_clear(replica_config(&replica), NULL, NULL, NULL), B10_SUCCESS);
    b10_operation *load = b10_load_start(replica_config(&replica), NULL, &replica.error);
    assert_non_null(load);
    replica_assert(&replica, b10_operation_wait(load, &replica.report, &replica.error), B10_SUCCESS,
                   B10_REASON_OK);
    b10_operation_free(load);
    load = b10_load_start(replica_config(&replica), NULL, NULL);
    replica_assert(&replica, b10_operation_wait(load, &replica.report, &replica.error), B10_SKIPPED,
                   B10_REASON_LOCAL_PRESENT);
    b10_operation_free(load);
    replica_release(&replica);
}

static void settings_are_read_at_the_start(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    replica_fill(&replica, "local");
    b10_operation *save = b10_save_start(replica_config(&replica), NULL, NULL);
    assert_non_null(save);
    b10_config_free(replica.made);
    replica.made = NULL;
    assert_int_equal(b10_operation_wait(save, NULL, NULL), B10_SUCCESS);
    b10_operation_free(save);
    replica_release(&replica);
}

static void what_cannot_start_says_why(void **state)
{
    (void)state;
    b10_error error = B10_INIT(b10_error);
    b10_options options = {0}; /* no size */
    assert_null(b10_load_start(NULL, &options, &error));
    assert_int_equal(error.code, B10_REASON_INTERNAL);
    assert_int_equal(b10_operation_wait(NULL, NULL, &error), B10_ERROR);
    assert_int_equal(error.code, B10_REASON_INTERNAL);
    assert_int_equal(b10_operation_poll(NULL, NULL), -1);
    b10_operation_cancel(NULL);
    b10_operation_free(NULL);
    b10_cancel(NULL);
    b10_cancel_token_free(NULL);
}

/* ---- stopping ---- */

/* Stops in its first phase until somebody has asked it to end. */
struct holding {
    _Atomic int calls;
    _Atomic bool go_on;
};

static int hold(void *user, const b10_progress *progress)
{
    struct holding *holding = user;
    (void)progress;
    atomic_fetch_add(&holding->calls, 1);
    while (!atomic_load(&holding->go_on))
        moment();
    return 0;
}

static void wait_until_held(struct holding *holding)
{
    while (atomic_load(&holding->calls) == 0)
        moment();
}

static void an_operation_is_cancelled_and_leaves_nothing_behind(void **state)
{
    struct replica replica;
    struct holding holding = {0};
    replica_init(&replica, *state);
    replica_fill(&replica, "local");
    replica.options.log = NULL;
    replica.options.progress = hold;
    replica.options.progress_user = &holding;
    b10_operation *save =
        b10_save_start(replica_config(&replica), &replica.options, &replica.error);
    assert_non_null(save);
    wait_until_held(&holding);
    b10_operation_cancel(save);
    atomic_store(&holding.go_on, true);
    replica_assert(&replica, b10_operation_wait(save, &replica.report, &replica.error), B10_ERROR,
                   B10_REASON_CANCELLED);
    assert_int_equal(replica.report.threads_left, 0);
    b10_operation_free(save);
    assert_int_equal(replica_volume_entries(&replica), 0);
    replica_release(&replica);
}

static void freeing_a_running_one_cancels_it(void **state)
{
    struct replica replica;
    struct holding holding = {0};
    replica_init(&replica, *state);
    replica_fill(&replica, "local");
    replica.options.log = NULL;
    replica.options.progress = hold;
    replica.options.progress_user = &holding;
    b10_operation *save =
        b10_save_start(replica_config(&replica), &replica.options, &replica.error);
    wait_until_held(&holding);
    b10_operation_cancel(save);
    atomic_store(&holding.go_on, true);
    b10_operation_free(save);
    assert_int_equal(replica_volume_entries(&replica), 0);
    replica_release(&replica);
}

static b10_cancel_token *interrupted;

static void on_signal(int number)
{
    (void)number;
    b10_cancel(interrupted);
}

static int raise_signal(void *user, const b10_progress *progress)
{
    _Atomic int *calls = user;
    (void)progress;
    if (atomic_fetch_add(calls, 1) == 0)
        raise(SIGUSR1);
    return 0;
}

static void a_signal_handler_may_cancel(void **state)
{
    struct replica replica;
    _Atomic int calls = 0;
    replica_init(&replica, *state);
    replica_fill(&replica, "local");
    interrupted = b10_cancel_token_new();
    assert_non_null(interrupted);
    struct sigaction action = {.sa_handler = on_signal};
    struct sigaction before;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    replica.options.cancel = interrupted;
    replica.options.progress = raise_signal;
    replica.options.progress_user = &calls;
    replica_assert(&replica, replica_save(&replica), B10_ERROR, B10_REASON_CANCELLED);
    assert_non_null(strstr(replica.error.message, "b10_cancel"));
    assert_int_equal(replica_volume_entries(&replica), 0);
    /* it stays up, also for what is begun later */
    replica.options.progress = NULL;
    replica_assert(&replica, replica_save(&replica), B10_ERROR, B10_REASON_CANCELLED);
    replica.options.cancel = NULL;
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    sigaction(SIGUSR1, &before, NULL);
    b10_cancel_token_free(interrupted);
    replica_release(&replica);
}

/* ---- forked children ---- */

struct inherited {
    b10_config *config;
    b10_cancel_token *token;
    b10_operation *operation;
};

/* The thread sanitizer knows no threads in the child of a process that had some. */
static void own_handles_work(void)
{
#ifndef __SANITIZE_THREAD__
    b10_error error = B10_INIT(b10_error);
    b10_cache_info *info = calloc(1, sizeof(*info));
    CHECK(info != NULL);
    info->struct_size = sizeof(*info);
    b10_config *own = b10_config_new();
    CHECK(b10_config_set(own, "b10_local_prefixes", "any", &error) == B10_SUCCESS);
    CHECK(b10_info(own, NULL, info, &error) == B10_SUCCESS);
    b10_config_free(own);
    free(info);
#endif
}

static void use_handles_of_the_parent(void *context)
{
    const struct inherited *inherited = context;
    b10_error error = B10_INIT(b10_error);
    b10_options options = B10_INIT(b10_options);
    CHECK(b10_load(inherited->config, NULL, NULL, &error) == B10_ERROR);
    CHECK(error.code == B10_REASON_FORKED);
    CHECK(b10_config_set(inherited->config, "b10_threads", "1", &error) == B10_ERROR);
    CHECK(error.code == B10_REASON_FORKED);
    options.cancel = inherited->token;
    CHECK(b10_list(NULL, &options, NULL, &error) == B10_ERROR);
    CHECK(error.code == B10_REASON_FORKED);
    CHECK(b10_operation_poll(inherited->operation, NULL) == -1);
    CHECK(b10_operation_wait(inherited->operation, NULL, &error) == B10_ERROR);
    CHECK(error.code == B10_REASON_FORKED);
    b10_operation_free(inherited->operation);
    b10_cancel_token_free(inherited->token);
    b10_config_free(inherited->config);
    own_handles_work();
}

static void handles_of_the_parent_are_refused_in_a_child_and_can_be_freed(void **state)
{
    struct replica replica;
    struct holding holding = {0};
    replica_init(&replica, *state);
    replica_fill(&replica, "local");
    replica.options.log = NULL;
    replica.options.progress = hold;
    replica.options.progress_user = &holding;
    struct inherited inherited = {.config = b10_config_new(), .token = b10_cancel_token_new()};
    inherited.operation =
        b10_save_start(replica_config(&replica), &replica.options, &replica.error);
    assert_non_null(inherited.operation);
    wait_until_held(&holding);
    sandbox_run(use_handles_of_the_parent, &inherited);
    atomic_store(&holding.go_on, true);
    /* the child has not touched the parent's work */
    replica_assert(&replica,
                   b10_operation_wait(inherited.operation, &replica.report, &replica.error),
                   B10_SUCCESS, B10_REASON_OK);
    b10_operation_free(inherited.operation);
    b10_cancel_token_free(inherited.token);
    b10_config_free(inherited.config);
    replica_release(&replica);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_save_and_a_load_run_beside_the_caller),
        TEST(settings_are_read_at_the_start),
        TEST(what_cannot_start_says_why),
        TEST(an_operation_is_cancelled_and_leaves_nothing_behind),
        TEST(freeing_a_running_one_cancels_it),
        TEST(a_signal_handler_may_cancel),
        TEST(handles_of_the_parent_are_refused_in_a_child_and_can_be_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
