#include "cli/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/worker.h"

enum { CODE_CANNOT = 126, CODE_NOT_FOUND = 127, CODE_SIGNAL = 128 };

static const int own_signals[] = {SIGFPE, SIGILL,  SIGSEGV, SIGBUS,  SIGABRT, SIGTRAP,
                                  SIGSYS, SIGTTIN, SIGTTOU, SIGPIPE, SIGKILL, SIGSTOP};

static bool is_ignored(int number)
{
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

bool supervise_init(struct supervisor *supervisor, bool pipe_ignored)
{
    sigset_t taken;
    *supervisor = (struct supervisor){.pipe_ignored = pipe_ignored};
    (void)!prctl(PR_SET_CHILD_SUBREAPER, 1); /* the first of a namespace is one anyway */
    signal(SIGCHLD, SIG_DFL);                /* ignored, it would leave no exit status */
    sigfillset(&taken);
    for (size_t i = 0; i < sizeof own_signals / sizeof own_signals[0]; i++)
        sigdelset(&taken, own_signals[i]);
    for (int number = 1; number < NSIG; number++)
        if (is_ignored(number))
            sigdelset(&taken, number);
    supervisor->signals_fd = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
    sigprocmask(SIG_BLOCK, supervisor->signals_fd >= 0 ? &taken : NULL, &supervisor->before);
    return supervisor->signals_fd >= 0;
}

/* ---- the terminal ---- */

/* Who is not in the foreground may not say who is, unless it ignores SIGTTOU. */
static void give_terminal(pid_t group)
{
    void (*before)(int) = signal(SIGTTOU, SIG_IGN);
    (void)!tcsetpgrp(STDIN_FILENO, group);
    signal(SIGTTOU, before);
}

static bool has_terminal(void)
{
    return isatty(STDIN_FILENO) != 0 && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

/* Ctrl-Z: the shell waits for us. */
static void stop_with_it(struct supervisor *supervisor)
{
    if (!supervisor->has_terminal)
        return;
    give_terminal(getpgrp());
    raise(SIGSTOP);
    if (has_terminal())
        give_terminal(supervisor->pid);
    kill(-supervisor->pid, SIGCONT);
}

/* ---- the command ---- */

static _Noreturn void be_command(const struct supervisor *supervisor, char *const *argv,
                                 const struct relay *relay, pid_t parent, int tell)
{
    setpgid(0, 0);
    if (supervisor->has_terminal)
        give_terminal(getpid());
    relay_put_in_place(relay);
    signal(SIGPIPE, supervisor->pipe_ignored ? SIG_IGN : SIG_DFL);
    worker_follow(parent);
    sigprocmask(SIG_SETMASK, &supervisor->before, NULL);
    execvp(argv[0], argv);
    const int failed = errno;
    (void)!write(tell, &failed, sizeof failed);
    _exit(failed == ENOENT ? CODE_NOT_FOUND : CODE_CANNOT);
}

static void fork_command(struct supervisor *supervisor, char *const *argv,
                         const struct relay *relay, const int tell[2])
{
    const pid_t self = getpid();
    supervisor->pid = fork();
    if (supervisor->pid == 0) {
        close(tell[0]);
        be_command(supervisor, argv, relay, self, tell[1]);
    }
    if (supervisor->pid > 0)
        setpgid(supervisor->pid, supervisor->pid); /* whoever comes first */
    else
        supervisor->exec_error = errno;
}

bool supervise_start(struct supervisor *supervisor, char *const *argv, const struct relay *relay)
{
    int tell[2];
    int failed = 0;
    supervisor->ended = false;
    sigemptyset(&supervisor->handed_on);
    supervisor->status = supervisor->exec_error = 0;
    supervisor->has_terminal = has_terminal();
    if (pipe2(tell, O_CLOEXEC) != 0) {
        supervisor->exec_error = errno;
        return false;
    }
    fork_command(supervisor, argv, relay, tell);
    close(tell[1]);
    while (read(tell[0], &failed, sizeof failed) < 0 && errno == EINTR)
        ;
    close(tell[0]);
    if (failed != 0)
        supervisor->exec_error = failed;
    if (supervisor->exec_error == 0)
        return true;
    if (supervisor->pid > 0)
        waitpid(supervisor->pid, NULL, 0);
    if (supervisor->has_terminal)
        give_terminal(getpgrp());
    supervisor->pid = 0;
    return false;
}

/* ---- what comes ---- */

static void note_end(struct supervisor *supervisor, int status)
{
    supervisor->pid = 0;
    supervisor->ended = true;
    supervisor->status = status;
    if (supervisor->has_terminal)
        give_terminal(getpgrp());
}

static void reap(struct supervisor *supervisor)
{
    for (;;) {
        int status;
        const pid_t pid = waitpid(-1, &status, WNOHANG | WUNTRACED);
        if (pid <= 0)
            return;
        if (pid != supervisor->pid)
            continue;
        if (WIFSTOPPED(status))
            stop_with_it(supervisor);
        else
            note_end(supervisor, status);
    }
}

bool supervise_is_end(int number)
{
    return number == SIGTERM || number == SIGINT || number == SIGHUP || number == SIGQUIT;
}

int supervise_next(struct supervisor *supervisor)
{
    struct signalfd_siginfo info;
    if (read(supervisor->signals_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return 0;
    const int number = (int)info.ssi_signo;
    if (number == SIGCHLD) {
        reap(supervisor);
    } else if (supervisor->pid > 0) {
        kill(-supervisor->pid, number);
        sigaddset(&supervisor->handed_on, number);
    }
    return number;
}

int supervise_code(const struct supervisor *supervisor)
{
    if (supervisor->exec_error != 0)
        return supervisor->exec_error == ENOENT ? CODE_NOT_FOUND : CODE_CANNOT;
    return WIFSIGNALED(supervisor->status) ? CODE_SIGNAL + WTERMSIG(supervisor->status)
                                           : WEXITSTATUS(supervisor->status);
}

static bool was_asked(const struct supervisor *supervisor)
{
    static const int ends[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    const int status = supervisor->status;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (sigismember(&supervisor->handed_on, ends[i]) == 1)
            return true;
    return WIFSIGNALED(status) && sigismember(&supervisor->handed_on, WTERMSIG(status)) == 1;
}

bool supervise_failed(const struct supervisor *supervisor)
{
    return supervisor->ended && !was_asked(supervisor) && supervise_code(supervisor) != 0;
}

void supervise_kill_rest(pid_t group)
{
    if (group > 0)
        kill(-group, SIGKILL);
}
