#include "par/job.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "support/scratch.h"
#include "support/stop.h"

/* The caller's clock, which a task moves. */
static _Atomic uint64_t now_ns = 1;

uint64_t clock_now_ns(void)
{
    return atomic_load(&now_ns);
}

int64_t clock_epoch_s(void)
{
    return 0;
}

static void pass_ms(uint64_t ms)
{
    atomic_fetch_add(&now_ns, ms * 1000000);
}

/* A door that a task may stand before, as in a system call that does not return. */
struct door {
    pthread_mutex_t lock;
    bool open;
};

static struct door door = {PTHREAD_MUTEX_INITIALIZER, false};

static bool is_open(void)
{
    pthread_mutex_lock(&door.lock);
    const bool open = door.open;
    pthread_mutex_unlock(&door.lock);
    return open;
}

static void wait_a_moment(void)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    nanosleep(&moment, NULL);
}

static void move_door(bool open)
{
    pthread_mutex_lock(&door.lock);
    door.open = open;
    pthread_mutex_unlock(&door.lock);
}

struct state {
    enum b10_reason (*run)(struct state *state, struct log *log, struct progress *progress,
                           struct b10_error *error);
    pthread_t thread;
    enum b10_reason after_door; /* what the stop sign said when the door opened */
    _Atomic int *released;      /* the test's */
};

static enum b10_reason run(void *memory, struct log *log, struct progress *progress,
                           struct b10_error *error)
{
    struct state *state = memory;
    state->thread = pthread_self();
    return state->run(state, log, progress, error);
}

static void release(void *memory)
{
    struct state *state = memory;
    atomic_store(state->released, 1 + (int)state->after_door);
    free(state);
}

static const struct job_task task = {run, release};

static _Atomic int released;

static struct state *new_state(enum b10_reason (*function)(struct state *, struct log *,
                                                           struct progress *, struct b10_error *))
{
    struct state *state = calloc(1, sizeof(*state));
    assert_non_null(state);
    *state = (struct state){.run = function, .released = &released};
    atomic_store(&released, 0);
    return state;
}

/* What the caller hears, and on which thread. */
struct caller {
    pthread_t thread;
    char lines[400];
    char phases[400];
    int answer;
    unsigned calls;
    _Atomic bool cancelled;
};

static void hear(void *user, b10_log_level level, const char *message)
{
    struct caller *caller = user;
    assert_true(pthread_equal(pthread_self(), caller->thread));
    size_t used = strlen(caller->lines);
    snprintf(caller->lines + used, sizeof(caller->lines) - used, "%d %s\n", (int)level, message);
}

static int follow(void *user, const b10_progress *progress)
{
    struct caller *caller = user;
    assert_true(pthread_equal(pthread_self(), caller->thread));
    size_t used = strlen(caller->phases);
    snprintf(caller->phases + used, sizeof(caller->phases) - used, "%s%s ", progress->phase,
             progress->phase_is_final ? "!" : "");
    caller->calls++;
    return caller->answer;
}

static bool asks_to_stop(const void *user)
{
    const struct caller *caller = user;
    return atomic_load(&caller->cancelled);
}

static struct job_listener listener(struct caller *caller)
{
    *caller = (struct caller){.thread = pthread_self()};
    return (struct job_listener){hear, caller, follow, caller, asks_to_stop, caller};
}

/* ---- tasks ---- */

static enum b10_reason talks(struct state *state, struct log *log, struct progress *progress,
                             struct b10_error *error)
{
    (void)state;
    log_info(log, "one");
    TRY(progress_phase(progress, "first", 0, 0, error));
    log_warn(log, "two");
    TRY(progress_phase(progress, "second", 0, 0, error));
    progress_final(progress);
    return B10_REASON_OK;
}

static enum b10_reason fails(struct state *state, struct log *log, struct progress *progress,
                             struct b10_error *error)
{
    (void)state, (void)log, (void)progress;
    return error_set(error, B10_REASON_CORRUPT, "it is damaged");
}

/* Time goes by, and nothing moves: as inside a call that does not return. */
static enum b10_reason never_asks(struct state *state, struct log *log, struct progress *progress,
                                  struct b10_error *error)
{
    (void)log;
    TRY(progress_phase(progress, "unpack", 0, 0, error));
    while (!is_open()) {
        pass_ms(200);
        wait_a_moment();
    }
    state->after_door = progress_check(progress, NULL);
    return progress_phase(progress, "install", 0, 0, error);
}

static enum b10_reason stops_when_told(struct state *state, struct log *log,
                                       struct progress *progress, struct b10_error *error)
{
    (void)state, (void)log;
    progress_limit(progress, 5);
    pass_ms(5000);
    while (progress_step(progress, error) == B10_REASON_OK)
        wait_a_moment();
    return progress_check(progress, error);
}

static enum b10_reason waits_for_the_wish(struct state *state, struct log *log,
                                          struct progress *progress, struct b10_error *error)
{
    (void)state, (void)log;
    while (progress_check(progress, error) == B10_REASON_OK) {
        pass_ms(1);
        wait_a_moment();
    }
    return progress_check(progress, error);
}

/* ---- tests ---- */

static void lines_and_phases_reach_the_caller_on_its_thread_in_order(void **unused)
{
    (void)unused;
    struct caller caller;
    const struct job_listener ears = listener(&caller);
    struct state *state = new_state(talks);
    unsigned left = 9;
    assert_int_equal(job_run(&task, state, &ears, "/volume", &left, NULL), B10_REASON_OK);
    assert_int_equal(left, 0);
    assert_string_equal(caller.lines, "2 one\n1 two\n");
    assert_string_equal(caller.phases, "first second second! ");
    assert_false(pthread_equal(state->thread, pthread_self()));
    assert_int_equal(released, 0); /* the state is the caller's again */
    free(state);
}

static void a_failure_keeps_its_words(void **unused)
{
    (void)unused;
    struct caller caller;
    const struct job_listener ears = listener(&caller);
    struct b10_error error = ERROR_NONE;
    struct state *state = new_state(fails);
    unsigned left;
    assert_int_equal(job_run(&task, state, &ears, "/volume", &left, &error), B10_REASON_CORRUPT);
    assert_string_equal(error.message, "it is damaged");
    free(state);
}

static void nobody_needs_to_listen(void **unused)
{
    (void)unused;
    const struct job_listener nobody = {0};
    struct state *state = new_state(talks);
    unsigned left;
    assert_int_equal(job_run(&task, state, &nobody, "/volume", &left, NULL), B10_REASON_OK);
    free(state);
}

static void a_silent_volume_is_left_behind_and_nothing_is_done_when_it_answers(void **unused)
{
    (void)unused;
    struct caller caller;
    const struct job_listener ears = listener(&caller);
    struct b10_error error = ERROR_NONE;
    unsigned left = 0;
    move_door(false);
    struct state *state = new_state(never_asks);
    assert_int_equal(job_run(&task, state, &ears, "/volume", &left, &error), B10_REASON_TIMEOUT);
    assert_int_equal(left, 1);
    assert_string_equal(error.message, "'/volume' has not answered for 60 s, in phase unpack");
    assert_int_equal(released, 0);
    const unsigned calls = caller.calls;
    move_door(true);
    for (int i = 0; i < 5000 && atomic_load(&released) == 0; i++)
        wait_a_moment();
    assert_int_equal(released, 1 + B10_REASON_TIMEOUT);
    assert_int_equal(caller.calls, calls); /* its next phase reached nobody */
}

/* The whole process stood still: no look, no answer, and then both at once. */
static enum b10_reason is_frozen_once(struct state *state, struct log *log,
                                      struct progress *progress, struct b10_error *error)
{
    (void)state, (void)log;
    TRY(progress_phase(progress, "unpack", 0, 0, error));
    pass_ms((uint64_t)JOB_QUIET_S * 2000);
    for (int i = 0; i < 300; i++)
        wait_a_moment();
    return progress_step(progress, error);
}

static void a_process_that_was_frozen_does_not_take_the_volume_for_silent(void **unused)
{
    (void)unused;
    struct caller caller;
    const struct job_listener ears = listener(&caller);
    unsigned left = 9;
    struct state *state = new_state(is_frozen_once);
    assert_int_equal(job_run(&task, state, &ears, "/volume", &left, NULL), B10_REASON_OK);
    assert_int_equal(left, 0);
    free(state);
}

static void a_limit_counts_although_everything_moves(void **unused)
{
    (void)unused;
    struct caller caller;
    const struct job_listener ears = listener(&caller);
    struct b10_error error = ERROR_NONE;
    unsigned left = 9;
    struct state *state = new_state(stops_when_told);
    assert_int_equal(job_run(&task, state, &ears, "/volume", &left, &error), B10_REASON_TIMEOUT);
    assert_int_equal(left, 0); /* it ended by itself */
    assert_string_equal(error.message, "'/volume': not done after 5 s");
    free(state);
}

static void the_callers_wish_stops_it(void **unused)
{
    (void)unused;
    struct caller caller;
    const struct job_listener ears = listener(&caller);
    struct b10_error error = ERROR_NONE;
    unsigned left = 9;
    struct state *state = new_state(waits_for_the_wish);
    atomic_store(&caller.cancelled, true);
    assert_int_equal(job_run(&task, state, &ears, "/volume", &left, &error), B10_REASON_CANCELLED);
    assert_string_equal(error.message, "cancelled by b10_cancel");
    assert_int_equal(left, 0);
    free(state);
}

static void the_callbacks_answer_stops_it_at_a_phase_and_between(void **unused)
{
    (void)unused;
    struct caller caller;
    const struct job_listener ears = listener(&caller);
    struct b10_error error = ERROR_NONE;
    unsigned left = 9;
    struct state *state = new_state(talks);
    caller.answer = 1;
    assert_int_equal(job_run(&task, state, &ears, "/volume", &left, &error), B10_REASON_CANCELLED);
    assert_string_equal(caller.phases, "first ");
    assert_string_equal(error.message, "cancelled by the progress callback");
    free(state);
    state = new_state(waits_for_the_wish);
    assert_int_equal(job_run(&task, state, &ears, "/volume", &left, &error), B10_REASON_CANCELLED);
    free(state);
}

static enum b10_reason asks_for_signals(struct state *state, struct log *log,
                                        struct progress *progress, struct b10_error *error)
{
    (void)state, (void)log, (void)progress;
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    if (sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGUSR1) == 1)
        return B10_REASON_OK;
    return error_set(error, B10_REASON_INTERNAL, "signals are open");
}

static void no_signal_reaches_its_thread_and_the_callers_mask_stays(void **unused)
{
    (void)unused;
    const struct job_listener nobody = {0};
    sigset_t blocked;
    unsigned left;
    struct state *state = new_state(asks_for_signals);
    assert_int_equal(job_run(&task, state, &nobody, "/volume", &left, NULL), B10_REASON_OK);
    free(state);
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    assert_int_equal(sigismember(&blocked, SIGTERM), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_and_phases_reach_the_caller_on_its_thread_in_order),
        cmocka_unit_test(a_failure_keeps_its_words),
        cmocka_unit_test(nobody_needs_to_listen),
        cmocka_unit_test(a_silent_volume_is_left_behind_and_nothing_is_done_when_it_answers),
        cmocka_unit_test(a_process_that_was_frozen_does_not_take_the_volume_for_silent),
        cmocka_unit_test(a_limit_counts_although_everything_moves),
        cmocka_unit_test(the_callers_wish_stops_it),
        cmocka_unit_test(the_callbacks_answer_stops_it_at_a_phase_and_between),
        cmocka_unit_test(no_signal_reaches_its_thread_and_the_callers_mask_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
