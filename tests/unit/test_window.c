#include "par/window.h"

#include <sched.h>
#include <stdlib.h>

#include "base/guard.h"
#include "par/pool.h"
#include "support/scratch.h"
#include "support/stop.h"

/* What left the window, and whether anything was wrong with how. */
struct sink {
    struct window *window;
    struct cancel cancel;
    uint64_t count;   /* consumed, in order */
    uint64_t fail_at; /* consume fails here; UINT64_MAX: never */
    _Atomic unsigned in_consume;
    _Atomic unsigned wrong;
    _Atomic unsigned alive; /* items that nobody has freed yet */
    _Atomic uint64_t highest_put;
    size_t depth;
};

static void *new_item(struct sink *sink, uint64_t sequence)
{
    uint64_t *item = malloc(sizeof(*item));
    if (item != NULL) {
        *item = sequence;
        atomic_fetch_add(&sink->alive, 1);
    }
    return item;
}

static void discard(void *user, void *item)
{
    struct sink *sink = user;
    if (item == NULL)
        atomic_fetch_add(&sink->wrong, 1);
    atomic_fetch_sub(&sink->alive, 1);
    free(item);
}

static enum b10_reason consume(void *user, uint64_t sequence, void *item, struct b10_error *error)
{
    struct sink *sink = user;
    if (atomic_fetch_add(&sink->in_consume, 1) != 0 || sequence != sink->count ||
        (item != NULL && *(uint64_t *)item != sequence))
        atomic_fetch_add(&sink->wrong, 1);
    sink->count++;
    if (item != NULL)
        discard(sink, item);
    sched_yield();
    atomic_fetch_sub(&sink->in_consume, 1);
    if (sequence == sink->fail_at)
        return error_set(error, B10_REASON_NO_SPACE, "piece %u does not fit", (unsigned)sequence);
    return B10_REASON_OK;
}

static void open_sink(struct sink *sink, size_t depth, uint64_t fail_at)
{
    *sink = (struct sink){.fail_at = fail_at, .depth = depth};
    assert_int_equal(window_new(&sink->window, depth, consume, discard, sink, &sink->cancel, NULL),
                     B10_REASON_OK);
}

static void close_sink(struct sink *sink)
{
    window_free(sink->window);
    assert_int_equal(sink->wrong, 0);
    assert_int_equal(sink->alive, 0);
}

static enum b10_reason put(struct sink *sink, uint64_t sequence, struct b10_error *error)
{
    return window_put(sink->window, sequence, new_item(sink, sequence), error);
}

static void pieces_in_order_pass_straight_through(void **state)
{
    (void)state;
    struct sink sink;
    open_sink(&sink, 1, UINT64_MAX);
    for (uint64_t i = 0; i < 100; i++) {
        assert_int_equal(put(&sink, i, NULL), B10_REASON_OK);
        assert_int_equal(sink.count, i + 1);
    }
    close_sink(&sink);
}

static void early_pieces_wait_for_the_missing_one(void **state)
{
    (void)state;
    struct sink sink;
    open_sink(&sink, 4, UINT64_MAX);
    assert_int_equal(put(&sink, 2, NULL), B10_REASON_OK);
    assert_int_equal(put(&sink, 1, NULL), B10_REASON_OK);
    assert_int_equal(put(&sink, 3, NULL), B10_REASON_OK);
    assert_int_equal(sink.count, 0);
    assert_int_equal(put(&sink, 0, NULL), B10_REASON_OK);
    assert_int_equal(sink.count, 4);
    close_sink(&sink);
}

static void a_piece_may_be_nothing(void **state)
{
    (void)state;
    struct sink sink;
    open_sink(&sink, 4, UINT64_MAX);
    assert_int_equal(window_put(sink.window, 1, NULL, NULL), B10_REASON_OK);
    assert_int_equal(window_put(sink.window, 0, NULL, NULL), B10_REASON_OK);
    assert_int_equal(sink.count, 2);
    assert_int_equal(window_put(sink.window, 3, NULL, NULL), B10_REASON_OK);
    close_sink(&sink);
}

static void pieces_never_consumed_are_discarded(void **state)
{
    (void)state;
    struct sink sink;
    open_sink(&sink, 4, UINT64_MAX);
    assert_int_equal(put(&sink, 1, NULL), B10_REASON_OK);
    assert_int_equal(put(&sink, 3, NULL), B10_REASON_OK);
    assert_int_equal(sink.alive, 2);
    close_sink(&sink);
    window_free(NULL);
    SCOPED(window) struct window *nothing = NULL;
    (void)nothing;
}

static void a_failure_to_consume_is_told_and_ends_everything(void **state)
{
    (void)state;
    struct sink sink;
    struct b10_error error = ERROR_NONE;
    open_sink(&sink, 4, 1);
    assert_int_equal(put(&sink, 1, &error), B10_REASON_OK);
    assert_int_equal(put(&sink, 2, &error), B10_REASON_OK);
    assert_int_equal(put(&sink, 0, &error), B10_REASON_NO_SPACE);
    assert_string_equal(error.message, "piece 1 does not fit");
    assert_int_equal(cancel_check(&sink.cancel, NULL), B10_REASON_NO_SPACE);
    assert_int_equal(put(&sink, 3, &error), B10_REASON_CANCELLED);
    assert_int_equal(put(&sink, 9, &error),
                     B10_REASON_CANCELLED); /* too far ahead, does not wait */
    assert_int_equal(sink.count, 2);
    close_sink(&sink);
}

static void after_the_stop_sign_nothing_is_consumed(void **state)
{
    (void)state;
    struct sink sink;
    open_sink(&sink, 4, UINT64_MAX);
    assert_int_equal(put(&sink, 1, NULL), B10_REASON_OK);
    stop_for(&sink.cancel, B10_REASON_CANCELLED);
    assert_int_equal(put(&sink, 0, NULL), B10_REASON_CANCELLED);
    assert_int_equal(sink.count, 0);
    close_sink(&sink);
}

static enum b10_reason put_task(void *context, unsigned worker, size_t index,
                                struct b10_error *error)
{
    (void)worker;
    struct sink *sink = context;
    if (index % 7 == 0)
        sched_yield();
    return index % 5 == 0 ? window_put(sink->window, index, NULL, error) : put(sink, index, error);
}

static void many_workers_deliver_in_order_at_any_depth(void **state)
{
    (void)state;
    for (size_t depth = 1; depth <= 9; depth += 4) {
        struct sink sink;
        open_sink(&sink, depth, UINT64_MAX);
        assert_int_equal(pool_each(put_task, &sink, 3000, 6, &sink.cancel, NULL, NULL),
                         B10_REASON_OK);
        assert_int_equal(sink.count, 3000);
        close_sink(&sink);
    }
}

static void many_workers_end_with_the_failure_of_one(void **state)
{
    (void)state;
    for (uint64_t fail_at = 0; fail_at < 400; fail_at += 37) {
        struct sink sink;
        struct b10_error error = ERROR_NONE;
        open_sink(&sink, 3, fail_at);
        assert_int_equal(pool_each(put_task, &sink, 3000, 6, &sink.cancel, NULL, &error),
                         B10_REASON_NO_SPACE);
        assert_int_equal(sink.count, fail_at + 1);
        close_sink(&sink);
    }
}

/* Task 0 never puts its piece: everyone else waits, until somebody who does not know of the window
 * stops them. */
static enum b10_reason put_but_first(void *context, unsigned worker, size_t index,
                                     struct b10_error *error)
{
    (void)worker;
    struct sink *sink = context;
    if (index != 0)
        return put(sink, index, error);
    while (atomic_load(&sink->alive) < 4) /* two held, two waiting */
        sched_yield();
    stop_for(&sink->cancel, B10_REASON_TOO_LARGE);
    return B10_REASON_OK;
}

static void whoever_waits_sees_the_stop_sign(void **state)
{
    (void)state;
    struct sink sink;
    struct b10_error error = ERROR_NONE;
    open_sink(&sink, 3, UINT64_MAX);
    assert_int_equal(pool_each(put_but_first, &sink, 5, 5, &sink.cancel, NULL, &error),
                     B10_REASON_TOO_LARGE);
    assert_int_equal(sink.count, 0);
    close_sink(&sink);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_in_order_pass_straight_through),
        cmocka_unit_test(early_pieces_wait_for_the_missing_one),
        cmocka_unit_test(a_piece_may_be_nothing),
        cmocka_unit_test(pieces_never_consumed_are_discarded),
        cmocka_unit_test(a_failure_to_consume_is_told_and_ends_everything),
        cmocka_unit_test(after_the_stop_sign_nothing_is_consumed),
        cmocka_unit_test(many_workers_deliver_in_order_at_any_depth),
        cmocka_unit_test(many_workers_end_with_the_failure_of_one),
        cmocka_unit_test(whoever_waits_sees_the_stop_sign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
