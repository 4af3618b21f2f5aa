#include "par/aside.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/pause.h"
#include "support/scratch.h"

/* A step that ends when it may. */
struct slow {
    _Atomic bool may_end;
    _Atomic unsigned seen; /* threads that work for the operation, while it ran */
    struct progress *progress;
    pthread_t thread;
};

static enum b10_reason wait_and_fail(void *user, struct b10_error *error)
{
    struct slow *slow = user;
    slow->thread = pthread_self();
    while (!slow->may_end)
        pause_ms(1);
    slow->seen = slow->progress != NULL ? slow->progress->threads : 0;
    return error_set(error, B10_REASON_IO, "it was slow");
}

static enum b10_reason succeed(void *user, struct b10_error *error)
{
    (void)user, (void)error;
    return B10_REASON_OK;
}

static void what_it_says_is_heard_by_the_wait(void **state)
{
    (void)state;
    struct progress progress = {.fn = NULL};
    struct slow slow = {.progress = &progress};
    struct aside aside = ASIDE_NONE;
    aside_begin(&aside, true, wait_and_fail, &slow, &progress);
    assert_true(aside_is_going_on(&aside));
    slow.may_end = true;
    for (int again = 0; again < 2; again++) {
        struct b10_error error = ERROR_NONE;
        assert_int_equal(aside_wait(&aside, &error), B10_REASON_IO);
        assert_string_equal(error.message, "it was slow");
    }
    assert_false(aside_is_going_on(&aside));
    assert_false(pthread_equal(slow.thread, pthread_self()));
    assert_int_equal(slow.seen, 1);
    assert_int_equal(progress.threads, 0);
}

static void a_failure_is_forgotten_by_the_next_one(void **state)
{
    (void)state;
    struct slow slow = {.may_end = true};
    struct aside aside = ASIDE_NONE;
    assert_int_equal(aside_wait(&aside, NULL), B10_REASON_OK);
    aside_begin(&aside, true, wait_and_fail, &slow, NULL);
    assert_int_equal(aside_wait(&aside, NULL), B10_REASON_IO);
    aside_begin(&aside, true, succeed, NULL, NULL);
    assert_int_equal(aside_wait(&aside, NULL), B10_REASON_OK);
}

static void what_is_not_to_run_beside_runs_here(void **state)
{
    (void)state;
    struct slow slow = {.may_end = true};
    struct aside aside = ASIDE_NONE;
    aside_begin(&aside, false, wait_and_fail, &slow, NULL);
    assert_false(aside_is_going_on(&aside));
    assert_true(pthread_equal(slow.thread, pthread_self()));
    assert_int_equal(aside_wait(&aside, NULL), B10_REASON_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_says_is_heard_by_the_wait),
        cmocka_unit_test(a_failure_is_forgotten_by_the_next_one),
        cmocka_unit_test(what_is_not_to_run_beside_runs_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
