/* Caches that are loaded at another path than they were saved from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "support/replica.h"

/* The caches of a vLLM server in the directory `place` of the scratch directory: the main root, and
 * inside it inductor, and inside that headers; triton beside it. */
static void aim(struct replica *replica, const char *place)
{
    char name[64];
    char roots[2400];
    const struct scratch *scratch = replica->scratch;
    snprintf(name, sizeof(name), "%s/vllm", place);
    const char *root = scratch_path(scratch, name);
    replica_set(replica, "b10_cache_kind", "vllm");
    replica_set(replica, "vllm_cache_root", root);
    snprintf(name, sizeof(name), "%s/triton", place);
    snprintf(roots, sizeof(roots), "inductor=%s/in/ductor,headers=%s/in/ductor/headers,triton=%s",
             root, root, scratch_path(scratch, name));
    replica_set(replica, "b10_cache_roots", roots);
}

static const char *below(const char *place, const char *rest)
{
    static char name[4][600];
    static unsigned turn;
    char *out = name[turn++ % 4];
    snprintf(out, sizeof(name[0]), "%s/%s", place, rest);
    return out;
}

/* A Triton entry `hash` and its group file, in directory `directory` of `place`. */
static void add_group(const struct scratch *scratch, const char *place, const char *directory,
                      const char *hash)
{
    char name[300];
    char text[2000];
    snprintf(name, sizeof(name), "%s/%s/%s/k.cubin", place, directory, hash);
    scratch_text(scratch, name, hash);
    snprintf(text, sizeof(text), "{\"child_paths\": {\"k.cubin\": \"%s\"}}",
             scratch_path(scratch, name));
    snprintf(name, sizeof(name), "%s/%s/%s/__grp__k.json", place, directory, hash);
    scratch_text(scratch, name, text);
}

static void add_source(const struct scratch *scratch, const char *place, const char *hash)
{
    char name[300];
    char text[2000];
    snprintf(name, sizeof(name), "%s/vllm/%s/artifact/x", place, hash);
    scratch_text(scratch, name, "code");
    snprintf(text, sizeof(text), "{   (None, 0, 'inductor'): ('h', '%s')}",
             scratch_path(scratch, name));
    snprintf(name, sizeof(name), "%s/vllm/%s/vllm_compile_cache.py", place, hash);
    scratch_text(scratch, name, text);
}

/* The quoted path in the file exists, and lies in `place`. */
static void assert_points_into(const struct scratch *scratch, const char *name, const char *place)
{
    SCOPED(heap) char *text = scratch_read(scratch, name, NULL);
    char start[400];
    snprintf(start, sizeof(start), "%s/", scratch_path(scratch, place));
    char *path = strstr(text, start);
    if (path == NULL)
        fail_msg("%s does not lead into %s: %s", name, place, text);
    path[strcspn(path, "'\"")] = '\0';
    if (access(path, F_OK) != 0)
        fail_msg("%s names '%s', which does not exist", name, path);
}

static void fill(const struct scratch *scratch, const char *place, const char *hash)
{
    add_group(scratch, place, "triton", hash);
    add_group(scratch, place, "vllm/in/ductor/triton/0", hash);
    add_source(scratch, place, hash);
    scratch_text(scratch, below(place, "vllm/in/ductor/headers/h.gch"), "headers");
    scratch_text(scratch, below(place, "vllm/in/ductor/plain.py"), "plain");
}

static void assert_usable(const struct scratch *scratch, const char *place, const char *hash)
{
    char name[300];
    snprintf(name, sizeof(name), "%s/triton/%s/__grp__k.json", place, hash);
    assert_points_into(scratch, name, place);
    snprintf(name, sizeof(name), "%s/vllm/in/ductor/triton/0/%s/__grp__k.json", place, hash);
    assert_points_into(scratch, name, place);
    snprintf(name, sizeof(name), "%s/vllm/%s/vllm_compile_cache.py", place, hash);
    assert_points_into(scratch, name, place);
}

static void a_cache_is_usable_at_another_path(void **state)
{
    struct replica replica;
    struct stat before;
    struct stat after;
    replica_init(&replica, *state);
    aim(&replica, "one");
    fill(*state, "one", "ab");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.relocated_files, 0);
    aim(&replica, "two/deeper/still");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.relocated_files, 3);
    assert_int_equal(replica.report.unrelocated_files, 0);
    assert_int_equal(replica.report.roots_left_out, 0);
    assert_usable(*state, "two/deeper/still", "ab");
    assert_true(scratch_exists(*state, "two/deeper/still/vllm/in/ductor/headers/h.gch"));
    assert_int_equal(lstat(scratch_path(*state, "one/triton/ab/__grp__k.json"), &before), 0);
    assert_int_equal(lstat(scratch_path(*state, "two/deeper/still/triton/ab/__grp__k.json"),
                           &after),
                     0);
    assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
    replica_release(&replica);
}

static void at_its_own_path_not_a_byte_changes(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    aim(&replica, "one");
    fill(*state, "one", "ab");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(rename(scratch_path(*state, "one"), scratch_path(*state, "before")), 0);
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.relocated_files, 0);
    scratch_assert_same_tree(scratch_path(*state, "before"), scratch_path(*state, "one"));
    replica_release(&replica);
}

/* Programs write the path that they were given, not the one it leads to. */
static void paths_that_lead_through_a_link_are_known(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    scratch_mkdir(*state, "real");
    assert_int_equal(symlink("real", scratch_path(*state, "alias")), 0);
    aim(&replica, "alias");
    fill(*state, "alias", "ab");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(rename(scratch_path(*state, "real"), scratch_path(*state, "before")), 0);
    scratch_mkdir(*state, "real");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.relocated_files, 0);
    scratch_assert_same_tree(scratch_path(*state, "before"), scratch_path(*state, "real"));
    assert_int_equal(unlink(scratch_path(*state, "alias")), 0);
    aim(&replica, "third");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.relocated_files, 3);
    assert_usable(*state, "third", "ab");
    replica_release(&replica);
}

static void caches_of_two_paths_merged_are_usable_at_a_third(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    replica_set(&replica, "b10_save_mode", "merge");
    replica_set(&replica, "b10_load_mode", "merge");
    aim(&replica, "one");
    fill(*state, "one", "ab");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    aim(&replica, "two");
    fill(*state, "two", "cd");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_usable(*state, "two", "ab");
    assert_usable(*state, "two", "cd");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.files, 6);
    aim(&replica, "three");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.relocated_files, 6);
    assert_usable(*state, "three", "ab");
    assert_usable(*state, "three", "cd");
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_ALREADY_SAVED);
    replica_release(&replica);
}

static void a_path_that_would_need_escaping_is_left_with_a_warning(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    aim(&replica, "one");
    fill(*state, "one", "ab");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    aim(&replica, "it's");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.relocated_files, 0);
    assert_int_equal(replica.report.unrelocated_files, 3);
    assert_non_null(strstr(replica.log, "3 files keep the paths"));
    assert_points_into(*state, "it's/triton/ab/__grp__k.json", "one");
    replica_release(&replica);
}

static void what_ninja_built_is_restored_where_it_was_built_only(void **state)
{
    struct replica replica;
    char roots[700];
    replica_init(&replica, *state);
    replica_fill(&replica, "local");
    scratch_text(*state, "built/op/.ninja_log", "# ninja log v5\n");
    snprintf(roots, sizeof(roots), "flashinfer=%s", scratch_path(*state, "built"));
    replica_set(&replica, "b10_cache_roots", roots);
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(rename(scratch_path(*state, "local"), scratch_path(*state, "l")), 0);
    assert_int_equal(rename(scratch_path(*state, "built"), scratch_path(*state, "b")), 0);
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.roots_left_out, 0);
    scratch_assert_same_tree(scratch_path(*state, "b"), scratch_path(*state, "built"));
    assert_int_equal(rename(scratch_path(*state, "local"), scratch_path(*state, "m")), 0);
    snprintf(roots, sizeof(roots), "flashinfer=%s", scratch_path(*state, "elsewhere"));
    replica_set(&replica, "b10_cache_roots", roots);
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.roots_left_out, 1);
    assert_false(scratch_exists(*state, "elsewhere"));
    char warning[700];
    snprintf(warning, sizeof(warning), "built in '%s' and is of no use in '%s'",
             scratch_path(*state, "built"), scratch_path(*state, "elsewhere"));
    assert_non_null(strstr(replica.log, warning));
    assert_true(scratch_exists(*state, "local/zz/large.bin"));
    replica_release(&replica);
}

static void an_archive_of_one_kind_is_never_loaded_as_another(void **state)
{
    struct replica replica;
    replica_init(&replica, *state);
    aim(&replica, "one");
    fill(*state, "one", "ab");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(strncmp(replica.report.environment_key, "vllm-", 5), 0);
    replica_set(&replica, "b10_cache_kind", "sglang");
    replica_set(&replica, "sglang_cache_dir", scratch_path(*state, "two"));
    replica_assert(&replica, replica_load(&replica), B10_DOES_NOT_EXIST, B10_REASON_ABSENT);
    replica_set(&replica, "b10_cache_kind", "inductor");
    replica_set(&replica, "b10_cache_roots", "none");
    replica_assert(&replica, replica_load(&replica), B10_DOES_NOT_EXIST, B10_REASON_ABSENT);
    assert_false(scratch_exists(*state, "two"));
    assert_false(scratch_exists(*state, "local"));
    replica_release(&replica);
}

/* ---- roots found by themselves ---- */

static void point(struct replica *replica, const char *place)
{
    const struct scratch *scratch = replica->scratch;
    setenv("HOME", scratch_path(scratch, below(place, "home")), 1);
    setenv("TMPDIR", scratch_path(scratch, below(place, "tmp")), 1);
    setenv("USER", "anna", 1);
    unsetenv("LOGNAME");
    scratch_mkdir(scratch, below(place, "tmp"));
    replica_set(replica, "torchinductor_cache_dir",
                scratch_path(scratch, below(place, "tmp/torchinductor_anna")));
}

static void a_server_with_defaults_moves_with_its_home(void **state)
{
    static const char *const variables[] = {"TORCHINDUCTOR_CACHE_DIR",   "TRITON_CACHE_DIR",
                                            "FLASHINFER_WORKSPACE_BASE", "DG_JIT_CACHE_DIR",
                                            "VLLM_CACHE_ROOT",           "XDG_CACHE_HOME"};
    struct replica replica;
    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++)
        unsetenv(variables[i]);
    replica_init(&replica, *state);
    point(&replica, "one");
    replica_set(&replica, "b10_cache_kind", "vllm");
    replica_set(&replica, "b10_cache_roots", "auto");
    scratch_text(*state, "one/home/.cache/vllm/a", "a");
    scratch_text(*state, "one/home/.cache/vllm/assets/picture", "p");
    scratch_text(*state, "one/home/.cache/flashinfer/op/.ninja_log", "n");
    scratch_text(*state, "one/home/.deep_gemm/d", "d");
    scratch_text(*state, "one/tmp/torchinductor_anna/i", "i");
    scratch_text(*state, "one/tmp/torchinductor_anna/precompiled_headers/h", "h");
    add_group(*state, "one", "home/.triton/cache", "ab");
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.files, 7);
    point(&replica, "two");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica.report.roots_left_out, 1); /* flashinfer */
    assert_int_equal(replica.report.relocated_files, 1);
    assert_points_into(*state, "two/home/.triton/cache/ab/__grp__k.json", "two");
    assert_true(scratch_exists(*state, "two/home/.cache/vllm/a"));
    assert_true(scratch_exists(*state, "two/home/.deep_gemm/d"));
    assert_true(scratch_exists(*state, "two/tmp/torchinductor_anna/i"));
    assert_true(scratch_exists(*state, "two/tmp/torchinductor_anna/precompiled_headers/h"));
    assert_false(scratch_exists(*state, "two/home/.cache/flashinfer"));
    assert_false(scratch_exists(*state, "two/home/.cache/vllm/assets"));
    /* the same home: what it lacks is added to every further root */
    assert_int_equal(rename(scratch_path(*state, "two/home/.cache/vllm"),
                            scratch_path(*state, "two/aside")),
                     0);
    assert_int_equal(unlink(scratch_path(*state, "two/home/.deep_gemm/d")), 0);
    scratch_text(*state, "two/home/.deep_gemm/own", "own");
    replica_assert(&replica, replica_load(&replica), B10_SUCCESS, B10_REASON_OK);
    assert_true(scratch_exists(*state, "two/home/.deep_gemm/d"));
    assert_true(scratch_exists(*state, "two/home/.deep_gemm/own"));
    replica_release(&replica);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(a_cache_is_usable_at_another_path),
        ROW(at_its_own_path_not_a_byte_changes),
        ROW(paths_that_lead_through_a_link_are_known),
        ROW(caches_of_two_paths_merged_are_usable_at_a_third),
        ROW(a_path_that_would_need_escaping_is_left_with_a_warning),
        ROW(what_ninja_built_is_restored_where_it_was_built_only),
        ROW(an_archive_of_one_kind_is_never_loaded_as_another),
        ROW(a_server_with_defaults_moves_with_its_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
