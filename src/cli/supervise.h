/* A command run as an init process runs it: in a process group of its own, which gets every signal that
 * we get; whatever becomes an orphan is reaped; how it ended is told.
 *
 *     supervise_init ──▶ supervise_start ──▶ (poll supervisor.signals_fd) ──▶ supervise_next … ──▶ ended
 *                              └── again, for another start ◀──┘
 *
 * Not handed on: SIGKILL and SIGSTOP, which cannot be; SIGCHLD; what the kernel sends for a fault of our
 * own; SIGPIPE; and what was ignored when we were started, which the command ignores as well. When we
 * die the command gets SIGTERM (PR_SET_PDEATHSIG).
 *
 * On a terminal the shell's job is our group, and stays in the foreground: its keys reach us, and through
 * us the command, once. A command that wants the terminal itself is stopped by the kernel (SIGTTIN,
 * SIGTTOU); if the job is in front it gets the terminal and goes on, from then on hears the keys itself, and gives
 * it back by ending. A command that the terminal stops takes the whole job along, as the shell expects;
 * what continues the job continues the command.
 * Threads: none may exist.
 */
#ifndef CLI_SUPERVISE_H
#define CLI_SUPERVISE_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "cli/relay.h"

struct supervisor {
    pid_t pid;       /* of the command and of its group; 0: it does not run */
    int signals_fd;  /* owned */
    sigset_t before; /* mask that we were started with */
    bool pipe_ignored;
    bool ended;
    bool had_terminal;  /* then: its group was in the foreground */
    int status;         /* as from waitpid */
    int exec_error;     /* errno: it could not be executed; 0 */
    sigset_t handed_on; /* since it was started */
};

/* Takes the signals. pipe_ignored: SIGPIPE was ignored when we were started. False: errno says why. */
bool supervise_init(struct supervisor *supervisor, bool pipe_ignored);

/* False: it cannot be executed, supervisor->exec_error says why. */
bool supervise_start(struct supervisor *supervisor, char *const *argv, const struct relay *relay);

/* What has come: the next signal that is for us, 0 if none is left. SIGCHLD stands for children that
 * are reaped already; a signal that was handed on is returned, too. */
int supervise_next(struct supervisor *supervisor);

/* Whether the signal asks a process to end. */
bool supervise_is_end(int number);

/* The exit code that says how it ended: its own, 128 plus the signal's number, 126 or 127. */
int supervise_code(const struct supervisor *supervisor);

/* It ended as nobody had asked it to: other than with 0, or by a signal that neither we nor a key of
 * its terminal sent. */
bool supervise_failed(const struct supervisor *supervisor);

/* What is left of its group, once it has ended. */
void supervise_kill_rest(pid_t group);

#endif
