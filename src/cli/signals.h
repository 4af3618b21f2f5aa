/* SIGINT, SIGTERM and SIGHUP ask a running operation to stop and clean up; the same signal again
 * ends it at once.
 *
 * The handler stores a number and nothing else; the progress callback, which the library calls
 * about every 100 ms, looks at it. A signal that the parent process ignores stays ignored
 * (nohup, `command &` in a script).
 */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

void signals_install(void);

/* The signal that asked to stop, 0 if none did. */
int signals_caught(void);

#endif
