#include "cli/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/signals.h"

enum {
    FAREWELL_MS = 300, /* for a child that has told its exit code */
    REPEAT_MS = 20     /* sooner it is the same signal: `timeout` sends it to us and to our group */
};

struct worker {
    pid_t child;
    int told_fd;      /* the child writes its exit code at the other end */
    int signals_fd;   /* what is handed on, and SIGCHLD */
    bool told;        /* the exit code has come, */
    uint8_t code;     /* this one */
    int64_t told_ms;  /* when it came */
    int asked;        /* the last signal handed on, 0: none */
    int64_t asked_ms; /* when it was */
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the child ---- */

static bool is_ignored(int number)
{
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

/* A parent that is killed asks the child to stop, too: SIGTERM, so that it cleans up. */
void worker_follow(pid_t parent)
{
    (void)!prctl(PR_SET_PDEATHSIG, is_ignored(SIGTERM) ? SIGKILL : SIGTERM);
    if (getppid() != parent)
        _exit(EXIT_CODE_FAILED);
}

/* Whoever reads what was printed must not wait for a process that cannot end. */
void worker_leave_output(void)
{
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        (void)!dup2(null, fd);
}

static _Noreturn void be_child(enum exit_code (*work)(const struct options *options),
                               const struct options *options, int tell)
{
    const uint8_t code = (uint8_t)work(options);
    fflush(stderr);
    worker_leave_output();
    (void)!write(tell, &code, sizeof code);
    exit(code);
}

/* ---- the parent ---- */

/* As if the signal had ended this process, which it does unless it is the first of its namespace. */
static enum exit_code end_by(int number)
{
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    signal(number, SIG_DFL);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    return (enum exit_code)(EXIT_CODE_SIGNAL + number);
}

/* False: the signal came again, and means at once. */
static bool hand_on(struct worker *worker, int number)
{
    const int64_t now = now_ms();
    if (number == worker->asked && now - worker->asked_ms < REPEAT_MS)
        return true;
    if (number == worker->asked) {
        kill(worker->child, SIGKILL);
        return false;
    }
    worker->asked = number;
    worker->asked_ms = now;
    kill(worker->child, number);
    return true;
}

/* Number of the signal that means at once, 0 if there is none. */
static int read_signals(struct worker *worker)
{
    struct signalfd_siginfo info;
    while (read(worker->signals_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        const int number = (int)info.ssi_signo;
        if (number != SIGCHLD && !hand_on(worker, number))
            return number;
    }
    return 0;
}

static void read_code(struct worker *worker)
{
    uint8_t code;
    const ssize_t got = worker->told_fd < 0 ? -1 : read(worker->told_fd, &code, sizeof code);
    if (got == (ssize_t)sizeof code) {
        worker->told = true;
        worker->code = code;
        worker->told_ms = now_ms();
    }
    if (got >= 0) {
        close(worker->told_fd);
        worker->told_fd = -1; /* poll passes over it */
    }
}

/* What a child that has ended came to. A signal that was handed on needs no words. */
static enum exit_code judge(const struct worker *worker, int status)
{
    if (worker->told)
        return (enum exit_code)worker->code;
    if (WIFEXITED(status))
        return (enum exit_code)WEXITSTATUS(status);
    const int number = WTERMSIG(status);
    if (number == worker->asked)
        return end_by(number);
    fprintf(stderr, "b10-compile-cache: error: the working process was ended by signal %d (%s)\n",
            number, strsignal(number));
    return (enum exit_code)(EXIT_CODE_SIGNAL + number);
}

/* Milliseconds until the child need not be waited for any more, -1 while it must. */
static int patience_ms(const struct worker *worker)
{
    if (!worker->told)
        return -1;
    const int64_t left = worker->told_ms + FAREWELL_MS - now_ms();
    return left > 0 ? (int)left : 0;
}

static enum exit_code be_parent(struct worker *worker)
{
    for (;;) {
        int status;
        struct pollfd ready[] = {{.fd = worker->signals_fd, .events = POLLIN},
                                 {.fd = worker->told_fd, .events = POLLIN}};
        const int patience = patience_ms(worker);
        (void)!poll(ready, 2, patience);
        const int at_once = read_signals(worker);
        if (at_once != 0)
            return end_by(at_once);
        const bool ended = waitpid(worker->child, &status, WNOHANG) == worker->child;
        read_code(worker);
        if (ended)
            return judge(worker, status);
        if (patience == 0) {
            kill(worker->child, SIGKILL); /* it ends when the volume answers */
            return (enum exit_code)worker->code;
        }
    }
}

/* ---- both ---- */

/* Blocks what the parent waits for; `before` is the mask that the child works with. A blocked signal
 * comes even if it is ignored, hence only those that are not. */
static int take_signals(sigset_t *before)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    sigset_t taken;
    sigemptyset(&taken);
    sigaddset(&taken, SIGCHLD);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (!is_ignored(numbers[i]))
            sigaddset(&taken, numbers[i]);
    }
    const int fd = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
    sigprocmask(SIG_BLOCK, fd >= 0 ? &taken : NULL, before);
    return fd;
}

static enum exit_code work_here(enum exit_code (*work)(const struct options *options),
                                const struct options *options, bool stops_cleanly)
{
    if (stops_cleanly)
        signals_install(true);
    return work(options);
}

enum exit_code worker_run(enum exit_code (*work)(const struct options *options),
                          const struct options *options, bool stops_cleanly)
{
    int tell[2];
    sigset_t before;
    const pid_t self = getpid();
    if (pipe2(tell, O_CLOEXEC | O_NONBLOCK) != 0)
        return work_here(work, options, stops_cleanly);
    signal(SIGCHLD, SIG_DFL); /* ignored, it would leave no exit status */
    struct worker worker = {.told_fd = tell[0], .signals_fd = take_signals(&before)};
    worker.child = worker.signals_fd < 0 ? -1 : fork();
    if (worker.child == 0) {
        close(tell[0]);
        close(worker.signals_fd);
        if (stops_cleanly)
            signals_install(false);
        worker_follow(self);
        sigprocmask(SIG_SETMASK, &before, NULL);
        be_child(work, options, tell[1]);
    }
    close(tell[1]);
    if (worker.child > 0)
        return be_parent(&worker);
    close(tell[0]);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return work_here(work, options, stops_cleanly);
}
