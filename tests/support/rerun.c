#include "support/rerun.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char mark[] = "--rerun";

enum { VARIABLES_MAX = 16 };

struct start {
    char program[PATH_MAX];
    const char *part;
    const char *variables[VARIABLES_MAX + 1];
};

void rerun_main(int argc, char **argv, const struct rerun_part *parts)
{
    if (argc != 3 || strcmp(argv[1], mark) != 0)
        return;
    for (; parts->name != NULL; parts++) {
        if (strcmp(argv[2], parts->name) == 0) {
            parts->fn();
            exit(0);
        }
    }
    CHECK(!"such a part");
}

static void execute(void *context)
{
    const struct start *start = context;
    for (const char *const *variable = start->variables; *variable != NULL; variable++) {
        if (strchr(*variable, '=') != NULL)
            CHECK(putenv(strdup(*variable)) == 0);
        else
            CHECK(unsetenv(*variable) == 0);
    }
    execl(start->program, start->program, mark, start->part, (char *)NULL);
    CHECK(!"started");
}

static void collect(struct start *start, va_list list)
{
    size_t count = 0;
    const char *variable;
    while ((variable = va_arg(list, const char *)) != NULL) {
        assert_true(count < VARIABLES_MAX);
        start->variables[count++] = variable;
    }
}

static void find_self(char program[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", program, PATH_MAX - 1);
    assert_true(length > 0);
    program[length] = '\0';
}

void rerun(const char *part, ...)
{
    struct start start = {.part = part};
    va_list list;
    va_start(list, part);
    collect(&start, list);
    va_end(list);
    find_self(start.program);
    sandbox_run(execute, &start);
}

void rerun_as(const char *program, const char *part, ...)
{
    char self[PATH_MAX];
    struct start start = {.part = part};
    va_list list;
    va_start(list, part);
    collect(&start, list);
    va_end(list);
    find_self(self);
    if (symlink(self, program) != 0)
        assert_int_equal(errno, EEXIST);
    snprintf(start.program, sizeof(start.program), "%s", program);
    sandbox_run(execute, &start);
}
