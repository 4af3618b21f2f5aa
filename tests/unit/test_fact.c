#include "base/fact.h"

#include <stdlib.h>

#include "support/scratch.h"

static void a_copy_owns_its_texts(void **state)
{
    (void)state;
    char name[] = "arch";
    char value[] = "x86_64";
    struct fact fact;
    assert_int_equal(fact_copy(&fact, name, value, NULL), B10_REASON_OK);
    name[0] = value[0] = '?';
    assert_string_equal(fact.name, "arch");
    assert_string_equal(fact.value, "x86_64");
    fact_release(&fact);
    assert_true(fact.name == NULL && fact.value == NULL);
    fact_release(&fact);
}

static void a_value_is_found_by_the_whole_name(void **state)
{
    (void)state;
    struct fact facts[] = {{"cuda", "12.8"}, {"cpu", "avx2"}};
    assert_string_equal(fact_value(facts, 2, "cpu"), "avx2");
    assert_null(fact_value(facts, 2, "cpu_features"));
    assert_null(fact_value(facts, 2, "cud"));
    assert_null(fact_value(facts, 1, "cpu"));
    assert_null(fact_value(NULL, 0, "cpu"));
}

static void the_order_is_by_name(void **state)
{
    (void)state;
    struct fact facts[] = {{"kind", "a"}, {"arch", "c"}, {"cpu", "b"}};
    qsort(facts, 3, sizeof(*facts), fact_order);
    assert_string_equal(facts[0].name, "arch");
    assert_string_equal(facts[1].name, "cpu");
    assert_string_equal(facts[2].name, "kind");
}

static void a_list_is_freed_with_all_in_it(void **state)
{
    (void)state;
    struct fact *facts = calloc(2, sizeof(*facts));
    assert_non_null(facts);
    assert_int_equal(fact_copy(&facts[0], "os", "linux", NULL), B10_REASON_OK);
    fact_list_free(facts, 2);
    fact_list_free(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_owns_its_texts),
        cmocka_unit_test(a_value_is_found_by_the_whole_name),
        cmocka_unit_test(the_order_is_by_name),
        cmocka_unit_test(a_list_is_freed_with_all_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
