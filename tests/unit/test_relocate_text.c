#include "cache/relocate_text.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/scratch.h"

static struct b10_error error = ERROR_NONE;

static struct prefix table[] = {
    {.from = "/old/triton", .length = 11, .to = "/new/t", .state = PREFIX_MOVED},
    {.from = "/old/kept", .length = 9, .to = "/old/kept", .state = PREFIX_STAYS},
    {.from = "/old/bad", .length = 8, .to = "/a'b", .state = PREFIX_REFUSED},
};
static const struct prefixes prefixes = {.items = table, .count = 3, .any_moved = true};

typedef enum b10_reason (*function)(const struct prefixes *, size_t, const struct bytes *,
                                    struct bytes *, enum relocate_answer *, struct b10_error *);

/* expected NULL: nothing is checked but the answer. */
static void assert_becomes(function relocate, const char *text, size_t size,
                           enum relocate_answer expected_answer, const char *expected)
{
    SCOPED(bytes) struct bytes in = BYTES_EMPTY;
    SCOPED(bytes) struct bytes out = BYTES_EMPTY;
    enum relocate_answer answer = RELOCATE_SAME;
    assert_int_equal(bytes_append(&in, text, size, &error), 0);
    if (relocate(&prefixes, 0, &in, &out, &answer, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
    assert_int_equal(answer, expected_answer);
    if (expected == NULL)
        return;
    assert_int_equal(bytes_terminate(&out, &error), 0);
    assert_string_equal((const char *)out.data, expected);
}

static void group(const char *text, enum relocate_answer answer, const char *expected)
{
    assert_becomes(relocate_group, text, strlen(text), answer, expected);
}

static void source(const char *text, enum relocate_answer answer, const char *expected)
{
    assert_becomes(relocate_source, text, strlen(text), answer, expected);
}

/* ---- group ---- */

static void paths_of_children_move_and_nothing_else_does(void **state)
{
    (void)state;
    group("{\"child_paths\": {\"k.ttir\": \"/old/triton/AB/k.ttir\", "
          "\"k.json\":\"/old/triton/AB/k.json\"}}",
          RELOCATE_CHANGED,
          "{\"child_paths\": {\"k.ttir\": \"/new/t/AB/k.ttir\", "
          "\"k.json\": \"/new/t/AB/k.json\"}}");
    group("{\"note\": \"/old/triton/x\", \"child_paths\": {\"/old/triton/x\": \"/old/triton\"}, "
          "\"more\": [1, true, null, 2.5, \"\\u00e9\"]}",
          RELOCATE_CHANGED,
          "{\"note\": \"/old/triton/x\", \"child_paths\": {\"/old/triton/x\": \"/new/t\"}, "
          "\"more\": [1, true, null, 2.5, \"\\u00E9\"]}");
    group("{\"child_paths\": {\"a\": \"/old/tritonX/a\", \"b\": \"x/old/triton/b\", \"c\": 7, "
          "\"d\": {\"e\": \"/old/triton/e\"}, \"f\": \"/old/kept/f\"}}",
          RELOCATE_SAME, NULL);
    group("{}", RELOCATE_SAME, NULL);
    group("[\"/old/triton/x\"]", RELOCATE_SAME, NULL);
    group("\"/old/triton/x\"", RELOCATE_SAME, NULL);
    group("{\"child_paths\": [\"/old/triton/x\"]}", RELOCATE_SAME, NULL);
    group("{\"child_paths\": null}", RELOCATE_SAME, NULL);
}

static void one_path_that_cannot_move_leaves_the_group_as_it_is(void **state)
{
    (void)state;
    group("{\"child_paths\": {\"a\": \"/old/triton/a\", \"b\": \"/old/bad/b\"}}", RELOCATE_REFUSED,
          NULL);
    group("{\"child_paths\": {\"b\": \"/old/bad/b\", \"a\": \"/old/triton/a\"}}", RELOCATE_REFUSED,
          NULL);
}

static void a_group_that_is_no_json_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "{",
                                      "{\"child_paths\": {\"a\": \"/old/triton/a\"}} x",
                                      "{\"child_paths\": {\"a\": \"/old/triton/\xff\"}}",
                                      "{\"child_paths\": {\"a\": \"/old/triton/\\u0000\"}}",
                                      "{\"child_paths\": {\"a\": NaN}}",
                                      "{\"child_paths\": {\"a\": 1, \"a\": 2}}",
                                      "\0\0"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        group(bad[i], RELOCATE_REFUSED, NULL);
    assert_becomes(relocate_group, "\0\0\0", 3, RELOCATE_REFUSED, NULL);
}

static size_t nested(char *text, size_t size, int depth)
{
    size_t at = (size_t)snprintf(text, size, "{\"child_paths\":{\"a\":\"/old/triton/a\"},\"b\":");
    for (int i = 0; i < depth; i++)
        at += (size_t)snprintf(text + at, size - at, "[\"]\\\"\",");
    text[at++] = '1';
    memset(text + at, ']', (size_t)depth);
    at += (size_t)depth;
    text[at++] = '}';
    return at;
}

/* On a stack that is smaller than a job's; NULL: all answers are right. */
static void *deep_groups(void *unused)
{
    static char text[65536];
    for (int depth = 10; depth < 4000; depth += 61) {
        SCOPED(bytes) struct bytes in = BYTES_EMPTY;
        SCOPED(bytes) struct bytes out = BYTES_EMPTY;
        enum relocate_answer answer;
        if (bytes_append(&in, text, nested(text, sizeof(text), depth), NULL) != B10_REASON_OK ||
            relocate_group(&prefixes, 0, &in, &out, &answer, NULL) != B10_REASON_OK ||
            answer != (depth < 63 ? RELOCATE_CHANGED : RELOCATE_REFUSED))
            return text;
    }
    return unused;
}

static void a_deep_group_is_refused(void **state)
{
    (void)state;
    pthread_t thread;
    pthread_attr_t attributes;
    void *wrong = NULL;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, (size_t)128 * 1024), 0);
    assert_int_equal(pthread_create(&thread, &attributes, deep_groups, NULL), 0);
    assert_int_equal(pthread_join(thread, &wrong), 0);
    pthread_attr_destroy(&attributes);
    assert_null(wrong);
}

/* ---- source ---- */

static void quoted_paths_of_a_source_move(void **state)
{
    (void)state;
    source("{   (None, 0, 'inductor'): (   'fx1',\n"
           "       '/old/triton/ab/rank_0_0/artifact'),\n"
           "    (8, 1, \"x\"): (\"/old/triton\", '/old/triton', '/old/kept/k')}",
           RELOCATE_CHANGED,
           "{   (None, 0, 'inductor'): (   'fx1',\n"
           "       '/new/t/ab/rank_0_0/artifact'),\n"
           "    (8, 1, \"x\"): (\"/new/t\", '/new/t', '/old/kept/k')}");
}

static void what_only_looks_like_a_path_stays(void **state)
{
    (void)state;
    static const char *const same[] = {"",
                                       "/old/triton/a",
                                       "x/old/triton/a",
                                       "'x/old/triton/a'",
                                       "'/old/tritonX'",
                                       "'/old/triton",
                                       "'/old/triton\"",
                                       "' /old/triton'",
                                       "'/old/trito'",
                                       "'",
                                       "'/",
                                       "''",
                                       "'/'"};
    for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
        source(same[i], RELOCATE_SAME, NULL);
    source("'/old/bad/a', '/old/triton/b'", RELOCATE_REFUSED, NULL);
    source("'/old/triton/b', '/old/bad/a'", RELOCATE_REFUSED, NULL);
}

static void a_text_that_would_become_huge_is_refused(void **state)
{
    (void)state;
    static char long_path[4000];
    memset(long_path, 'l', sizeof(long_path) - 1);
    memcpy(long_path, "/new/", 5);
    struct prefix saved = table[0];
    table[0].to = long_path;
    SCOPED(bytes) struct bytes text = BYTES_EMPTY;
    for (int i = 0; i < 10000; i++)
        assert_int_equal(bytes_append_text(&text, "'/old/triton',", &error), 0);
    assert_becomes(relocate_source, (const char *)text.data, text.size, RELOCATE_REFUSED, NULL);
    bytes_clear(&text);
    assert_int_equal(bytes_append_text(&text, "{\"child_paths\": {", &error), 0);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(bytes_format(&text, &error, "\"%d\":\"/old/triton/x\",", i), 0);
    text.size--;
    assert_int_equal(bytes_append_text(&text, "}}", &error), 0);
    assert_becomes(relocate_group, (const char *)text.data, text.size, RELOCATE_REFUSED, NULL);
    table[0] = saved;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_of_children_move_and_nothing_else_does),
        cmocka_unit_test(one_path_that_cannot_move_leaves_the_group_as_it_is),
        cmocka_unit_test(a_group_that_is_no_json_is_refused),
        cmocka_unit_test(a_deep_group_is_refused),
        cmocka_unit_test(quoted_paths_of_a_source_move),
        cmocka_unit_test(what_only_looks_like_a_path_stays),
        cmocka_unit_test(a_text_that_would_become_huge_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
