/* The flow beside a server that starts at the same moment: the host says when it is ready. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/merging.h"

/* Compiles when it is asked for the second time, then it is ready. */
struct host {
    const struct scratch *scratch;
    const char *compiles; /* NULL: nothing */
    unsigned asked;
    unsigned ready_at;
    int instead; /* said in place of "ready" */
    pthread_t thread;
};

static int is_ready(void *user)
{
    struct host *host = user;
    if (!pthread_equal(pthread_self(), host->thread))
        fail_msg("asked on another thread");
    if (++host->asked < host->ready_at)
        return 0;
    if (host->compiles != NULL)
        scratch_text(host->scratch, host->compiles, "compiled");
    return host->instead != 0 ? host->instead : 1;
}

struct outcome {
    b10_report load;
    b10_report save;
    b10_serve_report serve;
};

static OperationStatus serve(struct replica *replica, struct host *host, struct outcome *outcome)
{
    *outcome = (struct outcome){.load = B10_INIT(b10_report),
                                .save = B10_INIT(b10_report),
                                .serve = B10_INIT(b10_serve_report)};
    outcome->serve.load = &outcome->load;
    outcome->serve.save = &outcome->save;
    host->thread = pthread_self();
    replica_set(replica, "b10_cache_kind", "inductor"); /* as what the tests save and load */
    replica->options.ready = is_ready;
    replica->options.ready_user = host;
    const OperationStatus status = b10_serve_flow(replica_config(replica), &replica->options,
                                                  &outcome->serve, &replica->error);
    replica->report.reason = outcome->serve.reason; /* replica_assert compares it */
    return status;
}

static void begin(struct replica *replica, const struct scratch *scratch)
{
    replica_init(replica, scratch);
    replica_set(replica, "b10_transfer_interval_s", "1");
    replica_set(replica, "b10_transfer_timeout_s", "20");
}

static void the_first_replica_is_cold_the_next_is_warm(void **state)
{
    struct replica replica;
    struct outcome outcome;
    struct host host = {.scratch = *state, .compiles = "local/aa/new.py", .ready_at = 2};
    begin(&replica, *state);
    replica_assert(&replica, serve(&replica, &host, &outcome), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(outcome.serve.load_status, B10_DOES_NOT_EXIST);
    assert_int_equal(outcome.serve.load_reason, B10_REASON_ABSENT);
    assert_int_equal(outcome.serve.save_status, B10_SUCCESS);
    assert_int_equal(outcome.serve.warmth, B10_WARMTH_COLD);
    assert_int_equal(outcome.serve.tries, 2);
    assert_int_equal(outcome.serve.phases, 15);
    assert_int_equal(outcome.serve.quiet, 1);
    assert_int_equal(outcome.save.files, 1);
    assert_true(outcome.serve.wait_ns >= 1000000000 && outcome.serve.settle_ns >= 5000000000U);
    assert_non_null(strstr(outcome.serve.verdict, "cold: no cache was stored"));
    assert_true(outcome.serve.load_message[0] != 0);

    assert_int_equal(system("rm -r \"$B10_TEST_LOCAL\""), 0);
    host = (struct host){.scratch = *state, .ready_at = 1};
    replica_assert(&replica, serve(&replica, &host, &outcome), B10_SKIPPED,
                   B10_REASON_ALREADY_SAVED);
    assert_int_equal(outcome.serve.load_status, B10_SUCCESS);
    assert_int_equal(outcome.load.files, 1);
    assert_int_equal(outcome.serve.warmth, B10_WARMTH_WARM);
    assert_string_equal(outcome.serve.verdict, "warm: 1 of 1 files from the cache");
    assert_int_equal(outcome.serve.save_reason, B10_REASON_ALREADY_SAVED);
    replica_release(&replica);
}

static void what_a_warm_server_adds_is_said_and_saved(void **state)
{
    struct replica replica;
    struct outcome outcome;
    struct host host = {.scratch = *state, .compiles = "local/entry/new.py", .ready_at = 1};
    merging_begin(&replica, *state);
    replica_set(&replica, "b10_transfer_interval_s", "1");
    replica_assert(&replica, serve(&replica, &host, &outcome), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(outcome.serve.warmth, B10_WARMTH_PARTLY);
    assert_int_equal(outcome.serve.new_files, 1);
    assert_int_equal(outcome.serve.new_directories, 1);
    assert_non_null(strstr(outcome.serve.verdict, "partly: 1 new files in 1 entries, 54 of 55"));
    assert_int_equal(outcome.save.files, 1);
    assert_int_equal(outcome.save.merged_files, 54);
    assert_non_null(strstr(replica.log, "\n2 partly: "));
    replica_release(&replica);
}

/* ---- what goes wrong ---- */

static void a_load_that_fails_does_not_keep_from_saving(void **state)
{
    struct replica replica;
    struct outcome outcome;
    struct host host = {.scratch = *state, .compiles = "local/entry/new.py", .ready_at = 1};
    merging_begin(&replica, *state);
    assert_int_equal(truncate(replica_archive(&replica), 1000), 0);
    replica_assert(&replica, serve(&replica, &host, &outcome), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(outcome.serve.load_reason, B10_REASON_CORRUPT);
    assert_int_equal(outcome.serve.warmth, B10_WARMTH_COLD);
    replica_release(&replica);
}

static void nothing_is_saved_before_the_server_is_ready(void **state)
{
    struct replica replica;
    struct outcome outcome;
    struct host host = {.scratch = *state, .ready_at = 1000};
    begin(&replica, *state);
    replica_set(&replica, "b10_transfer_timeout_s", "2");
    scratch_text(*state, "local/half.py", "half");
    replica_assert(&replica, serve(&replica, &host, &outcome), B10_ERROR, B10_REASON_TIMEOUT);
    assert_int_equal(outcome.serve.ready, 0);
    assert_int_equal(outcome.serve.save_status, 0);
    assert_int_equal(outcome.serve.phases, B10_SERVE_LOAD | B10_SERVE_WAIT);
    assert_int_equal(replica_volume_entries(&replica), 0);
    replica_release(&replica);
}

static void a_host_without_hope_ends_the_flow(void **state)
{
    struct replica replica;
    struct outcome outcome;
    struct host host = {.scratch = *state, .ready_at = 1, .instead = -1};
    begin(&replica, *state);
    replica_assert(&replica, serve(&replica, &host, &outcome), B10_ERROR, B10_REASON_CANCELLED);
    replica_release(&replica);
}

static void off_is_said_at_once(void **state)
{
    struct replica replica;
    struct outcome outcome;
    struct host host = {.scratch = *state, .ready_at = 1};
    begin(&replica, *state);
    replica_set(&replica, "baseten_fs_enabled", "0");
    replica_assert(&replica, serve(&replica, &host, &outcome), B10_ERROR, B10_REASON_DISABLED);
    assert_int_equal(host.asked, 0);
    replica_release(&replica);
}

/* ---- phases ---- */

static void phases_can_be_called_one_by_one(void **state)
{
    struct replica replica;
    struct outcome outcome;
    struct host host = {.scratch = *state, .compiles = "local/entry/new.py", .ready_at = 1};
    merging_begin(&replica, *state);
    replica.options.serve_phases = B10_SERVE_LOAD;
    replica_assert(&replica, serve(&replica, &host, &outcome), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(host.asked, 0);
    assert_int_equal(outcome.serve.phases, B10_SERVE_LOAD);
    assert_string_equal(outcome.serve.verdict, "");
    replica.options.serve_phases = B10_SERVE_WAIT | B10_SERVE_SAVE;
    replica_assert(&replica, serve(&replica, &host, &outcome), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(outcome.serve.load_status, 0);
    assert_int_equal(outcome.save.files, 1);
    replica.options.serve_phases = 16;
    replica_assert(&replica, serve(&replica, &host, &outcome), B10_ERROR, B10_REASON_INTERNAL);
    replica_release(&replica);
}

static int stop_in_phase(void *user, const b10_progress *progress)
{
    return strcmp(progress->phase, user) == 0;
}

static void each_phase_can_be_cancelled(void **state)
{
    static const char *const phases[] = {"load", "wait", "settle", "compare", "save"};
    for (size_t i = 0; i < 5; i++) {
        struct replica replica;
        struct outcome outcome;
        struct host host = {.scratch = *state, .ready_at = 1};
        begin(&replica, *state);
        scratch_text(*state, "local/a.py", "a");
        replica.options.progress = stop_in_phase;
        replica.options.progress_user = (void *)(uintptr_t)phases[i];
        replica_assert(&replica, serve(&replica, &host, &outcome), B10_ERROR, B10_REASON_CANCELLED);
        assert_int_equal(replica_volume_entries(&replica), 0);
        replica_release(&replica);
        assert_int_equal(rmdir(scratch_path(*state, "volume")), 0);
    }
}

/* Whatever the torch calls have: a server is vLLM unless it is said. */
static void what_is_not_set_means_vllm(void **state)
{
    struct replica replica;
    b10_report save = B10_INIT(b10_report);
    b10_serve_report report = B10_INIT(b10_serve_report);
    begin(&replica, *state);
    replica_set(&replica, "vllm_cache_root", scratch_path(*state, "vllm"));
    scratch_text(*state, "vllm/torch_compile_cache/a.py", "a");
    scratch_text(*state, "local/b.py", "b");
    replica.options.serve_phases = B10_SERVE_SAVE;
    report.save = &save;
    assert_int_equal(b10_serve_flow(replica_config(&replica), &replica.options, &report, NULL),
                     B10_SUCCESS);
    assert_int_equal(strncmp(save.environment_key, "vllm-", 5), 0);
    assert_string_equal(save.destination, scratch_path(*state, "vllm"));
    assert_int_equal(save.files, 1);
    replica_release(&replica);
}

/* ---- misuse ---- */

static void a_report_needs_its_size(void **state)
{
    struct replica replica;
    b10_report load = B10_INIT(b10_report);
    b10_serve_report report = B10_INIT(b10_serve_report);
    begin(&replica, *state);
    report.struct_size = 8;
    assert_int_equal(b10_serve_flow(replica_config(&replica), NULL, &report, &replica.error),
                     B10_ERROR);
    assert_int_equal(replica.error.code, B10_REASON_INTERNAL);
    report.struct_size = sizeof(report);
    report.load = &load;
    load.struct_size = 4;
    assert_int_equal(b10_serve_flow(replica_config(&replica), NULL, &report, &replica.error),
                     B10_ERROR);
    assert_int_equal(replica.error.code, B10_REASON_INTERNAL);
    replica_release(&replica);
}

static int setup(void **state)
{
    if (scratch_setup(state) != 0)
        return -1;
    return setenv("B10_TEST_LOCAL", scratch_path(*state, "local"), 1);
}

#define FLOW_TEST(name) cmocka_unit_test_setup_teardown(name, setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(the_first_replica_is_cold_the_next_is_warm),
        FLOW_TEST(what_a_warm_server_adds_is_said_and_saved),
        FLOW_TEST(a_load_that_fails_does_not_keep_from_saving),
        FLOW_TEST(nothing_is_saved_before_the_server_is_ready),
        FLOW_TEST(a_host_without_hope_ends_the_flow),
        FLOW_TEST(off_is_said_at_once),
        FLOW_TEST(phases_can_be_called_one_by_one),
        FLOW_TEST(each_phase_can_be_cancelled),
        FLOW_TEST(what_is_not_set_means_vllm),
        FLOW_TEST(a_report_needs_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
