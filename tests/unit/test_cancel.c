#include "base/cancel.h"

#include "par/pool.h"
#include "support/scratch.h"

static void the_first_trip_wins(void **state)
{
    (void)state;
    struct cancel cancel = CANCEL_CLEAR;
    assert_false(cancel_tripped(&cancel));
    cancel_trip(&cancel, B10_REASON_NO_SPACE);
    cancel_trip(&cancel, B10_REASON_CANCELLED);
    assert_true(cancel_tripped(&cancel));
    assert_int_equal(atomic_load(&cancel.reason), B10_REASON_NO_SPACE);
}

struct contest {
    struct cancel cancel;
    _Atomic unsigned winners;
};

static enum b10_reason trip(void *context, unsigned worker, size_t index, struct b10_error *error)
{
    (void)worker, (void)error;
    struct contest *contest = context;
    int mine = 100 + (int)index;
    cancel_trip(&contest->cancel, (enum b10_reason)mine);
    if (atomic_load(&contest->cancel.reason) == mine)
        atomic_fetch_add(&contest->winners, 1);
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
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_trip_wins),
        cmocka_unit_test(of_many_at_once_exactly_one_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
