#include "env/key.h"

#include <stdio.h>
#include <string.h>

#include "base/guard.h"
#include "support/scratch.h"

static struct b10_error error = ERROR_NONE;

static void fill(struct facts *facts, const char *features)
{
    assert_int_equal(facts_add(facts, "kind", "inductor", &error), B10_REASON_OK);
    assert_int_equal(facts_add(facts, "os", "linux", &error), B10_REASON_OK);
    assert_int_equal(facts_add(facts, "arch", "x86_64", &error), B10_REASON_OK);
    assert_int_equal(facts_add(facts, "cpu", "avx512", &error), B10_REASON_OK);
    assert_int_equal(facts_add(facts, "cpu_features", features, &error), B10_REASON_OK);
}

static void a_key_reads_as_what_it_stands_for(void **state)
{
    (void)state;
    SCOPED(facts) struct facts facts = FACTS_NONE;
    struct key key;
    fill(&facts, "adx,aes");
    assert_int_equal(key_make(&key, &facts, &error), B10_REASON_OK);
    /* The digits are BLAKE2b with 8 bytes of output over the five lines, by Python's hashlib. */
    assert_string_equal(key.text, "inductor-cpu-x86_64-avx512-linux-e8f580dc8f8f21ff");
    assert_true(key_is_valid(key.text));
    assert_false(key.overridden);
}

static void every_fact_is_in_the_key(void **state)
{
    (void)state;
    struct key first;
    struct key second;
    SCOPED(facts) struct facts facts = FACTS_NONE;
    fill(&facts, "adx,aes");
    assert_int_equal(key_make(&first, &facts, &error), B10_REASON_OK);
    SCOPED(facts) struct facts other = FACTS_NONE;
    fill(&other, "adx");
    assert_int_equal(key_make(&second, &other, &error), B10_REASON_OK);
    assert_string_not_equal(first.text, second.text);
    assert_int_equal(facts_add(&facts, "tag.torch", "2.13.0", &error), B10_REASON_OK);
    assert_int_equal(key_make(&second, &facts, &error), B10_REASON_OK);
    assert_string_not_equal(first.text, second.text);
}

static void an_override_is_the_key(void **state)
{
    (void)state;
    SCOPED(facts) struct facts facts = FACTS_NONE;
    struct key key;
    fill(&facts, "adx");
    assert_int_equal(facts_add(&facts, "environment_key", "my.key-1", &error), B10_REASON_OK);
    assert_int_equal(key_make(&key, &facts, &error), B10_REASON_OK);
    assert_string_equal(key.text, "my.key-1");
    assert_true(key.overridden);
}

static void odd_facts_still_make_a_valid_key(void **state)
{
    (void)state;
    SCOPED(facts) struct facts facts = FACTS_NONE;
    struct key key;
    char architecture[300];
    memset(architecture, 'X', sizeof(architecture));
    architecture[2] = '/';
    architecture[sizeof(architecture) - 1] = '\0';
    assert_int_equal(facts_add(&facts, "kind", "inductor", &error), B10_REASON_OK);
    assert_int_equal(facts_add(&facts, "os", "gnu/linux", &error), B10_REASON_OK);
    assert_int_equal(facts_add(&facts, "arch", architecture, &error), B10_REASON_OK);
    assert_int_equal(facts_add(&facts, "cpu", "generic", &error), B10_REASON_OK);
    assert_int_equal(key_make(&key, &facts, &error), B10_REASON_OK);
    assert_true(key_is_valid(key.text));
    assert_non_null(strstr(key.text, "inductor-cpu-xx_xxx"));
    assert_non_null(strstr(key.text, "-gnu_linux-"));
}

static void a_key_needs_its_facts(void **state)
{
    (void)state;
    SCOPED(facts) struct facts facts = FACTS_NONE;
    struct key key;
    assert_int_equal(key_make(&key, &facts, &error), B10_REASON_INTERNAL);
}

static void valid_keys_are_safe_file_names(void **state)
{
    (void)state;
    char text[202];
    memset(text, 'a', sizeof(text));
    text[200] = '\0';
    assert_true(key_is_valid(text));
    text[200] = 'a';
    text[201] = '\0';
    assert_false(key_is_valid(text));
    assert_true(key_is_valid("a"));
    assert_true(key_is_valid("-._9"));
    assert_false(key_is_valid(""));
    assert_false(key_is_valid("."));
    assert_false(key_is_valid(".a"));
    assert_false(key_is_valid("a/b"));
    assert_false(key_is_valid("A"));
    assert_false(key_is_valid("a b"));
    assert_false(key_is_valid("a\n"));
}

/* ---- comparing ---- */

struct host {
    struct facts facts;
    struct key key;
};

static void here(struct host *host, const char *override)
{
    *host = (struct host){.facts = FACTS_NONE};
    fill(&host->facts, "adx,aes");
    assert_int_equal(facts_add(&host->facts, "tag.a", "1", &error), B10_REASON_OK);
    if (override != NULL)
        assert_int_equal(facts_add(&host->facts, "environment_key", override, &error), 0);
    assert_int_equal(key_make(&host->key, &host->facts, &error), B10_REASON_OK);
}

static void equal_facts_match_in_any_order(void **state)
{
    (void)state;
    struct host host;
    char difference[200];
    here(&host, NULL);
    struct fact reversed[FACTS_LIMIT];
    for (size_t i = 0; i < host.facts.count; i++)
        reversed[i] = host.facts.items[host.facts.count - 1 - i];
    assert_true(key_matches(&host.key, &host.facts, reversed, host.facts.count, difference, 200));
    assert_string_equal(difference, "");
    facts_release(&host.facts);
}

static void assert_difference(const char *override, const struct fact *there, size_t count,
                              int matches, const char *expected)
{
    struct host host;
    char difference[200];
    here(&host, override);
    assert_int_equal(key_matches(&host.key, &host.facts, there, count, difference,
                                 sizeof(difference)),
                     matches);
    assert_string_equal(difference, expected);
    facts_release(&host.facts);
}

static void the_first_difference_is_described(void **state)
{
    (void)state;
    struct fact there[] = {{"arch", "x86_64"}, {"cpu", "avx512"}, {"cpu_features", "adx"},
                           {"kind", "vllm"},   {"os", "linux"},   {"tag.a", "1"}};
    assert_difference(NULL, there, 6, 0, "cpu_features: 'adx' there, 'adx,aes' here");
    there[2].value = "adx,aes";
    assert_difference(NULL, there, 6, 0, "kind: 'vllm' there, 'inductor' here");
    there[3].value = "inductor";
    assert_difference(NULL, there, 5, 0, "tag.a: none there, '1' here");
    assert_difference(NULL, there, 6, 1, "");
    assert_difference(NULL, there, 0, 0, "arch: none there, 'x86_64' here");
}

static void a_fact_that_is_unknown_here_differs(void **state)
{
    (void)state;
    struct fact there[] = {{"arch", "x86_64"}, {"cpu", "avx512"},    {"cpu_features", "adx,aes"},
                           {"gpu", "h100"},    {"kind", "inductor"}, {"os", "linux"},
                           {"tag.a", "1"}};
    assert_difference(NULL, there, 7, 0, "gpu: 'h100' there, none here");
}

static void a_name_that_stands_twice_must_agree_twice(void **state)
{
    (void)state;
    struct fact there[] = {{"arch", "x86_64"},   {"arch", "aarch64"},
                           {"cpu", "avx512"},    {"cpu_features", "adx,aes"},
                           {"kind", "inductor"}, {"os", "linux"},
                           {"tag.a", "1"}};
    assert_difference(NULL, there, 7, 0, "arch: 'aarch64' there, 'x86_64' here");
}

static void with_an_override_only_kind_and_architecture_count(void **state)
{
    (void)state;
    struct fact there[] = {{"arch", "x86_64"},
                           {"cpu", "avx2"},
                           {"environment_key", "mine"},
                           {"kind", "inductor"},
                           {"os", "linux"}};
    assert_difference("mine", there, 5, 1, "cpu: 'avx2' there, 'avx512' here");
    there[3].value = "vllm";
    assert_difference("mine", there, 5, 0, "kind: 'vllm' there, 'inductor' here");
    there[0].value = "aarch64";
    assert_difference("mine", there, 5, 0, "arch: 'aarch64' there, 'x86_64' here");
    assert_difference("mine", NULL, 0, 0, "arch: none there, 'x86_64' here");
}

static void hostile_values_stay_one_line_and_fit(void **state)
{
    (void)state;
    char value[5000];
    memset(value, '\n', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    struct fact there[] = {{"arch", value}};
    struct host host;
    char difference[64];
    here(&host, NULL);
    assert_false(key_matches(&host.key, &host.facts, there, 1, difference, sizeof(difference)));
    assert_int_equal(strlen(difference), sizeof(difference) - 1);
    assert_null(strchr(difference, '\n'));
    facts_release(&host.facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_reads_as_what_it_stands_for),
        cmocka_unit_test(every_fact_is_in_the_key),
        cmocka_unit_test(an_override_is_the_key),
        cmocka_unit_test(odd_facts_still_make_a_valid_key),
        cmocka_unit_test(a_key_needs_its_facts),
        cmocka_unit_test(valid_keys_are_safe_file_names),
        cmocka_unit_test(equal_facts_match_in_any_order),
        cmocka_unit_test(the_first_difference_is_described),
        cmocka_unit_test(a_fact_that_is_unknown_here_differs),
        cmocka_unit_test(a_name_that_stands_twice_must_agree_twice),
        cmocka_unit_test(with_an_override_only_kind_and_architecture_count),
        cmocka_unit_test(hostile_values_stay_one_line_and_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
