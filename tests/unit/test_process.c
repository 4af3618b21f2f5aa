#include "fs/process.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/sandbox.h"
#include "support/scratch.h"

/* A child that lives until it is killed, as `process` would describe it. */
static pid_t start_child(struct process *process)
{
    int ready[2];
    struct process told;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        process_self(&told);
        if (write(ready[1], &told, sizeof(told)) == sizeof(told))
            pause();
        _exit(1);
    }
    assert_true(child > 0);
    assert_int_equal(read(ready[0], process, sizeof(*process)), sizeof(*process));
    close(ready[0]);
    close(ready[1]);
    return child;
}

static void a_process_describes_itself(void **state)
{
    (void)state;
    struct process self;
    process_self(&self);
    assert_int_equal(self.pid, getpid());
    assert_true(strlen(self.host) > 0);
    assert_true(strlen(self.boot) == 36 || strcmp(self.boot, "-") == 0);
    assert_false(process_is_dead(&self, &self));
}

static void a_child_is_alive_then_a_zombie_then_gone(void **state)
{
    (void)state;
    struct process self;
    struct process child;
    process_self(&self);
    if (strcmp(self.boot, "-") == 0 || self.pid_namespace == 0 || self.start_ticks == 0)
        skip();
    pid_t pid = start_child(&child);
    assert_false(process_is_dead(&child, &self));
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_false(process_is_dead(&child, &self));
    assert_int_equal(kill(pid, SIGKILL), 0);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_true(process_is_dead(&child, &self)); /* not waited for */
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(process_is_dead(&child, &self));
}

static void what_cannot_be_known_is_alive(void **state)
{
    (void)state;
    struct process self;
    process_self(&self);
    struct process other = self;
    other.pid = 0x7ffffff0; /* above any pid_max */
    assert_true(strcmp(self.boot, "-") == 0 || process_is_dead(&other, &self));
    struct process unknown = self;
    memcpy(unknown.boot, "-", 2);
    struct process unknown_other = other;
    memcpy(unknown_other.boot, "-", 2);
    assert_false(process_is_dead(&unknown_other, &unknown));
    unknown = self;
    unknown.pid_namespace = 0;
    unknown_other = other;
    unknown_other.pid_namespace = 0;
    assert_false(process_is_dead(&unknown_other, &unknown));
    other.pid = 0;
    assert_false(process_is_dead(&other, &self));
    other.pid = UINT64_MAX;
    assert_false(process_is_dead(&other, &self));
}

static void start_times_are_compared_only_where_both_are_known(void **state)
{
    (void)state;
    struct process self;
    process_self(&self);
    struct process other = self;
    other.start_ticks = 0;
    assert_false(process_is_dead(&other, &self));
    other.start_ticks = self.start_ticks + 1;
    struct process blind = self;
    blind.start_ticks = 0;
    assert_false(process_is_dead(&other, &blind));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_describes_itself),
        cmocka_unit_test(a_child_is_alive_then_a_zombie_then_gone),
        cmocka_unit_test(what_cannot_be_known_is_alive),
        cmocka_unit_test(start_times_are_compared_only_where_both_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
