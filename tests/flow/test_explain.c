/* Saves under different facts, tags and variables; what is explained names exactly what differs,
 * and no secret is anywhere. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/frame.h"
#include "archive/zstd_codec.h"
#include "base/bytes.h"
#include "base/guard.h"
#include "support/replica.h"

static const char secret[] = "hunter2-is-no-good-secret";

/* No variable of ours from outside; cmocka's tests run in one process. */
static void clear_variables(void)
{
    unsetenv("VIRTUAL_ENV");
    for (char **variable = environ; *variable != NULL;) {
        char name[300];
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(*variable, "="), *variable);
        const bool ours = strncmp(name, "VLLM_", 5) == 0 || strncmp(name, "TRITON_", 7) == 0 ||
                          strncmp(name, "TORCHINDUCTOR_", 14) == 0 || strncmp(name, "B10", 3) == 0;
        if (ours && unsetenv(name) == 0)
            variable = environ;
        else
            variable++;
    }
}

static void replica_begin(struct replica *replica, const struct scratch *scratch)
{
    clear_variables();
    replica_init(replica, scratch);
    scratch_text(scratch, "local/ab/cab.py", "import torch\n");
}

static void save(struct replica *replica)
{
    replica_assert(replica, replica_save(replica), B10_SUCCESS, B10_REASON_OK);
}

static b10_comparison_list *explain(struct replica *replica)
{
    b10_comparison_list *list = NULL;
    OperationStatus status =
        b10_explain(replica_config(replica), &replica->options, &list, &replica->error);
    replica_assert(replica, status, B10_SUCCESS, B10_REASON_OK);
    assert_non_null(list);
    return list;
}

/* The manifest's text as it stands in the only archive; to be released. */
static void read_manifest(const struct replica *replica, struct bytes *text)
{
    static const unsigned char magic[4] = {0x5c, 0x2a, 0x4d, 0x18};
    const char *path = replica_archive(replica);
    size_t size;
    SCOPED(zstd_decoder) struct zstd_decoder *decoder = NULL;
    SCOPED(heap)
    char *file = scratch_read(replica->scratch, path + strlen(replica->scratch->path) + 1, &size);
    const unsigned char *frame = memmem(file, size, magic, sizeof(magic));
    assert_non_null(frame);
    uint32_t payload = (uint32_t)frame[4] | (uint32_t)frame[5] << 8 | (uint32_t)frame[6] << 16;
    assert_int_equal(zstd_decoder_new(&decoder, NULL), B10_REASON_OK);
    assert_int_equal(zstd_decode_bounded(decoder, frame + 8 + DIGEST_SIZE, payload - DIGEST_SIZE,
                                         MANIFEST_LIMIT, text, path, NULL),
                     B10_REASON_OK);
    assert_int_equal(bytes_terminate(text, NULL), B10_REASON_OK);
    assert_null(memmem(file, size, secret, strlen(secret)));
}

static void a_save_explains_itself_without_differences(void **state)
{
    struct replica replica;
    replica_begin(&replica, *state);
    setenv("VLLM_USE_V1", "1", 1);
    setenv("VLLM_API_KEY", secret, 1);
    replica_set(&replica, "b10_python_prefix", "/venv");
    save(&replica);
    b10_comparison_list *list = explain(&replica);
    assert_int_equal(list->total, 1);
    assert_int_equal(list->comparisons[0].match, B10_MATCH_EXACT);
    assert_string_equal(list->comparisons[0].environment_key, list->current_environment);
    assert_string_equal(list->comparisons[0].differences, "");
    assert_string_equal(list->comparisons[0].recorded, "");
    b10_comparison_list_free(list);
    replica_release(&replica);
}

static void exactly_the_facts_that_differ_are_named(void **state)
{
    struct replica replica;
    replica_begin(&replica, *state);
    replica_set(&replica, "b10_cache_tags", "model=flux,torch=2.13.0");
    save(&replica);
    replica_set(&replica, "b10_cache_tags", "model=flux,torch=2.14.0");
    save(&replica);
    replica_set(&replica, "b10_cache_tags", "model=flux,torch=2.14.0,rev=7");
    b10_comparison_list *list = explain(&replica);
    assert_int_equal(list->total, 2);
    bool older_seen = false;
    for (size_t i = 0; i < 2; i++) {
        const b10_comparison *comparison = b10_comparison_list_at(list, i);
        const char *expected = "tag.rev: none there, '7' here\n";
        const bool older = strstr(comparison->differences, "2.13.0") != NULL;
        older_seen = older_seen || older;
        assert_int_equal(comparison->match, B10_MATCH_OTHER);
        if (older)
            expected = "tag.rev: none there, '7' here\n"
                       "tag.torch: '2.13.0' there, '2.14.0' here\n";
        assert_string_equal(comparison->differences, expected);
        assert_string_equal(comparison->recorded, "");
    }
    assert_true(older_seen);
    b10_comparison_list_free(list);
    replica_release(&replica);
}

static void exactly_the_variables_that_differ_are_named(void **state)
{
    struct replica replica;
    replica_begin(&replica, *state);
    setenv("VLLM_USE_V1", "1", 1);
    setenv("TRITON_DEBUG", "0", 1);
    setenv("TORCHINDUCTOR_MAX_AUTOTUNE", "1", 1);
    setenv("VIRTUAL_ENV", "/opt/venv/", 1);
    save(&replica);
    setenv("VLLM_USE_V1", "0", 1);
    setenv("TRITON_PRINT_AUTOTUNING", "1", 1);
    unsetenv("TORCHINDUCTOR_MAX_AUTOTUNE");
    setenv("TRITON_CACHE_DIR", "/elsewhere", 1);
    setenv("VIRTUAL_ENV", "/app/venv", 1);
    b10_comparison_list *list = explain(&replica);
    assert_int_equal(list->total, 1);
    assert_int_equal(list->comparisons[0].match, B10_MATCH_EXACT);
    assert_string_equal(list->comparisons[0].differences, "");
    assert_string_equal(list->comparisons[0].recorded,
                        "B10_PYTHON_PREFIX: '/opt/venv' there, '/app/venv' here\n"
                        "TORCHINDUCTOR_MAX_AUTOTUNE: '1' there, none here\n"
                        "TRITON_PRINT_AUTOTUNING: none there, '1' here\n"
                        "VLLM_USE_V1: '1' there, '0' here\n");
    b10_comparison_list_free(list);
    replica_release(&replica);
}

static void secrets_are_in_no_archive_and_in_no_answer(void **state)
{
    static const char *const names[] = {"VLLM_API_KEY", "VLLM_HF_TOKEN", "TRITON_CLIENT_SECRET",
                                        "TORCHINDUCTOR_REDIS_PASSWORD", "VLLM_s3_access_key_id"};
    struct replica replica;
    SCOPED(bytes) struct bytes manifest = BYTES_EMPTY;
    replica_begin(&replica, *state);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        setenv(names[i], secret, 1);
    save(&replica);
    read_manifest(&replica, &manifest);
    assert_non_null(strstr((const char *)manifest.data, "\"recorded_environment\":{"));
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char expected[80];
        snprintf(expected, sizeof(expected), "\"%s\":\"blake2b:", names[i]);
        assert_non_null(strstr((const char *)manifest.data, expected));
        setenv(names[i], "another secret", 1);
    }
    assert_null(strstr((const char *)manifest.data, secret));
    b10_comparison_list *list = explain(&replica);
    const char *recorded = list->comparisons[0].recorded;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        assert_non_null(strstr(recorded, names[i]));
    assert_null(strstr(recorded, secret));
    assert_null(strstr(recorded, "another secret"));
    assert_null(strstr(replica.log, secret));
    b10_comparison_list_free(list);
    replica_release(&replica);
}

static void what_is_recorded_is_not_in_the_key(void **state)
{
    struct replica replica;
    replica_begin(&replica, *state);
    save(&replica);
    setenv("VLLM_USE_V1", "1", 1);
    replica_set(&replica, "b10_python_prefix", "/venv");
    replica_assert(&replica, replica_save(&replica), B10_SKIPPED, B10_REASON_ALREADY_SAVED);
    replica_release(&replica);
}

static void an_empty_environment_is_recorded_as_such(void **state)
{
    struct replica replica;
    SCOPED(bytes) struct bytes manifest = BYTES_EMPTY;
    replica_begin(&replica, *state);
    save(&replica);
    read_manifest(&replica, &manifest);
    assert_non_null(strstr((const char *)manifest.data, "\"recorded_environment\":{}"));
    setenv("VLLM_USE_V1", "1", 1);
    b10_comparison_list *list = explain(&replica);
    assert_string_equal(list->comparisons[0].recorded, "VLLM_USE_V1: none there, '1' here\n");
    b10_comparison_list_free(list);
    replica_release(&replica);
}

static void an_argument_that_breaks_the_rules_is_told(void **state)
{
    struct replica replica;
    b10_comparison_list *list = (b10_comparison_list *)&replica;
    replica_begin(&replica, *state);
    replica_assert(&replica, b10_explain(replica_config(&replica), NULL, NULL, &replica.error),
                   B10_ERROR, B10_REASON_INTERNAL);
    setenv("MAX_CACHE_SIZE_MB", "lots", 1);
    replica_assert(&replica, b10_explain(NULL, NULL, &list, &replica.error), B10_ERROR,
                   B10_REASON_CONFIG);
    unsetenv("MAX_CACHE_SIZE_MB");
    assert_null(list);
    replica_release(&replica);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_save_explains_itself_without_differences),
        TEST(exactly_the_facts_that_differ_are_named),
        TEST(exactly_the_variables_that_differ_are_named),
        TEST(secrets_are_in_no_archive_and_in_no_answer),
        TEST(what_is_recorded_is_not_in_the_key),
        TEST(an_empty_environment_is_recorded_as_such),
        TEST(an_argument_that_breaks_the_rules_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
