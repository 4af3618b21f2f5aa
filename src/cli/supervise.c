#include "cli/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/terminal.h"
#include "cli/worker.h"

enum { CODE_CANNOT = 126, CODE_NOT_FOUND = 127, CODE_SIGNAL = 128 };

static const int own_signals[] = {SIGFPE,  SIGILL, SIGSEGV, SIGBUS,  SIGABRT,
                                  SIGTRAP, SIGSYS, SIGPIPE, SIGKILL, SIGSTOP};

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

/* ---- the command ---- */

static _Noreturn void be_command(const struct supervisor *supervisor, char *const *argv,
                                 const struct relay *relay, pid_t parent, int tell)
{
    setpgid(0, 0);
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
    supervisor->had_terminal = false;
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
    supervisor->pid = 0;
    return false;
}

/* ---- what comes ---- */

static void note_end(struct supervisor *supervisor, int status)
{
    supervisor->had_terminal = terminal_is_of(supervisor->pid);
    if (supervisor->had_terminal)
        terminal_give(getpgrp());
    supervisor->pid = 0;
    supervisor->ended = true;
    supervisor->status = status;
}

static void let_go_on(const struct supervisor *supervisor, bool with_terminal)
{
    if (with_terminal && terminal_is_of(getpgrp()))
        terminal_give(supervisor->pid);
    kill(-supervisor->pid, SIGCONT);
}

/* By the terminal, or on its account: a job that reads is let if the job is in front, every other stop is
 * the whole job's. What continues us then is handed on, as any signal is. */
static void note_stop(const struct supervisor *supervisor, int number)
{
    const bool needs_terminal = number == SIGTTIN || number == SIGTTOU;
    if (number == SIGSTOP || !terminal_exists())
        return;
    if (needs_terminal && terminal_is_of(getpgrp())) {
        let_go_on(supervisor, true);
        return;
    }
    const bool had_terminal = terminal_is_of(supervisor->pid);
    if (had_terminal)
        terminal_give(getpgrp());
    terminal_stop_group(number);
    if (number == SIGTSTP || terminal_is_of(getpgrp()))
        let_go_on(supervisor, had_terminal || needs_terminal);
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
            note_stop(supervisor, WSTOPSIG(status));
        else
            note_end(supervisor, status);
    }
}

bool supervise_is_end(int number)
{
    return number == SIGTERM || number == SIGINT || number == SIGHUP || number == SIGQUIT;
}

/* The kernel sends these for what another process of our group did. */
static bool is_anothers(const struct signalfd_siginfo *info)
{
    return (info->ssi_signo == SIGTTIN || info->ssi_signo == SIGTTOU) && info->ssi_code > 0;
}

int supervise_next(struct supervisor *supervisor)
{
    struct signalfd_siginfo info;
    if (read(supervisor->signals_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return 0;
    const int number = (int)info.ssi_signo;
    if (number == SIGCHLD) {
        reap(supervisor);
    } else if (supervisor->pid > 0 && !is_anothers(&info)) {
        kill(-supervisor->pid, number);
        sigaddset(&supervisor->handed_on, number);
    } else if (number == SIGTSTP) {
        terminal_stop_self(number);
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

/* The terminal's keys went past us. */
static bool was_asked_by_terminal(const struct supervisor *supervisor)
{
    const int number = supervise_code(supervisor) - CODE_SIGNAL;
    return supervisor->had_terminal && number > 0 && supervise_is_end(number);
}

static bool was_asked(const struct supervisor *supervisor)
{
    static const int ends[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    const int status = supervisor->status;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (sigismember(&supervisor->handed_on, ends[i]) == 1)
            return true;
    if (was_asked_by_terminal(supervisor))
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
