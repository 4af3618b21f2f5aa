/* Job control for a process that starts a command in a process group of its own: who the terminal
 * listens to, and how to be stopped as the shell expects.
 *
 * The terminal is the controlling one, wherever stdin leads. All of it does nothing without one. The
 * caller blocks or ignores SIGTTOU: who is in the background may not say otherwise who is in front.
 * Threads: any.
 */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>
#include <sys/types.h>

bool terminal_exists(void);

/* Whether the group is in the foreground. */
bool terminal_is_of(pid_t group);

void terminal_give(pid_t group);

/* Stops our whole group as the signal would, and returns once it is continued: the shell waits for
 * every process of the job. At once where nobody could continue it: an orphaned group. */
void terminal_stop_group(int number);

/* The same for us alone. */
void terminal_stop_self(int number);

#endif
