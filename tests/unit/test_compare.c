#include "env/compare.h"

#include <stdio.h>
#include <string.h>

#include "base/guard.h"
#include "support/scratch.h"

static struct b10_error error = ERROR_NONE;

/* This host, and facts of another archive that a row changes. */
struct case_of {
    struct facts here;
    struct key key;
    struct facts there;
    uint64_t host_code;
    const char *stored_key;
};

static const struct fact gpu_host[] = {
    {(char[]){"arch"}, (char[]){"x86_64"}},
    {(char[]){"cpu"}, (char[]){"avx512"}},
    {(char[]){"cpu_features"}, (char[]){"adx,aes,avx512f"}},
    {(char[]){"cuda"}, (char[]){"12.8"}},
    {(char[]){"device"}, (char[]){"cuda"}},
    {(char[]){"gpu.1.capability"}, (char[]){"90"}},
    {(char[]){"gpu.1.name"}, (char[]){"NVIDIA H100 80GB HBM3"}},
    {(char[]){"kind"}, (char[]){"inductor"}},
    {(char[]){"os"}, (char[]){"linux"}},
    {(char[]){"tag.torch"}, (char[]){"2.13.0"}},
};
enum { GPU_HOST_FACTS = sizeof(gpu_host) / sizeof(*gpu_host) };

static int compare_setup(void **state)
{
    static struct case_of test;
    test = (struct case_of){.here = FACTS_NONE, .there = FACTS_NONE};
    for (size_t i = 0; i < GPU_HOST_FACTS; i++) {
        assert_int_equal(facts_add(&test.here, gpu_host[i].name, gpu_host[i].value, &error), 0);
        assert_int_equal(facts_add(&test.there, gpu_host[i].name, gpu_host[i].value, &error), 0);
    }
    assert_int_equal(key_make(&test.key, &test.here, &error), B10_REASON_OK);
    *state = &test;
    return 0;
}

static int compare_teardown(void **state)
{
    struct case_of *test = *state;
    facts_release(&test->here);
    facts_release(&test->there);
    return 0;
}

/* Facts anew, without `name`, and with `value` for it unless that is NULL. */
static void change(struct facts *facts, const char *name, const char *value)
{
    struct facts changed = FACTS_NONE;
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (strcmp(fact->name, name) != 0)
            assert_int_equal(facts_add(&changed, fact->name, fact->value, &error), 0);
    }
    if (value != NULL)
        assert_int_equal(facts_add(&changed, name, value, &error), B10_REASON_OK);
    facts_release(facts);
    *facts = changed;
}

static void override(struct case_of *test, const char *key)
{
    assert_int_equal(facts_add(&test->here, "environment_key", key, &error), B10_REASON_OK);
    assert_int_equal(key_make(&test->key, &test->here, &error), B10_REASON_OK);
}

static struct stored_facts stored(const struct case_of *test)
{
    return (struct stored_facts){test->there.items, test->there.count, test->host_code,
                                 test->stored_key};
}

static const char *const match_names[] = {"EXACT", "FALLBACK", "OTHER"};

static void expect(const struct case_of *test, enum match match, const char *difference)
{
    char found[400];
    const struct stored_facts there = stored(test);
    enum match got = compare_facts(&test->key, &test->here, &there, found, sizeof(found));
    if (got != match || strcmp(found, difference) != 0)
        fail_msg("%s '%s', expected %s '%s'", match_names[got], found, match_names[match],
                 difference);
}

static void expect_lines(const struct case_of *test, const char *lines)
{
    SCOPED(bytes) struct bytes found = BYTES_EMPTY;
    const struct stored_facts there = stored(test);
    assert_int_equal(compare_describe(&test->key, &test->here, &there, &found, &error), 0);
    assert_string_equal((char *)found.data, lines);
}

/* ---- promise ---- */

static void equal_facts_are_exact_in_any_order(void **state)
{
    struct case_of *test = *state;
    struct fact reversed[GPU_HOST_FACTS];
    char difference[100] = "x";
    for (size_t i = 0; i < GPU_HOST_FACTS; i++)
        reversed[i] = test->there.items[GPU_HOST_FACTS - 1 - i];
    const struct stored_facts there = {reversed, GPU_HOST_FACTS, 7, NULL};
    assert_int_equal(compare_facts(&test->key, &test->here, &there, difference, 100), MATCH_EXACT);
    assert_string_equal(difference, "");
    expect_lines(test, "");
}

static void one_differing_fact_decides_as_the_table_says(void **state)
{
    struct case_of *test = *state;
    static const struct {
        const char *name;
        const char *there;
        enum match match;     /* of an archive without code for a processor */
        enum match host_code; /* of one with it */
        const char *difference;
    } rows[] = {
        {"cuda", "12.4", MATCH_FALLBACK, MATCH_FALLBACK, "cuda: '12.4' there, '12.8' here"},
        {"cuda", "11.9", MATCH_FALLBACK, MATCH_FALLBACK, "cuda: '11.9' there, '12.8' here"},
        {"cuda", "12.9", MATCH_OTHER, MATCH_OTHER, "cuda: '12.9' there, '12.8' here"},
        {"cuda", "12.10", MATCH_OTHER, MATCH_OTHER, "cuda: '12.10' there, '12.8' here"},
        {"cuda", "13.0", MATCH_OTHER, MATCH_OTHER, "cuda: '13.0' there, '12.8' here"},
        {"cuda", "12", MATCH_OTHER, MATCH_OTHER, "cuda: '12' there, '12.8' here"},
        {"cuda", "", MATCH_OTHER, MATCH_OTHER, "cuda: '' there, '12.8' here"},
        {"cuda", "1.", MATCH_OTHER, MATCH_OTHER, "cuda: '1.' there, '12.8' here"},
        {"cuda", "-1.2", MATCH_OTHER, MATCH_OTHER, "cuda: '-1.2' there, '12.8' here"},
        {"cuda", "12.4.1", MATCH_OTHER, MATCH_OTHER, "cuda: '12.4.1' there, '12.8' here"},
        {"cuda", "00000000012.4", MATCH_OTHER, MATCH_OTHER,
         "cuda: '00000000012.4' there, '12.8' here"},
        {"cuda", NULL, MATCH_OTHER, MATCH_OTHER, "cuda: none there, '12.8' here"},
        {"cpu", "avx2", MATCH_FALLBACK, MATCH_OTHER, "cpu: 'avx2' there, 'avx512' here"},
        {"cpu", NULL, MATCH_OTHER, MATCH_OTHER, "cpu: none there, 'avx512' here"},
        {"cpu_features", "adx,aes", MATCH_FALLBACK, MATCH_OTHER,
         "cpu_features: only here: avx512f"},
        {"cpu_features", "adx,amx-tile,avx512f,sha", MATCH_FALLBACK, MATCH_OTHER,
         "cpu_features: only there: amx-tile, sha; only here: aes"},
        {"arch", "aarch64", MATCH_OTHER, MATCH_OTHER, "arch: 'aarch64' there, 'x86_64' here"},
        {"os", "darwin", MATCH_OTHER, MATCH_OTHER, "os: 'darwin' there, 'linux' here"},
        {"kind", "vllm", MATCH_OTHER, MATCH_OTHER, "kind: 'vllm' there, 'inductor' here"},
        {"device", "cpu", MATCH_OTHER, MATCH_OTHER, "device: 'cpu' there, 'cuda' here"},
        {"gpu.1.capability", "80", MATCH_OTHER, MATCH_OTHER,
         "gpu.1.capability: '80' there, '90' here"},
        {"gpu.1.name", "NVIDIA H200", MATCH_OTHER, MATCH_OTHER,
         "gpu.1.name: 'NVIDIA H200' there, 'NVIDIA H100 80GB HBM3' here"},
        {"gpu.1.mig", "1g.10gb", MATCH_OTHER, MATCH_OTHER, "gpu.1.mig: '1g.10gb' there, none here"},
        {"gpu.2.name", "NVIDIA L4", MATCH_OTHER, MATCH_OTHER,
         "gpu.2.name: 'NVIDIA L4' there, none here"},
        {"tag.torch", "2.12.0", MATCH_OTHER, MATCH_OTHER,
         "tag.torch: '2.12.0' there, '2.13.0' here"},
        {"tag.torch", NULL, MATCH_OTHER, MATCH_OTHER, "tag.torch: none there, '2.13.0' here"},
        {"tag.model", "flux", MATCH_OTHER, MATCH_OTHER, "tag.model: 'flux' there, none here"},
        {"unheard_of", "1", MATCH_OTHER, MATCH_OTHER, "unheard_of: '1' there, none here"},
        {"environment_key", "mine", MATCH_OTHER, MATCH_OTHER,
         "environment_key: 'mine' there, none here"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char line[300];
        change(&test->there, rows[i].name, rows[i].there);
        test->host_code = 0;
        expect(test, rows[i].match, rows[i].difference);
        test->host_code = 1;
        expect(test, rows[i].host_code, rows[i].difference);
        snprintf(line, sizeof(line), "%s\n", rows[i].difference);
        expect_lines(test, line);
        change(&test->there, rows[i].name, facts_get(&test->here, rows[i].name));
    }
}

static void several_differences_are_a_fallback_only_if_each_is(void **state)
{
    struct case_of *test = *state;
    change(&test->there, "cuda", "12.4");
    change(&test->there, "cpu", "avx2");
    change(&test->there, "cpu_features", "adx,aes");
    expect(test, MATCH_FALLBACK, "cpu: 'avx2' there, 'avx512' here");
    change(&test->there, "tag.torch", "2.12.0");
    expect(test, MATCH_OTHER, "tag.torch: '2.12.0' there, '2.13.0' here");
    test->host_code = 3;
    expect(test, MATCH_OTHER, "cpu: 'avx2' there, 'avx512' here");
}

static void all_differences_are_told_those_that_forbid_first(void **state)
{
    struct case_of *test = *state;
    change(&test->there, "cuda", "12.4");
    change(&test->there, "cpu", "avx2");
    change(&test->there, "cpu_features", "adx,aes");
    change(&test->there, "tag.torch", NULL);
    change(&test->there, "kind", "vllm");
    expect_lines(test, "kind: 'vllm' there, 'inductor' here\n"
                       "tag.torch: none there, '2.13.0' here\n"
                       "cpu: 'avx2' there, 'avx512' here\n"
                       "cpu_features: only here: avx512f\n"
                       "cuda: '12.4' there, '12.8' here\n");
}

static void a_version_is_older_by_its_numbers(void **state)
{
    struct case_of *test = *state;
    change(&test->here, "cuda", "12.10");
    change(&test->there, "cuda", "12.8");
    expect(test, MATCH_FALLBACK, "cuda: '12.8' there, '12.10' here");
    change(&test->here, "cuda", "unheard of");
    expect(test, MATCH_OTHER, "cuda: '12.8' there, 'unheard of' here");
}

static void another_kernel_driver_is_never_a_fallback(void **state)
{
    struct case_of *test = *state;
    change(&test->here, "cuda", NULL);
    change(&test->there, "cuda", NULL);
    change(&test->here, "gpu_driver", "535.309.01");
    change(&test->there, "gpu_driver", "535.308.01");
    expect(test, MATCH_OTHER, "gpu_driver: '535.308.01' there, '535.309.01' here");
}

/* ---- with a given key ---- */

static void with_a_given_key_only_kind_and_architecture_count(void **state)
{
    struct case_of *test = *state;
    override(test, "mine");
    change(&test->there, "environment_key", "mine");
    test->stored_key = "mine";
    expect(test, MATCH_EXACT, "");
    change(&test->there, "cpu", "avx2");
    change(&test->there, "cuda", "13.0");
    expect(test, MATCH_EXACT, "cpu: 'avx2' there, 'avx512' here");
    change(&test->there, "kind", "vllm");
    expect(test, MATCH_OTHER, "kind: 'vllm' there, 'inductor' here");
    change(&test->there, "arch", "aarch64");
    expect(test, MATCH_OTHER, "arch: 'aarch64' there, 'x86_64' here");
}

static void a_given_key_may_name_an_archive_with_a_detected_one(void **state)
{
    struct case_of *test = *state;
    const char *detected = "inductor-cpu-x86_64-avx2-linux-0123456789abcdef";
    override(test, detected);
    test->stored_key = detected;
    expect(test, MATCH_EXACT,
           "environment_key: none there, "
           "'inductor-cpu-x86_64-avx2-linux-0123456789abcdef' here");
    test->stored_key = "another";
    expect(test, MATCH_OTHER,
           "environment_key: 'another' there, "
           "'inductor-cpu-x86_64-avx2-linux-0123456789abcdef' here");
}

static void another_given_key_is_another_environment(void **state)
{
    struct case_of *test = *state;
    override(test, "mine");
    change(&test->there, "environment_key", "yours");
    expect(test, MATCH_OTHER, "environment_key: 'yours' there, 'mine' here");
}

/* ---- hostile ---- */

static void an_archive_without_facts_is_for_another_environment(void **state)
{
    struct case_of *test = *state;
    facts_release(&test->there);
    expect(test, MATCH_OTHER, "arch: none there, 'x86_64' here");
}

static void a_name_that_stands_twice_must_agree_twice(void **state)
{
    struct case_of *test = *state;
    assert_int_equal(facts_add(&test->there, "arch", "aarch64", &error), B10_REASON_OK);
    expect(test, MATCH_OTHER, "arch: 'aarch64' there, 'x86_64' here");
}

static void the_same_words_in_another_order_are_told_whole(void **state)
{
    struct case_of *test = *state;
    change(&test->there, "cpu_features", "aes,adx,avx512f,adx");
    expect(test, MATCH_FALLBACK,
           "cpu_features: 'aes,adx,avx512f,adx' there, 'adx,aes,avx512f' here");
}

static void hostile_values_stay_one_line_and_fit(void **state)
{
    struct case_of *test = *state;
    static const char *const names[] = {"arch", "cpu_features", "x\ny"};
    char value[5000];
    char difference[64];
    memset(value, '\n', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct fact hostile = {(char *)(uintptr_t)names[i], value};
        const struct stored_facts there = {&hostile, 1, 0, NULL};
        SCOPED(bytes) struct bytes lines = BYTES_EMPTY;
        assert_int_equal(compare_facts(&test->key, &test->here, &there, difference, 64),
                         MATCH_OTHER);
        assert_null(strchr(difference, '\n'));
        assert_int_equal(compare_describe(&test->key, &test->here, &there, &lines, &error), 0);
        size_t count = 0;
        for (const char *c = (char *)lines.data; *c != '\0'; c++)
            count += *c == '\n';
        assert_true(count >= GPU_HOST_FACTS && count <= GPU_HOST_FACTS + 1);
        assert_int_equal(compare_facts(&test->key, &test->here, &there, NULL, 0), MATCH_OTHER);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, compare_setup, compare_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(equal_facts_are_exact_in_any_order),
        TEST(one_differing_fact_decides_as_the_table_says),
        TEST(several_differences_are_a_fallback_only_if_each_is),
        TEST(all_differences_are_told_those_that_forbid_first),
        TEST(a_version_is_older_by_its_numbers),
        TEST(another_kernel_driver_is_never_a_fallback),
        TEST(with_a_given_key_only_kind_and_architecture_count),
        TEST(a_given_key_may_name_an_archive_with_a_detected_one),
        TEST(another_given_key_is_another_environment),
        TEST(an_archive_without_facts_is_for_another_environment),
        TEST(a_name_that_stands_twice_must_agree_twice),
        TEST(the_same_words_in_another_order_are_told_whole),
        TEST(hostile_values_stay_one_line_and_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
