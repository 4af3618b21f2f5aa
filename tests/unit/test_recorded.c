#include "settings/recorded.h"

#include <stdio.h>
#include <string.h>

#include "archive/manifest.h"
#include "base/digest.h"
#include "base/guard.h"
#include "support/scratch.h"

static void take(struct recorded *recorded, const char *variable)
{
    assert_int_equal(recorded_take(recorded, variable, NULL), B10_REASON_OK);
}

static const char *value_of(const struct recorded *recorded, const char *name)
{
    for (size_t i = 0; i < recorded->count; i++) {
        if (strcmp(recorded->items[i].name, name) == 0)
            return recorded->items[i].value;
    }
    return NULL;
}

/* "blake2b:…" of a value; one of two static buffers in turn. */
static const char *digest_of(const char *value)
{
    static char texts[2][8 + 17];
    static unsigned next;
    char *text = texts[next++ % 2];
    memcpy(text, "blake2b:", 8);
    digest_64_text(text + 8, value, strlen(value));
    return text;
}

static void assert_described(const struct recorded *there, const struct recorded *here,
                             const char *expected)
{
    SCOPED(bytes) struct bytes lines = BYTES_EMPTY;
    assert_int_equal(recorded_describe(there->items, there->count, here, &lines, NULL),
                     B10_REASON_OK);
    assert_string_equal((const char *)lines.data, expected);
}

/* ---- what is kept ---- */

static void variables_of_the_known_programs_are_kept_sorted(void **state)
{
    (void)state;
    SCOPED(recorded) struct recorded recorded = RECORDED_NONE;
    take(&recorded, "VLLM_USE_V1=1");
    take(&recorded, "TRITON_DEBUG=");
    take(&recorded, "TORCHINDUCTOR_MAX_AUTOTUNE=a=b");
    take(&recorded, "VLLM_=\xc3\xa9");
    assert_int_equal(recorded.count, 4);
    for (size_t i = 1; i < recorded.count; i++)
        assert_true(strcmp(recorded.items[i - 1].name, recorded.items[i].name) < 0);
    assert_string_equal(value_of(&recorded, "VLLM_USE_V1"), "1");
    assert_string_equal(value_of(&recorded, "TRITON_DEBUG"), "");
    assert_string_equal(value_of(&recorded, "TORCHINDUCTOR_MAX_AUTOTUNE"), "a=b");
    assert_string_equal(value_of(&recorded, "VLLM_"), "\xc3\xa9");
}

static void everything_else_is_left_out(void **state)
{
    (void)state;
    static const char *const others[] = {
        "HOME=/root",
        "TORCHINDUCTOR_CACHE_DIR=/tmp/x",
        "TRITON_CACHE_DIR=/x",
        "VLLM_CACHE_ROOT=x",
        "XVLLM_A=1",
        "vllm_a=1",
        "VLLM_A",
        "=VLLM_A",
        "VLLM_A B=1",
        "VLLM_\xff=1",
        "VLLM_A-B=1",
        "B10_PYTHON_PREFIX=/usr",
        "TRITON=1",
        "",
    };
    SCOPED(recorded) struct recorded recorded = RECORDED_NONE;
    char name[MANIFEST_RECORDED_NAME_LIMIT + 8];
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        take(&recorded, others[i]);
    memset(name, 'A', sizeof(name));
    memcpy(name, "VLLM_", 5);
    memcpy(name + MANIFEST_RECORDED_NAME_LIMIT + 1, "=1", 3);
    take(&recorded, name);
    assert_int_equal(recorded.count, 0);
    memcpy(name + MANIFEST_RECORDED_NAME_LIMIT, "=1", 3);
    take(&recorded, name);
    assert_int_equal(recorded.count, 1);
}

static void secrets_are_digests_from_the_beginning(void **state)
{
    (void)state;
    static const char *const names[] = {"VLLM_API_KEY", "VLLM_hf_token", "TRITON_SECRETS",
                                        "TORCHINDUCTOR_PASSWORD", "VLLM_monKEY"};
    SCOPED(recorded) struct recorded recorded = RECORDED_NONE;
    char variable[100];
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        snprintf(variable, sizeof(variable), "%s=hunter2", names[i]);
        take(&recorded, variable);
        assert_string_equal(value_of(&recorded, names[i]), digest_of("hunter2"));
    }
    take(&recorded, "VLLM_EMPTY_KEY=");
    assert_string_equal(value_of(&recorded, "VLLM_EMPTY_KEY"), digest_of(""));
    assert_string_not_equal(digest_of(""), digest_of("hunter2"));
}

static void long_and_unprintable_values_are_digests(void **state)
{
    (void)state;
    SCOPED(recorded) struct recorded recorded = RECORDED_NONE;
    char variable[MANIFEST_RECORDED_VALUE_LIMIT + 10] = "VLLM_A=";
    memset(variable + 7, 'x', MANIFEST_RECORDED_VALUE_LIMIT);
    take(&recorded, variable);
    assert_string_equal(value_of(&recorded, "VLLM_A"), variable + 7);
    variable[5] = 'B';
    variable[7 + MANIFEST_RECORDED_VALUE_LIMIT] = 'x';
    take(&recorded, variable);
    assert_string_equal(value_of(&recorded, "VLLM_B"), digest_of(variable + 7));
    take(&recorded, "VLLM_C=\xff");
    assert_string_equal(value_of(&recorded, "VLLM_C"), digest_of("\xff"));
    take(&recorded, "VLLM_D=a\nb");
    assert_string_equal(value_of(&recorded, "VLLM_D"), digest_of("a\nb"));
}

static void the_first_of_two_equal_names_stays(void **state)
{
    (void)state;
    SCOPED(recorded) struct recorded recorded = RECORDED_NONE;
    take(&recorded, "VLLM_A=first");
    take(&recorded, "VLLM_A=second");
    assert_int_equal(recorded.count, 1);
    assert_string_equal(recorded.items[0].value, "first");
}

static void beyond_the_limit_the_last_names_are_left_out(void **state)
{
    (void)state;
    SCOPED(recorded) struct recorded recorded = RECORDED_NONE;
    char variable[32];
    for (int i = 299; i >= 0; i--) {
        snprintf(variable, sizeof(variable), "VLLM_%03d=%d", i, i);
        take(&recorded, variable);
    }
    take(&recorded, "VLLM_300=0");
    assert_int_equal(recorded_add(&recorded, "B10_PYTHON_PREFIX", "/usr", NULL), B10_REASON_OK);
    assert_int_equal(recorded.count, MANIFEST_RECORDED_LIMIT);
    assert_string_equal(recorded.items[0].name, "B10_PYTHON_PREFIX");
    assert_string_equal(recorded.items[MANIFEST_RECORDED_LIMIT - 1].name, "VLLM_254");
}

/* ---- comparing ---- */

static void each_difference_is_a_line_and_nothing_else(void **state)
{
    (void)state;
    SCOPED(recorded) struct recorded there = RECORDED_NONE;
    SCOPED(recorded) struct recorded here = RECORDED_NONE;
    assert_described(&there, &here, "");
    take(&there, "VLLM_SAME=1");
    take(&there, "VLLM_OTHER=a");
    take(&there, "TRITON_THERE=x");
    take(&here, "VLLM_SAME=1");
    take(&here, "VLLM_OTHER=b");
    take(&here, "VLLM_ZHERE=");
    assert_described(&there, &here,
                     "TRITON_THERE: 'x' there, none here\n"
                     "VLLM_OTHER: 'a' there, 'b' here\n"
                     "VLLM_ZHERE: none there, '' here\n");
    assert_described(&there, &there, "");
}

static void secrets_are_compared_without_being_shown(void **state)
{
    (void)state;
    SCOPED(recorded) struct recorded there = RECORDED_NONE;
    SCOPED(recorded) struct recorded here = RECORDED_NONE;
    char expected[200];
    take(&there, "VLLM_API_KEY=hunter2");
    take(&here, "VLLM_API_KEY=hunter2");
    assert_described(&there, &here, "");
    recorded_release(&here);
    take(&here, "VLLM_API_KEY=hunter3");
    int length =
        snprintf(expected, sizeof(expected), "VLLM_API_KEY: '%s' there, ", digest_of("hunter2"));
    snprintf(expected + length, sizeof(expected) - (size_t)length, "'%s' here\n",
             digest_of("hunter3"));
    assert_described(&there, &here, expected);
}

/* Another release may digest more, or less. */
static void a_digest_is_compared_with_the_digest_of_the_other_value(void **state)
{
    (void)state;
    SCOPED(recorded) struct recorded here = RECORDED_NONE;
    SCOPED(bytes) struct bytes lines = BYTES_EMPTY;
    char digest[32];
    snprintf(digest, sizeof(digest), "%s", digest_of("plain"));
    const struct fact there[] = {{(char[]){"VLLM_API_KEY"}, (char[]){"hunter2"}},
                                 {(char[]){"VLLM_MODE"}, digest}};
    take(&here, "VLLM_API_KEY=hunter2");
    take(&here, "VLLM_MODE=plain");
    assert_int_equal(recorded_describe(there, 2, &here, &lines, NULL), B10_REASON_OK);
    assert_string_equal((const char *)lines.data, "");
}

static void a_secret_that_another_writer_stored_is_not_shown(void **state)
{
    (void)state;
    SCOPED(recorded) struct recorded here = RECORDED_NONE;
    SCOPED(bytes) struct bytes lines = BYTES_EMPTY;
    const struct fact there[] = {{(char[]){"VLLM_API_KEY"}, (char[]){"hunter2"}}};
    assert_int_equal(recorded_describe(there, 1, &here, &lines, NULL), B10_REASON_OK);
    assert_null(strstr((const char *)lines.data, "hunter2"));
    assert_non_null(strstr((const char *)lines.data, digest_of("hunter2")));
}

static void what_this_release_does_not_record_is_passed_over(void **state)
{
    (void)state;
    SCOPED(recorded) struct recorded here = RECORDED_NONE;
    SCOPED(bytes) struct bytes lines = BYTES_EMPTY;
    const struct fact there[] = {{(char[]){"B10_PYTHON_PREFIX"}, (char[]){"/venv"}},
                                 {(char[]){"FLASHINFER_X"}, (char[]){"1"}},
                                 {(char[]){"VLLM_CACHE_ROOT"}, (char[]){"/x"}}};
    assert_int_equal(recorded_describe(there, 3, &here, &lines, NULL), B10_REASON_OK);
    assert_string_equal((const char *)lines.data, "B10_PYTHON_PREFIX: '/venv' there, none here\n");
}

static void values_are_quoted_and_cut(void **state)
{
    (void)state;
    SCOPED(recorded) struct recorded there = RECORDED_NONE;
    SCOPED(recorded) struct recorded here = RECORDED_NONE;
    SCOPED(bytes) struct bytes lines = BYTES_EMPTY;
    char variable[1100] = "VLLM_A=";
    take(&there, "VLLM_B=\xe2\x80\xae!");
    assert_described(&there, &here, "VLLM_B: '\\xe2\\x80\\xae!' there, none here\n");
    recorded_release(&there);
    for (size_t i = 0; i < 512; i++)
        memcpy(variable + 7 + 2 * i, "\xc3\xa9", 3);
    take(&there, variable);
    assert_int_equal(recorded_describe(there.items, 1, &here, &lines, NULL), B10_REASON_OK);
    assert_non_null(strstr((const char *)lines.data, "…' there, none here\n"));
    assert_true(lines.size < 1300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_of_the_known_programs_are_kept_sorted),
        cmocka_unit_test(everything_else_is_left_out),
        cmocka_unit_test(secrets_are_digests_from_the_beginning),
        cmocka_unit_test(long_and_unprintable_values_are_digests),
        cmocka_unit_test(the_first_of_two_equal_names_stays),
        cmocka_unit_test(beyond_the_limit_the_last_names_are_left_out),
        cmocka_unit_test(each_difference_is_a_line_and_nothing_else),
        cmocka_unit_test(secrets_are_compared_without_being_shown),
        cmocka_unit_test(a_digest_is_compared_with_the_digest_of_the_other_value),
        cmocka_unit_test(a_secret_that_another_writer_stored_is_not_shown),
        cmocka_unit_test(what_this_release_does_not_record_is_passed_over),
        cmocka_unit_test(values_are_quoted_and_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
