#include "base/parse.h"

#include <stdio.h>
#include <string.h>

#include "support/scratch.h"

static void whole_numbers_are_read_exactly(void **state)
{
    (void)state;
    uint64_t value = 1;
    assert_true(parse_u64("0", &value));
    assert_int_equal(value, 0);
    assert_true(parse_u64("000123", &value));
    assert_int_equal(value, 123);
    assert_true(parse_u64("18446744073709551615", &value));
    assert_true(value == UINT64_MAX);
}

static void anything_else_is_no_number(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1.0",
        "0x10",
        "1e3",
        "12a",
        "1\n",
        "\xd9\xa1",
        "18446744073709551616",
        "18446744073709551620",
        "99999999999999999999999999",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint64_t value = 42;
        if (parse_u64(texts[i], &value))
            fail_msg("'%s' was read as a number", texts[i]);
        assert_int_equal(value, 42);
    }
}

static void switches_are_read_in_any_case(void **state)
{
    (void)state;
    static const char *const on[] = {"1", "true", "TRUE", "Yes", "yes", "on", "oN"};
    static const char *const off[] = {"0", "false", "FALSE", "No", "no", "off", "oFF", ""};
    for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++) {
        bool value = false;
        assert_true(parse_bool(on[i], &value));
        assert_true(value);
    }
    for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
        bool value = true;
        assert_true(parse_bool(off[i], &value));
        assert_false(value);
    }
}

static void anything_else_is_no_switch(void **state)
{
    (void)state;
    static const char *const texts[] = {"2", "10", "y", "n", "enabled", " 1", "true ", "ja"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        bool value = true;
        assert_false(parse_bool(texts[i], &value));
        assert_true(value);
    }
}

/* The items of `list`, each in brackets. */
static const char *items_of(const char *list)
{
    static char text[256];
    const char *item;
    size_t length;
    text[0] = '\0';
    for (const char *cursor = list; parse_item(&cursor, &item, &length);) {
        size_t end = strlen(text);
        snprintf(text + end, sizeof(text) - end, "[%.*s]", (int)length, item);
    }
    return text;
}

static void a_list_is_taken_apart_at_its_commas(void **state)
{
    (void)state;
    assert_string_equal(items_of("a"), "[a]");
    assert_string_equal(items_of("a,bc,d"), "[a][bc][d]");
    assert_string_equal(items_of(" a b , c "), "[a b][c]");
}

static void empty_items_are_seen_but_an_empty_list_has_none(void **state)
{
    (void)state;
    assert_string_equal(items_of(""), "");
    assert_string_equal(items_of(",a,, b"), "[][a][][b]");
    assert_string_equal(items_of("a,"), "[a]");
    assert_string_equal(items_of(" "), "[]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_are_read_exactly),
        cmocka_unit_test(anything_else_is_no_number),
        cmocka_unit_test(switches_are_read_in_any_case),
        cmocka_unit_test(anything_else_is_no_switch),
        cmocka_unit_test(a_list_is_taken_apart_at_its_commas),
        cmocka_unit_test(empty_items_are_seen_but_an_empty_list_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
