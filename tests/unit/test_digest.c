#include "base/digest.h"

#include <stdlib.h>
#include <string.h>

#include "support/scratch.h"

static const char *text_256(const void *data, size_t size)
{
    static char text[2 * DIGEST_SIZE + 1];
    unsigned char digest[DIGEST_SIZE];
    digest_256(digest, data, size);
    hex_encode(text, digest, sizeof(digest));
    return text;
}

/* Expected values from Python's hashlib.blake2b with digest_size 32 and 8. */
static void digests_are_blake2b(void **state)
{
    (void)state;
    assert_string_equal(text_256("", 0),
                        "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
    assert_string_equal(text_256("abc", 3),
                        "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
    char *million = malloc(1000000);
    assert_non_null(million);
    memset(million, 'a', 1000000);
    assert_string_equal(text_256(million, 1000000),
                        "0741850f36cba4259628355d1073e24ddb9ca0e1bfac36fd39ae5dc2101e23a4");
    free(million);
    char text[17];
    digest_64_text(text, "abc", 3);
    assert_string_equal(text, "d8bb14d833d59559");
    digest_64_text(text, NULL, 0);
    assert_string_equal(text, "e4a6a0577479b2b4");
}

static void one_flipped_bit_changes_the_digest(void **state)
{
    (void)state;
    unsigned char data[300] = {0};
    char plain[2 * DIGEST_SIZE + 1];
    strcpy(plain, text_256(data, sizeof(data)));
    for (size_t bit = 0; bit < 8 * sizeof(data); bit++) {
        data[bit / 8] ^= (unsigned char)(1U << bit % 8);
        assert_string_not_equal(plain, text_256(data, sizeof(data)));
        data[bit / 8] ^= (unsigned char)(1U << bit % 8);
    }
}

static void bytes_become_two_lower_case_digits_each(void **state)
{
    (void)state;
    char text[9] = "????????";
    hex_encode(text, (const unsigned char *)"\x00\x7f\xab\xff", 4);
    assert_string_equal(text, "007fabff");
    hex_encode(text, NULL, 0);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_blake2b),
        cmocka_unit_test(one_flipped_bit_changes_the_digest),
        cmocka_unit_test(bytes_become_two_lower_case_digits_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
