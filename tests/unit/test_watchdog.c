#include "cache/watchdog.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "support/scratch.h"
#include "support/stop.h"

static enum b10_reason wait_for_stop(struct cancel *stop, struct b10_error *error)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    for (int i = 0; i < 10000 && !cancel_tripped(stop); i++)
        nanosleep(&moment, NULL);
    return cancel_check(stop, error);
}

static void the_floor_stops_the_operation(void **state)
{
    const struct scratch *scratch = *state;
    struct cancel stop = CANCEL_CLEAR;
    struct progress progress = {.stop = &stop};
    struct b10_error error = ERROR_NONE;
    const int fds[] = {-1, scratch->fd};
    const struct watchdog_ward ward = {.fds = fds,
                                       .fd_count = 2,
                                       .name = "/the/volume",
                                       .floor_bytes = UINT64_C(1) << 60};
    struct watchdog *watchdog = NULL;
    assert_int_equal(watchdog_start(&watchdog, &ward, NULL, &progress, NULL), B10_REASON_OK);
    assert_int_equal(wait_for_stop(&stop, &error), B10_REASON_NO_SPACE);
    assert_non_null(strstr(error.message, "/the/volume"));
    watchdog_stop(watchdog);
}

static _Atomic int beats;

static enum b10_reason beat(void *user, struct b10_error *error)
{
    const int *last = user;
    if (atomic_fetch_add(&beats, 1) + 1 < *last)
        return B10_REASON_OK;
    return error_set(error, B10_REASON_IN_PROGRESS, "the lock is lost");
}

static void a_lost_heartbeat_stops_the_operation_and_is_the_last(void **state)
{
    const struct scratch *scratch = *state;
    struct cancel stop = CANCEL_CLEAR;
    struct progress progress = {.stop = &stop};
    struct b10_error error = ERROR_NONE;
    int last = 3;
    const struct watchdog_ward ward = {.fds = &scratch->fd,
                                       .fd_count = 1,
                                       .name = "/the/volume",
                                       .beat = beat,
                                       .beat_user = &last,
                                       .beat_ms = 2};
    struct watchdog *watchdog = NULL;
    assert_int_equal(watchdog_start(&watchdog, &ward, NULL, &progress, NULL), B10_REASON_OK);
    assert_int_equal(wait_for_stop(&stop, &error), B10_REASON_IN_PROGRESS);
    assert_string_equal(error.message, "the lock is lost");
    const struct timespec moment = {.tv_nsec = 20000000};
    nanosleep(&moment, NULL);
    watchdog_stop(watchdog);
    assert_int_equal(atomic_load(&beats), 3);
}

static void an_operation_that_nothing_stops_needs_no_watchdog(void **state)
{
    (void)state;
    const struct watchdog_ward ward = {.name = "/the/volume"};
    struct watchdog *watchdog = NULL;
    assert_int_equal(watchdog_start(&watchdog, &ward, NULL, NULL, NULL), B10_REASON_OK);
    assert_null(watchdog);
    watchdog_stop(NULL);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_floor_stops_the_operation),
        TEST(a_lost_heartbeat_stops_the_operation_and_is_the_last),
        TEST(an_operation_that_nothing_stops_needs_no_watchdog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
