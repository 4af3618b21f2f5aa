#include "env/cpu.h"

#include <string.h>
#include <sys/personality.h>
#include <sys/utsname.h>

#include "support/sandbox.h"
#include "support/scratch.h"

static struct b10_error error = ERROR_NONE;

static const char *text_of(const struct cpu_facts *facts)
{
    return (const char *)facts->features.data;
}

static void features_are_sorted_and_joined_by_commas(void **state)
{
    (void)state;
    const char *names[] = {"sse4.2", "avx", "sse", "avx512f"};
    SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
    assert_int_equal(cpu_set_features(&facts, names, 4, &error), B10_REASON_OK);
    assert_string_equal(text_of(&facts), "avx,avx512f,sse,sse4.2");
    assert_int_equal(cpu_set_features(&facts, names, 1, &error), B10_REASON_OK);
    assert_string_equal(text_of(&facts), "avx");
    assert_int_equal(cpu_set_features(&facts, names, 0, &error), B10_REASON_OK);
    assert_string_equal(text_of(&facts), "");
}

static void detection_is_the_same_every_time(void **state)
{
    (void)state;
    SCOPED(cpu_facts) struct cpu_facts first = CPU_FACTS_NONE;
    SCOPED(cpu_facts) struct cpu_facts second = CPU_FACTS_NONE;
    assert_int_equal(cpu_detect(&first, &error), B10_REASON_OK);
    assert_int_equal(cpu_detect(&second, &error), B10_REASON_OK);
    assert_string_equal(first.architecture, second.architecture);
    assert_string_equal(first.level, second.level);
    assert_string_equal(text_of(&first), text_of(&second));
    assert_true(strlen(first.level) > 0);
}

static void the_architecture_is_what_uname_says(void **state)
{
    (void)state;
    struct utsname names;
    SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
    assert_int_equal(uname(&names), 0);
    assert_int_equal(cpu_detect(&facts, &error), B10_REASON_OK);
    assert_string_equal(facts.architecture, names.machine);
}

/* The processor is the same one; only the name of the architecture is another. */
static void ask_as_32_bit(void *context)
{
    const struct cpu_facts *before = context;
    struct cpu_facts facts = CPU_FACTS_NONE;
    if (personality(PER_LINUX32) == -1)
        sandbox_skip("the kernel knows no 32-bit personality");
    CHECK(cpu_detect(&facts, &error) == B10_REASON_OK);
    CHECK(strcmp(facts.architecture, before->architecture) != 0);
    CHECK(strcmp(facts.level, before->level) == 0);
    CHECK(strcmp(text_of(&facts), text_of(before)) == 0);
    cpu_facts_release(&facts);
}

static void a_32_bit_personality_is_another_architecture(void **state)
{
    (void)state;
    SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
    assert_int_equal(cpu_detect(&facts, &error), B10_REASON_OK);
    sandbox_run(ask_as_32_bit, &facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_are_sorted_and_joined_by_commas),
        cmocka_unit_test(detection_is_the_same_every_time),
        cmocka_unit_test(the_architecture_is_what_uname_says),
        cmocka_unit_test(a_32_bit_personality_is_another_architecture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
