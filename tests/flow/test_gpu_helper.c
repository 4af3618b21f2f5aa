/* Helpers that are scripts: what may be wrong with one, what is left of it, and hosts with habits
 * that a helper must live with. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/gpu_host.h"

static const char line_of_a_card[] = "b10-gpu 1|cuda=12.4|NVIDIA T4;75;";

/* ---- in the host ---- */

/* A process that is dead, though perhaps not waited for, is gone. */
static bool is_gone(pid_t pid)
{
    char path[64];
    char state = '\0';
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return true;
    int got = fscanf(file, "%*d (%*[^)]) %c", &state);
    fclose(file);
    return got != 1 || state == 'Z' || state == 'X';
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Killed, but the kernel may not be done with it yet. */
static void check_goes(pid_t pid)
{
    double end = seconds() + 10;
    while (!is_gone(pid))
        CHECK(seconds() < end);
}

/* The answer of a helper that is a script and prints line_of_a_card. */
static void check_answers_t4(void)
{
    struct gpus gpus;
    host_answers(&gpus);
    CHECK(gpus.count == 1);
    CHECK(strcmp(gpus.kinds[0].name, "NVIDIA T4") == 0);
    CHECK(strcmp(gpus.kinds[0].capability, "75") == 0);
    CHECK(strcmp(gpus.cuda, "12.4") == 0);
}

/* What the host was given to expect, and what it then has no more of. */
static void part_ask(void)
{
    size_t descriptors = scratch_open_descriptors();
    const char *why = getenv("EXPECTED");
    double begin = seconds();
    if (why != NULL)
        host_mute(why);
    else
        check_answers_t4();
    CHECK(seconds() - begin < 4); /* the deadline was not needed */
    CHECK(scratch_open_descriptors() == descriptors);
    host_no_child();
}

/* ---- hosts with habits of their own ---- */

static void reap_everything(int number)
{
    int kept = errno;
    (void)number;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;
    errno = kept;
}

static void handle(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    CHECK(sigaction(number, &action, NULL) == 0);
}

static void ask_with_both(void)
{
    check_answers_t4();
    CHECK(setenv("HELPER", "die", 1) == 0);
    host_mute("b10-gpu-probe printed nothing");
    CHECK(setenv("HELPER", "stay", 1) == 0);
    check_answers_t4();
    host_no_child();
}

static void part_ignores_sigchld(void)
{
    double begin = seconds();
    handle(SIGCHLD, SIG_IGN, 0);
    ask_with_both();
    CHECK(seconds() - begin < 2.5); /* three helpers, of which none is waited for in vain */
}

static void part_reaps_everything(void)
{
    handle(SIGCHLD, reap_everything, 0);
    ask_with_both();
}

static void count_nothing(int number)
{
    (void)number;
}

static void part_is_interrupted(void)
{
    const struct itimerval often = {{0, 500}, {0, 500}};
    handle(SIGALRM, count_nothing, 0);
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    for (int i = 0; i < 10; i++)
        ask_with_both();
}

static void part_without_standard_descriptors(void)
{
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    check_answers_t4();
    host_no_child();
    for (int fd = 0; fd < 3; fd++)
        CHECK(fcntl(fd, F_GETFD) < 0);
}

static void part_has_no_descriptor_left(void)
{
    int first = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int last = first;
    for (int fd = first; fd >= 0; fd = open("/dev/null", O_RDONLY | O_CLOEXEC))
        last = fd;
    CHECK(errno == EMFILE && last > first);
    host_mute("cannot make a pipe");
    host_no_child();
    for (int fd = first; fd <= last; fd++) /* a sanitizer's last look needs some */
        close(fd);
}

/* In a system call that never returns a process is killed and does not die; for its parent that is
 * a wait that never brings it. */
static void part_helper_does_not_die(void)
{
    sandbox_deny(EINTR, SYS_wait4);
    double begin = seconds();
    check_answers_t4();
    double took = seconds() - begin;
    CHECK(took > 0.9 && took < 4);
    _exit(0);
}

static void part_passes_nothing_on(void)
{
    sigset_t all;
    handle(SIGINT, SIG_IGN, 0);
    handle(SIGPIPE, SIG_IGN, 0);
    sigfillset(&all);
    CHECK(sigprocmask(SIG_BLOCK, &all, NULL) == 0);
    check_answers_t4();
}

static void part_group(void)
{
    int grandchild = 0;
    part_ask();
    FILE *file = fopen(getenv("REPORT"), "re");
    CHECK(file != NULL && fscanf(file, "%d", &grandchild) == 1 && grandchild > 0);
    fclose(file);
    check_goes(grandchild);
}

static const struct rerun_part parts[] = {
    {"ask", part_ask},
    {"ignores sigchld", part_ignores_sigchld},
    {"reaps everything", part_reaps_everything},
    {"is interrupted", part_is_interrupted},
    {"without standard descriptors", part_without_standard_descriptors},
    {"has no descriptor left", part_has_no_descriptor_left},
    {"helper does not die", part_helper_does_not_die},
    {"passes nothing on", part_passes_nothing_on},
    {"group", part_group},
    {NULL, NULL},
};

/* ---- helpers ---- */

static void put_text(const struct scratch *scratch, const char *relative, const char *text,
                     mode_t mode)
{
    scratch_text(scratch, relative, text);
    assert_int_equal(chmod(scratch_path(scratch, relative), mode), 0);
}

static void put_script(const struct scratch *scratch, const char *relative, const char *commands)
{
    char text[2048];
    snprintf(text, sizeof(text), "#!/bin/sh\nline='%s'\n%s\n", line_of_a_card, commands);
    put_text(scratch, relative, text, 0755);
}

static void run_script(void **state, const char *commands, const char *part, const char *more)
{
    put_script(*state, "bin/b10-gpu-probe", commands);
    host_run(*state, "bin/host", part, more);
}

/* ---- the tests ---- */

static void the_helper_is_found_wherever_the_library_is_put(void **state)
{
    static const char *const layouts[][2] = {
        {"wheel/host", "wheel/b10-gpu-probe"},
        {"prefix/lib/host", "prefix/libexec/b10transfer/b10-gpu-probe"},
        {"usr/lib/x86_64-linux-gnu/host", "usr/libexec/b10transfer/b10-gpu-probe"},
    };
    for (size_t i = 0; i < sizeof(layouts) / sizeof(*layouts); i++) {
        put_script(*state, layouts[i][1], "echo \"$line\"");
        scratch_text(*state, layouts[i][0], "");
        assert_int_equal(unlink(scratch_path(*state, layouts[i][0])), 0);
        host_run(*state, layouts[i][0], "ask", "-");
    }
}

static void a_helper_that_is_missing_is_said(void **state)
{
    host_run(*state, "bin/host", "ask", "EXPECTED=b10-gpu-probe is not installed");
}

static void a_helper_that_cannot_be_run_is_said(void **state)
{
    put_text(*state, "bin/b10-gpu-probe", "#!/bin/sh\n", 0644);
    host_run(*state, "bin/host", "ask", "EXPECTED=b10-gpu-probe is not installed");
    put_text(*state, "bin/b10-gpu-probe", "no program", 0755);
    host_run(*state, "bin/host", "ask", "EXPECTED=cannot start b10-gpu-probe");
    put_text(*state, "bin/b10-gpu-probe", "#!/no/such/interpreter\n", 0755);
    host_run(*state, "bin/host", "ask", "EXPECTED=cannot start b10-gpu-probe");
}

static void a_helper_that_prints_anything_else_is_no_answer(void **state)
{
    static const char *const rows[][2] = {
        {"", "EXPECTED=printed nothing and ended with status 0"},
        {"exit 3", "EXPECTED=printed nothing and ended with status 3"},
        {"kill -SEGV $$", "EXPECTED=died of signal 11"},
        {"printf '%s' \"$line\"", "EXPECTED=printed nothing and ended with status 0"},
        {"printf '%s' \"$line\"; kill -ABRT $$", "EXPECTED=died of signal 6"},
        {"echo hello", "EXPECTED=something else than an answer"},
        {"echo", "EXPECTED=something else than an answer"},
        {"head -c 100000 /dev/urandom | tr -d '\\n'", "EXPECTED=a line that is too long"},
        {"head -c 100000 /dev/zero", "EXPECTED=a line that is too long"},
        {"printf 'b10-gpu 1|cuda=12.4|NVIDIA\\0 T4;75;\\n'", "EXPECTED=makes no sense"},
        {"printf 'b10-gpu 1!\\33[31mred\\n'", "EXPECTED=?[31mred"},
        {"exec 1>&-; sleep 60", "EXPECTED=printed nothing"},
        {"yes", "EXPECTED=something else than an answer"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        run_script(state, rows[i][0], "ask", rows[i][1]);
}

static void an_answer_counts_however_the_helper_goes_on(void **state)
{
    static const char *const rows[] = {
        "echo \"$line\"",
        "echo \"$line\"; exit 3",
        "echo \"$line\"; kill -SEGV $$",
        "echo \"$line\"; sleep 60",
        "trap '' INT TERM HUP; echo \"$line\"; sleep 60",
        "echo \"$line\"; yes",
        "printf '%.20s' \"$line\"; sleep .1; echo \"$line\" | cut -c21-",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        run_script(state, rows[i], "ask", "-");
}

static void what_the_helper_started_dies_with_it(void **state)
{
    run_script(state, "sleep 60 & echo $! >\"$REPORT\"; echo \"$line\"; sleep 60", "group", "-");
}

static void a_helper_that_does_not_die_holds_its_host_a_second(void **state)
{
    run_script(state, "echo \"$line\"", "helper does not die", "-");
}

/* With $HELPER it dies without a word, or prints and stays. */
static const char moody[] =
    "test \"$HELPER\" != die || exit 0; echo \"$line\"; test \"$HELPER\" != stay || exec sleep 60";

static void a_host_that_ignores_its_children_is_no_worse_off(void **state)
{
    run_script(state, moody, "ignores sigchld", "-");
}

static void a_host_that_waits_for_every_child_is_no_worse_off(void **state)
{
    run_script(state, moody, "reaps everything", "-");
}

static void signals_in_between_change_nothing(void **state)
{
    run_script(state, moody, "is interrupted", "-");
}

static void a_host_without_standard_descriptors_is_answered(void **state)
{
    run_script(state, "echo \"$line\"", "without standard descriptors", "-");
}

static void a_host_without_descriptors_is_told_so(void **state)
{
    run_script(state, "echo \"$line\"", "has no descriptor left", "-");
}

/* ---- a helper that looks at how it was started ---- */

static bool leads_to(int fd, const char *where)
{
    char path[64];
    char target[256] = "";
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return readlink(path, target, sizeof(target) - 1) > 0 && strcmp(target, where) == 0;
}

/* ctest hands descriptors to its tests, and a host may do so, too; the pipe's ends are not among
 * them. */
static bool has_the_pipe_once(void)
{
    char path[64] = "/proc/self/fd/1";
    char output[256] = "";
    CHECK(readlink(path, output, sizeof(output) - 1) > 0);
    for (int fd = 3; fd < 1024; fd++) {
        if (leads_to(fd, output))
            return false;
    }
    return true;
}

/* Prints the answer if all is as it should be. */
static int be_helper(void)
{
    sigset_t mask;
    CHECK(leads_to(0, "/dev/null") && leads_to(2, "/dev/null"));
    CHECK(has_the_pipe_once());
    CHECK(getpgrp() == getpid());
    CHECK(strcmp(getenv("CUDA_VISIBLE"), "7") == 0);
    CHECK(sigprocmask(SIG_SETMASK, NULL, &mask) == 0);
    for (int number = 1; number < 32; number++) {
        struct sigaction action;
        CHECK(sigismember(&mask, number) == 0);
        CHECK(sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_IGN);
    }
    puts(line_of_a_card);
    return 0;
}

static void the_helper_gets_the_environment_and_nothing_else(void **state)
{
    char self[4096] = "";
    assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    scratch_mkdir(*state, "bin");
    assert_int_equal(symlink(self, scratch_path(*state, "bin/b10-gpu-probe")), 0);
    host_run(*state, "bin/host", "passes nothing on", "CUDA_VISIBLE=7");
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        ROW(the_helper_is_found_wherever_the_library_is_put),
        ROW(an_answer_counts_however_the_helper_goes_on),
        ROW(the_helper_gets_the_environment_and_nothing_else),
        ROW(a_helper_that_is_missing_is_said),
        ROW(a_helper_that_cannot_be_run_is_said),
        ROW(a_helper_that_prints_anything_else_is_no_answer),
        ROW(what_the_helper_started_dies_with_it),
        ROW(a_helper_that_does_not_die_holds_its_host_a_second),
        ROW(a_host_that_ignores_its_children_is_no_worse_off),
        ROW(a_host_that_waits_for_every_child_is_no_worse_off),
        ROW(signals_in_between_change_nothing),
        ROW(a_host_without_standard_descriptors_is_answered),
        ROW(a_host_without_descriptors_is_told_so),
    };
    if (strcmp(argv[0], "b10-gpu-probe") == 0)
        return be_helper();
    rerun_main(argc, argv, parts);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
