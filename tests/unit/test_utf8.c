#include "base/utf8.h"

#include "support/scratch.h"

static void every_form_of_a_character_has_its_length(void **state)
{
    (void)state;
    assert_int_equal(utf8_character("a"), 1);
    assert_int_equal(utf8_character("\xc3\xa9"), 2);
    assert_int_equal(utf8_character("\xe2\x82\xac"), 3);
    assert_int_equal(utf8_character("\xf0\x9f\x98\x80"), 4);
    assert_int_equal(utf8_character("\xf4\x8f\xbf\xbf"), 4);
    assert_int_equal(utf8_character(""), 0);
}

static void what_is_no_character_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"\x80",
                                      "\xc3",
                                      "\xc3(",
                                      "\xc0\xaf",
                                      "\xc1\xbf",
                                      "\xe0\x9f\xbf",
                                      "\xe2\x82",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf0\x9f\x98",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        char text[16] = "ok";
        for (size_t k = 0; bad[i][k] != '\0'; k++)
            text[2 + k] = bad[i][k];
        assert_int_equal(utf8_character(bad[i]), 0);
        assert_false(utf8_is_valid(text));
        assert_false(utf8_is_printable(text));
    }
}

static void control_characters_are_valid_and_not_printable(void **state)
{
    (void)state;
    static const char *const controls[] = {"a\n", "\x1b[31m", "\t", "\x7f", "\xc2\x80", "\xc2\x9f"};
    for (size_t i = 0; i < sizeof(controls) / sizeof(*controls); i++) {
        assert_true(utf8_is_valid(controls[i]));
        assert_false(utf8_is_printable(controls[i]));
    }
    assert_true(utf8_is_printable(""));
    assert_true(utf8_is_printable("plain ~ \xc2\xa0\xc3\xa9 \xe2\x82\xac"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_a_character_has_its_length),
        cmocka_unit_test(what_is_no_character_is_refused),
        cmocka_unit_test(control_characters_are_valid_and_not_printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
