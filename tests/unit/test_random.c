#include "base/random.h"

#include <string.h>

#include "support/scratch.h"

static void a_token_is_32_lower_case_hexadecimal_digits(void **state)
{
    (void)state;
    char token[TOKEN_TEXT_SIZE];
    assert_int_equal(token_make(token, NULL), B10_REASON_OK);
    assert_int_equal(strlen(token), 32);
    assert_int_equal(strspn(token, "0123456789abcdef"), 32);
}

static void no_two_tokens_are_equal(void **state)
{
    (void)state;
    static char tokens[1000][TOKEN_TEXT_SIZE];
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(token_make(tokens[i], NULL), B10_REASON_OK);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(tokens[i], tokens[j]);
    }
}

static void every_digit_of_a_token_varies(void **state)
{
    (void)state;
    char first[TOKEN_TEXT_SIZE];
    int changed[32] = {0};
    assert_int_equal(token_make(first, NULL), B10_REASON_OK);
    for (size_t i = 0; i < 64; i++) {
        char token[TOKEN_TEXT_SIZE];
        assert_int_equal(token_make(token, NULL), B10_REASON_OK);
        for (size_t digit = 0; digit < 32; digit++)
            changed[digit] |= token[digit] != first[digit];
    }
    for (size_t digit = 0; digit < 32; digit++)
        assert_true(changed[digit]);
}

static void numbers_below_a_count_reach_all_of_it(void **state)
{
    (void)state;
    unsigned seen = 0;
    for (int i = 0; i < 1000; i++) {
        uint32_t number = random_below(5);
        assert_true(number < 5);
        seen |= 1U << number;
    }
    assert_int_equal(seen, 31);
    assert_int_equal(random_below(1), 0);
    assert_int_equal(random_below(0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_below_a_count_reach_all_of_it),
        cmocka_unit_test(a_token_is_32_lower_case_hexadecimal_digits),
        cmocka_unit_test(no_two_tokens_are_equal),
        cmocka_unit_test(every_digit_of_a_token_varies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
