#include "archive/name_set.h"

#include <stdio.h>
#include <string.h>

#include "support/scratch.h"

static bool add(struct name_set *set, uint32_t root, const char *name)
{
    return name_set_add(set, root, name, strlen(name));
}

static bool has(const struct name_set *set, uint32_t root, const char *name)
{
    return name_set_has(set, root, name, strlen(name));
}

static void a_name_is_taken_once(void **state)
{
    (void)state;
    struct name_set set = NAME_SET_EMPTY;
    assert_int_equal(name_set_init(&set, 10, NULL), B10_REASON_OK);
    assert_true(add(&set, 0, "a"));
    assert_false(add(&set, 0, "a"));
    assert_true(has(&set, 0, "a"));
    assert_false(has(&set, 0, "b"));
    name_set_release(&set);
}

static void the_same_name_in_another_root_is_another(void **state)
{
    (void)state;
    struct name_set set = NAME_SET_EMPTY;
    assert_int_equal(name_set_init(&set, 10, NULL), B10_REASON_OK);
    assert_true(add(&set, 0, "a"));
    assert_false(has(&set, 1, "a"));
    assert_true(add(&set, 1, "a"));
    name_set_release(&set);
}

static void only_the_length_given_counts(void **state)
{
    (void)state;
    struct name_set set = NAME_SET_EMPTY;
    assert_int_equal(name_set_init(&set, 10, NULL), B10_REASON_OK);
    assert_true(name_set_add(&set, 0, "a/b", 1));
    assert_true(has(&set, 0, "a"));
    assert_false(has(&set, 0, "a/b"));
    name_set_release(&set);
}

static void it_holds_what_it_was_made_for_and_no_more(void **state)
{
    (void)state;
    enum { NAMES = 20000 };
    struct name_set set = NAME_SET_EMPTY;
    assert_int_equal(name_set_init(&set, NAMES, NULL), B10_REASON_OK);
    char name[32];
    for (unsigned i = 0; i < NAMES; i++) {
        snprintf(name, sizeof(name), "d/%u", i);
        assert_true(add(&set, 0, name));
    }
    for (unsigned i = 0; i < NAMES; i++) {
        snprintf(name, sizeof(name), "d/%u", i);
        assert_true(has(&set, 0, name));
    }
    assert_false(add(&set, 0, "one more"));
    assert_false(has(&set, 0, "one more"));
    name_set_release(&set);
    name_set_release(&set);
}

static void a_set_for_nothing_is_empty(void **state)
{
    (void)state;
    struct name_set set = NAME_SET_EMPTY;
    assert_int_equal(name_set_init(&set, 0, NULL), B10_REASON_OK);
    assert_false(has(&set, 0, "a"));
    assert_false(add(&set, 0, "a"));
    name_set_release(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_taken_once),
        cmocka_unit_test(the_same_name_in_another_root_is_another),
        cmocka_unit_test(only_the_length_given_counts),
        cmocka_unit_test(it_holds_what_it_was_made_for_and_no_more),
        cmocka_unit_test(a_set_for_nothing_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
