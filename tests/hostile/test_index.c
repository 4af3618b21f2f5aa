/* An index that lies: a load does not read it, verify sees it. */
#include <string.h>

#include "support/hostile.h"

enum { LARGE = 10000 };

static void sealed(struct forge *forge)
{
    forge_init(forge);
    forge_sample(forge, LARGE);
    forge_seal(forge);
}

static void refuse_index(void **state, const char *lines)
{
    struct scratch *scratch = *state;
    struct forge forge;
    sealed(&forge);
    bytes_clear(&forge.index);
    assert_int_equal(bytes_append_text(&forge.index, lines, NULL), B10_REASON_OK);
    forge_save(&forge, scratch_path(scratch, "volume/a.tar.zst"));
    struct b10_error error = ERROR_NONE;
    assert_int_equal(hostile_load(scratch, 2, &error), B10_REASON_OK);
    enum b10_reason reason = hostile_check(scratch, &error);
    if (reason != B10_REASON_CORRUPT && reason != B10_REASON_UNSAFE)
        fail_msg("%s: %d %s", lines, (int)reason, error.message);
    assert_non_null(strstr(error.message, "a.tar.zst"));
    forge_release(&forge);
}

static void verify_sees_an_index_that_lies(void **state)
{
    refuse_index(state, "");
    refuse_index(state, "[]\n");
    refuse_index(state, "{}\n");
    refuse_index(state, "[0,\"ab\",\"directory\",0,1700000000,0,0,0,0]\n");
    refuse_index(state, "[0,\"../../evil\",\"directory\",0,1700000000,0,0,0,0]\n");
    refuse_index(state, "[0,\"ab\",\"file\",0,1700000000,0,0,0,0]\n");
    refuse_index(state, "[0,\"ab\",\"directory\",0,1700000000");
}

static void verify_compares_every_field_of_the_index(void **state)
{
    struct scratch *scratch = *state;
    const char *changes[][2] = {
        {"[0,\"tool\",\"file\",1,1234567890,0,9,1,0]",
         "[1,\"tool\",\"file\",1,1234567890,0,9,1,0]"},
        {"[0,\"tool\",\"file\",1,1234567890,0,9,1,0]",
         "[0,\"tool\",\"file\",0,1234567890,0,9,1,0]"},
        {"[0,\"tool\",\"file\",1,1234567890,0,9,1,0]",
         "[0,\"tool\",\"file\",1,1234567891,0,9,1,0]"},
        {"[0,\"tool\",\"file\",1,1234567890,0,9,1,0]",
         "[0,\"tool\",\"file\",1,1234567890,1,9,1,0]"},
        {"[0,\"tool\",\"file\",1,1234567890,0,9,1,0]",
         "[0,\"tool\",\"file\",1,1234567890,0,8,1,0]"},
        {"[0,\"tool\",\"file\",1,1234567890,0,9,1,0]",
         "[0,\"tool\",\"file\",1,1234567890,0,9,0,0]"},
        {"[0,\"tool\",\"file\",1,1234567890,0,9,1,0]",
         "[0,\"tool\",\"file\",1,1234567890,0,9,1,1]"},
        {"[0,\"tool\",\"file\",1,1234567890,0,9,1,0]",
         "[0,\"fool\",\"file\",1,1234567890,0,9,1,0]"},
        {"\"../tool\"", "\"../fool\""},
        {"\"ab/code.py\"]", "\"ab/nothing\"]"},
    };
    for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
        struct forge forge;
        sealed(&forge);
        assert_int_equal(bytes_terminate(&forge.index, NULL), B10_REASON_OK);
        char *at = strstr((char *)forge.index.data, changes[i][0]);
        if (at == NULL)
            fail_msg("no %s in %s", changes[i][0], (char *)forge.index.data);
        memcpy(at, changes[i][1], strlen(changes[i][1]));
        forge_save(&forge, scratch_path(scratch, "volume/a.tar.zst"));
        struct b10_error error = ERROR_NONE;
        assert_int_equal(hostile_check(scratch, &error), B10_REASON_CORRUPT);
        assert_non_null(strstr(error.message, "differs from its line in the index"));
        forge_release(&forge);
    }
}

int main(void)
{
#define HOSTILE(test) cmocka_unit_test_setup_teardown(test, hostile_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        HOSTILE(verify_sees_an_index_that_lies),
        HOSTILE(verify_compares_every_field_of_the_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
