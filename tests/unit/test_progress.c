#include "base/progress.h"

#include <string.h>

#include "base/clock.h"
#include "support/scratch.h"

/* The clock stands still unless a test moves it. */
static uint64_t now_ns;

uint64_t clock_now_ns(void)
{
    return now_ns;
}

int64_t clock_epoch_s(void)
{
    return 0;
}

static void pass_ms(uint64_t ms)
{
    now_ns += ms * 1000000;
}

struct listener {
    unsigned calls;
    int answer;
    struct b10_progress last;
};

static int listen(void *user, const struct b10_progress *progress)
{
    struct listener *listener = user;
    listener->calls++;
    listener->last = *progress;
    return listener->answer;
}

static void a_phase_starts_with_a_report_of_its_totals(void **state)
{
    (void)state;
    struct listener listener = {0};
    struct progress progress = {.fn = listen, .user = &listener};
    progress_add(&progress, 5, 6);
    assert_int_equal(progress_phase(&progress, "pack", 100, 10, NULL), B10_REASON_OK);
    assert_int_equal(listener.calls, 1);
    assert_string_equal(listener.last.phase, "pack");
    assert_int_equal(listener.last.struct_size, sizeof(struct b10_progress));
    assert_int_equal(listener.last.bytes_done, 0);
    assert_int_equal(listener.last.bytes_total, 100);
    assert_int_equal(listener.last.files_done, 0);
    assert_int_equal(listener.last.files_total, 10);
    assert_int_equal(listener.last.phase_is_final, 0);
}

static void ticks_report_once_per_interval(void **state)
{
    (void)state;
    struct listener listener = {0};
    struct progress progress = {.fn = listen, .user = &listener};
    assert_int_equal(progress_phase(&progress, "pack", 0, 0, NULL), B10_REASON_OK);
    progress_add(&progress, 7, 1);
    progress_add(&progress, 8, 1);
    pass_ms(PROGRESS_INTERVAL_MS - 1);
    assert_int_equal(progress_tick(&progress, NULL), B10_REASON_OK);
    assert_int_equal(listener.calls, 1);
    pass_ms(1);
    assert_int_equal(progress_tick(&progress, NULL), B10_REASON_OK);
    assert_int_equal(progress_tick(&progress, NULL), B10_REASON_OK);
    assert_int_equal(listener.calls, 2);
    assert_int_equal(listener.last.bytes_done, 15);
    assert_int_equal(listener.last.files_done, 2);
}

static void an_answer_other_than_zero_cancels(void **state)
{
    (void)state;
    struct listener listener = {.answer = -1};
    struct progress progress = {.fn = listen, .user = &listener};
    struct b10_error error = ERROR_NONE;
    assert_int_equal(progress_phase(&progress, "pack", 0, 0, &error), B10_REASON_CANCELLED);
    assert_string_equal(error.message, "cancelled by the progress callback");
    assert_int_equal(progress_tick(&progress, &error), B10_REASON_OK);
    pass_ms(PROGRESS_INTERVAL_MS);
    assert_int_equal(progress_tick(&progress, &error), B10_REASON_CANCELLED);
}

static void the_final_report_says_so_and_its_answer_is_ignored(void **state)
{
    (void)state;
    struct listener listener = {0};
    struct progress progress = {.fn = listen, .user = &listener};
    assert_int_equal(progress_phase(&progress, "install", 0, 0, NULL), B10_REASON_OK);
    progress_add(&progress, 3, 1);
    listener.answer = 1;
    progress_final(&progress);
    assert_int_equal(listener.calls, 2);
    assert_int_equal(listener.last.phase_is_final, 1);
    assert_int_equal(listener.last.bytes_done, 3);
}

static void nobody_needs_to_listen(void **state)
{
    (void)state;
    struct progress progress = {0};
    assert_int_equal(progress_phase(&progress, "pack", 9, 0, NULL), B10_REASON_OK);
    progress_add(&progress, 1, 1);
    pass_ms(PROGRESS_INTERVAL_MS);
    assert_int_equal(progress_tick(&progress, NULL), B10_REASON_OK);
    progress_final(&progress);
    assert_int_equal(progress_phase(NULL, "pack", 0, 0, NULL), B10_REASON_OK);
    assert_int_equal(progress_tick(NULL, NULL), B10_REASON_OK);
    progress_add(NULL, 1, 1);
    progress_final(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_phase_starts_with_a_report_of_its_totals),
        cmocka_unit_test(ticks_report_once_per_interval),
        cmocka_unit_test(an_answer_other_than_zero_cancels),
        cmocka_unit_test(the_final_report_says_so_and_its_answer_is_ignored),
        cmocka_unit_test(nobody_needs_to_listen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
