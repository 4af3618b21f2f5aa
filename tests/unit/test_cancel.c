#include "base/cancel.h"

#include "par/pool.h"
#include "support/scratch.h"
#include "support/stop.h"

static void the_first_trip_wins(void **state)
{
    (void)state;
    struct cancel cancel = CANCEL_CLEAR;
    struct b10_error error = ERROR_NONE;
    assert_false(cancel_tripped(&cancel));
    assert_int_equal(cancel_check(&cancel, &error), B10_REASON_OK);
    stop_for(&cancel, B10_REASON_NO_SPACE);
    stop_for(&cancel, B10_REASON_CANCELLED);
    assert_true(cancel_tripped(&cancel));
    assert_int_equal(cancel_check(&cancel, &error), B10_REASON_NO_SPACE);
    assert_int_equal(error.code, B10_REASON_NO_SPACE);
    assert_string_equal(error.message, "stopped by the test");
}

static void a_sign_is_up_when_the_one_above_it_is(void **state)
{
    (void)state;
    struct cancel whole = CANCEL_CLEAR;
    struct cancel part = CANCEL_BELOW(&whole);
    stop_for(&part, B10_REASON_CORRUPT);
    assert_false(cancel_tripped(&whole));
    assert_int_equal(cancel_check(&part, NULL), B10_REASON_CORRUPT);
    stop_for(&whole, B10_REASON_TIMEOUT);
    assert_int_equal(cancel_check(&part, NULL), B10_REASON_TIMEOUT);
}

static void without_a_sign_nothing_stops(void **state)
{
    (void)state;
    assert_false(cancel_tripped(NULL));
    assert_int_equal(cancel_check(NULL, NULL), B10_REASON_OK);
}

struct contest {
    struct cancel cancel;
    _Atomic unsigned winners;
    _Atomic int winner;
};

static enum b10_reason trip(void *context, unsigned worker, size_t index, struct b10_error *error)
{
    (void)worker, (void)error;
    struct contest *contest = context;
    struct b10_error why = ERROR_NONE;
    error_set(&why, (enum b10_reason)(100 + (int)index), "number %zu", index);
    if (cancel_trip(&contest->cancel, &why)) {
        atomic_fetch_add(&contest->winners, 1);
        atomic_store(&contest->winner, 100 + (int)index);
    }
    return B10_REASON_OK;
}

static void of_many_at_once_exactly_one_wins(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        struct contest contest = {.cancel = CANCEL_CLEAR};
        struct cancel outer = CANCEL_CLEAR;
        assert_int_equal(pool_each(trip, &contest, 32, 4, &outer, NULL, NULL), B10_REASON_OK);
        assert_int_equal(contest.winners, 1);
        assert_int_equal(cancel_check(&contest.cancel, NULL), contest.winner);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_trip_wins),
        cmocka_unit_test(a_sign_is_up_when_the_one_above_it_is),
        cmocka_unit_test(without_a_sign_nothing_stops),
        cmocka_unit_test(of_many_at_once_exactly_one_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
