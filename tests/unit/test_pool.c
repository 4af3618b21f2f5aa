#include "par/pool.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/guard.h"
#include "support/scratch.h"
#include "support/stop.h"

enum { MANY = 5000 };

struct marks {
    _Atomic unsigned done[MANY];
    _Atomic unsigned tasks;
    _Atomic unsigned workers_seen[POOL_THREADS_MAX];
    _Atomic unsigned on_caller;
    pthread_t caller;
};

static struct marks *new_marks(void)
{
    struct marks *marks = calloc(1, sizeof(*marks));
    assert_non_null(marks);
    marks->caller = pthread_self();
    return marks;
}

static enum b10_reason mark(void *context, unsigned worker, size_t index, struct b10_error *error)
{
    (void)error;
    struct marks *marks = context;
    atomic_fetch_add(&marks->done[index], 1);
    atomic_fetch_add(&marks->tasks, 1);
    atomic_fetch_add(&marks->workers_seen[worker], 1);
    if (pthread_equal(pthread_self(), marks->caller))
        atomic_fetch_add(&marks->on_caller, 1);
    return B10_REASON_OK;
}

static void every_task_is_done_exactly_once(void **state)
{
    (void)state;
    static const unsigned threads[] = {0, 1, 2, 3, 8, 64, 1000};
    for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
        SCOPED(heap) struct marks *marks = new_marks();
        struct cancel cancel = CANCEL_CLEAR;
        assert_int_equal(pool_each(mark, marks, MANY, threads[i], &cancel, NULL, NULL),
                         B10_REASON_OK);
        for (size_t task = 0; task < MANY; task++)
            assert_int_equal(marks->done[task], 1);
        assert_false(cancel_tripped(&cancel));
    }
}

static void one_thread_means_the_callers_own(void **state)
{
    (void)state;
    SCOPED(heap) struct marks *marks = new_marks();
    struct cancel cancel = CANCEL_CLEAR;
    assert_int_equal(pool_each(mark, marks, 10, 1, &cancel, NULL, NULL), B10_REASON_OK);
    assert_int_equal(marks->on_caller, 10);
    assert_int_equal(marks->workers_seen[0], 10);
}

static void several_threads_never_include_the_callers(void **state)
{
    (void)state;
    SCOPED(heap) struct marks *marks = new_marks();
    struct cancel cancel = CANCEL_CLEAR;
    assert_int_equal(pool_each(mark, marks, 100, 2, &cancel, NULL, NULL), B10_REASON_OK);
    assert_int_equal(marks->on_caller, 0);
    assert_int_equal(marks->workers_seen[0] + marks->workers_seen[1], 100);
}

static void no_tasks_is_no_work(void **state)
{
    (void)state;
    SCOPED(heap) struct marks *marks = new_marks();
    struct cancel cancel = CANCEL_CLEAR;
    assert_int_equal(pool_each(mark, marks, 0, 8, &cancel, NULL, NULL), B10_REASON_OK);
    assert_int_equal(marks->tasks, 0);
}

struct source {
    unsigned next;
    unsigned count;
    unsigned fail_at; /* next fails here */
    _Atomic unsigned dirty;
    _Atomic unsigned out_of_order;
    _Atomic unsigned begun;
};

struct job {
    unsigned number;
    unsigned char rest[60];
};

static enum b10_reason source_next(void *context, void *task, bool *more, struct b10_error *error)
{
    struct source *source = context;
    struct job *job = task;
    static const unsigned char clean[60];
    if (job->number != 0 || memcmp(job->rest, clean, sizeof(clean)) != 0)
        atomic_fetch_add(&source->dirty, 1);
    if (source->next == source->fail_at)
        return error_set(error, B10_REASON_UNSAFE, "task %u cannot be taken", source->next);
    *more = source->next < source->count;
    job->number = source->next++;
    return B10_REASON_OK;
}

static enum b10_reason source_work(void *context, unsigned worker, void *task,
                                   struct b10_error *error)
{
    (void)worker, (void)error;
    struct source *source = context;
    struct job *job = task;
    atomic_fetch_add(&source->begun, 1);
    memset(job, 0xff, sizeof(*job));
    return B10_REASON_OK;
}

static const struct pool_work source_tasks = {sizeof(struct job), source_next, source_work};

static void a_task_is_zeroed_before_every_next(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 4; threads += 3) {
        struct source source = {.count = 500, .fail_at = 1000};
        struct cancel cancel = CANCEL_CLEAR;
        assert_int_equal(pool_run(&source_tasks, &source, threads, &cancel, NULL, NULL),
                         B10_REASON_OK);
        assert_int_equal(source.dirty, 0);
        assert_int_equal(source.begun, 500);
    }
}

static void a_failure_of_next_ends_the_run_with_its_message(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 4; threads += 3) {
        struct source source = {.count = 500, .fail_at = 7};
        struct cancel cancel = CANCEL_CLEAR;
        struct b10_error error = ERROR_NONE;
        assert_int_equal(pool_run(&source_tasks, &source, threads, &cancel, NULL, &error),
                         B10_REASON_UNSAFE);
        assert_string_equal(error.message, "task 7 cannot be taken");
        assert_int_equal(source.begun, 7);
        assert_int_equal(cancel_check(&cancel, NULL), B10_REASON_UNSAFE);
    }
}

static enum b10_reason fail_third(void *context, unsigned worker, size_t index,
                                  struct b10_error *error)
{
    (void)worker;
    atomic_fetch_add((_Atomic unsigned *)context, 1);
    return index == 3 ? error_set(error, B10_REASON_CORRUPT, "task %zu is damaged", index)
                      : B10_REASON_OK;
}

static void a_failed_task_ends_the_run_with_its_message(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 4; threads += 3) {
        _Atomic unsigned begun = 0;
        struct cancel cancel = CANCEL_CLEAR;
        struct b10_error error = ERROR_NONE;
        assert_int_equal(pool_each(fail_third, &begun, 1000000, threads, &cancel, NULL, &error),
                         B10_REASON_CORRUPT);
        assert_string_equal(error.message, "task 3 is damaged");
        assert_true(begun < 1000000);
        assert_int_equal(cancel_check(&cancel, NULL), B10_REASON_CORRUPT);
        if (threads == 1)
            assert_int_equal(begun, 4);
    }
}

static enum b10_reason fail_silently(void *context, unsigned worker, size_t index,
                                     struct b10_error *error)
{
    (void)context, (void)worker, (void)index, (void)error;
    return B10_REASON_IO;
}

static void a_failure_without_words_still_has_a_message(void **state)
{
    (void)state;
    struct cancel cancel = CANCEL_CLEAR;
    struct b10_error error = ERROR_NONE;
    assert_int_equal(pool_each(fail_silently, NULL, 3, 2, &cancel, NULL, &error), B10_REASON_IO);
    assert_string_equal(error.message, "no details are known");
}

struct chain {
    _Atomic int cause_told;
    struct cancel cancel;
};

/* Task 0 fails for a reason of its own only after task 1 has seen something stop and reported
 * CANCELLED. */
static enum b10_reason stop_and_cause(void *context, unsigned worker, size_t index,
                                      struct b10_error *error)
{
    (void)worker;
    struct chain *chain = context;
    if (index == 1)
        return error_set(error, B10_REASON_CANCELLED, "told to stop");
    while (!cancel_tripped(&chain->cancel))
        sched_yield();
    return error_set(error, B10_REASON_NO_SPACE, "the disk is full");
}

static void being_stopped_does_not_hide_what_stopped(void **state)
{
    (void)state;
    struct chain chain = {.cancel = CANCEL_CLEAR};
    struct b10_error error = ERROR_NONE;
    assert_int_equal(pool_each(stop_and_cause, &chain, 2, 2, &chain.cancel, NULL, &error),
                     B10_REASON_NO_SPACE);
    assert_string_equal(error.message, "the disk is full");
}

static void a_stop_sign_that_is_up_before_lets_nothing_begin(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 4; threads += 3) {
        SCOPED(heap) struct marks *marks = new_marks();
        struct cancel cancel = CANCEL_CLEAR;
        struct b10_error error = ERROR_NONE;
        stop_for(&cancel, B10_REASON_CANCELLED);
        assert_int_equal(pool_each(mark, marks, 100, threads, &cancel, NULL, &error),
                         B10_REASON_CANCELLED);
        assert_int_equal(marks->tasks, 0);
        assert_int_equal(error.code, B10_REASON_CANCELLED);
    }
}

static void a_stop_sign_tripped_elsewhere_gives_its_reason(void **state)
{
    (void)state;
    struct cancel cancel = CANCEL_CLEAR;
    struct b10_error error = ERROR_NONE;
    stop_for(&cancel, B10_REASON_NO_SPACE);
    SCOPED(heap) struct marks *marks = new_marks();
    assert_int_equal(pool_each(mark, marks, 100, 4, &cancel, NULL, &error), B10_REASON_NO_SPACE);
}

static int refuse(void *user, const struct b10_progress *progress)
{
    (void)progress;
    struct marks *marks = user;
    atomic_fetch_add(&marks->tasks, 1);
    return pthread_equal(pthread_self(), marks->caller) ? 1 : 0;
}

static enum b10_reason until_cancelled(void *context, unsigned worker, size_t index,
                                       struct b10_error *error)
{
    (void)worker, (void)index, (void)error;
    struct cancel *cancel = context;
    while (!cancel_tripped(cancel))
        sched_yield();
    return B10_REASON_OK;
}

static void the_callback_cancels_from_the_callers_thread(void **state)
{
    (void)state;
    SCOPED(heap) struct marks *marks = new_marks();
    struct progress progress = {.fn = refuse, .user = marks};
    struct cancel cancel = CANCEL_CLEAR;
    struct b10_error error = ERROR_NONE;
    assert_int_equal(pool_each(until_cancelled, &cancel, 8, 3, &cancel, &progress, &error),
                     B10_REASON_CANCELLED);
    assert_string_equal(error.message, "cancelled by the progress callback");
    assert_int_equal(marks->tasks, 1); /* not asked again */
}

static void the_callback_cancels_between_tasks_of_the_callers_thread(void **state)
{
    (void)state;
    SCOPED(heap) struct marks *marks = new_marks();
    struct progress progress = {.fn = refuse, .user = marks};
    struct source source = {.count = 100, .fail_at = 1000};
    struct cancel cancel = CANCEL_CLEAR;
    assert_int_equal(pool_run(&source_tasks, &source, 1, &cancel, &progress, NULL),
                     B10_REASON_CANCELLED);
    assert_int_equal(source.begun, 1);
}

static enum b10_reason look_at_signals(void *context, unsigned worker, size_t index,
                                       struct b10_error *error)
{
    (void)worker, (void)index, (void)error;
    _Atomic unsigned *open = context;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (int number = 1; number < 32; number++) { /* 32 and 33 are the C library's own */
        if (number != SIGKILL && number != SIGSTOP && sigismember(&mask, number) == 0)
            atomic_fetch_add(open, 1);
    }
    return B10_REASON_OK;
}

static void threads_block_every_signal_and_the_callers_mask_is_kept(void **state)
{
    (void)state;
    sigset_t before;
    sigset_t after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    _Atomic unsigned open = 0;
    struct cancel cancel = CANCEL_CLEAR;
    assert_int_equal(pool_each(look_at_signals, &open, 20, 3, &cancel, NULL, NULL), B10_REASON_OK);
    assert_int_equal(open, 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int number = 1; number <= SIGRTMAX; number++)
        assert_int_equal(sigismember(&before, number), sigismember(&after, number));
}

static size_t threads_of_this_process(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    assert_non_null(status);
    char line[256];
    size_t threads = 0;
    while (fgets(line, sizeof(line), status) != NULL && sscanf(line, "Threads: %zu", &threads) != 1)
        continue;
    fclose(status);
    return threads;
}

static void no_thread_and_no_descriptor_is_left(void **state)
{
    (void)state;
    size_t threads = threads_of_this_process();
    size_t descriptors = scratch_open_descriptors();
    for (unsigned round = 0; round < 50; round++) {
        SCOPED(heap) struct marks *marks = new_marks();
        struct cancel cancel = CANCEL_CLEAR;
        assert_int_equal(pool_each(mark, marks, 50, 8, &cancel, NULL, NULL), B10_REASON_OK);
    }
    assert_int_equal(scratch_open_descriptors(), descriptors);
    /* A joined thread may stand in the kernel's list for some microseconds more. */
    for (int look = 0; look < 100000 && threads_of_this_process() > threads; look++)
        sched_yield();
    assert_true(threads_of_this_process() <= threads);
}

static void *nothing(void *argument)
{
    return argument;
}

/* Exit code of a child in which no thread can be created. Root is not bound by RLIMIT_NPROC, so it
 * becomes nobody. */
static int child_without_threads(void)
{
    struct rlimit none = {1, 1};
    struct marks *marks = calloc(1, sizeof(*marks));
    marks->caller = pthread_self();
    struct cancel cancel = CANCEL_CLEAR;
    if ((geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) ||
        setrlimit(RLIMIT_NPROC, &none) != 0)
        return 77;
    pthread_t thread;
    if (pthread_create(&thread, NULL, nothing, NULL) == 0)
        return 77;
    if (pool_each(mark, marks, 100, 8, &cancel, NULL, NULL) != B10_REASON_OK)
        return 1;
    return marks->tasks == 100 && marks->on_caller == 100 ? 0 : 2;
}

static void without_threads_the_caller_does_the_work(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(child_without_threads());
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip(); /* this host does not limit threads */
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Waits without computing, as for a disk. */
static enum b10_reason wait_for_a_disk(void *context, unsigned worker, size_t index,
                                       struct b10_error *error)
{
    (void)poll(NULL, 0, 5);
    return mark(context, worker, index, error);
}

static void tasks_that_wait_bring_in_every_thread(void **state)
{
    (void)state;
    SCOPED(heap) struct marks *marks = new_marks();
    struct cancel cancel = CANCEL_CLEAR;
    assert_int_equal(pool_each(wait_for_a_disk, marks, 1000, POOL_THREADS_MAX, &cancel, NULL, NULL),
                     B10_REASON_OK);
    assert_true(marks->workers_seen[POOL_THREADS_MAX - 1] > 0);
}

enum { PARTIES = 32 };

static enum b10_reason meet_the_others(void *context, unsigned worker, size_t index,
                                       struct b10_error *error)
{
    (void)worker, (void)index, (void)error;
    (void)pthread_barrier_wait(context);
    return B10_REASON_OK;
}

/* A hung volume lets no task end, so nobody could tell that it waits. */
static void every_thread_comes_when_no_task_ends(void **state)
{
    (void)state;
    pthread_barrier_t barrier;
    assert_int_equal(pthread_barrier_init(&barrier, NULL, PARTIES), 0);
    struct cancel cancel = CANCEL_CLEAR;
    assert_int_equal(pool_each(meet_the_others, &barrier, PARTIES, PARTIES, &cancel, NULL, NULL),
                     B10_REASON_OK);
    pthread_barrier_destroy(&barrier);
}

static void zero_threads_means_as_many_as_processors(void **state)
{
    (void)state;
    cpu_set_t usable;
    assert_int_equal(sched_getaffinity(0, sizeof(usable), &usable), 0);
    assert_int_equal(pool_threads(0, 1024), CPU_COUNT(&usable));
    assert_int_equal(pool_threads(0, 1), 1);
    assert_int_equal(pool_threads(5, 64), 5);
    assert_int_equal(pool_threads(500, 64), 64);
    assert_int_equal(pool_threads(1, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_is_done_exactly_once),
        cmocka_unit_test(one_thread_means_the_callers_own),
        cmocka_unit_test(several_threads_never_include_the_callers),
        cmocka_unit_test(no_tasks_is_no_work),
        cmocka_unit_test(a_task_is_zeroed_before_every_next),
        cmocka_unit_test(a_failure_of_next_ends_the_run_with_its_message),
        cmocka_unit_test(a_failed_task_ends_the_run_with_its_message),
        cmocka_unit_test(a_failure_without_words_still_has_a_message),
        cmocka_unit_test(being_stopped_does_not_hide_what_stopped),
        cmocka_unit_test(a_stop_sign_that_is_up_before_lets_nothing_begin),
        cmocka_unit_test(a_stop_sign_tripped_elsewhere_gives_its_reason),
        cmocka_unit_test(the_callback_cancels_from_the_callers_thread),
        cmocka_unit_test(the_callback_cancels_between_tasks_of_the_callers_thread),
        cmocka_unit_test(threads_block_every_signal_and_the_callers_mask_is_kept),
        cmocka_unit_test(no_thread_and_no_descriptor_is_left),
        cmocka_unit_test(without_threads_the_caller_does_the_work),
        cmocka_unit_test(tasks_that_wait_bring_in_every_thread),
        cmocka_unit_test(every_thread_comes_when_no_task_ends),
        cmocka_unit_test(zero_threads_means_as_many_as_processors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
