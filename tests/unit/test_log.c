#include "base/log.h"

#include <stdio.h>
#include <string.h>

#include "support/scratch.h"

struct heard {
    int lines;
    int level;
    char last[8192];
};

static void hear(void *user, b10_log_level level, const char *message)
{
    struct heard *heard = user;
    heard->lines++;
    heard->level = (int)level;
    snprintf(heard->last, sizeof(heard->last), "%s", message);
}

static void say_all(const struct log *log)
{
    log_error(log, "error %d", 1);
    log_warn(log, "warn %d", 2);
    log_info(log, "info %d", 3);
    log_debug(log, "debug %d", 4);
}

static void lines_up_to_the_level_are_passed_on(void **state)
{
    (void)state;
    static const char *const last[] = {"error 1", "warn 2", "info 3", "debug 4"};
    for (int level = B10_LOG_ERROR; level <= B10_LOG_DEBUG; level++) {
        struct heard heard = {0};
        say_all(&(struct log){.fn = hear, .user = &heard, .level = level});
        assert_int_equal(heard.lines, level + 1);
        assert_int_equal(heard.level, level);
        assert_string_equal(heard.last, last[level]);
    }
}

static void without_a_callback_nothing_happens(void **state)
{
    (void)state;
    struct heard heard = {0};
    say_all(&(struct log){.user = &heard, .level = B10_LOG_DEBUG});
    say_all(NULL);
    assert_int_equal(heard.lines, 0);
}

static void a_line_is_one_line_and_holds_a_longest_path(void **state)
{
    (void)state;
    char path[4096];
    memset(path, '/', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    struct heard heard = {0};
    struct log log = {.fn = hear, .user = &heard, .level = B10_LOG_INFO};
    log_info(&log, "cannot\nopen '%s': denied", path);
    assert_null(strchr(heard.last, '\n'));
    assert_int_equal(strlen(heard.last), 13 + 4095 + 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_up_to_the_level_are_passed_on),
        cmocka_unit_test(without_a_callback_nothing_happens),
        cmocka_unit_test(a_line_is_one_line_and_holds_a_longest_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
