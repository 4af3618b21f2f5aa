#include "cache/gather.h"

#include <stdatomic.h>
#include <stdio.h>

#include "support/scratch.h"

enum { FILES = 3, MANY = 2000 };

static struct b10_error error = ERROR_NONE;

/* A local directory of files that are alike, and an operation that gathers it. */
struct host {
    char local[512];
    struct settings settings;
    struct log log;
    struct cancel stop;
    struct progress progress;
    struct gather gather;
    _Atomic unsigned phases;
};

static int count_phase(void *user, const b10_progress *report)
{
    struct host *host = user;
    (void)report;
    host->phases++;
    return 0;
}

static void host_init(struct host *host, struct scratch *scratch, unsigned files)
{
    *host = (struct host){.log = {.fn = NULL}, .stop = CANCEL_CLEAR, .gather = GATHER_NONE};
    snprintf(host->local, sizeof(host->local), "%s", scratch_path(scratch, "local"));
    host->settings = (struct settings){.local_dir = host->local, .kind = "inductor", .threads = 2};
    host->progress = (struct progress){.fn = count_phase,
                                       .user = host,
                                       .handed_over = true,
                                       .stop = &host->stop};
    for (unsigned i = 0; i < files; i++) {
        char name[64];
        snprintf(name, sizeof(name), "local/%u/%u.py", i % 100, i);
        scratch_text(scratch, name, "all the same");
    }
}

static void begin(struct host *host, bool compares)
{
    assert_int_equal(gather_begin(&host->gather, &host->settings, compares, &host->log,
                                  &host->progress, &error),
                     0);
}

static size_t duplicates(const struct tree *tree)
{
    size_t count = 0;
    for (size_t i = 0; i < tree->item_count; i++)
        count += tree->items[i].original != TREE_NO_ORIGINAL;
    return count;
}

static void assert_gathered(struct host *host)
{
    assert_int_equal(gather_wait(&host->gather, &error), 0);
    assert_int_equal(gather_wait(&host->gather, &error), 0);
    assert_int_equal(host->gather.tree.files, FILES);
}

static void the_tree_is_complete_after_the_wait(void **state)
{
    struct host host;
    host_init(&host, *state, FILES);
    begin(&host, true);
    assert_true(aside_is_going_on(&host.gather.aside));
    assert_gathered(&host);
    assert_int_equal(duplicates(&host.gather.tree), FILES - 1);
    assert_int_equal(host.phases, 2); /* scan, compare */
    assert_int_equal(host.progress.threads, 0);
    gather_release(&host.gather);
}

static void nothing_is_compared_unless_asked(void **state)
{
    struct host host;
    host_init(&host, *state, FILES);
    begin(&host, false);
    assert_gathered(&host);
    assert_int_equal(host.phases, 1);
    gather_release(&host.gather);
}

static void callbacks_that_run_on_the_callers_thread_leave_it_there(void **state)
{
    struct host host;
    host_init(&host, *state, FILES);
    host.progress.handed_over = false;
    begin(&host, true);
    assert_false(aside_is_going_on(&host.gather.aside));
    assert_gathered(&host);
    gather_release(&host.gather);
}

static void what_went_wrong_is_said_by_the_wait(void **state)
{
    struct host host;
    host_init(&host, *state, 0);
    begin(&host, true);
    for (int again = 0; again < 2; again++)
        assert_int_equal(gather_wait(&host.gather, &error), B10_REASON_NOTHING_LOCAL);
    gather_release(&host.gather);
}

static void a_stopped_operation_gathers_nothing(void **state)
{
    struct host host;
    struct b10_error why = ERROR_NONE;
    host_init(&host, *state, FILES);
    error_set(&why, B10_REASON_TIMEOUT, "too late");
    cancel_trip(&host.stop, &why);
    assert_int_equal(gather_begin(&host.gather, &host.settings, true, &host.log, &host.progress,
                                  &error),
                     B10_REASON_TIMEOUT);
    gather_release(&host.gather);
}

/* By far not all of it is looked at. */
static void nobody_waits_for_what_is_not_wanted_any_more(void **state)
{
    struct host host;
    host_init(&host, *state, MANY);
    begin(&host, false);
    gather_release(&host.gather);
    assert_true(host.progress.moves < MANY);
    assert_int_equal(host.progress.threads, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_tree_is_complete_after_the_wait),
        TEST(nothing_is_compared_unless_asked),
        TEST(callbacks_that_run_on_the_callers_thread_leave_it_there),
        TEST(what_went_wrong_is_said_by_the_wait),
        TEST(a_stopped_operation_gathers_nothing),
        TEST(nobody_waits_for_what_is_not_wanted_any_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
