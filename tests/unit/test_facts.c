#include "env/facts.h"

#include <stdio.h>
#include <string.h>

#include "par/pool.h"
#include "support/scratch.h"

static struct b10_error error = ERROR_NONE;
static const struct gpu_probe off = {.steps = 0};

static void facts_are_sorted_by_name(void **state)
{
    (void)state;
    static const char *const names[] = {"arch", "cpu", "cpu_features", "device",
                                        "kind", "os",  "tag.a",        "tag.torch"};
    SCOPED(facts) struct facts facts = FACTS_NONE;
    assert_int_equal(facts_collect(&facts, "inductor", "torch=2.13.0,a=x", NULL, &off, &error), 0);
    assert_int_equal(facts.count, sizeof(names) / sizeof(*names));
    for (size_t i = 0; i < facts.count; i++) {
        assert_string_equal(facts.items[i].name, names[i]);
        for (const char *c = facts.items[i].value; *c != '\0'; c++)
            assert_true(*c > ' ' && *c < 0x7f);
    }
    assert_string_equal(facts_get(&facts, "kind"), "inductor");
    assert_string_equal(facts_get(&facts, "os"), "linux");
    assert_string_equal(facts_get(&facts, "tag.torch"), "2.13.0");
    assert_string_equal(facts_get(&facts, "device"), "cpu");
    assert_null(facts_get(&facts, "environment_key"));
    assert_false(facts_device_unknown(&facts));
    assert_string_equal(facts.detection, "cpu");
    assert_string_equal(facts.steps, "cpu=B10_GPU_PROBE is off\n");
}

static void an_override_is_a_fact_of_its_own(void **state)
{
    (void)state;
    SCOPED(facts) struct facts facts = FACTS_NONE;
    const struct gpu_probe all = {.steps = 1U << GPU_NVML | 1U << GPU_PROC};
    assert_int_equal(facts_collect(&facts, "inductor", NULL, "mine", &all, &error), 0);
    assert_string_equal(facts_get(&facts, "environment_key"), "mine");
    assert_null(facts_get(&facts, "device"));
    assert_string_equal(facts.detection, "override");
    assert_string_equal(facts.steps, ""); /* nothing is asked */
    facts_release(&facts);
    assert_int_equal(facts_collect(&facts, "inductor", "", "", &off, &error), B10_REASON_OK);
    assert_null(facts_get(&facts, "environment_key"));
    assert_int_equal(facts.count, 6);
}

static void the_text_is_a_line_per_fact(void **state)
{
    (void)state;
    SCOPED(facts) struct facts facts = FACTS_NONE;
    SCOPED(bytes) struct bytes text = BYTES_EMPTY;
    assert_int_equal(facts_add(&facts, "os", "linux", &error), B10_REASON_OK);
    assert_int_equal(facts_add(&facts, "arch", "x86_64", &error), B10_REASON_OK);
    assert_int_equal(facts_text(&facts, &text, &error), B10_REASON_OK);
    assert_string_equal((char *)text.data, "arch=x86_64\nos=linux\n");
}

static void a_value_is_printable_whatever_was_said(void **state)
{
    (void)state;
    SCOPED(facts) struct facts facts = FACTS_NONE;
    assert_int_equal(facts_add(&facts, "os", "a\nb=\xff \x7f~", &error), B10_REASON_OK);
    assert_string_equal(facts_get(&facts, "os"), "a?b=? ?~");
}

static void only_one_device_is_unknown(void **state)
{
    (void)state;
    SCOPED(facts) struct facts facts = FACTS_NONE;
    assert_false(facts_device_unknown(&facts));
    assert_int_equal(facts_add(&facts, "device", "cuda-unknown", &error), B10_REASON_OK);
    assert_true(facts_device_unknown(&facts));
}

static void tags_keep_their_rules(void **state)
{
    (void)state;
    static const char *const good[] = {"", "a=b", "torch=2.13.0+cu128,python=3.11", " a=b , c=d ",
                                       "a_1=X-y_Z.0"};
    static const char *const bad[] = {"a",     "=b",    "a=",        "A=b",   "a b=c",
                                      "a=b c", "a=b,,", ",",         "a-b=c", "a=b,a=c",
                                      "a=/x",  "a=b=c", "a=\xc3\xa9"};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        if (facts_check_tags(good[i], &error) != B10_REASON_OK)
            fail_msg("'%s': %s", good[i], error.message);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        if (facts_check_tags(bad[i], &error) != B10_REASON_CONFIG)
            fail_msg("'%s' is accepted", bad[i]);
    }
}

static void tags_have_limits(void **state)
{
    (void)state;
    char tags[2048] = "";
    for (int i = 0; i < 32; i++)
        snprintf(tags + strlen(tags), sizeof(tags) - strlen(tags), "%st%d=1", i > 0 ? "," : "", i);
    assert_int_equal(facts_check_tags(tags, &error), B10_REASON_OK);
    SCOPED(facts) struct facts facts = FACTS_NONE;
    assert_int_equal(facts_collect(&facts, "inductor", tags, "mine", &off, &error), B10_REASON_OK);
    strcat(tags, ",more=1");
    assert_int_equal(facts_check_tags(tags, &error), B10_REASON_CONFIG);
    memset(tags, 'a', 32);
    strcpy(tags + 32, "=1");
    assert_int_equal(facts_check_tags(tags, &error), B10_REASON_OK);
    memset(tags, 'a', 33);
    strcpy(tags + 33, "=1");
    assert_int_equal(facts_check_tags(tags, &error), B10_REASON_CONFIG);
    memset(tags, 'a', 67);
    tags[1] = '=';
    tags[66] = '\0';
    assert_int_equal(facts_check_tags(tags, &error), B10_REASON_OK);
    tags[66] = 'a';
    tags[67] = '\0';
    assert_int_equal(facts_check_tags(tags, &error), B10_REASON_CONFIG);
}

static void too_many_facts_are_refused(void **state)
{
    (void)state;
    SCOPED(facts) struct facts facts = FACTS_NONE;
    for (int i = 0; i < FACTS_LIMIT; i++)
        assert_int_equal(facts_add(&facts, "a", "b", &error), B10_REASON_OK);
    assert_int_equal(facts_add(&facts, "a", "b", &error), B10_REASON_INTERNAL);
}

/* ---- race ---- */

static enum b10_reason collect_one(void *context, unsigned worker, size_t index,
                                   struct b10_error *record)
{
    (void)worker;
    struct facts *answers = context;
    const struct gpu_probe probe = {.steps = 1U << GPU_DRIVER | 1U << GPU_NVML | 1U << GPU_PROC};
    return facts_collect(&answers[index], "inductor", NULL, NULL, &probe, record);
}

/* First in main, so that the threads are the first to detect. */
static void threads_that_detect_at_once_agree(void **state)
{
    (void)state;
    enum { COUNT = 64 };
    static struct facts answers[COUNT];
    struct cancel cancel = CANCEL_CLEAR;
    assert_int_equal(pool_each(collect_one, answers, COUNT, 8, &cancel, NULL, &error), 0);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(answers[i].count, answers[0].count);
        for (size_t j = 0; j < answers[i].count; j++) {
            assert_string_equal(answers[i].items[j].name, answers[0].items[j].name);
            assert_string_equal(answers[i].items[j].value, answers[0].items[j].value);
        }
        assert_string_equal(answers[i].detection, answers[0].detection);
        assert_string_equal(answers[i].steps, answers[0].steps);
    }
    for (size_t i = 0; i < COUNT; i++)
        facts_release(&answers[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_that_detect_at_once_agree),
        cmocka_unit_test(facts_are_sorted_by_name),
        cmocka_unit_test(an_override_is_a_fact_of_its_own),
        cmocka_unit_test(the_text_is_a_line_per_fact),
        cmocka_unit_test(a_value_is_printable_whatever_was_said),
        cmocka_unit_test(only_one_device_is_unknown),
        cmocka_unit_test(tags_keep_their_rules),
        cmocka_unit_test(tags_have_limits),
        cmocka_unit_test(too_many_facts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
