/* When a merge adds nothing, or less, or writes everything afresh. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/guard.h"
#include "support/merging.h"

/* ---- limits ---- */

static void what_was_added_the_last_time_is_churn(void **state)
{
    struct replica replica;
    merging_begin(&replica, *state);
    scratch_random(*state, "local/03/random one", 10000, 1);
    merging_adds(&replica, 1, 0);
    assert_int_equal(unlink(scratch_path(*state, "local/03/random one")), 0);
    scratch_random(*state, "local/03/random two", 10190, 2);
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_CHURN);
    scratch_random(*state, "local/03/random two", 10300, 2);
    merging_adds(&replica, 1, 0);
    assert_int_equal(unlink(scratch_path(*state, "local/03/random two")), 0);
    scratch_random(*state, "local/new directory/random three", 10300, 3);
    merging_adds(&replica, 1, 1);
    replica_release(&replica);
}

static void a_server_that_never_settles_publishes_twice(void **state)
{
    struct replica replica;
    int published = 0;
    replica_init(&replica, *state);
    replica_set(&replica, "b10_save_mode", "merge");
    replica_set(&replica, "b10_load_mode", "merge");
    for (unsigned start = 0; start < 5; start++) {
        char name[64];
        snprintf(name, sizeof(name), "start %u", start);
        merging_aim(&replica, name);
        snprintf(name, sizeof(name), "start %u/early.py", start);
        scratch_text(*state, name, "the server has begun");
        OperationStatus loaded = replica_load(&replica);
        replica_assert(&replica, loaded, start == 0 ? B10_DOES_NOT_EXIST : B10_SUCCESS,
                       start == 0 ? B10_REASON_ABSENT : B10_REASON_OK);
        snprintf(name, sizeof(name), "start %u/graph/rewritten", start);
        scratch_random(*state, name, 500 + start, start);
        snprintf(name, sizeof(name), "start %u/graph/%08x", start, start * 2654435761U);
        scratch_random(*state, name, 30000 + start * 7, start);
        published += replica_save(&replica) == B10_SUCCESS;
    }
    assert_int_equal(published, 2);
    assert_int_equal(replica.error.code, B10_REASON_CHURN);
    replica_release(&replica);
}

static void after_eight_merges_it_is_written_afresh(void **state)
{
    struct replica replica;
    merging_begin(&replica, *state);
    for (uint32_t i = 1; i <= 8; i++) {
        char name[64];
        snprintf(name, sizeof(name), "local/new%u", i);
        scratch_random(*state, name, i * 1000, i);
        merging_adds(&replica, 1, 0);
        SCOPED(reader) struct reader archive = READER_CLOSED;
        merging_open(&replica, &archive);
        assert_int_equal(archive.manifest.merges, i);
    }
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_ALREADY_SAVED);
    assert_int_equal(unlink(scratch_path(*state, "local/new1")), 0);
    scratch_text(*state, "local/ninth", "the ninth");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.merged_files, 0);
    SCOPED(reader) struct reader archive = READER_CLOSED;
    merging_open(&replica, &archive);
    assert_int_equal(archive.manifest.merges, 0);
    merging_holds(&replica, "local");
    replica_release(&replica);
}

static void beyond_the_size_limit_only_what_is_new_is_published(void **state)
{
    struct replica replica;
    merging_begin(&replica, *state);
    replica_set(&replica, "max_cache_size_mb", "4");
    scratch_random(*state, "local/zz/new.bin", 2500000, 20);
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.merged_files, 0);
    assert_int_equal(replica.report.files, 1);
    scratch_random(*state, "expected/zz/new.bin", 2500000, 20);
    merging_intact(&replica);
    merging_aim(&replica, "other host");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(scratch_count(*state, "other host"), 2);
    assert_true(scratch_exists(*state, "other host/zz/new.bin"));
    replica_release(&replica);
}

static void beyond_the_size_limit_alone_it_is_too_large(void **state)
{
    struct replica replica;
    merging_begin(&replica, *state);
    replica_set(&replica, "max_cache_size_mb", "4");
    scratch_random(*state, "local/zz/new.bin", 6000000, 20);
    replica_assert(&replica, replica_save(&replica), B10_ERROR, B10_REASON_TOO_LARGE);
    merging_intact(&replica);
    replica_release(&replica);
}

static void beyond_64_times_the_limit_unpacked_only_what_is_new_is_published(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    replica_set(&replica, "b10_save_mode", "merge");
    replica_set(&replica, "max_cache_size_mb", "1");
    scratch_text(*state, "local/hole", "");
    assert_int_equal(truncate(scratch_path(*state, "local/hole"), 40 << 20), 0);
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    scratch_text(*state, "local/second", "");
    assert_int_equal(truncate(scratch_path(*state, "local/second"), 40 << 20), 0);
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.files, 1);
    assert_int_equal(replica.report.merged_files, 0);
    merging_intact(&replica);
    replica_release(&replica);
}

/* ---- what is left out ---- */

static void only_torn_files_are_nothing_to_add(void **state)
{
    struct replica replica;
    merging_begin(&replica, *state);
    scratch_text(*state, "local/torn.json", "{\"cut");
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_ALREADY_SAVED);
    merging_intact(&replica);
    replica_release(&replica);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_added_the_last_time_is_churn),
        TEST(a_server_that_never_settles_publishes_twice),
        TEST(after_eight_merges_it_is_written_afresh),
        TEST(beyond_the_size_limit_only_what_is_new_is_published),
        TEST(beyond_the_size_limit_alone_it_is_too_large),
        TEST(beyond_64_times_the_limit_unpacked_only_what_is_new_is_published),
        TEST(only_torn_files_are_nothing_to_add),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
