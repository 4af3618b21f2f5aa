#include "fs/lock_text.h"

#include <string.h>

#include "support/scratch.h"

static const struct lock_text lock = {.token = "0123456789abcdef0123456789abcdef",
                                      .holder = {.host = "replica-7",
                                                 .boot = "11111111-2222-3333-4444-555555555555",
                                                 .pid = 4711,
                                                 .pid_namespace = 4026531836,
                                                 .start_ticks = 77},
                                      .counter = UINT64_MAX};

static void what_is_written_is_read(void **state)
{
    (void)state;
    char text[LOCK_TEXT_SIZE + 1];
    struct lock_text found;
    lock_text_format(text, &lock);
    assert_int_equal(strlen(text), LOCK_TEXT_SIZE);
    assert_true(lock_text_parse(&found, text, LOCK_TEXT_SIZE));
    assert_string_equal(found.token, lock.token);
    assert_string_equal(found.holder.host, "replica-7");
    assert_string_equal(found.holder.boot, lock.holder.boot);
    assert_int_equal(found.holder.pid, 4711);
    assert_true(found.holder.pid_namespace == 4026531836);
    assert_int_equal(found.holder.start_ticks, 77);
    assert_true(found.counter == UINT64_MAX);
}

static void the_counter_stands_where_a_beat_overwrites_it(void **state)
{
    (void)state;
    char text[LOCK_TEXT_SIZE + 1];
    char digits[LOCK_COUNTER_SIZE + 1];
    struct lock_text found;
    lock_text_format(text, &lock);
    lock_text_counter(digits, 42);
    memcpy(text + LOCK_COUNTER_OFFSET, digits, LOCK_COUNTER_SIZE);
    assert_true(lock_text_parse(&found, text, LOCK_TEXT_SIZE));
    assert_int_equal(found.counter, 42);
}

static void only_the_exact_text_is_a_lock(void **state)
{
    (void)state;
    char text[LOCK_TEXT_SIZE + 2] = "";
    struct lock_text found;
    lock_text_format(text, &lock);
    assert_false(lock_text_parse(&found, text, LOCK_TEXT_SIZE - 1));
    assert_false(lock_text_parse(&found, text, LOCK_TEXT_SIZE + 1));
    assert_false(lock_text_parse(&found, text, 0));
    for (size_t i = 0; i < LOCK_TEXT_SIZE; i++) {
        static const char wrong[] = {'\0', '\n', '~', '\t', '\xff'};
        const char kept = text[i];
        for (size_t k = 0; k < sizeof(wrong); k++) {
            text[i] = wrong[k];
            assert_true(wrong[k] == kept || !lock_text_parse(&found, text, LOCK_TEXT_SIZE));
        }
        text[i] = kept;
    }
    memcpy(text + LOCK_COUNTER_OFFSET, "99999999999999999999", LOCK_COUNTER_SIZE);
    assert_false(lock_text_parse(&found, text, LOCK_TEXT_SIZE)); /* more than 64 bits */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(the_counter_stands_where_a_beat_overwrites_it),
        cmocka_unit_test(only_the_exact_text_is_a_lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
