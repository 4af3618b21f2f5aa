/* SIGINT, SIGTERM and SIGHUP ask a running operation to stop and clean up.
 *
 * The handler stores a number and nothing else; the progress callback, which the library calls
 * about every 100 ms, looks at it. A signal that the parent process ignores stays ignored
 * (nohup, `command &` in a script).
 */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include <stdbool.h>

/* again_ends: the same signal again ends this process at once; else whoever watches over it does
 * that (worker.h). */
void signals_install(bool again_ends);

/* The signal that asked to stop, 0 if none did. */
int signals_caught(void);

#endif
