#include "par/ticker.h"

#include <stdatomic.h>
#include <time.h>

#include "support/scratch.h"

struct counted {
    _Atomic int ticks;
    _Atomic int inside;
    _Atomic bool overlapped;
};

static void count(void *user)
{
    struct counted *counted = user;
    if (atomic_fetch_add(&counted->inside, 1) != 0)
        atomic_store(&counted->overlapped, true);
    const struct timespec moment = {.tv_nsec = 2000000};
    nanosleep(&moment, NULL); /* longer than the interval */
    atomic_fetch_sub(&counted->inside, 1);
    atomic_fetch_add(&counted->ticks, 1);
}

static void wait_for_ticks(struct counted *counted, int wanted)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    for (int i = 0; i < 10000 && atomic_load(&counted->ticks) < wanted; i++)
        nanosleep(&moment, NULL);
    assert_true(atomic_load(&counted->ticks) >= wanted);
}

static void it_ticks_until_it_is_stopped_and_never_twice_at_once(void **state)
{
    (void)state;
    struct counted counted = {0};
    struct progress progress = {0};
    struct ticker *ticker = NULL;
    assert_int_equal(ticker_start(&ticker, 1, count, &counted, &progress, NULL), B10_REASON_OK);
    wait_for_ticks(&counted, 3);
    assert_int_equal(atomic_load(&progress.threads), 1);
    ticker_stop(ticker);
    const int ticks = atomic_load(&counted.ticks);
    assert_int_equal(atomic_load(&counted.inside), 0);
    assert_int_equal(atomic_load(&progress.threads), 0);
    const struct timespec moment = {.tv_nsec = 5000000};
    nanosleep(&moment, NULL);
    assert_int_equal(atomic_load(&counted.ticks), ticks);
    assert_false(atomic_load(&counted.overlapped));
}

static void a_long_interval_does_not_delay_the_stop(void **state)
{
    (void)state;
    struct counted counted = {0};
    struct ticker *ticker = NULL;
    assert_int_equal(ticker_start(&ticker, 3600000, count, &counted, NULL, NULL), B10_REASON_OK);
    ticker_stop(ticker); /* ctest's own limit would tell */
    assert_int_equal(atomic_load(&counted.ticks), 0);
    ticker_stop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_ticks_until_it_is_stopped_and_never_twice_at_once),
        cmocka_unit_test(a_long_interval_does_not_delay_the_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
