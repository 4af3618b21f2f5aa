#include "base/forked.h"

#include <unistd.h>

#include "support/sandbox.h"
#include "support/scratch.h"

static void crossed_in_the_child(void *context)
{
    struct b10_error error = ERROR_NONE;
    CHECK(fork_mark_crossed(context));
    CHECK(fork_mark_check(context, "b10_config", &error) == B10_REASON_FORKED);
    CHECK(error.message[0] != '\0');
    fork_mark_release(context);
}

static void a_child_is_told_from_the_process_that_made_it(void **state)
{
    (void)state;
    struct fork_mark mark;
    fork_mark_init(&mark);
    assert_false(fork_mark_crossed(&mark));
    assert_int_equal(fork_mark_check(&mark, "b10_config", NULL), B10_REASON_OK);
    sandbox_run(crossed_in_the_child, &mark);
    assert_false(fork_mark_crossed(&mark));
    fork_mark_release(&mark);
    fork_mark_release(&mark);
}

static void without_such_a_page_the_process_id_decides(void **state)
{
    (void)state;
    struct fork_mark mark = {.pid = getpid()};
    assert_false(fork_mark_crossed(&mark));
    sandbox_run(crossed_in_the_child, &mark);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_is_told_from_the_process_that_made_it),
        cmocka_unit_test(without_such_a_page_the_process_id_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
