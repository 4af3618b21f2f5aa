/* A subcommand in a child process, so that a volume that hangs holds nobody who waits for this one.
 *
 *     run ──▶ fork ──▶ child: the work ──▶ output handed over ──▶ its exit code told ──▶ exit
 *              │                                                     │
 *              └── parent: waits, hands signals on ◀─────────────────┘ ──▶ a moment for the child ──▶ exit
 *
 * A thread inside a system call on a hung volume cannot be killed, and the exit of its process waits
 * for it. So the process that was started touches no disk: it only waits, and once the child has told
 * its exit code it leaves, whether the child can follow or not.
 *
 * SIGINT, SIGTERM and SIGHUP go to the child, once, however often a terminal or a process group
 * delivers them too; the same one again ends both at once. What is ignored stays ignored. A parent
 * that is killed takes its child along.
 * Threads: none may exist yet.
 */
#ifndef CLI_WORKER_H
#define CLI_WORKER_H

#include <stdbool.h>
#include <sys/types.h>

#include "cli/command.h"

/* `work` returns the exit code once everything is printed and stdout is closed.
 * stops_cleanly: signals ask the work to stop (signals.h); otherwise they just end it.
 * Where no process can be had the work is done in this one. */
enum exit_code worker_run(enum exit_code (*work)(const struct options *options),
                          const struct options *options, bool stops_cleanly);

/* In any child: when `parent` dies it is asked to stop. */
void worker_follow(pid_t parent);

/* In any child, before it may be left behind: whoever reads our output does not wait for it. */
void worker_leave_output(void);

#endif
