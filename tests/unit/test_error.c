#include "base/error.h"

#include <errno.h>
#include <string.h>

#include "base/line.h"
#include "support/scratch.h"

static void a_failure_has_its_reason_and_one_sentence(void **state)
{
    (void)state;
    struct b10_error error = ERROR_NONE;
    error.sys_errno = 7;
    assert_int_equal(error_set(&error, B10_REASON_CORRUPT, "frame %u of '%s'", 3U, "x.zst"),
                     B10_REASON_CORRUPT);
    assert_int_equal(error.code, B10_REASON_CORRUPT);
    assert_int_equal(error.sys_errno, 0);
    assert_string_equal(error.message, "frame 3 of 'x.zst'");
    assert_int_equal(error.struct_size, sizeof(error));
}

static void a_system_failure_keeps_errno_and_the_systems_text(void **state)
{
    (void)state;
    struct b10_error error = ERROR_NONE;
    assert_int_equal(error_errno(&error, ENOENT, "cannot open '%s'", "/a/b"), B10_REASON_IO);
    assert_int_equal(error.sys_errno, ENOENT);
    assert_string_equal(error.message, "cannot open '/a/b': No such file or directory");
}

static void an_unknown_errno_still_makes_a_sentence(void **state)
{
    (void)state;
    struct b10_error error = ERROR_NONE;
    assert_int_equal(error_errno(&error, 123456, "cannot open 'x'"), B10_REASON_IO);
    assert_memory_equal(error.message, "cannot open 'x': ", 17);
    assert_true(strlen(error.message) > 17);
}

static void errno_values_have_the_reasons_of_the_contract(void **state)
{
    (void)state;
    static const struct {
        int number;
        enum b10_reason reason;
    } rows[] = {
        {ENOSPC, B10_REASON_NO_SPACE},  {EDQUOT, B10_REASON_NO_SPACE}, {EFBIG, B10_REASON_NO_SPACE},
        {EACCES, B10_REASON_DENIED},    {EPERM, B10_REASON_DENIED},    {EROFS, B10_REASON_DENIED},
        {ENOMEM, B10_REASON_NO_MEMORY}, {EIO, B10_REASON_IO},          {ENOTCONN, B10_REASON_IO},
        {ESTALE, B10_REASON_IO},        {ENOENT, B10_REASON_IO},       {0, B10_REASON_IO},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(error_reason_of(rows[i].number), rows[i].reason);
}

static void a_long_name_is_cut_and_the_systems_text_kept(void **state)
{
    (void)state;
    char name[5000];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    struct b10_error error = ERROR_NONE;
    (void)error_errno(&error, EACCES, "cannot open '%s'", name);
    const char *text = ": Permission denied";
    assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
    assert_string_equal(error.message + strlen(error.message) - strlen(text), text);

    (void)error_set(&error, B10_REASON_UNSAFE, "member '%s'", name);
    assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
}

static void a_name_with_newlines_stays_one_line(void **state)
{
    (void)state;
    struct b10_error error = ERROR_NONE;
    (void)error_set(&error, B10_REASON_UNSAFE, "member '%s'", "a\nb\x1b[2J\x7f\xc3\xa4");
    assert_string_equal(error.message, "member 'a?b?[2J?\xc3\xa4'");
}

static void a_message_may_quote_its_own_record(void **state)
{
    (void)state;
    struct b10_error error = ERROR_NONE;
    (void)error_set(&error, B10_REASON_IO, "inner");
    (void)error_set(&error, B10_REASON_IO, "outer: %s", error.message);
    assert_string_equal(error.message, "outer: inner");
}

static void no_record_is_fine_everywhere(void **state)
{
    (void)state;
    struct b10_error error = ERROR_NONE;
    (void)error_set(&error, B10_REASON_IO, "x");
    assert_int_equal(error_set(NULL, B10_REASON_FORMAT, "x"), B10_REASON_FORMAT);
    assert_int_equal(error_errno(NULL, EROFS, "x"), B10_REASON_DENIED);
    assert_int_equal(error_no_memory(NULL), B10_REASON_NO_MEMORY);
    assert_int_equal(error_copy(NULL, &error), B10_REASON_IO);
    error_clear(NULL);
}

static void out_of_memory_says_so(void **state)
{
    (void)state;
    struct b10_error error = ERROR_NONE;
    assert_int_equal(error_no_memory(&error), B10_REASON_NO_MEMORY);
    assert_string_equal(error.message, "out of memory");
}

static void clearing_forgets_everything_but_the_size(void **state)
{
    (void)state;
    struct b10_error error = ERROR_NONE;
    (void)error_errno(&error, EIO, "x");
    error_clear(&error);
    assert_int_equal(error.code, B10_REASON_OK);
    assert_int_equal(error.sys_errno, 0);
    assert_string_equal(error.message, "");
    assert_int_equal(error.struct_size, sizeof(error));
}

static void a_copy_never_exceeds_the_size_the_caller_named(void **state)
{
    (void)state;
    struct b10_error from = ERROR_NONE;
    (void)error_errno(&from, EIO, "cannot read the archive");
    for (uint32_t size = 0; size <= sizeof(from) + 8; size++) {
        union {
            struct b10_error error;
            unsigned char bytes[sizeof(struct b10_error) + 16];
        } to;
        memset(&to, 0xa5, sizeof(to));
        to.error.struct_size = size;
        assert_int_equal(error_copy(&to.error, &from), B10_REASON_IO);
        assert_int_equal(to.error.struct_size, size);
        size_t end = size < sizeof(from) ? size : sizeof(from);
        for (size_t i = end < 4 ? 4 : end; i < sizeof(to); i++)
            assert_int_equal(to.bytes[i], 0xa5);
        if (size == sizeof(from))
            assert_memory_equal(&to.error, &from, sizeof(from));
        if (size > offsetof(struct b10_error, message))
            assert_non_null(
                memchr(to.error.message, '\0', end - offsetof(struct b10_error, message)));
    }
}

static enum b10_reason forwards(enum b10_reason reason, int *reached)
{
    TRY(reason);
    *reached = 1;
    return B10_REASON_OK;
}

static void try_returns_at_the_first_failure_only(void **state)
{
    (void)state;
    int reached = 0;
    assert_int_equal(forwards(B10_REASON_DENIED, &reached), B10_REASON_DENIED);
    assert_int_equal(reached, 0);
    assert_int_equal(forwards(B10_REASON_OK, &reached), B10_REASON_OK);
    assert_int_equal(reached, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_has_its_reason_and_one_sentence),
        cmocka_unit_test(a_system_failure_keeps_errno_and_the_systems_text),
        cmocka_unit_test(an_unknown_errno_still_makes_a_sentence),
        cmocka_unit_test(errno_values_have_the_reasons_of_the_contract),
        cmocka_unit_test(a_long_name_is_cut_and_the_systems_text_kept),
        cmocka_unit_test(a_name_with_newlines_stays_one_line),
        cmocka_unit_test(a_message_may_quote_its_own_record),
        cmocka_unit_test(no_record_is_fine_everywhere),
        cmocka_unit_test(out_of_memory_says_so),
        cmocka_unit_test(clearing_forgets_everything_but_the_size),
        cmocka_unit_test(a_copy_never_exceeds_the_size_the_caller_named),
        cmocka_unit_test(try_returns_at_the_first_failure_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
