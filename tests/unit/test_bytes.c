#include "base/bytes.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "support/scratch.h"

static void what_is_appended_is_there_in_order(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes bytes = BYTES_EMPTY;
    assert_int_equal(bytes_append(&bytes, "ab", 2, NULL), B10_REASON_OK);
    assert_int_equal(bytes_append_zeros(&bytes, 2, NULL), B10_REASON_OK);
    assert_int_equal(bytes_append_text(&bytes, "cd", NULL), B10_REASON_OK);
    assert_int_equal(bytes_format(&bytes, NULL, "%s-%d", "e", 7), B10_REASON_OK);
    assert_int_equal(bytes.size, 9);
    assert_memory_equal(bytes.data, "ab\0\0cde-7", 9);
}

static void a_million_small_appends_allocate_few_times(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes bytes = BYTES_EMPTY;
    unsigned moves = 0;
    for (uint32_t i = 0; i < 1000000; i++) {
        size_t before = bytes.capacity;
        assert_int_equal(bytes_append(&bytes, &i, sizeof(i), NULL), B10_REASON_OK);
        moves += bytes.capacity != before;
    }
    assert_int_equal(bytes.size, 4000000);
    assert_true(moves < 32);
    for (uint32_t i = 0; i < 1000000; i++)
        assert_memory_equal(bytes.data + 4 * (size_t)i, &i, sizeof(i));
}

static void the_cap_can_be_reached_and_not_passed(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes bytes = BYTES_CAPPED(100);
    struct b10_error error = ERROR_NONE;
    char text[100];
    memset(text, 'x', sizeof(text));
    assert_int_equal(bytes_append(&bytes, text, 99, &error), B10_REASON_OK);
    assert_int_equal(bytes_append(&bytes, text, 2, &error), B10_REASON_TOO_LARGE);
    assert_int_equal(bytes.size, 99);
    assert_int_equal(bytes_append(&bytes, text, 1, &error), B10_REASON_OK);
    assert_int_equal(bytes_append(&bytes, text, 1, &error), B10_REASON_TOO_LARGE);
    assert_int_equal(bytes_append_zeros(&bytes, 1, &error), B10_REASON_TOO_LARGE);
    assert_int_equal(bytes_format(&bytes, &error, "%d", 1), B10_REASON_TOO_LARGE);
    assert_int_equal(bytes_append(&bytes, text, SIZE_MAX, &error), B10_REASON_TOO_LARGE);
    assert_string_equal(error.message, "more than the 100 bytes allowed here");
    assert_int_equal(bytes.size, 100);
    assert_memory_equal(bytes.data, text, 100);
}

static void a_full_buffer_can_still_be_terminated(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes bytes = BYTES_CAPPED(3);
    assert_int_equal(bytes_format(&bytes, NULL, "%s", "abc"), B10_REASON_OK);
    assert_int_equal(bytes_terminate(&bytes, NULL), B10_REASON_OK);
    assert_int_equal(bytes.size, 3);
    assert_string_equal((char *)bytes.data, "abc");

    SCOPED(bytes) struct bytes empty = BYTES_EMPTY;
    assert_int_equal(bytes_terminate(&empty, NULL), B10_REASON_OK);
    assert_string_equal((char *)empty.data, "");
    assert_int_equal(empty.size, 0);
}

static void nothing_can_be_appended_to_nothing(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes bytes = BYTES_EMPTY;
    assert_int_equal(bytes_append(&bytes, NULL, 0, NULL), B10_REASON_OK);
    assert_int_equal(bytes_append_zeros(&bytes, 0, NULL), B10_REASON_OK);
    assert_int_equal(bytes_reserve(&bytes, 0, NULL), B10_REASON_OK);
    assert_int_equal(bytes.size, 0);
    assert_null(bytes.data);
}

static void reserved_room_is_there_without_growing_the_content(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes bytes = BYTES_EMPTY;
    assert_int_equal(bytes_reserve(&bytes, 5000, NULL), B10_REASON_OK);
    assert_int_equal(bytes.size, 0);
    assert_true(bytes.capacity >= 5000);
    memset(bytes.data, 1, 5000);
}

static void clearing_keeps_the_memory_and_release_gives_it_back(void **state)
{
    (void)state;
    struct bytes bytes = BYTES_CAPPED(10);
    assert_int_equal(bytes_append_text(&bytes, "abc", NULL), B10_REASON_OK);
    bytes_clear(&bytes);
    assert_int_equal(bytes.size, 0);
    assert_non_null(bytes.data);
    bytes_release(&bytes);
    assert_null(bytes.data);
    assert_int_equal(bytes.capacity, 0);
    assert_int_equal(bytes_append_text(&bytes, "0123456789", NULL), B10_REASON_OK);
    assert_int_equal(bytes_append_text(&bytes, "x", NULL), B10_REASON_TOO_LARGE);
    bytes_release(&bytes);
    bytes_release(&bytes);
}

static void a_size_no_machine_has_is_out_of_memory_or_too_large(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes bytes = BYTES_EMPTY;
    struct b10_error error = ERROR_NONE;
    assert_int_equal(bytes_append_text(&bytes, "kept", NULL), B10_REASON_OK);
    assert_int_equal(bytes_reserve(&bytes, SIZE_MAX, &error), B10_REASON_TOO_LARGE);
    assert_int_equal(bytes_reserve(&bytes, SIZE_MAX / 2 - 4096, &error), B10_REASON_NO_MEMORY);
    assert_memory_equal(bytes.data, "kept", 4);
    assert_int_equal(bytes.size, 4);
}

/* The sanitizers would end the test at an allocation that cannot succeed. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

__attribute__((visibility("default"))) const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_appended_is_there_in_order),
        cmocka_unit_test(a_million_small_appends_allocate_few_times),
        cmocka_unit_test(the_cap_can_be_reached_and_not_passed),
        cmocka_unit_test(a_full_buffer_can_still_be_terminated),
        cmocka_unit_test(nothing_can_be_appended_to_nothing),
        cmocka_unit_test(reserved_room_is_there_without_growing_the_content),
        cmocka_unit_test(clearing_keeps_the_memory_and_release_gives_it_back),
        cmocka_unit_test(a_size_no_machine_has_is_out_of_memory_or_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
