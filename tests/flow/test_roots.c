/* The root `headers`, which PyTorch keeps below its default directory even when the main root is
 * elsewhere. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/replica.h"

static void set_roots(struct replica *replica, const char *main_root, const char *headers)
{
    char roots[4400];
    snprintf(roots, sizeof(roots), "headers=%s", scratch_path(replica->scratch, headers));
    replica_set(replica, "torchinductor_cache_dir", scratch_path(replica->scratch, main_root));
    replica_set(replica, "b10_cache_roots", roots);
}

static void save_from(struct replica *replica, const char *main_root, const char *headers)
{
    char name[300];
    replica_fill(replica, main_root);
    snprintf(name, sizeof(name), "%s/cabc.h.gch", headers);
    scratch_random(replica->scratch, name, 2500000, 3);
    snprintf(name, sizeof(name), "%s/deep/cabc.h", headers);
    scratch_text(replica->scratch, name, "#pragma once\n");
    set_roots(replica, main_root, headers);
    replica_assert(replica, replica_save(replica), B10_SUCCESS, B10_REASON_OK);
}

static void headers_saved_inside_the_main_root_load_away_from_it(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    save_from(&replica, "saved", "saved/precompiled_headers");
    set_roots(&replica, "local", "default/precompiled_headers");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    scratch_assert_same_tree(scratch_path(*state, "saved/precompiled_headers"),
                             scratch_path(*state, "default/precompiled_headers"));
    assert_false(scratch_exists(*state, "local/precompiled_headers"));
    assert_true(scratch_exists(*state, "local/zz/large.bin"));
    replica_release(&replica);
}

static void headers_saved_away_from_the_main_root_load_inside_it(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    save_from(&replica, "saved", "default/precompiled_headers");
    set_roots(&replica, "local", "local/precompiled_headers");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    scratch_assert_same_tree(scratch_path(*state, "default/precompiled_headers"),
                             scratch_path(*state, "local/precompiled_headers"));
    replica_release(&replica);
}

static void nested_headers_come_back_with_the_main_root(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    save_from(&replica, "saved", "saved/precompiled_headers");
    set_roots(&replica, "local", "local/precompiled_headers");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    scratch_assert_same_tree(scratch_path(*state, "saved"), scratch_path(*state, "local"));
    replica_release(&replica);
}

static void headers_alone_do_not_make_the_main_root_filled(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    save_from(&replica, "saved", "saved/precompiled_headers");
    set_roots(&replica, "local", "local/precompiled_headers");
    scratch_text(*state, "local/precompiled_headers/own.h", "mine");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_true(scratch_exists(*state, "local/precompiled_headers/own.h"));
    assert_true(scratch_exists(*state, "local/precompiled_headers/cabc.h.gch"));
    assert_true(scratch_exists(*state, "local/zz/large.bin"));
    assert_false(scratch_exists(*state, "local/.b10transfer.partial"));
    assert_false(scratch_exists(*state, "local/precompiled_headers/.b10transfer.partial"));
    replica_release(&replica);
}

static void headers_are_merged_without_overwriting(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    save_from(&replica, "saved", "saved/precompiled_headers");
    scratch_text(*state, "default/precompiled_headers/cabc.h.gch", "mine");
    set_roots(&replica, "local", "default/precompiled_headers");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.existing, 1);
    char *content = scratch_read(*state, "default/precompiled_headers/cabc.h.gch", NULL);
    assert_string_equal(content, "mine");
    free(content);
    assert_true(scratch_exists(*state, "default/precompiled_headers/deep/cabc.h"));
    replica_release(&replica);
}

static void a_root_without_a_place_here_is_left_out_and_counted(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    save_from(&replica, "saved", "default/precompiled_headers");
    replica_set(&replica, "torchinductor_cache_dir", scratch_path(*state, "local"));
    replica_set(&replica, "b10_cache_roots", "none");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.roots_left_out, 1);
    replica_release(&replica);
}

static void a_further_root_that_cannot_be_written_costs_only_a_warning(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    save_from(&replica, "saved", "default/precompiled_headers");
    scratch_text(*state, "blocked", "a file where a directory is wanted");
    set_roots(&replica, "local", "blocked");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.roots_left_out, 1);
    assert_true(scratch_exists(*state, "local/zz/large.bin"));
    replica_release(&replica);
}

static void a_missing_further_root_does_not_stop_a_save(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    replica_fill(&replica, "local");
    set_roots(&replica, "local", "no/such/headers");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    replica_release(&replica);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(headers_saved_inside_the_main_root_load_away_from_it),
        ROW(headers_saved_away_from_the_main_root_load_inside_it),
        ROW(nested_headers_come_back_with_the_main_root),
        ROW(headers_alone_do_not_make_the_main_root_filled),
        ROW(headers_are_merged_without_overwriting),
        ROW(a_root_without_a_place_here_is_left_out_and_counted),
        ROW(a_further_root_that_cannot_be_written_costs_only_a_warning),
        ROW(a_missing_further_root_does_not_stop_a_save),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
