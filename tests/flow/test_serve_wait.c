/* Waiting for a server outlasts every time-out of a volume: the library's clock runs 40 times as fast. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "par/job.h"
#include "support/merging.h"

enum { PACE = 40 };

uint64_t clock_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return ((uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec) * PACE;
}

int64_t clock_epoch_s(void)
{
    return time(NULL);
}

static uint64_t begun_ns;

static uint64_t seconds_since_begin(void)
{
    return (clock_now_ns() - begun_ns) / 1000000000;
}

static int is_ready(void *user)
{
    (void)user;
    return seconds_since_begin() >= 3 * JOB_QUIET_S;
}

static void nothing_that_moves_is_no_time_out_while_the_server_is_waited_for(void **state)
{
    struct replica replica;
    b10_serve_report report = B10_INIT(b10_serve_report);
    merging_begin(&replica, *state);
    replica_set(&replica, "b10_cache_kind", "inductor");
    replica_set(&replica, "b10_transfer_timeout_s", "600");
    replica_set(&replica, "b10_load_timeout_seconds", "30");
    replica_set(&replica, "b10_save_timeout_seconds", "30");
    replica.options.ready = is_ready;
    begun_ns = clock_now_ns();
    const OperationStatus status =
        b10_serve_flow(replica_config(&replica), &replica.options, &report, &replica.error);
    replica.report.reason = report.reason;
    replica_assert(&replica, status, B10_SKIPPED, B10_REASON_ALREADY_SAVED);
    assert_true(report.wait_ns / 1000000000 >= 2 * JOB_QUIET_S); /* the load came before */
    assert_int_equal(report.threads_left, 0);
    replica_release(&replica);
}

static int takes_for_ever(void *user)
{
    const struct timespec moment = {.tv_sec = 3};
    (void)user;
    nanosleep(&moment, NULL);
    return 0;
}

static void a_host_that_takes_its_time_does_not_outlast_the_waiting(void **state)
{
    struct replica replica;
    b10_serve_report report = B10_INIT(b10_serve_report);
    replica_init(&replica, *state);
    replica_set(&replica, "b10_transfer_timeout_s", "90");
    replica.options.ready = takes_for_ever;
    begun_ns = clock_now_ns();
    const OperationStatus status =
        b10_serve_flow(replica_config(&replica), &replica.options, &report, &replica.error);
    replica.report.reason = report.reason;
    replica_assert(&replica, status, B10_ERROR, B10_REASON_TIMEOUT);
    assert_non_null(strstr(replica.error.message, "was not ready within 90 s"));
    assert_in_range(seconds_since_begin(), 90, 300);
    replica_release(&replica);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            nothing_that_moves_is_no_time_out_while_the_server_is_waited_for, scratch_setup,
            scratch_teardown),
        cmocka_unit_test_setup_teardown(a_host_that_takes_its_time_does_not_outlast_the_waiting,
                                        scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
